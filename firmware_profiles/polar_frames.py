"""PMD data frames -> samples: header, raw layouts and the delta codec, on whole arrays.

Source: github.com/polarofficial/polar-ble-sdk at 8fb5311, unit tests of the pmd package. Deltas
are least significant bit first (that SDK and its tests; other clients disagree).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_profiles.base import STANDARD_GRAVITY_MPS2, DecodeError
from firmware_profiles.polar_pmd import Measurement

_HEADER_BYTES: Final = 10
_TYPE_MASK: Final = 0x3F
_COMPRESSED: Final = 0x80
_MILLI_G: Final = STANDARD_GRAVITY_MPS2 / 1000
_GAUSS: Final = 100.0  # uT


@dataclass(frozen=True, slots=True)
class Frame:
    """One data notification. stamp_ns: time of its last sample, ns since 2000-01-01."""

    measurement: Measurement
    stamp_ns: int
    is_compressed: bool
    variant: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class _Layout:
    """How samples of one frame type lie and what a count is worth before the factor."""

    channels: int
    bits: int
    si_per_count: float
    is_float: bool = False


_LAYOUTS: Final = {
    # (measurement, compressed, variant)
    (Measurement.ACC, False, 0): _Layout(3, 8, _MILLI_G),
    (Measurement.ACC, False, 1): _Layout(3, 16, _MILLI_G),
    (Measurement.ACC, False, 2): _Layout(3, 24, _MILLI_G),
    (Measurement.ACC, True, 0): _Layout(3, 16, STANDARD_GRAVITY_MPS2),
    (Measurement.ACC, True, 1): _Layout(3, 16, _MILLI_G),
    (Measurement.GYRO, True, 0): _Layout(3, 16, np.pi / 180),
    (Measurement.GYRO, True, 1): _Layout(3, 32, np.pi / 180, is_float=True),
    (Measurement.MAG, True, 0): _Layout(3, 16, _GAUSS),
    (Measurement.MAG, True, 1): _Layout(4, 16, _GAUSS / 1000),  # the 4th is calibration status
}


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """values: (n, 3) float32 SI; lsb: SI per count, None for floating-point frames."""

    values: NDArray[np.float32]
    lsb: float | None


def parse_frame(data: bytes) -> Frame:
    """Take the header off; raises DecodeError."""
    if len(data) <= _HEADER_BYTES:
        raise DecodeError(f"frame has {len(data)} bytes, header and a sample need more")
    try:
        measurement = Measurement(data[0] & _TYPE_MASK)
    except ValueError:
        raise DecodeError(f"measurement type {data[0] & _TYPE_MASK} is not a motion type") from None
    stamp_ns = int.from_bytes(data[1:9], "little")
    if stamp_ns >= 2**63:
        raise DecodeError(f"stamp {stamp_ns} ns is beyond the year 2292")
    kind = data[9]
    return Frame(
        measurement, stamp_ns, bool(kind & _COMPRESSED), kind & ~_COMPRESSED, bytes(data[10:])
    )


def decode_samples(frame: Frame, factor: float = 1.0) -> Samples:
    """Samples of a frame times the conversion factor; raises DecodeError."""
    layout = _LAYOUTS.get((frame.measurement, frame.is_compressed, frame.variant))
    if layout is None:
        form = "compressed" if frame.is_compressed else "raw"
        raise DecodeError(f"{form} {frame.measurement.name} frame {frame.variant} is unknown")
    if frame.is_compressed:
        counts = _decompress(frame.payload, layout)
    else:
        counts = _signed(frame.payload, layout)
    counts = counts[:, :3]
    if layout.is_float:
        numbers = counts.astype(np.uint32).view(np.float32)
        limit = np.finfo(np.float32).max / max(1.0, factor)
        if not np.all(np.abs(numbers) <= limit):  # a NaN compares false
            raise DecodeError("a value is not a finite number")
        return Samples(
            (numbers.astype(np.float64) * (factor * layout.si_per_count)).astype(np.float32), None
        )
    lsb = factor * layout.si_per_count
    return Samples((counts * lsb).astype(np.float32), lsb)


def _signed(payload: bytes, layout: _Layout) -> NDArray[np.int64]:
    """(n, channels) from consecutive little-endian signed integers of 8, 16, 24 or 32 bits."""
    width = layout.bits // 8
    if not payload or len(payload) % (width * layout.channels):
        raise DecodeError(
            f"{len(payload)} bytes are not whole samples of {layout.channels}x{width}"
        )
    if width != 3:
        whole = np.frombuffer(payload, dtype=f"<i{width}").astype(np.int64)
        return whole.reshape(-1, layout.channels)
    octets = np.frombuffer(payload, dtype=np.uint8).reshape(-1, width).astype(np.int64)
    unsigned = octets @ (1 << 8 * np.arange(width, dtype=np.int64))
    return _sign_extend(unsigned, layout.bits).reshape(-1, layout.channels)


def _sign_extend(unsigned: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    return unsigned - ((unsigned >> bits - 1 & 1) << bits)


def _decompress(payload: bytes, layout: _Layout) -> NDArray[np.int64]:
    """(n, channels): a full reference sample, then blocks of bit-packed differences."""
    reference_bytes = layout.channels * layout.bits // 8
    if len(payload) < reference_bytes:
        raise DecodeError(f"reference sample needs {reference_bytes} bytes, got {len(payload)}")
    pieces = [_signed(payload[:reference_bytes], layout)]
    at = reference_bytes
    while at < len(payload):
        if at + 2 > len(payload):
            raise DecodeError("delta block is cut off in its header")
        width, n = payload[at], payload[at + 1]
        if width > 32:
            raise DecodeError(f"delta block has {width} bits per value")
        n_bytes = (n * layout.channels * width + 7) // 8
        packed = payload[at + 2 : at + 2 + n_bytes]
        if len(packed) < n_bytes:
            raise DecodeError(f"delta block needs {n_bytes} bytes, {len(packed)} are left")
        pieces.append(_unpack(packed, width, n * layout.channels).reshape(n, layout.channels))
        at += 2 + n_bytes
    counts: NDArray[np.int64] = np.cumsum(np.concatenate(pieces), axis=0)
    if layout.is_float:  # differences of bit patterns: modulo 2**32
        return counts & 0xFFFFFFFF
    limit = 1 << layout.bits - 1
    if counts.min() < -limit or counts.max() >= limit:
        raise DecodeError(f"a value leaves {layout.bits} bits")
    return counts


def _unpack(packed: bytes, width: int, count: int) -> NDArray[np.int64]:
    """`count` signed integers of `width` bits, least significant bit of each byte first."""
    if width == 0:
        return np.zeros(count, dtype=np.int64)
    bits = np.unpackbits(
        np.frombuffer(packed, dtype=np.uint8), count=count * width, bitorder="little"
    )
    weights = 1 << np.arange(width, dtype=np.int64)
    return _sign_extend(bits.reshape(count, width).astype(np.int64) @ weights, width)
