"""A motion whose every sample carries its number, so that the store can be asked which came."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.store.base import Samples
from sensor_agent.virtual.encoders.base import Frame
from sensor_agent.virtual.motion import Motion

_STEP_MPS2 = 0.1
"""Far above the resolution of every sensor (0.01 m/s2)."""
_BASE = 100
"""Three axes of 100 steps, -5 to 4.9 m/s2: a million numbers."""


def motion(rate_hz: float, seconds: float) -> Motion:
    """`seconds` of numbered samples."""
    number = np.arange(round(rate_hz * seconds))
    digits = np.stack([number // _BASE**axis % _BASE for axis in range(3)], axis=1)
    accel = (digits - _BASE // 2) * _STEP_MPS2
    return Motion(rate_hz, accel, np.zeros_like(accel))


def numbers(accel: NDArray[np.floating]) -> NDArray[np.int64]:
    """(n,) the numbers of (n, 3) samples."""
    digits = np.rint(accel / _STEP_MPS2).astype(np.int64) + _BASE // 2
    result: NDArray[np.int64] = digits @ _BASE ** np.arange(3)
    return result


def numbers_sent(frames: list[Frame]) -> NDArray[np.int64]:
    """What a virtual sensor handed to the radio, in order."""
    return numbers(np.concatenate([frame.values["accel"] for frame in frames]))


@dataclass(frozen=True, slots=True)
class Hole:
    """Samples that are not in the store, between two that are."""

    first: int
    """Number of the first one missing."""
    count: int
    next_ns: int
    """Time stamp of the sample after the hole."""


def holes(samples: Samples) -> list[Hole]:
    """Where numbers are left out; AssertionError when one came twice or out of order."""
    got = numbers(samples.values["accel"])
    steps = np.diff(got)
    assert np.all(np.diff(samples.t_ns) > 0)
    assert np.all(steps > 0), f"twice or out of order: {got[1:][steps <= 0][:10]}"
    return [
        Hole(int(got[i]) + 1, int(steps[i]) - 1, int(samples.t_ns[i + 1]))
        for i in np.flatnonzero(steps > 1)
    ]
