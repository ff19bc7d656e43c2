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
SLOW_S: Final = 5
"""A movement so slow that no second of it stirs turns the sensor nevertheless within this time."""
LEAST_TURN_DEG: Final = 2.0
"""By more than this, wherever the sensor sits; breathing turns it by less."""
_AROUND_S: Final = 20
"""Longer than the surroundings that a movement is measured against, to one side."""


def busy_seconds(
    readings: Readings, bias: NDArray[np.float64], turn_deg: float
) -> NDArray[np.bool_]:
    """(seconds,) False where nothing moves the sensor but breathing, sway, the heart and turns of
    less than turn_deg in SLOW_S, for a while before and after."""
    stirred = _shaken(readings, bias)
    stirred |= _turned(direction(readings), turn_deg)
    if readings.gyro is not None:
        rate = readings.gyro.reshape(3, -1, MOTION_HZ).mean(axis=2, dtype=float)
        turned = np.cumsum(rate - bias[:, None], axis=1)
        stirred |= _turned(turned, turn_deg)
    return widened(stirred, _AROUND_S)


def _turned(angle: NDArray[np.float64], turn_deg: float) -> NDArray[np.bool_]:
    """(seconds,) True at the end of every SLOW_S in which (3, seconds) angles change by so much."""
    out = np.zeros(angle.shape[1], bool)
    change = np.square(angle[:, SLOW_S:] - angle[:, :-SLOW_S]).sum(axis=0)
    out[SLOW_S:] = change > np.radians(turn_deg) ** 2
    return out


def calm_seconds(readings: Readings, bias: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(seconds,) of readings of whole seconds; bias (3,) of the gyroscope [rad/s]."""
    up = direction(readings)
    turn = np.square(np.diff(up, axis=1, prepend=up[:, :1])).sum(axis=0)
    calm: NDArray[np.bool_] = ~_shaken(readings, bias) & (turn < _TURN**2)
    return calm


def _shaken(readings: Readings, bias: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(seconds,) True where the sensor is shaken or turned fast, or a sample is missing."""
    x, y, z = readings.accel.reshape(3, -1, GRID_HZ)
    shaken: NDArray[np.bool_] = np.sqrt(x * x + y * y + z * z).std(axis=1) >= _SHAKE_MPS2
    shaken |= ~readings.valid.reshape(len(shaken), -1).all(axis=1)
    if readings.gyro is not None:
        x, y, z = readings.gyro - bias.astype(readings.gyro.dtype)[:, None]
        fastest = (x * x + y * y + z * z).reshape(-1, MOTION_HZ).max(axis=1)
        shaken |= fastest >= _TURNING_RADPS**2
    return shaken


def direction(readings: Readings) -> NDArray[np.float64]:
    """(3, seconds) unit vectors of mean acceleration in sensor axes: up, in a calm second."""
    mean = readings.accel.reshape(3, -1, GRID_HZ).mean(axis=2, dtype=float)
    size = np.sqrt(np.square(mean).sum(axis=0))
    up: NDArray[np.float64] = mean / np.maximum(size, 1e-9)
    return up
