"""Registers, commands and replies of WitMotion BLE 5 sensors, and how they read as notes.

Sources: WITMOTION/WitBluetooth_BWT901BLE5_0 at 9efaab0 (registers, battery table); WT901BLECL5.0
manual, page 18.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from firmware_profiles.base import BatteryLevel, DecodeError, Event, Note

RATE_CODES: Final[Mapping[float, int]] = {
    0.2: 0x01,
    0.5: 0x02,
    1.0: 0x03,
    2.0: 0x04,
    5.0: 0x05,
    10.0: 0x06,
    20.0: 0x07,
    50.0: 0x08,
    100.0: 0x09,
    200.0: 0x0B,  # the vendor's Android SDK; 0x0A is 125 Hz in the serial manual
}
BANDWIDTH_CODES: Final[Mapping[int, int]] = {188: 2, 98: 3, 42: 4, 20: 5, 10: 6, 5: 7}

SAVE, CALIBRATE, RATE, BANDWIDTH, READ, UNLOCK = 0x00, 0x01, 0x03, 0x1F, 0x27, 0x69
FIRMWARE, MAGNETOMETER, TEMPERATURE, QUATERNION = 0x2E, 0x3A, 0x40, 0x51
BATTERY_VOLTAGE, MAG_TYPE = 0x64, 0x72

_COMMAND: Final = b"\xff\xaa"
_REGISTER_NAMES: Final = {
    SAVE: "save",
    CALIBRATE: "calibrate",
    RATE: "rate",
    BANDWIDTH: "bandwidth",
    FIRMWARE: "firmware",
    0x2F: "firmware_2",
    MAGNETOMETER: "magnetometer",
    TEMPERATURE: "temperature",
    QUATERNION: "quaternion",
    BATTERY_VOLTAGE: "battery_voltage",
    UNLOCK: "unlock",
    MAG_TYPE: "magnetometer_type",
}
_SAVE_WORDS: Final = {0: "save", 1: "factory_reset"}
_CALIBRATE_WORDS: Final = {
    0: "end_calibration",
    1: "calibrate_accelerometer",
    7: "calibrate_magnetometer",
}
MAG_UT_PER_COUNT: Final = {2: 0.15, 3: 0.013, 4: 0.058, 5: 0.098, 6: 1 / 150, 7: 0.02}
"""By magnetometer type; other types have no known scale."""
_BATTERY_STEPS_V: Final = (
    (3.96, 100),
    (3.93, 90),
    (3.87, 75),
    (3.82, 60),
    (3.79, 50),
    (3.77, 40),
    (3.73, 30),
    (3.70, 20),
    (3.68, 15),
    (3.50, 10),
    (3.40, 5),
)


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer to a read command: the register and the seven after it."""

    register: int
    raw: tuple[int, ...]


def command(register: int, value: int) -> bytes:
    """FF AA register value, the value with its low byte first."""
    return _COMMAND + bytes((register,)) + value.to_bytes(2, "little")


def battery_percent(volts: float) -> int:
    """Charge by the vendor's table."""
    return next((percent for limit, percent in _BATTERY_STEPS_V if volts > limit), 0)


def reply_events(reply: Reply, mag_type: int | None = None) -> list[Event]:
    """What a reply says: a battery level for the voltage, a note for everything."""
    raw = reply.raw
    values: dict[str, object] = {
        "register": reply.register,
        "name": _REGISTER_NAMES.get(reply.register, "unknown"),
        "raw": list(raw),
    }
    match reply.register:
        case 0x03:
            rates = {code: rate for rate, code in RATE_CODES.items()}
            values["rate_hz"] = rates.get(raw[0] & 0xFF)
        case 0x1F:
            bandwidths = {code: hz for hz, code in BANDWIDTH_CODES.items()}
            values["bandwidth_hz"] = bandwidths.get(raw[0] & 0xFF)
        case 0x3A:
            values["raw"] = list(raw[:3])
            if mag_type in MAG_UT_PER_COUNT:
                values["mag_ut"] = [count * MAG_UT_PER_COUNT[mag_type] for count in raw[:3]]
        case 0x40:
            values["celsius"] = raw[0] / 100
        case 0x51:
            values["quat_wxyz"] = [count / 32768 for count in raw[:4]]
        case 0x64:
            volts = raw[0] / 100
            values["volts"] = volts
            return [BatteryLevel(battery_percent(volts)), Note("register", values)]
        case 0x72:
            values["ut_per_count"] = MAG_UT_PER_COUNT.get(raw[0])
    return [Note("register", values)]


def command_note(data: bytes) -> Note:
    """What a command asks for; raises DecodeError."""
    if len(data) != 5 or data[:2] != _COMMAND:
        raise DecodeError(f"{data[:8].hex()!r} is no command FF AA register value")
    register, value = data[2], int.from_bytes(data[3:], "little")
    if register == READ:
        name = _REGISTER_NAMES.get(value, "unknown")
        return Note("command", {"name": "read", "register": value, "register_name": name})
    name = _REGISTER_NAMES.get(register, "unknown")
    values: dict[str, object] = {"name": f"set_{name}", "register": register, "value": value}
    if register == RATE:
        values["rate_hz"] = {code: rate for rate, code in RATE_CODES.items()}.get(value)
    elif register == BANDWIDTH:
        values["bandwidth_hz"] = {code: hz for hz, code in BANDWIDTH_CODES.items()}.get(value)
    elif register == UNLOCK:
        values["name"] = "unlock"
    elif register == SAVE:
        values["name"] = _SAVE_WORDS.get(value, "unknown")
    elif register == CALIBRATE:
        values["name"] = _CALIBRATE_WORDS.get(value, "unknown")
    return Note("command", values)
