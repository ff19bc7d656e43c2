"""Exercise: the trunk swings to and fro at a steady pace for a minute or longer.

Rowing, cycling, a rocking chair: each swing looks like a bend or a height change, none is one. Real
movements of daily life do not repeat themselves so evenly. The autocorrelation of the direction of
up, summed over its three axes, sees them whatever the way the sensor is worn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from analytics.signal.frames import MOTION_HZ
from analytics.signal.masks import fill_breaks, runs
from analytics.signal.motion import Motion
from analytics.signal.parameter import parameter

_HZ = 5
"""Swings take longer than half a second."""


@dataclass(frozen=True, slots=True)
class RhythmParameters:
    """What is exercise."""

    window_s: int = parameter(16, unit="s", reason="holds four strokes of rowing")
    shortest_s: float = parameter(0.6, unit="s", reason="100 turns of a crank a minute")
    longest_s: float = parameter(3.6, unit="s", reason="a slow stroke of rowing")
    least: float = parameter(
        0.55, unit="1", reason="autocorrelation; rowing and cycling exceed it", source="DSADS"
    )
    swing_deg: float = parameter(1.5, unit="deg", reason="less is breathing or sway")
    break_s: int = parameter(
        20, unit="s", reason="one uneven stroke spoils the window around it; that is no end"
    )
    least_s: int = parameter(60, unit="s", reason="a few sets of bends and turns take less")
    around_s: int = parameter(
        15, unit="s", reason="getting into the rhythm and out of it belongs to it"
    )


def rhythmic_seconds(
    motion: Motion, walking: NDArray[np.bool_], parameters: RhythmParameters
) -> NDArray[np.bool_]:
    """(seconds,) True where up swings to and fro at a steady pace and nobody walks."""
    p = parameters
    width = p.window_s * _HZ
    up = motion.up.reshape(3, -1, MOTION_HZ // _HZ).mean(axis=2)
    swing = up - _around(up, width)
    power = np.einsum("ij,ij->j", swing, swing)
    strength = _around(power, width)
    strong = (strength[_HZ // 2 :: _HZ] > np.radians(p.swing_deg) ** 2) & ~walking
    if np.count_nonzero(strong) < p.window_s:
        return np.zeros_like(strong)
    low, high = round(p.shortest_s * _HZ), round(p.longest_s * _HZ)
    both = np.zeros((high - low + 3, len(power)))
    own = np.ones_like(both)
    for row, lag in enumerate(range(low - 1, high + 2)):
        part = slice(lag // 2, lag // 2 + len(power) - lag)
        both[row, part] = np.einsum("ij,ij->j", swing[:, lag:], swing[:, :-lag])
        own[row, part] = 0.5 * (strength[lag:] + strength[:-lag]) + 1e-9
    likeness = (_around(both, width) / own)[:, _HZ // 2 :: _HZ]
    middle = likeness[1:-1]
    peak = (middle >= likeness[:-2]) & (middle >= likeness[2:])
    found: NDArray[np.bool_] = strong & (np.where(peak, middle, 0.0).max(axis=0) > p.least)
    return found


def exercise_spans(
    rhythm: NDArray[np.bool_], before_s: int, parameters: RhythmParameters
) -> list[tuple[int, int]]:
    """(start, stop) in seconds of every rhythm that lasts; `before_s` of it went before."""
    return [
        (start, stop)
        for start, stop in _lasting(rhythm, before_s, parameters)
        if stop - start + (before_s if start == 0 else 0) >= parameters.least_s
    ]


def rhythm_at(
    rhythm: NDArray[np.bool_], before_s: int, second: int, parameters: RhythmParameters
) -> int:
    """For how long the rhythm that goes on at the end of `second` seconds has lasted [s]."""
    for start, stop in _lasting(rhythm, before_s, parameters):
        if start < second < stop:
            return second - start + (before_s if start == 0 else 0)
    return 0


def _lasting(
    rhythm: NDArray[np.bool_], before_s: int, parameters: RhythmParameters
) -> list[tuple[int, int]]:
    going_on = np.concatenate(([before_s > 0], rhythm))
    spans = runs(fill_breaks(going_on, parameters.break_s)).tolist()
    return [(max(start - 1, 0), stop - 1) for start, stop in spans if stop > 1]


def _around(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Mean of `width` samples around each along the last axis; the ends repeat themselves."""
    mean: NDArray[np.float64] = ndimage.uniform_filter1d(values, width, axis=-1, mode="nearest")
    return mean
