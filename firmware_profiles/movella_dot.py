"""Movella (Xsens) DOT: acceleration and rotation in payload mode 21."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Final

from firmware_profiles.base import (
    Advertisement,
    ConfigurationError,
    DecodeError,
    Event,
    ProfileInfo,
    Quantity,
    Read,
    Recording,
    Step,
    StreamRequest,
    Subscribe,
    Unsubscribe,
    Write,
)
from firmware_profiles.movella_dot_notes import (
    BATTERY_UUID,
    CHARACTERISTICS,
    CONTROL_UUID,
    INFO_UUID,
    REFUSALS,
    REPORT_UUID,
    SETTINGS_UUID,
    battery,
    control_bytes,
    firmware,
    output_rate_hz,
    rate_settings,
)
from firmware_profiles.movella_dot_payload import MEDIUM_UUID, RATE_MODE, DotDecoder, ModeError
from firmware_profiles.movella_dot_recording import RecordingDecoder, forget, recall, record

_RATES_HZ: Final = (1.0, 4.0, 10.0, 12.0, 15.0, 20.0, 30.0, 60.0)
_MIN_MTU: Final = 43
_NAMES: Final = ("Xsens DOT", "Movella DOT")
_RESTART: Final = (
    "stop its recording or export with the vendor's app, or switch it off and on, then try again"
)


class MovellaDot:
    """The profile of the Movella DOT, formerly Xsens DOT."""

    info = ProfileInfo(
        id="movella_dot",
        label="Movella (Xsens) DOT",
        vendor="Movella",
        sources=(
            "Xsens DOT BLE Services Specifications XD0506P revision F and Xsens DOT User Manual, "
            "in github.com/adamkewley/xdc at 5d19097",
            "github.com/xsens/xsens_dot_server at 364d521",
            "github.com/njanssen/node-movella-dot at 3c55c3a",
            "github.com/protobioengineering/xsens-dot-python-examples at 3ddc1b2: captured packets",
        ),
        characteristics=CHARACTERISTICS,
        requires_mtu=_MIN_MTU,
        rates_hz=_RATES_HZ,
        accel_ranges_g=(),
        gyro_ranges_dps=(),
        quantities=(Quantity.ACCEL, Quantity.GYRO),
        timestamp=(
            "its one sample; 32-bit microseconds since power-on; wraps after 71.6 minutes "
            "(undone); restarts with the sensor"
        ),
        loss_detection="step between stamps, one sample each; there is no counter",
        battery="its own characteristic (15173001): percent and whether it charges",
        records_offline=True,
        backfills=True,
        placement_advice=(
            "adhesive or strap at the sternum, T12 or the lower back, the same way up every day"
        ),
        axes=(
            "right-handed, x, y and z are drawn on the housing; which way they lie when worn is "
            "not verified on a bench: calibrate after mounting"
        ),
        bench_verified=False,
        refusals=REFUSALS,
        quirks=(
            "Measuring ranges are fixed.",
            "The payload mode cannot change while it measures, and some units ask for a power "
            "cycle after a change: a measurement that still runs is stopped first, and what was "
            "set is read back.",
            "Mode 21 is used: acceleration with gravity and rotation in the sensor's own frame; "
            "orientation and free acceleration of other modes are only shown.",
            "Filling gaps from its memory (--backfill): the specification does not say whether it "
            "records while it measures, this is not verified on a unit; a recording is read out "
            "whole, the sensor does not measure meanwhile, and its memory is cleared only when "
            "nothing of others was in it.",
            "120 Hz is for recordings inside the sensor, not for live streams.",
            "Left alone it sleeps after 10 minutes without a connection, or 30 minutes connected "
            "and idle; it switches off below 2 % of charge and says so.",
            "All units advertise the same name: tell them apart by address.",
            "High-fidelity modes (1, 17, 25) can be unpacked only by the vendor's program.",
        ),
    )

    def matches(self, advertisement: Advertisement) -> bool:
        return (advertisement.name or "").startswith(_NAMES)

    def configure(
        self, request: StreamRequest, mtu: int
    ) -> Generator[Step, bytes | None, DotDecoder]:
        if mtu < _MIN_MTU:
            raise ConfigurationError(
                f"the connection carries {mtu} bytes at once, this sensor needs {_MIN_MTU}",
                "use a Bluetooth adapter that negotiates a larger MTU",
            )
        version = firmware((yield Read(INFO_UUID)) or b"")
        state = (yield Read(CONTROL_UUID)) or b""
        if len(state) >= 3 and state[1]:  # left over from before a lost link, or an app's
            yield Write(CONTROL_UUID, control_bytes(False, state[2]))
        rate_hz = _nearest_rate_hz(request)
        yield Write(SETTINGS_UUID, rate_settings(int(rate_hz)))
        found = output_rate_hz((yield Read(SETTINGS_UUID)) or b"")
        if found != rate_hz:
            raise ConfigurationError(f"the sensor keeps {found} Hz, not {rate_hz:g} Hz", _RESTART)
        yield Subscribe(REPORT_UUID)
        yield Subscribe(BATTERY_UUID)
        yield Subscribe(MEDIUM_UUID)
        start = control_bytes(True, RATE_MODE)
        yield Write(CONTROL_UUID, start)
        state = (yield Read(CONTROL_UUID)) or b""
        if state[:3] != start:
            raise ConfigurationError(
                f"the sensor does not start to measure, its state is {state[:3].hex()!r}", _RESTART
            )
        level = (yield Read(BATTERY_UUID)) or b""
        return DotDecoder(RATE_MODE, rate_hz, version, first_events=_battery_events(level))

    def stop(self) -> Generator[Step, bytes | None, None]:
        yield Write(CONTROL_UUID, control_bytes(False, RATE_MODE))
        for uuid in (MEDIUM_UUID, BATTERY_UUID, REPORT_UUID):
            yield Unsubscribe(uuid)

    def record(
        self, request: StreamRequest, mtu: int
    ) -> Generator[Step, bytes | None, Recording | None]:
        state = (yield Read(CONTROL_UUID)) or b""
        if len(state) >= 3 and state[1]:
            yield Write(CONTROL_UUID, control_bytes(False, state[2]))
        rate_hz = _nearest_rate_hz(request)
        yield Write(SETTINGS_UUID, rate_settings(int(rate_hz)))
        return (yield from record(rate_hz, mtu, request.host_utc_us))

    def recall(self, recording: Recording) -> Generator[Step, bytes | None, RecordingDecoder]:
        state = (yield Read(CONTROL_UUID)) or b""
        if len(state) >= 3 and state[1]:
            yield Write(CONTROL_UUID, control_bytes(False, state[2]))
        return (yield from recall(recording))

    def forget(self, recording: Recording) -> Generator[Step, bytes | None, None]:
        yield from forget(recording)

    def decoder(self, config: Mapping[str, object]) -> DotDecoder:
        """Keys: mode (payload mode, 21 when missing), rate_hz."""
        try:
            mode = int(str(config.get("mode", RATE_MODE)))
            rate_hz = float(str(config.get("rate_hz", _RATES_HZ[-1])))
            if not 0 < rate_hz < 1e5:
                raise ValueError(f"rate_hz is {rate_hz}")
            return DotDecoder(mode, rate_hz, finds_loss="rate_hz" in config)
        except ModeError as error:
            raise ConfigurationError(str(error), "give the mode that was started") from error
        except ValueError as error:
            raise ConfigurationError(
                f"config is not usable: {error}", 'give for example {"mode": 21, "rate_hz": 60}'
            ) from error


def _nearest_rate_hz(request: StreamRequest) -> float:
    return min(_RATES_HZ, key=lambda rate: abs(rate - request.rate_hz))


def _battery_events(level: bytes) -> list[Event]:
    """The charge at the start; it is notified only when it changes."""
    try:
        return battery(level)
    except DecodeError:
        return []
