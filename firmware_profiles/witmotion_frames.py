"""Byte stream of WitMotion BLE 5 sensors: live frames, register replies, commands.

Sources: WITMOTION/WitBluetooth_BWT901BLE5_0 at 9efaab0 (live frame, registers, battery table);
WT901BLECL5.0 manual, pages 14 and 18. Frames have no checksum and no counter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_profiles.base import (
    BATTERY_LEVEL_UUID,
    STANDARD_GRAVITY_MPS2,
    BatteryLevel,
    DecodeError,
    Event,
    Note,
    Quantity,
    SampleBlock,
    StreamSettings,
)
from firmware_profiles.battery import battery_level

SERVICE_UUID: Final = "0000ffe5-0000-1000-8000-00805f9a34fb"
NOTIFY_UUID: Final = "0000ffe4-0000-1000-8000-00805f9a34fb"
WRITE_UUID: Final = "0000ffe9-0000-1000-8000-00805f9a34fb"
LIVE_BYTES: Final = 20
LONG_BYTES: Final = 28
"""Live frames of some models: eight bytes more behind the angles."""
ACCEL_RANGE_G: Final = 16.0
GYRO_RANGE_DPS: Final = 2000.0
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

_LIVE, _REPLY = b"\x55\x61", b"\x55\x71"
_REPLY_BYTES: Final = 20
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
_MAG_UT_PER_COUNT: Final = {2: 0.15, 3: 0.013, 4: 0.058, 5: 0.098, 6: 1 / 150, 7: 0.02}
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
_ACCEL_LSB: Final = ACCEL_RANGE_G * STANDARD_GRAVITY_MPS2 / 32768
_GYRO_LSB: Final = np.pi / 180 * GYRO_RANGE_DPS / 32768


class Rest(Enum):
    """What follows the angles in a frame of 28 bytes."""

    MAGNETOMETER = "magnetometer"
    CALENDAR = "calendar"


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer to a read command: the register and the seven after it."""

    register: int
    raw: tuple[int, ...]


def command(register: int, value: int) -> bytes:
    """FF AA register value, the value with its low byte first."""
    return _COMMAND + bytes((register,)) + value.to_bytes(2, "little")


def find_reply(data: bytes, register: int) -> Reply | None:
    """The answer to reading `register` in a notification, live frames beside it or not."""
    for start in range(0, len(data) - _REPLY_BYTES + 1):
        if data[start : start + 4] == _REPLY + bytes((register, 0)):
            return _reply(data[start : start + _REPLY_BYTES])
    return None


def battery_percent(volts: float) -> int:
    """Charge by the vendor's table."""
    return next((percent for limit, percent in _BATTERY_STEPS_V if volts > limit), 0)


@dataclass(slots=True)
class WitMotionDecoder:
    """Decodes the notifications of one connection; a lone frame is cut only by a known length.

    frame_bytes: 20 or 28, None to learn it from the first notification; rest: what a long frame
    has behind the angles; mag_type: content of register 72, None when not read.
    """

    settings: StreamSettings
    frame_bytes: int | None = None
    rest: Rest = Rest.MAGNETOMETER
    mag_type: int | None = None
    _carry: bytes = field(default=b"")
    """Beginning of a frame whose end comes with the next notification."""

    def decode(self, characteristic: str, data: bytes) -> list[Event]:
        # tools that show short UUIDs often put them on the SIG base, one digit apart from this one
        kind = characteristic[:8]
        if characteristic == BATTERY_LEVEL_UUID:
            return [battery_level(data)]
        if kind == WRITE_UUID[:8]:
            return [_command_note(data)]
        if kind != NOTIFY_UUID[:8]:
            raise DecodeError(f"characteristic {characteristic[:40]!r} is not one of this sensor's")
        return self._split(data)

    def _split(self, data: bytes) -> list[Event]:
        known = self.frame_bytes
        length = known or _length_of(data)
        stream = self._joined(data, length)
        self._carry = b""
        events: list[Event] = []
        frames: list[bytes] = []
        at = skipped = 0
        while at < len(stream):
            head = stream[at : at + 2]
            size = length if head == _LIVE else _REPLY_BYTES if head == _REPLY else 0
            if not size and head == b"\x55" and known:
                self._carry = head
                break
            if not size:
                step = _next_head(stream, at + 1) - at
                skipped += step
                at += step
                continue
            piece = stream[at : at + size]
            if len(piece) < size:
                if known or frames:
                    self._carry = piece
                else:
                    skipped += len(piece)
                break
            if head == _LIVE:
                frames.append(piece)
            else:
                events += _reply_events(_reply(piece))
            at += size
        if frames:
            self.frame_bytes = length
            events.insert(0, self._block(np.frombuffer(b"".join(frames), np.uint8), length))
        if not events and not self._carry:
            raise DecodeError(f"no whole frame in {len(data)} bytes ({data[:4].hex()})")
        if skipped:
            events.append(Note("skipped", {"skipped_bytes": skipped}))
        return events

    def _joined(self, data: bytes, length: int) -> bytes:
        """With the beginning from before, unless `data` plainly begins anew."""
        if not self._carry:
            return data
        size = length if self._carry[:2] == _LIVE else _REPLY_BYTES
        after = data[size - len(self._carry) :][:2]
        fits = len(data) >= size - len(self._carry) and after in {b"", b"\x55", _LIVE, _REPLY}
        if not fits and data[:2] in {_LIVE, _REPLY}:
            return data
        return self._carry + data

    def _block(self, octets: NDArray[np.uint8], length: int) -> SampleBlock:
        rows = octets.reshape(-1, length)
        counts = np.ascontiguousarray(rows[:, 2:14]).view("<i2")
        values = {
            Quantity.ACCEL: (counts[:, :3] * _ACCEL_LSB).astype(np.float32),
            Quantity.GYRO: (counts[:, 3:] * _GYRO_LSB).astype(np.float32),
        }
        lsb = {Quantity.ACCEL: _ACCEL_LSB, Quantity.GYRO: _GYRO_LSB}
        t0_ns = None
        if length == LONG_BYTES and self.rest is Rest.CALENDAR:
            t0_ns = _calendar_ns(bytes(rows[0, 20:28]))
        elif length == LONG_BYTES and self.mag_type in _MAG_UT_PER_COUNT:
            step = _MAG_UT_PER_COUNT[self.mag_type]
            mag = np.ascontiguousarray(rows[:, 20:26]).view("<i2")
            values[Quantity.MAG] = (mag * step).astype(np.float32)
            lsb[Quantity.MAG] = step
        return SampleBlock(len(rows), t0_ns, 1e9 / self.settings.rate_hz, values, lsb)


def _length_of(data: bytes) -> int:
    """Length of the live frames in a notification: the one at whose multiples frames begin."""
    start = _next_head(data, 0)
    if len(data) - start >= LONG_BYTES and (len(data) - start) % LONG_BYTES == 0:
        heads = {data[at : at + 2] for at in range(start, len(data), LONG_BYTES)}
        if heads == {_LIVE}:
            return LONG_BYTES
    return LIVE_BYTES


def _next_head(data: bytes, start: int) -> int:
    found = [at for head in (_LIVE, _REPLY) if (at := data.find(head, start)) >= 0]
    cut = len(data) - data[start:].endswith(b"\x55")  # the next notification may go on with 61
    return min(found, default=cut)


def _reply(piece: bytes) -> Reply:
    raw = np.frombuffer(piece, "<i2", offset=4)
    return Reply(int.from_bytes(piece[2:4], "little"), tuple(raw.tolist()))


def _reply_events(reply: Reply) -> list[Event]:
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
        case 0x40:
            values["celsius"] = raw[0] / 100
        case 0x51:
            values["quat_wxyz"] = [count / 32768 for count in raw[:4]]
        case 0x64:
            volts = raw[0] / 100
            values["volts"] = volts
            return [BatteryLevel(battery_percent(volts)), Note("register", values)]
        case 0x72:
            values["ut_per_count"] = _MAG_UT_PER_COUNT.get(raw[0])
    return [Note("register", values)]


def _command_note(data: bytes) -> Note:
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


def _calendar_ns(rest: bytes) -> int:
    """Nanoseconds since 1970 by the sensor's own calendar, which knows no time zone."""
    year, month, day, hour, minute, second = rest[:6]
    milliseconds = int.from_bytes(rest[6:], "little")
    try:
        whole = datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise DecodeError(f"{rest.hex()} is no date and time") from error
    if milliseconds > 999:
        raise DecodeError(f"{milliseconds} ms in a second")
    return int(whole.timestamp()) * 1_000_000_000 + milliseconds * 1_000_000
