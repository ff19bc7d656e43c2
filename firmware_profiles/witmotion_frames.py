"""Byte stream of WitMotion BLE 5 sensors: live frames and register replies.

Sources: WITMOTION/WitBluetooth_BWT901BLE5_0 at 9efaab0 (live frame);
WT901BLECL5.0 manual, page 14. Frames have no checksum and no counter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_profiles.base import (
    STANDARD_GRAVITY_MPS2,
    DecodeError,
    Event,
    Note,
    Quantity,
    SampleBlock,
    SampleRun,
    StreamSettings,
)
from firmware_profiles.bulk import table
from firmware_profiles.int16_layout import unstamped_run
from firmware_profiles.standard import standard_events
from firmware_profiles.witmotion_registers import (
    MAG_UT_PER_COUNT,
    Reply,
    command_note,
    reply_events,
)

SERVICE_UUID: Final = "0000ffe5-0000-1000-8000-00805f9a34fb"
NOTIFY_UUID: Final = "0000ffe4-0000-1000-8000-00805f9a34fb"
WRITE_UUID: Final = "0000ffe9-0000-1000-8000-00805f9a34fb"
LIVE_BYTES: Final = 20
LONG_BYTES: Final = 28
"""Live frames of some models: eight bytes more behind the angles."""
ACCEL_RANGE_G: Final = 16.0
GYRO_RANGE_DPS: Final = 2000.0

_LIVE, _REPLY = b"\x55\x61", b"\x55\x71"
_REPLY_BYTES: Final = 20
_ACCEL_LSB: Final = ACCEL_RANGE_G * STANDARD_GRAVITY_MPS2 / 32768
_GYRO_LSB: Final = np.pi / 180 * GYRO_RANGE_DPS / 32768


class Rest(Enum):
    """What follows the angles in a frame of 28 bytes."""

    MAGNETOMETER = "magnetometer"
    CALENDAR = "calendar"


def find_reply(data: bytes, register: int) -> Reply | None:
    """The answer to reading `register` in a notification, live frames beside it or not."""
    for start in range(0, len(data) - _REPLY_BYTES + 1):
        if data[start : start + 4] == _REPLY + bytes((register, 0)):
            return _reply(data[start : start + _REPLY_BYTES])
    return None


@dataclass(slots=True)
class WitMotionDecoder:
    """Decodes the notifications of one connection; a lone frame is cut only by a known length.

    frame_bytes: 20 or 28, None to learn it from the first notification; rest: what a long frame
    has behind the angles; mag_type: content of register 72, None when not read; details: angles and
    what else frames have as notes, for people who look at packets.
    """

    settings: StreamSettings
    frame_bytes: int | None = None
    rest: Rest = Rest.MAGNETOMETER
    mag_type: int | None = None
    details: bool = True
    _carry: bytes = field(default=b"")
    """Beginning of a frame whose end comes with the next notification."""

    def decode(self, characteristic: str, data: bytes) -> list[Event]:
        if characteristic == WRITE_UUID:
            return [command_note(data)]
        if characteristic != NOTIFY_UUID:
            return standard_events(characteristic, data)
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
                events += reply_events(_reply(piece), self.mag_type)
            at += size
        if frames:
            self.frame_bytes = length
            rows = np.frombuffer(b"".join(frames), np.uint8).reshape(-1, length)
            events.insert(0, self._block(rows))
            if self.details:
                events.append(Note("angles", self._rest(rows)))
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

    def decode_run(self, characteristic: str, packets: Sequence[bytes]) -> SampleRun | None:
        """Live frames, one to a notification."""
        length = self.frame_bytes
        joined = table(packets)
        if (
            self.details
            or self._carry
            or joined is None
            or characteristic != NOTIFY_UUID
            or len(packets[0]) != length
            or (length == LONG_BYTES and self.rest is Rest.CALENDAR)
        ):
            return None
        rows = np.frombuffer(joined, np.uint8).reshape(len(packets), length)
        if (rows[:, :2] != np.frombuffer(_LIVE, np.uint8)).any():
            return None
        values, lsb = self._values(rows)
        return unstamped_run(values, lsb, 1e9 / self.settings.rate_hz, n=1)

    def _block(self, rows: NDArray[np.uint8]) -> SampleBlock:
        values, lsb = self._values(rows)
        t0_ns = None
        if rows.shape[1] == LONG_BYTES and self.rest is Rest.CALENDAR:
            t0_ns = _calendar_ns(bytes(rows[0, 20:28]))
        return SampleBlock(len(rows), t0_ns, 1e9 / self.settings.rate_hz, values, lsb)

    def _values(
        self, rows: NDArray[np.uint8]
    ) -> tuple[dict[Quantity, NDArray[np.float32]], dict[Quantity, float]]:
        """SI values of whole frames, SI per count."""
        counts = np.ascontiguousarray(rows[:, 2:14]).view("<i2")
        values = {
            Quantity.ACCEL: (counts[:, :3] * _ACCEL_LSB).astype(np.float32),
            Quantity.GYRO: (counts[:, 3:] * _GYRO_LSB).astype(np.float32),
        }
        lsb = {Quantity.ACCEL: _ACCEL_LSB, Quantity.GYRO: _GYRO_LSB}
        has_mag = rows.shape[1] == LONG_BYTES and self.rest is Rest.MAGNETOMETER
        if has_mag and self.mag_type in MAG_UT_PER_COUNT:
            step = MAG_UT_PER_COUNT[self.mag_type]
            mag = np.ascontiguousarray(rows[:, 20:26]).view("<i2")
            values[Quantity.MAG] = (mag * step).astype(np.float32)
            lsb[Quantity.MAG] = step
        return values, lsb

    def _rest(self, rows: NDArray[np.uint8]) -> dict[str, object]:
        """Frame by frame what is not motion of the sensor."""
        counts = np.ascontiguousarray(rows[:, 14:]).view("<i2")
        values: dict[str, object] = {"angle_deg": (counts[:, :3] * (180 / 32768)).tolist()}
        if rows.shape[1] == LONG_BYTES and self.rest is Rest.MAGNETOMETER:
            values |= {"raw_mag": counts[:, 3:6].tolist(), "celsius": (counts[:, 6] / 100).tolist()}
        return values


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
