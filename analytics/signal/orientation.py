"""Which way is up, in trunk axes: VQF with a gyroscope, low-pass gravity without.

VQF: Laidig & Seel 2023, doi:10.1016/j.inffus.2022.10.014. Its state advances sample by sample, so
any chunking gives the same bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from vqf import VQF  # type: ignore[import-untyped]

from analytics.signal.grid import GRID_HZ

_BIAS_SIGMA_DPS = 0.1
"""How well a still reference interval fixes the gyroscope bias."""


class UpFilter:
    """Direction of up over a stream of grid points."""

    def __init__(self, gyro_bias_radps: tuple[float, float, float] | None) -> None:
        self._vqf = VQF(1.0 / GRID_HZ)
        if gyro_bias_radps is not None:
            self._vqf.setBiasEstimate(np.array(gyro_bias_radps), np.deg2rad(_BIAS_SIGMA_DPS))

    def push(self, accel: NDArray[np.float64], gyro: NDArray[np.float64]) -> NDArray[np.float64]:
        """accel, gyro (3, n) -> (3, n) unit vectors."""
        found = self._vqf.updateBatch(np.ascontiguousarray(gyro.T), np.ascontiguousarray(accel.T))
        w, x, y, z = np.ascontiguousarray(found["quat6D"].T)
        # third row of the rotation matrix sensor -> earth
        return np.stack((2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)))
