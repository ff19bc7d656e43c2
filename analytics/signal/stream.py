"""Samples as they come -> frames in trunk axes, sample by sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytics.signal.calibration import GRAVITY_MPS2, Calibration
from analytics.signal.frames import PAIR, Frames, pair_means
from analytics.signal.grid import GridChunk, Gridder, GridParameters
from analytics.signal.orientation import UpFilter


class FrameStream:
    """Resampling, rotation and orientation of one stretch without long gaps."""

    def __init__(
        self, *, has_gyro: bool, rate_hz: float, calibration: Calibration, grid: GridParameters
    ) -> None:
        self._has_gyro = has_gyro
        self._rotation = calibration.rotation
        self._scale = GRAVITY_MPS2 / calibration.gravity_mps2
        self._gridder = Gridder(channels=6 if has_gyro else 3, rate_hz=rate_hz, parameters=grid)
        bias = calibration.gyro_bias_radps
        self._up = UpFilter(None if bias is None else calibration.rotation @ np.array(bias))
        self._odd: GridChunk | None = None
        """A grid point whose partner has not come yet."""

    def push(self, t_ns: NDArray[np.int64], values: NDArray[np.float64]) -> Frames | None:
        """Frames that have become certain. values (n, 3 or 6): accel, gyro in sensor axes, finite.

        Without a gyroscope `up` of the frames holds acceleration: see orientation.slow_up.
        """
        chunk = self._paired(self._gridder.push(t_ns, np.ascontiguousarray(values.T)))
        if chunk is None:
            return None
        accel = _turned(self._rotation * self._scale, chunk.values[:3])
        slow = pair_means(accel)
        if not self._has_gyro:
            return Frames(chunk.k0, chunk.valid, accel, slow, None)
        gyro = _turned(self._rotation, pair_means(chunk.values[3:]))
        return Frames(chunk.k0, chunk.valid, accel, self._up.push(slow, gyro), gyro)

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
            self._odd = GridChunk(k0 + stop, values[:, stop:], valid[stop:])
        if stop == first:
            return None
        return GridChunk(k0 + first, values[:, first:stop], valid[first:stop])


def _turned(rotation: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """rotation @ values, element by element: a matrix product may round differently with the
    number of samples."""
    x, y, z = values
    return np.stack([row[0] * x + row[1] * y + row[2] * z for row in rotation])
