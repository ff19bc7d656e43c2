"""Modules, registers and chips of MbientLab boards; what the same bytes mean depends on the chip.

Source: github.com/mbientlab/MetaWear-SDK-Cpp at f67699e, sources and byte-level tests. The counts
per deg/s are the datasheet's rounded numbers, as in the vendor's tests, not full scale by 32768.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from firmware_profiles.base import STANDARD_GRAVITY_MPS2, DecodeError, Note, Quantity

SERVICE_UUID: Final = "326a9000-85cb-9195-d9dd-464cfbbae75a"
COMMAND_UUID: Final = "326a9001-85cb-9195-d9dd-464cfbbae75a"
NOTIFY_UUID: Final = "326a9006-85cb-9195-d9dd-464cfbbae75a"
FIRMWARE_UUID: Final = "00002a26-0000-1000-8000-00805f9b34fb"

HAPTIC: Final = 8
"""Drives a motor or a buzzer."""
HAPTIC_PULSE, HAPTIC_MOTOR, HAPTIC_FULL = 1, 0, 248
"""Register; its mode, and its duty cycle for 100 % (SDK test_haptic: 08 01 f8 88 13 00 is a motor
at full strength for 5 s)."""
ACC, PROCESSOR, EVENT, LOGGING, SETTINGS, GYRO, MAG, FUSION = (
    3,
    9,
    0x0A,
    0x0B,
    0x11,
    0x13,
    0x15,
    0x19,
)
READ: Final = 0x80
"""Added to a register's number to read it; the answer has it too."""
POWER, ENABLE, CONFIG = 1, 2, 3
PROCESSOR_ADD, PROCESSOR_DATA, PROCESSOR_NOTIFY, PROCESSOR_CLEAR = 2, 3, 7, 8
EVENT_CLEAR, LOGGER_CLEAR = 5, 0x0A
LOG_TIME, LOG_DATA = 4, 7
ADDRESS, BATTERY = 0x0B, 0x0C
ACCOUNTER_TIME, ACCOUNTER_COUNT = b"\x11\x31\x03", b"\x11\x30\x03"
"""Data processors that put the board's tick, or a count, 4 bytes, before each sample."""

_COUNTS_PER_DPS: Final = 16.4
"""At 2000 deg/s."""
MAG_UT: Final = 1 / 16


@dataclass(frozen=True, slots=True)
class Chip:
    """One sensor chip's part in a board: registers, rates and ranges.

    single, packed: data registers with one and with three samples; rate_bits: upper bits of the
    rate byte; ranges: full scale -> range byte.
    """

    name: str
    quantity: Quantity
    module: int
    single: int
    packed: int
    rate_bits: int
    ranges: Mapping[float, int]

    def config(self, rate_hz: float, full_scale: float) -> bytes:
        """The two bytes of the configuration register."""
        lower = round(np.log2(rate_hz / 12.5)) + 5
        return bytes((self.rate_bits | lower, self.ranges[full_scale]))

    def si_per_count(self, full_scale: float) -> float:
        """m/s2 or rad/s per count; full_scale in g or deg/s."""
        if self.quantity is Quantity.ACCEL:
            return STANDARD_GRAVITY_MPS2 * full_scale / 32768
        return float(np.pi / 180 / (_COUNTS_PER_DPS * 2000 / full_scale))


_DPS: Final = {2000.0: 0, 1000.0: 1, 500.0: 2, 250.0: 3, 125.0: 4}
ACC_CHIPS: Final = {
    # implementation byte of the module
    1: Chip("BMI160", Quantity.ACCEL, ACC, 4, 0x1C, 0x20, {2.0: 3, 4.0: 5, 8.0: 8, 16.0: 0x0C}),
    4: Chip("BMI270", Quantity.ACCEL, ACC, 4, 5, 0xA0, {2.0: 0, 4.0: 1, 8.0: 2, 16.0: 3}),
}
GYRO_CHIPS: Final = {
    0: Chip("BMI160", Quantity.GYRO, GYRO, 5, 7, 0x20, _DPS),
    1: Chip("BMI270", Quantity.GYRO, GYRO, 4, 5, 0x20, _DPS),
}
MAG_SINGLE, MAG_PACKED = 5, 9

_MODULES: Final = {
    1: "switch",
    2: "led",
    ACC: "accelerometer",
    PROCESSOR: "data processor",
    EVENT: "event",
    LOGGING: "logging",
    SETTINGS: "settings",
    GYRO: "gyroscope",
    MAG: "magnetometer",
    FUSION: "sensor fusion",
    0xFE: "debug",
}
_SENSOR_REGISTERS: Final = {POWER: "start", ENABLE: "enable", CONFIG: "configure"}
_REGISTERS: Final = {
    **{(m, r): name for m in (ACC, GYRO, MAG) for r, name in _SENSOR_REGISTERS.items()},
    (MAG, 4): "repetitions",
    (PROCESSOR, PROCESSOR_ADD): "add processor",
    (PROCESSOR, PROCESSOR_DATA): "processor data",
    (PROCESSOR, PROCESSOR_NOTIFY): "notify processor",
    (PROCESSOR, PROCESSOR_CLEAR): "remove processors",
    (EVENT, EVENT_CLEAR): "remove events",
    (LOGGING, 1): "log",
    (LOGGING, 2): "add logger",
    (LOGGING, LOG_TIME): "time",
    (LOGGING, LOG_DATA): "log data",
    (LOGGING, 8): "log progress",
    (LOGGING, 0x0D): "page done",
    (LOGGING, 5): "log length",
    (LOGGING, 6): "read log",
    (LOGGING, 9): "clear log",
    (LOGGING, LOGGER_CLEAR): "remove loggers",
    (LOGGING, 0x0B): "overwrite log",
    (LOGGING, 0x0E): "confirm page",
    (LOGGING, 0x10): "flush page",
    (SETTINGS, BATTERY): "battery",
    (SETTINGS, 0x40 | BATTERY): "battery",  # as some versions of the vendor's library ask for it
    (SETTINGS, ADDRESS): "address",
    (0xFE, 1): "reset",
}


def message_note(data: bytes, topic: str) -> Note:
    """A command or answer in words; raises DecodeError."""
    if len(data) < 2:
        raise DecodeError(f"message has {len(data)} bytes, module and register are 2")
    module, register, rest = data[0], data[1] & ~READ, data[2:]
    values: dict[str, object] = {
        "module": _MODULES.get(module, "unknown"),
        "register": data[1],
        "name": _REGISTERS.get((module, register), "unknown"),
        "read": bool(data[1] & READ),
        "data": rest.hex(),
    }
    if register == 0:
        values |= {"name": "discover"}
        if topic == "answer":
            values |= {"is_present": bool(rest), "implementation": rest[0] if rest else None}
    elif register == CONFIG and module in {ACC, GYRO} and len(rest) == 2:
        values |= _settings(module, rest)
    elif (module, register) == (LOGGING, 5) and len(rest) == 4:
        values |= {"entries": int.from_bytes(rest, "little")}
    elif (module, register) == (LOGGING, 6) and len(rest) == 8:
        entries, every = (int.from_bytes(part, "little") for part in (rest[:4], rest[4:]))
        values |= {"entries": entries, "notify_every": every}
    elif (module, register) == (PROCESSOR, PROCESSOR_ADD) and len(rest) == 7:
        kinds = {ACCOUNTER_TIME: "time", ACCOUNTER_COUNT: "count"}
        values |= {"of": _MODULES.get(rest[0], "unknown"), "accounts": kinds.get(rest[4:])}
    elif rest and register in {POWER, ENABLE} and module in {ACC, GYRO, MAG}:
        on = rest[0] == 1
        words = {POWER: ("stop", "start"), ENABLE: ("disable", "enable")}[register]
        values |= {"name": words[on]}
    elif module in {ACC, GYRO, MAG, FUSION} and register > CONFIG and len(rest) == 1:
        values |= {"name": "subscribe" if rest[0] else "unsubscribe"}
    return Note(topic, values)


def _settings(module: int, rest: bytes) -> dict[str, object]:
    """Rate and range; the upper bits of the rate tell the chip of an accelerometer."""
    chips = ACC_CHIPS if module == ACC else GYRO_CHIPS
    for chip in chips.values():
        lower = rest[0] - chip.rate_bits
        for full_scale, code in chip.ranges.items():
            if 5 <= lower <= 13 and code == rest[1]:
                key = "range_g" if module == ACC else "range_dps"
                return {"odr_hz": 12.5 * 2 ** (lower - 5), key: full_scale}
    return {}
