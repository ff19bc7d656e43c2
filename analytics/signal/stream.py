"""Samples as they come -> frames in trunk axes, sample by sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytics.signal.calibration import GRAVITY_MPS2, Calibration
from analytics.signal.frames import Frames
from analytics.signal.grid import Gridder, GridParameters
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

    def push(self, t_ns: NDArray[np.int64], values: NDArray[np.float64]) -> Frames | None:
        """Frames that have become certain. values (n, 3 or 6): accel, gyro in sensor axes, finite.

        Without a gyroscope `up` of the frames holds acceleration: see orientation.slow_up.
        """
        chunk = self._gridder.push(t_ns, np.ascontiguousarray(values.T))
        if chunk is None:
            return None
        accel = _turned(self._rotation * self._scale, chunk.values[:3])
        if not self._has_gyro:
            return Frames(chunk.k0, chunk.valid, accel, accel, None)
        gyro = _turned(self._rotation, chunk.values[3:])
        return Frames(chunk.k0, chunk.valid, self._up.push(accel, gyro), accel, gyro)


def _turned(rotation: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """rotation @ values, element by element: a matrix product may round differently with the
    number of samples."""
    x, y, z = values
    return np.stack([row[0] * x + row[1] * y + row[2] * z for row in rotation])
