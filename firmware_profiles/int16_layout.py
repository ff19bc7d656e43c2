"""One sample as consecutive little-endian int16 triples: how many sensors lay their packets out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from firmware_profiles.base import DecodeError, Quantity, SampleBlock, SampleRun
from firmware_profiles.bulk import table


def int16_block(data: bytes, lsb: Mapping[Quantity, float], dt_ns: float) -> SampleBlock:
    """The one sample without a stamp in `data`: x, y, z of each quantity in the order of `lsb`
    (SI per count). Raises DecodeError for another length."""
    if len(data) != 6 * len(lsb):
        raise DecodeError(f"packet has {len(data)} bytes, a sample has {6 * len(lsb)}")
    steps = np.array(list(lsb.values())).reshape(-1, 1, 1)
    counts = np.frombuffer(data, "<i2").reshape(-1, 1, 3)
    values = (counts * steps).astype(np.float32)
    return SampleBlock(1, None, dt_ns, dict(zip(lsb, values, strict=True)), lsb)


def int16_run(
    packets: Sequence[bytes], lsb: Mapping[Quantity, float], dt_ns: float
) -> SampleRun | None:
    """The same for many packets; None when one has another length."""
    joined = table(packets)
    if joined is None or len(packets[0]) != 6 * len(lsb):
        return None
    counts = np.frombuffer(joined, "<i2").reshape(len(packets), len(lsb), 3)
    values = {
        quantity: (counts[:, column] * step).astype(np.float32)
        for column, (quantity, step) in enumerate(lsb.items())
    }
    return unstamped_run(values, lsb, dt_ns, n=1)


def unstamped_run(
    values: Mapping[Quantity, np.ndarray[tuple[int, ...], np.dtype[np.float32]]],
    lsb: Mapping[Quantity, float],
    dt_ns: float,
    *,
    n: int,
) -> SampleRun:
    """A run of packets that each have n samples and no stamp."""
    count = len(next(iter(values.values()))) // n
    return SampleRun(
        np.arange(count),
        n,
        None,
        np.full(count, dt_ns),
        values,
        lsb,
        np.zeros(count, np.int64),
    )
