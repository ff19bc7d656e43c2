"""Nordic Thingy:52: the raw values of its motion service."""

from __future__ import annotations

import math
import struct
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from firmware_profiles.base import (
    STANDARD_GRAVITY_MPS2,
    Advertisement,
    ConfigurationError,
    DecodeError,
    Event,
    Note,
    ProfileInfo,
    Quantity,
    Read,
    SampleRun,
    Step,
    StreamRequest,
    StreamSettings,
    Subscribe,
    Unsubscribe,
    Write,
)
from firmware_profiles.int16_layout import int16_block, int16_run
from firmware_profiles.standard import standard_events

_BASE: Final = "ef68{}-9b35-4933-9b10-52ffa9740042"
CONFIGURATION_SERVICE_UUID: Final = _BASE.format("0100")
FIRMWARE_UUID: Final = _BASE.format("0107")
CONFIG_UUID: Final = _BASE.format("0401")
RAW_UUID: Final = _BASE.format("0406")
_QUATERNION, _STEPS, _EULER, _MATRIX, _HEADING, _GRAVITY = (
    _BASE.format(short) for short in ("0404", "0405", "0407", "0408", "0409", "040a")
)
_CHARACTERISTICS: Final = (
    RAW_UUID,
    CONFIG_UUID,
    FIRMWARE_UUID,
    _QUATERNION,
    _STEPS,
    _EULER,
    _MATRIX,
    _HEADING,
    _GRAVITY,
)
_RATES_HZ: Final = (5.0, 8.0, 10.0, 20.0, 25.0, 40.0, 50.0, 100.0, 200.0)
"""Whole fractions of the motion chip's 200 Hz; the sensor takes any whole number from 5 on."""
_LSB: Final = {
    Quantity.ACCEL: STANDARD_GRAVITY_MPS2 / 1024,  # 6Q10 g
    Quantity.GYRO: math.pi / 180 / 32,  # 11Q5 deg/s
    Quantity.MAG: 1 / 16,  # 12Q4 uT
}
_CONFIG: Final = struct.Struct("<4HB")
_CONFIG_FIELDS: Final = (
    "pedometer_ms",
    "temp_comp_ms",
    "mag_comp_ms",
    "mpu_hz",
    "wake_on_motion",
)
_ADVICE: Final = "restart the Thingy, and update its firmware with Nordic's app"


class Thingy52:
    """The profile of the Thingy:52."""

    info = ProfileInfo(
        id="thingy52",
        label="Nordic Thingy:52",
        vendor="Nordic Semiconductor",
        sources=(
            "github.com/NordicSemiconductor/Nordic-Thingy52-FW at 779c630: firmware architecture",
            "devzone.nordicsemi.com 47415: packet of a unit at rest",
            "github.com/RonanB96/bluetooth-sig-python at f9ac28a",
        ),
        characteristics=_CHARACTERISTICS,
        requires_mtu=23,
        rates_hz=_RATES_HZ,
        accel_ranges_g=(),
        gyro_ranges_dps=(),
        quantities=tuple(_LSB),
        timestamp="none: samples are timed by count and arrival at the host",
        loss_detection="none: packets have neither counter nor checksum; statistical only",
        battery="Battery Service (2A19)",
        records_offline=False,
        placement_advice="in a tight belt clip at T12 or a pouch at the sternum, cover outwards",
        axes=(
            "+z out of the top cover (from a packet of a unit lying flat); x and y not verified "
            "on a bench: calibrate after mounting"
        ),
        bench_verified=False,
        quirks=(
            "A development kit: not sealed against sweat, ends of the strap are yours to make.",
            "Nordic's JavaScript library divides by other numbers (integer and fraction bits "
            "exchanged); a unit at rest shows 1 g only with the firmware's numbers, used here.",
            "Values saturate at 32 g and 1024 deg/s by their format.",
            "200 Hz needs a connection interval of 30 ms or less from the host's adapter.",
        ),
    )

    def matches(self, advertisement: Advertisement) -> bool:
        # other boards are called Thingy:53 and Thingy:91; people rename theirs
        return (
            CONFIGURATION_SERVICE_UUID in advertisement.service_uuids
            or advertisement.name == "Thingy"
        )

    def configure(
        self, request: StreamRequest, mtu: int
    ) -> Generator[Step, bytes | None, ThingyDecoder]:
        rate_hz = min(_RATES_HZ, key=lambda rate: abs(rate - request.rate_hz))
        version = yield Read(FIRMWARE_UUID)
        firmware = ".".join(str(part) for part in (version or b"")[:3]) or None
        *others, _rate, wake = yield from _read_config()
        yield Write(CONFIG_UUID, _CONFIG.pack(*others, int(rate_hz), wake))
        found_hz = (yield from _read_config())[3]
        if found_hz != rate_hz:
            raise ConfigurationError(
                f"the sensor stays at {found_hz} Hz, {rate_hz:g} Hz was asked for", _ADVICE
            )
        yield Subscribe(RAW_UUID)
        return ThingyDecoder(StreamSettings(rate_hz, tuple(_LSB), None, None, firmware), _LSB)

    def stop(self) -> Generator[Step, bytes | None, None]:
        # there is no command to stop; without a subscriber the motion chip sleeps
        yield Unsubscribe(RAW_UUID)

    def decoder(self, config: Mapping[str, object]) -> ThingyDecoder:
        """config: rate_hz; field: "acc", "gyro" or "mag" for a piece of a raw packet;
        scaled: false to be told the counts, too."""
        try:
            rate_hz = float(str(config.get("rate_hz", 50)))
        except ValueError:
            rate_hz = 0.0
        if not 0 < rate_hz <= 1000:
            raise ConfigurationError("rate_hz is not usable", 'give for example {"rate_hz": 50}')
        begin = str(config.get("field", ""))[:3]
        piece = {q: step for q, step in _LSB.items() if begin and q.value.startswith(begin)}
        lsb = piece or _LSB
        settings = StreamSettings(rate_hz, tuple(lsb), None, None)
        return ThingyDecoder(settings, lsb, shows_counts=config.get("scaled") is False)


@dataclass(frozen=True, slots=True)
class ThingyDecoder:
    """Decodes what the motion service notifies; everything but raw values becomes a note."""

    settings: StreamSettings
    lsb: Mapping[Quantity, float]
    shows_counts: bool = False
    """Whether the counts of raw packets are told as well."""

    def decode(self, characteristic: str, data: bytes) -> list[Event]:
        if characteristic == RAW_UUID:
            block = int16_block(data, self.lsb, 1e9 / self.settings.rate_hz)
            return [block, *([_counts(data, self.lsb)] if self.shows_counts else [])]
        if characteristic not in _CHARACTERISTICS:
            return standard_events(characteristic, data)
        return [_note(characteristic, data)]

    def decode_run(self, characteristic: str, packets: Sequence[bytes]) -> SampleRun | None:
        if characteristic != RAW_UUID or self.shows_counts:
            return None
        return int16_run(packets, self.lsb, 1e9 / self.settings.rate_hz)


def _counts(data: bytes, lsb: Mapping[Quantity, float]) -> Note:
    counts = struct.unpack(f"<{3 * len(lsb)}h", data)
    names = {Quantity.ACCEL: "raw_acc", Quantity.GYRO: "raw_gyro", Quantity.MAG: "raw_mag"}
    pieces = {names[q]: list(counts[3 * k : 3 * k + 3]) for k, q in enumerate(lsb)}
    return Note("reading", pieces)


def _read_config() -> Generator[Step, bytes | None, tuple[int, ...]]:
    data = yield Read(CONFIG_UUID)
    if data is None or len(data) != _CONFIG.size:
        raise ConfigurationError("the motion configuration is not 9 bytes long", _ADVICE)
    return _CONFIG.unpack(data)


def _note(characteristic: str, data: bytes) -> Note:
    try:
        if characteristic == CONFIG_UUID:
            values = dict(zip(_CONFIG_FIELDS, _CONFIG.unpack(data), strict=True))
            return Note("command", {"name": "motion_configuration", **values})
        if characteristic == FIRMWARE_UUID:
            return Note("reading", {"firmware": "{}.{}.{}".format(*struct.unpack("3B", data))})
        return Note("reading", _reading(characteristic, data))
    except struct.error:
        raise DecodeError(f"{len(data)} bytes do not fit {characteristic[:8]}") from None


def _reading(characteristic: str, data: bytes) -> dict[str, object]:
    """Values that the sensor computes itself; struct.error for a wrong length."""
    if characteristic == _QUATERNION:
        return {"quat_wxyz": [part / 2**30 for part in struct.unpack("<4i", data)]}
    if characteristic == _STEPS:
        return dict(zip(("steps", "time_ms"), struct.unpack("<2I", data), strict=True))
    if characteristic == _EULER:
        angles = [part / 2**16 for part in struct.unpack("<3i", data)]
        return dict(zip(("roll_deg", "pitch_deg", "yaw_deg"), angles, strict=True))
    if characteristic == _MATRIX:
        return {"rotation_matrix": [part / 2**14 for part in struct.unpack("<9h", data)]}
    if characteristic == _HEADING:
        return {"heading_deg": struct.unpack("<i", data)[0] / 2**16}
    if characteristic == _GRAVITY:
        gravity = struct.unpack("<3f", data)
        if not all(map(math.isfinite, gravity)):
            raise DecodeError("a value is not a finite number")
        return {"gravity_m_s2": list(gravity)}
    raise DecodeError(f"characteristic {characteristic[:40]!r} is unknown")
