"""Movesense HR+, HR2, Flash and MD over the GATT Sensor Data Protocol."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import suppress
from typing import Final

from firmware_profiles.base import (
    Advertisement,
    ConfigurationError,
    ProfileInfo,
    Quantity,
    Refusal,
    Step,
    StreamRequest,
    Subscribe,
    Unsubscribe,
    Write,
)
from firmware_profiles.movesense_captures import MovesenseCaptureDecoder, captured
from firmware_profiles.movesense_gsp import (
    COMMANDS_UUID,
    DATA_UUID,
    RATES_HZ,
    RESPONSE,
    GspDecoder,
)
from firmware_profiles.movesense_notes import STATUS, status_of

_MIN_MTU: Final = 161
_HIGH_RATE_HZ: Final = 208.0
"""Rates from here on count as high for the rule to discard the first packet."""

_HELLO, _SUBSCRIBE, _UNSUBSCRIBE, _PUT_UTCTIME = 0, 1, 2, 8
# one reference per command, so that a late answer is never taken for another's
_HELLO_REFERENCE, _UTCTIME_REFERENCE, _STREAM_REFERENCE = 1, 2, 99

_WORKED: Final = frozenset({200, 202})
_RESTART: Final = "take the battery out and put it back, then try again"
_ADVICE: Final = {
    400: "update the sensor's firmware to 2.3 or newer",
    404: "choose another rate or update its firmware",
    409: "stop logging with the vendor's app, then try again",
    429: _RESTART,
    500: _RESTART,
    501: "update the sensor's firmware to 2.3 or newer",
    503: "wait some seconds and try again",
    507: "clear its log book with the vendor's app",
}


class Movesense:
    """The profile of the Movesense family."""

    info = ProfileInfo(
        id="movesense",
        label="Movesense HR+, HR2, Flash, MD",
        vendor="Movesense",
        sources=(
            "https://www.movesense.com/docs/esw/gatt_sensordata_protocol",
            "github.com/alexisduque/movesense-device-lib at 07177ff: samples/gatt_sensordata_app",
            "github.com/sensein/movesense-py at 800da2a: captured packets",
            "github.com/sokolmarek/movesense-commander at 216f762: captured packets of a Flash",
        ),
        characteristics=(COMMANDS_UUID, DATA_UUID),
        requires_mtu=_MIN_MTU,
        rates_hz=RATES_HZ,
        accel_ranges_g=(),
        gyro_ranges_dps=(),
        quantities=(Quantity.ACCEL, Quantity.GYRO),
        timestamp=(
            "first sample of a packet; 32-bit milliseconds since boot; wraps after 49.7 days "
            "(undone); restarts with the sensor; 1 ms resolution"
        ),
        loss_detection=(
            "step between stamps against samples per packet, and completeness of packet parts"
        ),
        battery="Battery Service (2A19), a coarse estimate from the voltage",
        records_offline=True,
        placement_advice=(
            "chest strap at the sternum, or a skin patch or belt clip at T12; logo outwards, "
            "the same way up every day"
        ),
        axes="not documented by the vendor and not verified on a bench: calibrate after mounting",
        bench_verified=False,
        refusals=tuple(
            Refusal(str(code), meaning, _ADVICE.get(code, _RESTART))
            for code, meaning in STATUS.items()
            if code not in _WORKED
        ),
        quirks=(
            "Needs firmware 2.3 or newer (HR2, Flash) or 1.0 (MD) with the GATT Sensor Data "
            "Protocol.",
            "Measuring ranges are fixed by the firmware and cannot be changed over this protocol.",
            "A disconnect drops the subscription without notice: subscribe after every connect.",
            "Status 429 (resources exhausted) goes away only with a restart.",
            "Old firmware sent a corrupt first packet at high rates: from "
            f"{_HIGH_RATE_HZ:g} Hz on the first packet is discarded.",
            "Its clock falls back to 2015 without power: UTC is set at every connect.",
        ),
    )

    def matches(self, advertisement: Advertisement) -> bool:
        # FDF3 is in the advertisement too, but belongs to the maker, not to this product
        return (advertisement.name or "").startswith("Movesense ")

    def configure(
        self, request: StreamRequest, mtu: int
    ) -> Generator[Step, bytes | None, GspDecoder]:
        if mtu < _MIN_MTU:
            raise ConfigurationError(
                f"the connection carries {mtu} bytes at once, this sensor needs {_MIN_MTU}",
                "use a Bluetooth adapter that negotiates a larger MTU",
            )
        rate_hz = min(RATES_HZ, key=lambda rate: abs(rate - request.rate_hz))
        path = f"/Meas/IMU6/{rate_hz:.0f}"
        yield Subscribe(DATA_UUID)
        hello = yield from _command(_HELLO, _HELLO_REFERENCE)
        if request.host_utc_us is not None:
            utc_us = request.host_utc_us.to_bytes(8, "little")
            # its clock only matters for log books: a refusal does not stop a live stream
            with suppress(ConfigurationError):
                yield from _command(_PUT_UTCTIME, _UTCTIME_REFERENCE, utc_us)
        answer = yield from _command(_SUBSCRIBE, _STREAM_REFERENCE, path.encode())
        _check(answer)
        return GspDecoder(
            path,
            _STREAM_REFERENCE,
            discard_first=rate_hz >= _HIGH_RATE_HZ,
            firmware=_firmware(hello),
        )

    def stop(self) -> Generator[Step, bytes | None, None]:
        # no answer: it is silent already, and the disconnect drops the subscription as well
        with suppress(ConfigurationError):
            yield from _command(_UNSUBSCRIBE, _STREAM_REFERENCE)
        yield Unsubscribe(DATA_UUID)

    def decoder(self, config: Mapping[str, object]) -> MovesenseCaptureDecoder:
        return captured(config)


def _command(
    code: int, reference: int, payload: bytes = b""
) -> Generator[Step, bytes | None, bytes]:
    """Send one command; its answer without kind and reference. Raises ConfigurationError."""

    def is_answer(data: bytes) -> bool:
        return data[:2] == bytes((RESPONSE, reference))

    try:
        answer = yield Write(
            COMMANDS_UUID,
            bytes((code, reference)) + payload,
            reply_on=DATA_UUID,
            reply=is_answer,
        )
    except TimeoutError:
        raise ConfigurationError(
            f"the sensor does not answer command {code}",
            "check that its firmware is 2.3 or newer and that no app is connected to it",
        ) from None
    return (answer or b"")[2:]


def _check(answer: bytes) -> None:
    """Raise ConfigurationError unless the status in `answer` says that it worked."""
    status = status_of(answer)
    if status in _WORKED:
        return
    told = int.from_bytes(answer[:2], "little") if status is None else status
    reason = STATUS.get(told, "the status is not documented")
    raise ConfigurationError(
        f"the sensor refused to stream with status {told}: {reason}", _ADVICE.get(told, _RESTART)
    )


def _firmware(hello: bytes) -> str | None:
    """App name and version: fields 4 and 5 after the protocol version byte."""
    fields = hello[1:].split(b"\0")
    if len(fields) < 5:
        return None
    return b" ".join(fields[3:5]).decode("ascii", "replace").strip()[:64] or None
