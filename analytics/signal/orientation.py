"""Which way is up, in trunk axes: VQF with a gyroscope, low-pass gravity without.

VQF: Laidig & Seel 2023, doi:10.1016/j.inffus.2022.10.014. Its state advances sample by sample, so
any chunking gives the same bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from vqf import VQF  # type: ignore[import-untyped]

from analytics.signal.filters import low_pass
from analytics.signal.frames import MOTION_HZ

_BIAS_SIGMA_DPS = 0.1
"""How well a still reference interval fixes the gyroscope bias."""


class UpFilter:
    """Direction of up over a stream of samples at MOTION_HZ."""

    def __init__(self, gyro_bias_radps: NDArray[np.float64] | None) -> None:
        self._vqf = VQF(1.0 / MOTION_HZ)
        if gyro_bias_radps is not None:
            self._vqf.setBiasEstimate(gyro_bias_radps, np.deg2rad(_BIAS_SIGMA_DPS))

    def push(self, accel: NDArray[np.float64], gyro: NDArray[np.float64]) -> NDArray[np.float64]:
        """accel, gyro (3, n) -> (3, n) unit vectors."""
        found = self._vqf.updateBatch(np.ascontiguousarray(gyro.T), np.ascontiguousarray(accel.T))
        w, x, y, z = np.ascontiguousarray(found["quat6D"].T)
        # third row of the rotation matrix sensor -> earth
        return np.stack((2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)))


def slow_up(accel: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, n) unit vectors from acceleration alone: below 1 Hz it is gravity unless one moves."""
    if accel.shape[1] < 2 * MOTION_HZ:
        slow = np.repeat(accel.mean(axis=1, keepdims=True), accel.shape[1], axis=1)
    else:
        slow = low_pass(accel, 1.0, rate_hz=MOTION_HZ)
    size = np.sqrt(np.einsum("ij,ij->j", slow, slow))
    up: NDArray[np.float64] = slow / np.maximum(size, 1e-9)
    return up
