"""Squats without a pause: the trunk sinks and rises again at once.

Height over a few seconds comes from vertical acceleration, integrated twice with everything slower
than a slow squat removed. A dip is a low point that the trunk falls into and rises from at similar
speed; sitting down brakes without rising.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from analytics.signal.motion import MOTION_HZ, Motion
from analytics.signal.parameter import parameter


@dataclass(frozen=True, slots=True)
class DipParameters:
    """How deep and how even a dip is."""

    high_pass_hz: float = parameter(0.2, unit="Hz", reason="a slow squat lasts five seconds")
    min_depth_m: float = parameter(0.16, unit="m", reason="a partial squat, after the high-pass")
    min_speed_mps: float = parameter(0.3, unit="m/s", reason="half of a calm squat's speed")
    min_balance: float = parameter(
        0.5, unit="1", reason="rise over fall speed; after sitting down it is below 0.3"
    )
    longest_half_s: float = parameter(2.5, unit="s", reason="one way of a slow squat")
    shortest_s: float = parameter(0.9, unit="s", reason="jumps are shorter")
    max_turn_deg: float = parameter(60.0, unit="deg", reason="a squatting trunk stays upright")


@dataclass(frozen=True, slots=True)
class Dip:
    """One dip; times in samples of the motion it was found in."""

    start: int
    bottom: int
    stop: int
    depth_m: float


def dips(motion: Motion, ignore: NDArray[np.bool_], parameters: DipParameters) -> list[Dip]:
    """Dips in order of time; none has its bottom where `ignore` (n,) is True."""
    p = parameters
    if len(motion) < 2 * MOTION_HZ:
        return []
    high = signal.butter(1, p.high_pass_hz, "high", fs=MOTION_HZ, output="sos")
    speed = signal.sosfiltfilt(high, np.cumsum(motion.vertical) / MOTION_HZ)
    height = signal.sosfiltfilt(high, np.cumsum(speed) / MOTION_HZ)
    half = round(p.longest_half_s * MOTION_HZ)
    bottoms, shape = signal.find_peaks(-height, prominence=p.min_depth_m, wlen=2 * half)
    found = []
    for bottom, depth in zip(bottoms, shape["prominences"], strict=True):
        low, high_end = max(0, bottom - half), min(len(height), bottom + half)
        if ignore[bottom] or not motion.valid[low:high_end].all() or high_end - bottom < 2:
            continue
        falling, rising = speed[low : bottom + 1], speed[bottom:high_end]
        fall, rise = -float(falling.min()), float(rising.max())
        start = low + int(np.argmax(height[low : bottom + 1]))
        stop = bottom + int(np.argmax(height[bottom:high_end]))
        if (
            min(fall, rise) >= p.min_speed_mps
            and min(fall, rise) >= p.min_balance * max(fall, rise)
            and stop - start >= p.shortest_s * MOTION_HZ
            and motion.up[2, start:stop].min() > np.cos(np.radians(p.max_turn_deg))
        ):
            found.append(Dip(int(start), int(bottom), int(stop), float(depth)))
    return found
