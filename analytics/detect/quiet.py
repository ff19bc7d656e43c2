"""Quiet seconds: the wearer holds still, so that what is left is breathing, sway and the heart.

The size of acceleration says it, whatever the mounting: every deliberate movement, every step and
every vehicle on a road shakes the sensor within a second; breathing turns it slowly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.signal.calibration import GRAVITY_MPS2
from analytics.signal.frames import MOTION_HZ, Frames
from analytics.signal.parameter import parameter

SLOW_HZ: Final = 5
"""Rate of the slow signals: breathing and sway lie below 2 Hz."""


@dataclass(frozen=True, slots=True)
class QuietParameters:
    """What is quiet."""

    shake_g: float = parameter(
        0.04,
        unit="g",
        reason="SD of |a| within a second: forced paced breathing reaches 0.035, moving about and "
        "walking exceed 0.1",
        source="ThoraxPaced, Hexoskin",
    )
    turn_deg: float = parameter(
        10.0, unit="deg", reason="from second to second; forced breathing turns the sternum by 7"
    )


def quiet_seconds(frames: Frames, p: QuietParameters) -> NDArray[np.bool_]:
    """(seconds,) True where the wearer holds still; False where something was not measured."""
    size = frames.norm.reshape(-1, MOTION_HZ)
    calm = size.std(axis=1) < p.shake_g * GRAVITY_MPS2
    calm &= frames.valid.reshape(len(calm), -1).all(axis=1)
    middle = frames.up[:, MOTION_HZ // 2 :: MOTION_HZ]
    turn = np.square(np.diff(middle, axis=1, prepend=middle[:, :1])).sum(axis=0)
    quiet: NDArray[np.bool_] = calm & (turn < np.radians(p.turn_deg) ** 2)
    return quiet


def slow_signals(frames: Frames) -> NDArray[np.float64]:
    """(4, seconds * SLOW_HZ): up in trunk axes and the size of acceleration in g."""
    every = MOTION_HZ // SLOW_HZ
    out = np.empty((4, frames.norm.size // every))
    for row, values in zip(out, (*frames.up, frames.norm), strict=True):
        np.copyto(row, values[::every])
        for i in range(1, every):
            np.add(row, values[i::every], out=row)
    out *= 1.0 / every
    out[3] *= 1.0 / GRAVITY_MPS2
    return out
