"""The DOT's own memory: record on board, read it out, clear it. Steps and decoder, no I/O.

Source: Xsens DOT BLE Services Specifications XD0506P revision F, message service (recording).

The specification asks for an idle sensor for most messages and does not say whether it may measure
and record at once; what it refuses is answered, and then there is no recording. Files come out
whole and oldest first. The time of a recorded sample is taken to be the counter of the live stream.
"""

from __future__ import annotations

import struct
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from firmware_profiles.base import (
    ConfigurationError,
    DecodeError,
    Event,
    Quantity,
    Read,
    Recording,
    SampleBlock,
    Step,
    StreamEnded,
    StreamSettings,
    Subscribe,
    Unsubscribe,
    Write,
)
from firmware_profiles.movella_dot_notes import ACKNOWLEDGE_UUID, MESSAGE_NOTIFY_UUID, MESSAGE_UUID
from firmware_profiles.ticks import SampleTicks, TickClock

MIN_MTU: Final = 163
"""A message has up to 160 bytes."""
_RECORDING: Final = 1
"""Message id of the recording service."""
_ERASE, _START, _STOP, _FILE_INFO, _FILE_DATA, _STOP_EXPORT, _SELECT = (
    *(0x30, 0x40, 0x41, 0x60, 0x70, 0x73, 0x74),
)
_ERASED: Final = frozenset({0x31, 0x33})
"""The table prints 33, corrected to 31: both are accepted."""
_DATA, _DATA_DONE = 0x71, 0x72
_OK: Final = 0
_UNTIL_STOPPED: Final = 0xFFFF
_SELECTED: Final = bytes((0x00, 0x07, 0x08))
"""Time, acceleration, rotation."""
_MAX_FILES: Final = 64
_ERASE_S: Final = 60.0
_SAMPLE: Final = np.dtype(
    [("counter", "<u4"), ("time", "<u4"), ("acc", "<f4", 3), ("gyro", "<f4", 3)]
)
_MICROSECOND_NS: Final = 1000.0


def message(reid: int, data: bytes = b"") -> bytes:
    """A recording message: id, length, body, and a byte that makes the sum 0 modulo 256."""
    body = bytes((_RECORDING, 1 + len(data), reid)) + data
    return body + bytes((-sum(body) % 256,))


def body_of(data: bytes) -> bytes:
    """The body of a message; raises DecodeError when it is cut off or its sum is wrong."""
    if len(data) < 4 or data[1] == 0 or len(data) < data[1] + 3:
        raise DecodeError(f"message {data[:8].hex()!r} is cut off")
    whole = data[: data[1] + 3]
    if sum(whole) % 256:
        raise DecodeError(f"message {whole[:8].hex()!r} has a wrong checksum")
    return whole[2:-1]


def record(
    rate_hz: float, mtu: int, host_utc_us: int | None
) -> Generator[Step, bytes | None, Recording | None]:
    """Start a recording on an idle sensor; None when it cannot or will not."""
    if mtu < MIN_MTU:
        return None
    yield from _ask(_STOP)  # of an earlier run; an idle sensor refuses, and that is as well
    files = yield from _file_count()
    start = struct.pack("<IH", (host_utc_us or 0) // 1_000_000, _UNTIL_STOPPED)
    if (yield from _ask(_START, start)) != _OK:
        return None
    return Recording(number=files + 1, is_ours=files == 0, rate_hz=rate_hz)


def recall(recording: Recording) -> Generator[Step, bytes | None, RecordingDecoder]:
    """End a recording and ask for it; the decoder says StreamEnded after the last sample. Raises
    ConfigurationError when the sensor does not give it out."""
    yield from _ask(_STOP)
    yield Subscribe(MESSAGE_NOTIFY_UUID)
    for reid, data in ((_SELECT, _SELECTED), (_FILE_DATA, bytes((recording.number,)))):
        if result := (yield from _ask(reid, data)):
            raise ConfigurationError(
                f"the sensor does not give out its recording (answer {result:#04x})",
                "read it with the vendor's app if it matters",
            )
    return RecordingDecoder(recording.rate_hz)


def forget(recording: Recording) -> Generator[Step, bytes | None, None]:
    """End a recording and its read-out. The memory is cleared when nothing else was in it: there
    is no way to remove one file."""
    yield from _ask(_STOP_EXPORT)
    yield from _ask(_STOP)
    if recording.is_ours:
        yield Subscribe(MESSAGE_NOTIFY_UUID)
        yield Write(
            MESSAGE_UUID,
            message(_ERASE, bytes(4)),
            reply_on=MESSAGE_NOTIFY_UUID,
            reply=_is_erased,
            timeout_s=_ERASE_S,
        )
    yield Unsubscribe(MESSAGE_NOTIFY_UUID)


def _ask(reid: int, data: bytes = b"") -> Generator[Step, bytes | None, int]:
    """Send a message and read its acknowledgement, as has to be done after each: the result."""
    yield Write(MESSAGE_UUID, message(reid, data))
    body = body_of((yield Read(ACKNOWLEDGE_UUID)) or b"")
    # 01, result, what is acknowledged
    if len(body) < 3 or body[0] != 1 or body[2] != reid:
        raise DecodeError(f"{body[:4].hex()!r} does not acknowledge message {reid:#04x}")
    return body[1]


def _file_count() -> Generator[Step, bytes | None, int]:
    """Files in the memory: their numbers begin with 1 and have no holes."""
    for count in range(_MAX_FILES):
        if (yield from _ask(_FILE_INFO, bytes((count + 1,)))) != _OK:
            return count
    return _MAX_FILES


def _is_erased(data: bytes) -> bool:
    try:
        return body_of(data)[0] in _ERASED
    except DecodeError:
        return False


@dataclass(slots=True)
class RecordingDecoder:
    """Decodes the notifications of one read-out."""

    rate_hz: float
    settings: StreamSettings = field(init=False)
    _ticks: SampleTicks = field(init=False)

    def __post_init__(self) -> None:
        quantities = (Quantity.ACCEL, Quantity.GYRO)
        self.settings = StreamSettings(self.rate_hz, quantities, None, None)
        self._ticks = SampleTicks(self.rate_hz, TickClock(_MICROSECOND_NS), True)

    def decode(self, characteristic: str, data: bytes) -> list[Event]:
        if characteristic != MESSAGE_NOTIFY_UUID:
            return []  # of the stream before
        body = body_of(data)
        if body[0] == _DATA_DONE:
            return [StreamEnded("the recording is complete")]
        if body[0] != _DATA:
            return []  # file information, acknowledgements
        if len(body) != 1 + _SAMPLE.itemsize:
            raise DecodeError(f"a recorded sample has {len(body)} bytes")
        row = np.frombuffer(body, _SAMPLE, count=1, offset=1)[0]
        if not (np.isfinite(row["acc"]).all() and np.isfinite(row["gyro"]).all()):
            raise DecodeError("a value is not a finite number")
        return [self._sample(row)]

    def _sample(self, row: Any) -> SampleBlock:
        time_ns, lost, restarted = self._ticks.place(int(row["time"]))
        degrees = row["gyro"].astype(np.float64)
        values = {
            Quantity.ACCEL: row["acc"].astype(np.float32)[None],
            Quantity.GYRO: np.radians(degrees).astype(np.float32)[None],
        }
        return SampleBlock(1, time_ns, 1e9 / self.rate_hz, values, {}, lost, restarted)
