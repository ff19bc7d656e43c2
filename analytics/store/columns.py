"""Columns of integers or float32 as compressed bytes, and back to the last bit. Pure.

A motion sensor's counts are noise to a general compressor until neighbours are subtracted and the
bytes are split by significance: then the high bytes vanish and the low ones are coded near their
entropy. Differences wrap around, so that nothing overflows; float32 is treated as the integer
with the same bits.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

MAX_ORDER: Final = 2
"""A smooth movement at 100 Hz is nearly a straight line: the second difference is the smallest.
Higher orders only add up the noise."""
_SAMPLE: Final = 2048
"""Values from which the order is chosen."""
_LEVEL: Final = 3
_HEAD: Final = struct.Struct("<BB")
_LENGTH: Final = struct.Struct("<I")
_ZSTD: Final = pa.Codec("zstd", _LEVEL)


class ColumnError(ValueError):
    """Bytes that are not what `pack` made."""


def pack(column: NDArray[Any]) -> bytes:
    """(n,) int16, int32, int64 or float32 as bytes; n and the type are for the caller to keep."""
    order = _order(column)
    rest = column.view(f"i{column.itemsize}")
    for _ in range(order):
        rest = np.diff(rest, prepend=rest.dtype.type(0))
    folded = ((rest << 1) ^ (rest >> (8 * rest.itemsize - 1))).astype(f"<i{rest.itemsize}")
    planes = folded.view(np.uint8).reshape(-1, rest.itemsize).T
    parts = [_HEAD.pack(order, rest.itemsize)]
    for plane in planes:
        packed = _ZSTD.compress(plane.tobytes(), asbytes=True) if plane.any() else b""
        parts += [_LENGTH.pack(len(packed)), packed]
    return b"".join(parts)


def unpack(data: memoryview, n: int, dtype: np.dtype[Any]) -> tuple[NDArray[Any], int]:
    """(n,) values and how many bytes of `data` they took; ColumnError when that cannot be."""
    try:
        order, width = _HEAD.unpack_from(data)
        if width != dtype.itemsize or order > MAX_ORDER:
            raise ColumnError(f"a column of {width} bytes and order {order}, not {dtype}")
        planes = np.zeros((n, width), np.uint8)
        at = _HEAD.size
        for place in range(width):
            (length,) = _LENGTH.unpack_from(data, at)
            at += _LENGTH.size
            if length:
                plane = _ZSTD.decompress(pa.py_buffer(data[at : at + length]), n)
                planes[:, place] = np.frombuffer(plane, np.uint8, n)
            at += length
    except (struct.error, OSError, ValueError) as error:
        raise ColumnError(f"a column cannot be unpacked ({error})") from error
    folded = planes.view(f"<u{width}").ravel()
    rest = (folded >> 1).view(f"<i{width}") ^ -(folded & 1).view(f"<i{width}")
    for _ in range(order):
        rest = np.cumsum(rest, dtype=rest.dtype)
    return rest.astype(f"=i{width}", copy=False).view(dtype), at


def skip(data: memoryview) -> int:
    """How many bytes of `data` the column at its beginning takes."""
    _, width = _HEAD.unpack_from(data)
    at = _HEAD.size
    for _ in range(width):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size + length
    return int(at)


def _order(column: NDArray[Any]) -> int:
    """How often to take differences: what leaves the smallest numbers in the column's middle."""
    first = max(0, (len(column) - _SAMPLE) // 2)
    some = column.view(f"i{column.itemsize}")[first : first + _SAMPLE].astype(np.float64)
    sizes = []
    for _ in range(MAX_ORDER + 1):
        sizes.append(np.log2(1 + np.abs(some)).mean() if len(some) else np.inf)
        some = np.diff(some)
    return int(np.argmin(sizes))
