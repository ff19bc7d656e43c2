"""Slow signals at 25 Hz that movements are read from: vertical acceleration, up, activity, turning.

25 Hz is enough for movements that take half a second or more and halves every later cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from analytics.signal.calibration import GRAVITY_MPS2
from analytics.signal.frames import Frames
from analytics.signal.grid import GRID_HZ

MOTION_HZ: Final = 25
_STEP: Final = GRID_HZ // MOTION_HZ
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
    """The slow signals of some frames."""
    raw = np.einsum("ij,ij->j", frames.accel, frames.up)
    vertical = _halved(raw) - GRAVITY_MPS2
    up = _halved(frames.up)
    accel = _halved(frames.accel)
    norm = np.sqrt(np.einsum("ij,ij->j", accel, accel))
    slow_up = _low(up, _UP_HZ)
    slow_up /= np.maximum(np.sqrt(np.einsum("ij,ij->j", slow_up, slow_up)), 1e-9)
    yaw = None
    if frames.gyro is not None:
        gyro = _halved(frames.gyro)
        turning = np.sqrt(np.einsum("ij,ij->j", gyro, gyro))
        yaw = _low(np.einsum("ij,ij->j", gyro, up), _UP_HZ)
    else:
        speed = np.gradient(slow_up, 1.0 / MOTION_HZ, axis=1)
        turning = np.sqrt(np.einsum("ij,ij->j", speed, speed))
    shaking = np.abs(norm - _low(norm, 0.5)) / _JERKY_MPS2_PER_RADPS
    return Motion(
        first_s=frames.k0 // GRID_HZ,
        valid=np.logical_and(frames.valid[::_STEP], frames.valid[1::_STEP]),
        vertical=_low(vertical, _VERTICAL_HZ),
        up=slow_up,
        jerk=np.abs(np.diff(raw, prepend=raw[:1])).reshape(-1, _STEP).max(axis=1) * GRID_HZ,
        activity=_low(turning + shaking, _ACTIVITY_HZ, order=1),
        yaw_radps=yaw,
    )


def _halved(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pair means along the last axis."""
    mean: NDArray[np.float64] = 0.5 * (values[..., ::_STEP] + values[..., 1::_STEP])
    return mean


def _low(values: NDArray[np.float64], hz: float, order: int = 2) -> NDArray[np.float64]:
    sections = signal.butter(order, hz, fs=MOTION_HZ, output="sos")
    out: NDArray[np.float64] = signal.sosfiltfilt(sections, values, axis=-1)
    return out
