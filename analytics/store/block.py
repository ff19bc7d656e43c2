"""Ten minutes of one sensor's batches as one compressed block, and back to the last bit. Pure."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.store.columns import ColumnError, pack, skip, unpack

CELL_NS: Final = 600 * 1_000_000_000
"""A block holds the batches that begin in one cell of this length. Short enough that the noise of
sitting and of walking are coded apart and that an hour is read without its day; long enough that
a block's own overhead is a hundredth."""

_FORMAT: Final = 1
_HEAD: Final = struct.Struct("<BIIII")
"""Format, checksum of what is behind it, batches, samples, sessions. SQLite keeps no checksums: a
disk that turns a bit would go unnoticed."""
_CHECKED: Final = struct.calcsize("<BI")
_SESSION_BYTES: Final = 16
_NUMBERS: Final = ("t0_ns", "dt_ns", "n", "seq", "lost", "flags", "rx_ns", "clock_err_ns")
_SESSION: Final = "session"
"""Column behind the numbers: which of the sessions in the head a batch belongs to."""


class BatchRow(NamedTuple):
    """A batch as one row: the columns of the table `batch` without the sensor."""

    t0_ns: int
    dt_ns: int
    n: int
    layout_id: int
    session: bytes
    seq: int
    lost: int
    flags: int
    rx_ns: int
    clock_err_ns: int
    accel: bytes | None
    gyro: bytes | None
    mag: bytes | None

    @property
    def last_ns(self) -> int:
        """Time of the last sample."""
        return self.t0_ns + (self.n - 1) * self.dt_ns


@dataclass(frozen=True)
class Layout:
    """How counts are kept: quantity -> (number format, SI per count)."""

    channels: Mapping[str, tuple[str, float]]

    @classmethod
    def load(cls, text: str) -> Layout:
        return cls({name: (kind, scale) for name, (kind, scale) in json.loads(text).items()})

    @cached_property
    def dtypes(self) -> dict[str, np.dtype[Any]]:
        """Quantity -> number format, in the order of the block."""
        return {name: np.dtype(kind) for name, (kind, _) in sorted(self.channels.items())}


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive batches of one layout: what is needed to make samples of them."""

    layout: Layout
    t0_ns: NDArray[np.int64]
    dt_ns: NDArray[np.int64]
    n: NDArray[np.int64]
    counts: Mapping[str, NDArray[Any]]
    """quantity -> (sum(n), 3) or (3 sum(n),) raw counts"""


def pack_block(rows: Sequence[BatchRow], layout: Layout) -> bytes:
    """Batches of one layout in order of t0."""
    sessions = sorted({row.session for row in rows})
    number = {session: k for k, session in enumerate(sessions)}
    samples = sum(row.n for row in rows)
    parts = [_HEAD.pack(_FORMAT, 0, len(rows), samples, len(sessions)), *sessions]
    parts += [pack(np.array([getattr(row, name) for row in rows], np.int64)) for name in _NUMBERS]
    parts.append(pack(np.array([number[row.session] for row in rows], np.int64)))
    for name, dtype in layout.dtypes.items():
        counts = np.frombuffer(b"".join(getattr(row, name) for row in rows), dtype)
        parts += [pack(np.ascontiguousarray(axis)) for axis in counts.reshape(-1, 3).T]
    checked = b"".join(parts)[_CHECKED:]
    return struct.pack("<BI", _FORMAT, zlib.crc32(checked)) + checked


class PackedBlock:
    """Reads what `pack_block` made; ColumnError where it is not."""

    def __init__(self, data: bytes, layout: Layout) -> None:
        self._data = memoryview(data)
        self._layout = layout
        try:
            version, crc, self.batches, self.samples, sessions = _HEAD.unpack_from(self._data)
        except struct.error as error:
            raise ColumnError("a block without its head") from error
        if version != _FORMAT:
            raise ColumnError(f"a block of format {version}")
        if zlib.crc32(self._data[_CHECKED:]) != crc:
            raise ColumnError("a block that is not as it was written")
        self._columns_at = _HEAD.size + sessions * _SESSION_BYTES
        self._sessions = [
            data[at : at + _SESSION_BYTES]
            for at in range(_HEAD.size, self._columns_at, _SESSION_BYTES)
        ]

    def run(self) -> Run:
        """What samples are made of."""
        numbers, at = self._numbers(("t0_ns", "dt_ns", "n"))
        return Run(self._layout, numbers[0], numbers[1], numbers[2], self._counts(at))

    def rows(self, layout_id: int) -> Iterator[BatchRow]:
        """The batches one by one, as they were."""
        (*numbers, which), at = self._numbers((*_NUMBERS, _SESSION))
        blobs: list[list[bytes | None]] = []
        counts = self._counts(at)
        ends = np.cumsum(numbers[2])
        for name in ("accel", "gyro", "mag"):
            if name not in counts:
                blobs.append([None] * self.batches)
                continue
            flat = counts[name].tobytes()
            size = 3 * counts[name].itemsize
            blobs.append(
                [
                    flat[size * (end - n) : size * end]
                    for end, n in zip(ends.tolist(), numbers[2].tolist(), strict=True)
                ]
            )
        columns = [column.tolist() for column in numbers]
        for k in range(self.batches):
            t0_ns, dt_ns, n, *others = (column[k] for column in columns)
            session = bytes(self._sessions[which[k]])
            accel, gyro, mag = (blob[k] for blob in blobs)
            yield BatchRow._make((t0_ns, dt_ns, n, layout_id, session, *others, accel, gyro, mag))

    def _numbers(self, wanted: Sequence[str]) -> tuple[list[NDArray[np.int64]], int]:
        """The columns asked for, and where the counts begin."""
        at = self._columns_at
        found = []
        for name in (*_NUMBERS, _SESSION):
            rest = self._data[at:]
            if name in wanted:
                column, used = unpack(rest, self.batches, np.dtype(np.int64))
                found.append(column)
            else:
                used = skip(rest)
            at += used
        if int(found[2].sum()) != self.samples:
            raise ColumnError("a block whose batches do not add up to its samples")
        return found, at

    def _counts(self, at: int) -> dict[str, NDArray[Any]]:
        counts = {}
        for name, dtype in self._layout.dtypes.items():
            both = np.empty((self.samples, 3), dtype)
            for axis in range(3):
                both[:, axis], used = unpack(self._data[at:], self.samples, dtype)
                at += used
            counts[name] = both
        if at != len(self._data):
            raise ColumnError("a block with something behind its end")
        return counts


def merged(rows: Sequence[BatchRow]) -> list[BatchRow]:
    """In order of t0; of several with the same t0 the longest stays, of equals the first."""
    longest: dict[int, BatchRow] = {}
    for row in rows:
        if row.t0_ns not in longest or row.n > longest[row.t0_ns].n:
            longest[row.t0_ns] = row
    return [longest[t0_ns] for t0_ns in sorted(longest)]
