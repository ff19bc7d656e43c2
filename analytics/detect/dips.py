"""Squats without a pause: the trunk sinks and rises again at once.

Height over a few seconds comes from vertical acceleration, integrated twice with everything slower
than a slow squat removed. A dip is a low point that the trunk falls into and rises from at similar
speed; sitting down brakes without rising.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from analytics.signal.filters import high_pass, low_pass
from analytics.signal.frames import MOTION_HZ
from analytics.signal.motion import Motion
from analytics.signal.parameter import parameter
from analytics.signal.smoothing import from_running_median, moving_mean


@dataclass(frozen=True, slots=True)
class DipParameters:
    """How deep and how even a dip is."""

    high_pass_hz: float = parameter(0.2, unit="Hz", reason="a slow squat lasts five seconds")
    bias_s: int = parameter(30, unit="s", reason="sensor bias changes slower than movements")
    rest_s: int = parameter(5, unit="s", reason="one period of the high-pass")
    step_hz: float = parameter(0.7, unit="Hz", reason="between squats and steps")
    window_s: int = parameter(3, unit="s", reason="about as long as one squat")
    swing_mps: float = parameter(0.15, unit="m/s", reason="steps leave less below 0.7 Hz")
    swing_ratio: float = parameter(
        1.25, unit="1", reason="slow over fast vertical speed; walking stays below 0.7"
    )
    min_ratio: float = parameter(
        1.1, unit="1", reason="slow over fast vertical speed: neither running nor jumping"
    )
    min_depth_m: float = parameter(0.12, unit="m", reason="a partial squat, after the high-pass")
    min_speed_mps: float = parameter(
        0.25, unit="m/s", reason="half of a slow squat's speed, as it is before the high-pass"
    )
    min_balance: float = parameter(
        0.5, unit="1", reason="rise over fall speed; after sitting down it is below 0.3"
    )
    min_evenness: float = parameter(
        0.5, unit="1", reason="way down over way up; leaning forward to rise is below 0.4"
    )
    surely_even: float = parameter(
        0.85, unit="1", reason="what stays down rises by half of it in the high-pass, not by all"
    )
    series_s: int = parameter(
        6, unit="s", reason="squats that follow one another support each other"
    )
    series_least: int = parameter(
        3, unit="1", reason="sitting down and rising again may look like two"
    )
    calm_s: float = parameter(3.0, unit="s", reason="as long as a pause between two squats")
    max_unrest_radps: float = parameter(
        0.2,
        unit="rad/s",
        reason="before or after a single squat one stands; on stairs one steps on (DSADS)",
    )
    longest_half_s: float = parameter(2.5, unit="s", reason="one way of a slow squat")
    shortest_s: float = parameter(0.9, unit="s", reason="jumps are shorter")
    max_activity_radps: float = parameter(
        2.0, unit="rad/s", reason="mean of a brisk squat is half of it; jogging and hopping exceed"
    )
    max_turn_deg: float = parameter(60.0, unit="deg", reason="a squatting trunk stays upright")


@dataclass(frozen=True, slots=True)
class Dip:
    """One dip; times in samples of the motion it was found in."""

    start: int
    bottom: int
    stop: int
    depth_m: float
    evenness: float
    """Way and speed down over way and speed up, the lesser over the greater, the worse of both."""
    unrest_radps: float
    """Least activity shortly before or shortly after, whichever is less."""

    def shifted(self, ticks: int) -> Dip:
        """The same on a clock that began so many ticks earlier."""
        return replace(
            self, start=self.start + ticks, bottom=self.bottom + ticks, stop=self.stop + ticks
        )


@dataclass(frozen=True, slots=True)
class Heave:
    """Vertical movement over a few seconds."""

    speed: NDArray[np.float64]
    """(n,) m/s at MOTION_HZ."""
    height: NDArray[np.float64]
    """(n,) m at MOTION_HZ."""
    dominant: NDArray[np.bool_]
    """(seconds,) True where slow rising and sinking outweighs the bounce of steps."""
    ratio: NDArray[np.float64]
    """(seconds,) slow over fast vertical speed."""


def may_dip(motion: Motion, parameters: DipParameters) -> bool:
    """Whether vertical acceleration could bring the trunk down and up again by so much."""
    p = parameters
    least_mps2 = 2.0 * p.min_depth_m / p.longest_half_s**2
    return bool(np.abs(motion.vertical).max(initial=0.0) >= least_mps2)


def heave_of(motion: Motion, parameters: DipParameters) -> Heave:
    """Vertical speed and height with everything slower than a slow squat removed."""
    p = parameters
    vertical = from_running_median(motion.vertical, rate_hz=MOTION_HZ, window_s=p.bias_s)
    # at the ends of a recording the wearer is taken to be at rest
    still = p.rest_s * MOTION_HZ
    moved = np.cumsum(np.pad(vertical, still)) / MOTION_HZ
    speed = high_pass(moved, p.high_pass_hz, rate_hz=MOTION_HZ, order=1)
    height = high_pass(np.cumsum(speed) / MOTION_HZ, p.high_pass_hz, rate_hz=MOTION_HZ, order=1)[
        still:-still
    ]
    speed = speed[still:-still]
    slow = low_pass(speed, p.step_hz, rate_hz=MOTION_HZ)
    width, middle = p.window_s * MOTION_HZ, slice(MOTION_HZ // 2, None, MOTION_HZ)
    swing = moving_mean(slow**2, width)[middle]
    bounce = moving_mean((speed - slow) ** 2, width)[middle]
    return Heave(
        speed=speed,
        height=height,
        dominant=(swing > p.swing_mps**2) & (swing > p.swing_ratio**2 * bounce),
        ratio=np.sqrt(swing / np.maximum(bounce, 1e-12)),
    )


def dips(
    motion: Motion, heave: Heave, ignore: NDArray[np.bool_], parameters: DipParameters
) -> list[Dip]:
    """Dips in order of time; none has its bottom where `ignore` (n,) is True."""
    p = parameters
    speed, height = heave.speed, heave.height
    half = round(p.longest_half_s * MOTION_HZ)
    bottoms, shape = signal.find_peaks(-height, prominence=p.min_depth_m, wlen=2 * half)
    found = []
    for bottom, depth in zip(bottoms, shape["prominences"], strict=True):
        low, high_end = max(0, bottom - half), min(len(height), bottom + half)
        if ignore[bottom] or high_end - bottom < 2:
            continue
        falling, rising = speed[low : bottom + 1], speed[bottom:high_end]
        fall, rise = -float(falling.min()), float(rising.max())
        # from the fastest sinking to the fastest rising it is half of an even dip
        length_s = 2.0 * (len(falling) - int(falling.argmin()) + int(rising.argmax())) / MOTION_HZ
        passed = 1.0 / (1.0 + (p.high_pass_hz * length_s) ** 2)
        start = low + int(np.argmax(height[low : bottom + 1]))
        stop = bottom + int(np.argmax(height[bottom:high_end]))
        second = min(int(bottom) // MOTION_HZ, len(heave.ratio) - 1)
        sunk, risen = height[start] - height[bottom], height[stop] - height[bottom]
        if (
            min(sunk, risen) >= p.min_evenness * max(sunk, risen)
            and motion.valid[start : bottom + MOTION_HZ // 2].all()
            and heave.ratio[second] >= p.min_ratio
            and min(fall, rise) >= p.min_speed_mps * passed
            and min(fall, rise) >= p.min_balance * max(fall, rise)
            and stop - start >= p.shortest_s * MOTION_HZ
            and motion.activity[start:stop].mean() <= p.max_activity_radps
            and motion.up[2, start:stop].min() > np.cos(np.radians(p.max_turn_deg))
        ):
            rest = round(p.calm_s * MOTION_HZ)
            before = motion.activity[max(0, start - rest) : start + 1].min()
            after = motion.activity[stop : stop + rest + 1].min()
            unrest = float(min(before, after))
            evenness = min(sunk, risen) / max(sunk, risen), min(fall, rise) / max(fall, rise)
            dip = Dip(int(start), int(bottom), int(stop), float(depth), min(evenness), unrest)
            found.append(dip)
    return found
