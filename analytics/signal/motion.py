"""Slow signals at 25 Hz that movements are read from: vertical acceleration, up, activity, turning.

25 Hz is enough for movements that take half a second or more and halves every later cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.signal.calibration import GRAVITY_MPS2
from analytics.signal.filters import low_pass
from analytics.signal.frames import MOTION_HZ, PAIR, Frames, pair_means
from analytics.signal.grid import GRID_HZ

_VERTICAL_HZ: Final = 4.0
"""Rising and sitting down happen below 2 Hz; steps and knocks above are noise here."""
_UP_HZ: Final = 2.0
"""Trunk angles of deliberate movements."""
_ACTIVITY_HZ: Final = 1.0
_JERKY_MPS2_PER_RADPS: Final = 3.0
"""Shaking of 3 m/s2 counts as much activity as turning with 1 rad/s."""


@dataclass(frozen=True, slots=True)
class Motion:
    """Slow signals; sample i lies at first_s + i / MOTION_HZ."""

    first_s: int
    valid: NDArray[np.bool_]
    """(n,)"""
    vertical: NDArray[np.float64]
    """(n,) m/s2, upward positive, gravity removed, below 4 Hz."""
    up: NDArray[np.float64]
    """(3, n) unit vector of up in trunk axes, below 2 Hz."""
    activity: NDArray[np.float64]
    """(n,) rad/s: speed of turning plus shaking, below 1 Hz."""
    jerk: NDArray[np.float64]
    """(n,) m/s3, size of the change of vertical acceleration: knocks and landings."""
    yaw_radps: NDArray[np.float64] | None
    """(n,) turning rate about the vertical, to the left positive; None without gyroscope."""

    def __len__(self) -> int:
        return len(self.vertical)


def motion_of(frames: Frames) -> Motion:
    """The slow signals of some frames of whole seconds."""
    raw, norm = frames.vertical, frames.norm
    yaw = None
    if frames.yaw is not None:
        *slow_up, yaw = _low(np.concatenate((frames.up, frames.yaw[None])), _UP_HZ)
        up = _unit(np.stack(slow_up))
    else:
        up = _unit(_low(frames.up, _UP_HZ))
    turning = frames.turning
    if turning is None:
        speed = np.gradient(up, 1.0 / MOTION_HZ, axis=1)
        turning = np.sqrt(np.einsum("ij,ij->j", speed, speed))
    shaking = np.abs(norm - _low(norm, 0.5)) / _JERKY_MPS2_PER_RADPS
    jerk = np.abs(np.diff(raw, prepend=raw[:1])) * GRID_HZ
    return Motion(
        first_s=frames.first_s,
        valid=frames.pairs_valid(),
        vertical=_low(pair_means(raw) - GRAVITY_MPS2, _VERTICAL_HZ),
        up=up,
        jerk=np.maximum(jerk[::PAIR], jerk[1::PAIR]),
        activity=_low(turning + shaking, _ACTIVITY_HZ, order=1),
        yaw_radps=yaw,
    )


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    size = np.sqrt(np.einsum("ij,ij->j", vectors, vectors))
    out: NDArray[np.float64] = vectors / np.maximum(size, 1e-9)
    return out


def _low(values: NDArray[np.floating], hz: float, order: int = 2) -> NDArray[np.float64]:
    return low_pass(values, hz, rate_hz=MOTION_HZ, order=order)
