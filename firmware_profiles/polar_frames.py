"""PMD data frames -> samples: header, raw layouts and the delta codec, on whole arrays.

Source: github.com/polarofficial/polar-ble-sdk at 8fb5311, unit tests of the pmd package. Deltas
are least significant bit first (that SDK and its tests; other clients disagree).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_profiles.base import STANDARD_GRAVITY_MPS2, DecodeError
from firmware_profiles.bulk import table
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
    stamp_ns = frame_stamp_ns(data)
    kind = data[9]
    return Frame(
        measurement, stamp_ns, bool(kind & _COMPRESSED), kind & ~_COMPRESSED, bytes(data[10:])
    )


def frame_stamp_ns(data: bytes) -> int:
    """Time of a frame's last sample, ns since 2000-01-01; raises DecodeError."""
    if len(data) <= _HEADER_BYTES:
        raise DecodeError(f"frame has {len(data)} bytes, header and a sample need more")
    stamp_ns = int.from_bytes(data[1:9], "little")
    if stamp_ns >= 2**63:
        raise DecodeError(f"stamp {stamp_ns} ns is beyond the year 2292")
    return stamp_ns


def ecg_microvolts(data: bytes) -> list[int]:
    """Samples of a raw electrocardiogram frame, which is not motion; raises DecodeError."""
    if data[9:10] != b"\0":
        raise DecodeError(f"electrocardiogram frame {data[9:10].hex()} is unknown")
    samples: list[int] = signed_rows(data[_HEADER_BYTES:], 24, 1)[:, 0].tolist()
    return samples


def mag_calibration(data: bytes) -> list[int] | None:
    """Calibration status of each sample (0 unknown, 1 poor, 2 ok, 3 good) of a frame that
    `decode_samples` took; None where frames have none."""
    frame = parse_frame(data)
    layout = _layout(frame)
    if layout.channels != 4:
        return None
    status: list[int] = _decompress(frame.payload, layout)[:, 3].tolist()
    return status


def signed_rows(payload: bytes, bits: int, channels: int) -> NDArray[np.int64]:
    """(n, channels) from signed integers of 8, 16, 24 or 32 bits; raises DecodeError."""
    if bits not in {8, 16, 24, 32}:
        raise DecodeError(f"values of {bits} bits are not whole bytes")
    return _signed(payload, _Layout(channels, bits, 1.0))


def decode_raw_frames(
    packets: Sequence[bytes], factor: Callable[[Measurement], float | None]
) -> tuple[Measurement, NDArray[np.int64], Samples] | None:
    """(measurement, stamps, samples) of frames that are all raw, of one kind and of one length;
    factor: the conversion factor of a measurement, None when it was not started. None when they
    are anything else."""
    joined = table(packets)
    if joined is None or len(packets[0]) <= _HEADER_BYTES:
        return None
    rows = np.frombuffer(joined, np.uint8).reshape(len(packets), -1)
    kinds, stamps = rows[:, [0, 9]], np.ascontiguousarray(rows[:, 1:9]).view("<i8")[:, 0]
    if (kinds != kinds[0]).any() or (stamps < 0).any() or kinds[0, 1] & _COMPRESSED:
        return None
    try:
        frame = parse_frame(packets[0])
        told = factor(frame.measurement)
        if told is None:
            return None
        payload = rows[:, _HEADER_BYTES:].tobytes()
        _signed(frame.payload, _layout(frame))  # each packet has to hold whole samples
        samples = decode_samples(replace(frame, payload=payload), told)
    except DecodeError:
        return None
    return frame.measurement, stamps, samples


def decode_samples(frame: Frame, factor: float = 1.0) -> Samples:
    """Samples of a frame times the conversion factor; raises DecodeError."""
    layout = _layout(frame)
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


def _layout(frame: Frame) -> _Layout:
    layout = _LAYOUTS.get((frame.measurement, frame.is_compressed, frame.variant))
    if layout is None:
        form = "compressed" if frame.is_compressed else "raw"
        raise DecodeError(f"{form} {frame.measurement.name} frame {frame.variant} is unknown")
    return layout


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
    reference = _signed(payload[:reference_bytes], layout)
    begins, widths, counts = [], [], []
    at = reference_bytes
    while at < len(payload):
        if at + 2 > len(payload):
            raise DecodeError("delta block is cut off in its header")
        width, n = payload[at], payload[at + 1]
        if width > 32:
            raise DecodeError(f"delta block has {width} bits per value")
        n_bytes = (n * layout.channels * width + 7) // 8
        if at + 2 + n_bytes > len(payload):
            raise DecodeError(
                f"delta block needs {n_bytes} bytes, {len(payload) - at - 2} are left"
            )
        begins.append(8 * (at + 2))
        widths.append(width)
        counts.append(n * layout.channels)
        at += 2 + n_bytes
    deltas = _unpack(payload, begins, widths, counts).reshape(-1, layout.channels)
    values: NDArray[np.int64] = np.cumsum(np.concatenate((reference, deltas)), axis=0)
    if layout.is_float:  # differences of bit patterns: modulo 2**32
        return values & 0xFFFFFFFF
    limit = 1 << layout.bits - 1
    if values.min() < -limit or values.max() >= limit:
        raise DecodeError(f"a value leaves {layout.bits} bits")
    return values


def _unpack(
    data: bytes, begins: Sequence[int], widths: Sequence[int], counts: Sequence[int]
) -> NDArray[np.int64]:
    """Signed integers of all blocks: from bit `begin` on, `count` of `width` bits each, least
    significant bit of each byte first."""
    total = sum(counts)
    if not total:
        return np.empty(0, np.int64)
    shape = np.array((begins, widths, counts))
    width = np.repeat(shape[1], shape[2])
    # bit offset of each value: its block's begin, then its place among the block's values
    before = shape[0] - (np.cumsum(shape[2]) - shape[2]) * shape[1]
    offset = np.repeat(before, shape[2]) + np.arange(total) * width
    # 8 bytes from each byte on: 32 bits wherever they begin in the first one
    windows = np.ndarray((len(data) + 1,), "<u8", data + bytes(8), strides=(1,))
    words = windows[offset >> 3] >> (offset & 7).astype(np.uint64)
    unused = 64 - width
    filled = (words << np.minimum(unused, 63).astype(np.uint64)).view(np.int64)
    return np.where(width > 0, filled >> np.minimum(unused, 63), 0)
