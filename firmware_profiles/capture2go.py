"""SensorStim Capture2Go IMU."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import suppress
from typing import Final

from firmware_profiles.base import (
    Advertisement,
    ConfigurationError,
    DecodeError,
    ProfileInfo,
    Quantity,
    Refusal,
    Step,
    StreamRequest,
    StreamSettings,
    Subscribe,
    Unsubscribe,
    Write,
)
from firmware_profiles.capture2go_decoder import (
    ACCEL_RANGE_G,
    GYRO_RANGE_DPS,
    RX_UUID,
    TX_UUID,
    Capture2GoDecoder,
)
from firmware_profiles.capture2go_packages import (
    ABSOLUTE_TIME,
    DEVICE_INFO,
    ERROR,
    ERRORS,
    GET_DEVICE_INFO,
    MEASUREMENT_MODE,
    MEASUREMENT_MODE_DATA,
    SAMPLING_HZ,
    SET_ABSOLUTE_TIME,
    SET_MEASUREMENT_MODE,
    START_STREAMING,
    STOP_AND_CLEAR,
    STOP_STREAMING,
    STOPPED_AND_CLEARED,
    STREAMING_STARTED,
    STREAMING_STOPPED,
    Package,
    PackageStream,
    build,
    split_notification,
)

SERVICE_UUID: Final = "80030001-e629-4c98-9324-aa7fc0c66de7"
_MIN_MTU: Final = 41
"""The measurement mode is one write of 38 bytes."""
_STATUS_INTERVAL_S: Final = 60
_PACKED_6D: Final = 0x0230
_QUANTITIES: Final = (Quantity.GYRO, Quantity.ACCEL)
_FIRMWARE: Final = slice(24, 36)
"""Bytes of the firmware version in the device information."""


class Capture2Go:
    """The profile of the Capture2Go IMU."""

    info = ProfileInfo(
        id="capture2go",
        label="SensorStim Capture2Go IMU",
        vendor="SensorStim Neurotechnology",
        sources=(
            "github.com/sensorstim/capture2go_sdk at 7434937: protocol document (MIT licence), SDK",
        ),
        characteristics=(RX_UUID, TX_UUID),
        requires_mtu=_MIN_MTU,
        rates_hz=tuple(sorted(SAMPLING_HZ.values())),
        accel_ranges_g=(ACCEL_RANGE_G,),
        gyro_ranges_dps=(GYRO_RANGE_DPS,),
        quantities=_QUANTITIES,
        timestamp=(
            "first sample of a package; 64-bit nanoseconds, UTC once the agent has set it at the "
            "start of the connection; no wrap"
        ),
        loss_detection="step between stamps against samples per package, and a CRC per package",
        battery="status package once a minute",
        records_offline=True,
        placement_advice="in a tight belt clip at T12 or on a chest strap at the sternum",
        axes="not documented by the vendor and not verified on a bench: calibrate after mounting",
        bench_verified=False,
        refusals=tuple(
            Refusal(f"{code:02X}", meaning, advice) for code, (meaning, advice) in ERRORS.items()
        ),
        quirks=(
            "Its g is 9.81 m/s2.",
            "Ranges are fixed at 16 g and 2000 deg/s; the bias of the gyroscope is taken off by "
            "the sensor.",
            "It streams on into its buffer after a lost link: the buffer is cleared at every "
            "connect, because it begins in the middle of a package.",
            "The magnetometer is left out of the live stream: nothing here uses it, and packages "
            "are a third smaller.",
            "Only live packages are used; the real-time channel leaves samples out when the radio "
            "is busy.",
        ),
    )

    def matches(self, advertisement: Advertisement) -> bool:
        return SERVICE_UUID in advertisement.service_uuids

    def configure(
        self, request: StreamRequest, mtu: int
    ) -> Generator[Step, bytes | None, Capture2GoDecoder]:
        if mtu < _MIN_MTU:
            raise ConfigurationError(
                f"the connection carries {mtu} bytes at once, this sensor needs {_MIN_MTU}",
                "use a Bluetooth adapter that negotiates a larger MTU",
            )
        mode = min(SAMPLING_HZ, key=lambda mode: abs(SAMPLING_HZ[mode] - request.rate_hz))
        yield Subscribe(TX_UUID)
        yield from _command(STOP_AND_CLEAR, STOPPED_AND_CLEARED)
        info = yield from _command(GET_DEVICE_INFO, DEVICE_INFO)
        if request.host_utc_us is not None:
            utc_ns = (request.host_utc_us * 1000).to_bytes(8, "little", signed=True)
            yield from _command(SET_ABSOLUTE_TIME, ABSOLUTE_TIME, utc_ns)
        wanted = _measurement_mode(mode)
        told = yield from _command(SET_MEASUREMENT_MODE, MEASUREMENT_MODE_DATA, wanted)
        if told[8:] != wanted[8:]:  # behind the time at which it begins
            raise ConfigurationError(
                f"the sensor measures as {told[8:].hex()}, {wanted[8:].hex()} was asked for",
                "update its firmware with the vendor's app",
            )
        yield from _command(START_STREAMING, STREAMING_STARTED)
        firmware = info[_FIRMWARE].split(b"\0")[0].decode("ascii", "replace") or None
        return _decoder(SAMPLING_HZ[mode], firmware, only=_PACKED_6D | mode, details=False)

    def stop(self) -> Generator[Step, bytes | None, None]:
        # no answer: it may be out of reach; the buffer is cleared at the next connect
        with suppress(ConfigurationError):
            yield from _command(STOP_STREAMING, STREAMING_STOPPED)
        yield Unsubscribe(TX_UUID)

    def decoder(self, config: Mapping[str, object]) -> Capture2GoDecoder:
        """config: rate_hz, only for real-time packages, whose header does not tell it."""
        try:
            rate_hz = float(str(config.get("rate_hz", 50)))
        except ValueError:
            rate_hz = 0.0
        if not 0 < rate_hz <= 1000:
            raise ConfigurationError("rate_hz is not usable", 'give for example {"rate_hz": 50}')
        return _decoder(rate_hz, None, only=None, details=True)


def _decoder(
    rate_hz: float, firmware: str | None, *, only: int | None, details: bool
) -> Capture2GoDecoder:
    settings = StreamSettings(rate_hz, _QUANTITIES, ACCEL_RANGE_G, GYRO_RANGE_DPS, firmware)
    return Capture2GoDecoder(settings, only, details)


def _measurement_mode(packed_mode: int) -> bytes:
    """Packed samples without magnetometer, a status now and then, all corrections on."""
    off = 0
    return MEASUREMENT_MODE.pack(
        0, off, off, packed_mode, off, off, off, _STATUS_INTERVAL_S, 0, 0, 0, 0, off, off, 1
    )


class _Answer:
    """Recognises the answer to a command in the byte stream; it may be cut in two."""

    def __init__(self, command: int, answer: int) -> None:
        self.package: Package | None = None
        self._refusal = command.to_bytes(2, "little")
        self._answer = answer
        self._stream = PackageStream()

    def __call__(self, data: bytes) -> bool:
        try:
            _real_time, rest = split_notification(data)
        except DecodeError:
            return False
        for package in self._stream.feed(rest):
            is_refusal = package.header == ERROR and package.payload[1:] == self._refusal
            if package.header == self._answer or is_refusal:
                self.package = package
                return True
        return False


def _command(
    header: int, answer: int, payload: bytes = b""
) -> Generator[Step, bytes | None, bytes]:
    """Send one command; the payload of its answer. Raises ConfigurationError."""
    reply = _Answer(header, answer)
    try:
        yield Write(RX_UUID, build(header, payload), reply_on=TX_UUID, reply=reply)
    except TimeoutError:
        reply.package = None
    if reply.package is None:
        raise ConfigurationError(
            f"the sensor does not answer command {header:04x}",
            "switch it off and on, and check that no app is connected to it",
        )
    if reply.package.header == ERROR and len(reply.package.payload) == 3:
        code = reply.package.payload[0]
        reason, advice = ERRORS.get(code, ("not documented", "restart the sensor"))
        raise ConfigurationError(
            f"the sensor refused command {header:04x} with status {code}: {reason}", advice
        )
    return reply.package.payload
