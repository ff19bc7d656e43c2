"""Samples as they come -> readings on the grid, sample by sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytics.signal.calibration import GRAVITY_MPS2, Calibration
from analytics.signal.frames import PAIR, Readings, pair_means
from analytics.signal.grid import GridChunk, Gridder, GridParameters


class ReadingStream:
    """Resampling of one stretch without long gaps."""

    def __init__(
        self, *, has_gyro: bool, rate_hz: float, calibration: Calibration, grid: GridParameters
    ) -> None:
        self._has_gyro = has_gyro
        self._scale = GRAVITY_MPS2 / calibration.gravity_mps2
        self._gridder = Gridder(channels=6 if has_gyro else 3, rate_hz=rate_hz, parameters=grid)
        self._odd: GridChunk | None = None
        """A grid point whose partner has not come yet."""

    def push(self, t_ns: NDArray[np.int64], values: NDArray[np.floating]) -> Readings | None:
        """Readings that have become certain. values (3 or 6, n): accel, gyro in sensor axes,
        finite."""
        chunk = self._paired(self._gridder.push(t_ns, values))
        if chunk is None:
            return None
        accel = chunk.values[:3] * self._scale
        gyro = pair_means(chunk.values[3:]) if self._has_gyro else None
        return Readings(chunk.k0, chunk.valid, accel, gyro)

    def _paired(self, chunk: GridChunk | None) -> GridChunk | None:
        """Whole pairs that begin at an even grid point; the rest waits for its partner."""
        if chunk is None:
            return None
        k0, values, valid = chunk.k0, chunk.values, chunk.valid
        if self._odd is not None:
            k0 = self._odd.k0
            values = np.concatenate((self._odd.values, values), axis=1)
            valid = np.concatenate((self._odd.valid, valid))
        first = k0 % PAIR
        stop = first + (len(valid) - first) // PAIR * PAIR
        self._odd = None
        if stop < len(valid):
            self._odd = GridChunk(k0 + stop, values[:, stop:].copy(), valid[stop:].copy())
        if stop == first:
            return None
        return GridChunk(k0 + first, values[:, first:stop], valid[first:stop])
