"""A stretch of the 50 Hz grid in trunk axes: what every detector reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.signal.grid import GRID_HZ


@dataclass(frozen=True, slots=True)
class Frames:
    """Consecutive grid points k0 .. k0 + n - 1, whole seconds."""

    k0: int
    """Grid index of the first point; a multiple of GRID_HZ."""
    valid: NDArray[np.bool_]
    """(n,) False where nothing was measured."""
    up: NDArray[np.float64]
    """(3, n) unit vector of up in trunk axes (forward, left, up)."""
    accel: NDArray[np.float64]
    """(3, n) m/s2 in trunk axes, scaled so that rest reads 9.80665."""
    gyro: NDArray[np.float64] | None
    """(3, n) rad/s in trunk axes."""

    @property
    def seconds(self) -> int:
        """Number of whole seconds."""
        return len(self.valid) // GRID_HZ

    def per_second(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean over the valid points of each second, (..., n) -> (..., seconds); NaN where none."""
        weight = self.valid.reshape(-1, GRID_HZ)
        total = (values.reshape(*values.shape[:-1], -1, GRID_HZ) * weight).sum(axis=-1)
        count = weight.sum(axis=-1)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)
