"""One sample as consecutive little-endian int16 triples: how many sensors lay their packets out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from firmware_profiles.base import DecodeError, Quantity, SampleBlock


def int16_block(data: bytes, lsb: Mapping[Quantity, float], dt_ns: float) -> SampleBlock:
    """The one sample without a stamp in `data`: x, y, z of each quantity in the order of `lsb`
    (SI per count). Raises DecodeError for another length."""
    if len(data) != 6 * len(lsb):
        raise DecodeError(f"packet has {len(data)} bytes, a sample has {6 * len(lsb)}")
    steps = np.array(list(lsb.values())).reshape(-1, 1, 1)
    counts = np.frombuffer(data, "<i2").reshape(-1, 1, 3)
    values = (counts * steps).astype(np.float32)
    return SampleBlock(1, None, dt_ns, dict(zip(lsb, values, strict=True)), lsb)
