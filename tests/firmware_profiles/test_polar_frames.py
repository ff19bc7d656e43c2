"""PMD frames: the delta codec against a slow, bit-by-bit one, and every layout of the sheet."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_profiles.base import DecodeError
from firmware_profiles.polar_frames import decode_samples, parse_frame

G_PER_MG = 9.80665e-3


def frame(kind: int, form: int, payload: bytes, stamp_ns: int = 10**9) -> bytes:
    return struct.pack("<BQB", kind, stamp_ns, form) + payload


def pack_bits(values: list[int], width: int) -> bytes:
    """Least significant bit first, one value after the other."""
    stream = 0
    for index, value in enumerate(values):
        stream |= (value % 2**width) << (index * width)
    return stream.to_bytes((len(values) * width + 7) // 8, "little")


def compress(rows: list[list[int]], width: int, per_block: int) -> bytes:
    """Reference sample and blocks of differences, all of one width."""
    data = struct.pack(f"<{len(rows[0])}h", *rows[0])
    for start in range(1, len(rows), per_block):
        block = rows[start : start + per_block]
        previous = rows[start - 1 : start - 1 + len(block)]
        deltas = [
            b - a
            for old, new in zip(previous, block, strict=True)
            for a, b in zip(old, new, strict=True)
        ]
        data += bytes((width, len(block))) + pack_bits(deltas, width)
    return data


@settings(max_examples=300, deadline=None, database=None)
@given(st.data())
def test_compressed_rows_come_back(data: st.DataObject) -> None:
    width = data.draw(st.integers(2, 17))
    largest = 2 ** (width - 1) - 1
    n = data.draw(st.integers(1, 60))
    row = [data.draw(st.integers(-1000, 1000)) for _ in range(3)]
    rows = [row]
    for _ in range(n - 1):
        row = [
            max(-32768, min(32767, value + data.draw(st.integers(-largest, largest))))
            for value in row
        ]
        rows.append(row)
    payload = compress(rows, width, data.draw(st.integers(1, 20)))
    samples = decode_samples(parse_frame(frame(2, 0x81, payload)))
    assert samples.lsb == G_PER_MG
    np.testing.assert_array_equal(np.rint(samples.values / G_PER_MG), rows)


@pytest.mark.parametrize(
    ("form", "payload", "rows"),
    [
        (0, struct.pack("<3b", -128, 127, 1), [[-128, 127, 1]]),
        (1, struct.pack("<6h", -32768, 32767, 1, 2, 3, 4), [[-32768, 32767, 1], [2, 3, 4]]),
        (2, bytes.fromhex("000080ffff7fffffff"), [[-(2**23), 2**23 - 1, -1]]),
    ],
)
def test_raw_acceleration_in_milli_g(form: int, payload: bytes, rows: list[list[int]]) -> None:
    samples = decode_samples(parse_frame(frame(2, form, payload)))
    np.testing.assert_allclose(samples.values, np.array(rows) * G_PER_MG, rtol=1e-7)


@pytest.mark.parametrize(
    ("kind", "form", "si_per_count"),
    [(2, 0x80, 9.80665), (2, 0x81, G_PER_MG), (5, 0x80, np.pi / 180), (6, 0x80, 100.0)],
)
def test_units_and_factor(kind: int, form: int, si_per_count: float) -> None:
    data = frame(kind, form, compress([[100, -200, 300], [101, -199, 299]], 3, 1))
    samples = decode_samples(parse_frame(data), 0.25)
    assert samples.lsb == pytest.approx(0.25 * si_per_count)
    expected = np.array([[100, -200, 300], [101, -199, 299]]) * 0.25 * si_per_count
    np.testing.assert_allclose(samples.values, expected, rtol=1e-6)


def test_fourth_channel_of_the_magnetometer_is_left_out() -> None:
    data = frame(6, 0x81, compress([[-201, 5, 9, 3], [-200, 5, 9, 1]], 4, 5))
    samples = decode_samples(parse_frame(data))
    np.testing.assert_allclose(samples.values, [[-20.1, 0.5, 0.9], [-20.0, 0.5, 0.9]], rtol=1e-6)


def test_float_rotation_adds_differences_to_bit_patterns() -> None:
    patterns = [
        struct.unpack("<I", struct.pack("<f", value))[0] for value in (1.0, -2.5, 1e-3, 64.0)
    ]
    deltas = [patterns[3] - patterns[0], 0, patterns[1] - patterns[2]]
    payload = struct.pack("<3f", 1.0, -2.5, 1e-3) + b"\x20\x01" + pack_bits(deltas, 32)
    samples = decode_samples(parse_frame(frame(5, 0x81, payload)), 0.5)
    assert samples.lsb is None
    expected = np.radians(np.array([[1.0, -2.5, 1e-3], [64.0, -2.5, -2.5]]) * 0.5)
    np.testing.assert_allclose(samples.values, expected, rtol=1e-6)


@pytest.mark.parametrize("pattern", ["0000c07f", "0100807f", "0000807f", "ffff7f7f"])
def test_floats_that_are_no_numbers_are_refused(pattern: str) -> None:
    payload = bytes.fromhex(pattern) * 3  # quiet and signalling NaN, infinity, the largest number
    with pytest.raises(DecodeError, match="finite"):
        decode_samples(parse_frame(frame(5, 0x81, payload)), 1000.0)


def test_zero_width_repeats_the_sample_and_empty_blocks_add_none() -> None:
    payload = struct.pack("<3h", 1, 2, 3) + b"\x00\x03" + b"\x08\x00"
    samples = decode_samples(parse_frame(frame(2, 0x81, payload)))
    assert len(samples.values) == 4


def test_header_fields() -> None:
    parsed = parse_frame(frame(0x40 | 2, 0x81, b"x", 2**63 - 1))
    assert (parsed.measurement.name, parsed.stamp_ns) == ("ACC", 2**63 - 1)
    assert (parsed.is_compressed, parsed.variant, parsed.payload) == (True, 1, b"x")
