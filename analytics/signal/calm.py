"""Calm seconds, from readings alone: nothing happens in them that could change a posture.

Cheap and cautious: any movement, any step and any missing sample makes a second a stirred one. Most
of a day is calm; what looks for movements and steps looks around the stirred seconds only.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.signal.frames import MOTION_HZ, Readings
from analytics.signal.grid import GRID_HZ
from analytics.signal.masks import widened

_SHAKE_MPS2: Final = 0.3
"""SD of the size of acceleration: the slowest walk has twice as much; breathing a fifth."""
_TURNING_RADPS: Final = 0.2
"""11 deg/s: a very slow rise bends the trunk twice as fast; breathing and sway by a quarter."""
_TURN: Final = np.radians(2.0)
"""Of gravity from second to second, for what a gyroscope's bias or its absence leaves open."""
_SLOW_S: Final = 5
_SLOW_TURN: Final = np.radians(3.0)
"""A movement so slow that no second of it stirs: within five seconds it turns gravity by more than
breathing does, or the sensor about gravity; a quarter of the smallest bend or turn that counts."""
_AROUND_S: Final = 20
"""Longer than the surroundings that a movement is measured against, to one side."""


def busy_seconds(readings: Readings, bias: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(seconds,) False where nothing moves the sensor but breathing, sway and the heart, for a
    while before and after; for the same arguments as calm_seconds."""
    stirred = ~calm_seconds(readings, bias)
    stirred |= _turned(direction(readings))
    if readings.gyro is not None:
        rate = readings.gyro.reshape(3, -1, MOTION_HZ).mean(axis=2, dtype=float)
        turned = np.cumsum(rate - bias[:, None], axis=1)
        stirred |= _turned(turned)
    return widened(stirred, _AROUND_S)


def _turned(angle: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(seconds,) True in every stretch of _SLOW_S in which (3, seconds) angles change a lot."""
    out = np.zeros(angle.shape[1], bool)
    change = np.square(angle[:, _SLOW_S:] - angle[:, :-_SLOW_S]).sum(axis=0)
    out[_SLOW_S:] = change > _SLOW_TURN**2
    return out


def calm_seconds(readings: Readings, bias: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(seconds,) of readings of whole seconds; bias (3,) of the gyroscope [rad/s]."""
    x, y, z = readings.accel.reshape(3, -1, GRID_HZ)
    calm: NDArray[np.bool_] = np.sqrt(x * x + y * y + z * z).std(axis=1) < _SHAKE_MPS2
    calm &= readings.valid.reshape(len(calm), -1).all(axis=1)
    up = direction(readings)
    turn = np.square(np.diff(up, axis=1, prepend=up[:, :1])).sum(axis=0)
    calm &= turn < _TURN**2
    if readings.gyro is not None:
        x, y, z = readings.gyro - bias.astype(readings.gyro.dtype)[:, None]
        fastest = (x * x + y * y + z * z).reshape(-1, MOTION_HZ).max(axis=1)
        calm &= fastest < _TURNING_RADPS**2
    return calm


def direction(readings: Readings) -> NDArray[np.float64]:
    """(3, seconds) unit vectors of mean acceleration in sensor axes: up, in a calm second."""
    mean = readings.accel.reshape(3, -1, GRID_HZ).mean(axis=2, dtype=float)
    size = np.sqrt(np.square(mean).sum(axis=0))
    up: NDArray[np.float64] = mean / np.maximum(size, 1e-9)
    return up
