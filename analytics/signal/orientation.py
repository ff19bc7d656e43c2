"""Which way is up: VQF with a gyroscope, low-pass gravity without.

With a gyroscope the offline form of VQF (Laidig & Seel 2023, doi:10.1016/j.inffus.2022.10.014)
looks at a whole stretch at once: forwards and backwards, so without lag, and with the bias that
fits all of it. It runs at half of the rate of motion, where the turning between two samples is the
mean of what lies between them, and over the busy stretches only. In calm ones the angles are so
small that the same fusion is a filter: gravity below VQF's cut-off and turning above it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from vqf import offlineVQF  # type: ignore[import-untyped]

from analytics.signal.calibration import GRAVITY_MPS2, Calibration
from analytics.signal.calm import LEAST_TURN_DEG, busy_seconds
from analytics.signal.filters import low_pass
from analytics.signal.frames import MOTION_HZ, PAIR, Frames, Readings, pair_means
from analytics.signal.masks import runs

_TURN_HZ: Final = MOTION_HZ / PAIR
"""Rate at which turning is followed."""
_VQF: Final = {"biasClip": 10.0}
"""VQF's parameters that are not its defaults. deg/s: commodity gyroscopes are off by up to so much
(LSM6DS3 data sheet: 10), VQF expects 2."""
_TAU_S: Final = 3.0
"""VQF's default time constant: below the cut-off that it gives gravity is believed."""
_CUT_OFF_HZ: Final = float(np.sqrt(2.0) / (2.0 * np.pi * _TAU_S))
_MEAN_POINTS: Final = 13
"""A second: in a calm one up stays within 2 degrees of its mean."""
_REST_S: Final = 30
"""So many calm seconds tell the gyroscope's bias: to 0.1 deg/s if one turns by 3 degrees."""
_LONG_GAP_S: Final = 1
"""Over a longer gap nobody knows how the sensor turned: each side stands alone."""


@dataclass(slots=True)
class Bias:
    """Gyroscope bias in sensor axes, carried from stretch to stretch."""

    radps: NDArray[np.float64]
    """(3,)"""

    @classmethod
    def of(cls, calibration: Calibration) -> Self:
        """What a still reference says, or nothing."""
        return cls(np.array(calibration.gyro_bias_radps or (0.0, 0.0, 0.0)))


def frames_of(
    readings: Readings,
    rotation: NDArray[np.float64],
    bias: Bias,
    turn_deg: float = LEAST_TURN_DEG,
) -> Frames:
    """Frames of readings of whole seconds; rotation (3, 3) turns sensor axes into trunk axes.

    `bias` is brought up to date from these readings; turn_deg: what is busy, see signal.calm.
    """
    accel, gyro = readings.accel, readings.gyro
    slow = pair_means(accel)
    busy = busy_seconds(readings, bias.radps, turn_deg)
    turning = yaw = None
    if gyro is None:
        up = slow_up(slow)
    else:
        up = _up(slow, gyro, readings.pairs_valid(), busy, bias)
        x, y, z = gyro - bias.radps.astype(gyro.dtype)[:, None]
        turning = np.sqrt(x * x + y * y + z * z)
        yaw = x * up[0] + y * up[1] + z * up[2]
    pairs = accel.reshape(3, -1, PAIR)
    direction = up.astype(accel.dtype)[:, :, None]
    along = pairs[0] * direction[0]
    along += pairs[1] * direction[1]
    along += pairs[2] * direction[2]
    size = accel[0] * accel[0]
    size += accel[1] * accel[1]
    size += accel[2] * accel[2]
    return Frames(
        readings.k0,
        readings.valid,
        vertical=along.reshape(-1),
        norm=pair_means(np.sqrt(size, out=size)),
        up=_rotated(rotation, up),
        turning=turning,
        yaw=yaw,
        busy=busy,
    )


def slow_up(accel: NDArray[np.floating]) -> NDArray[np.float64]:
    """(3, n) unit vectors from acceleration alone: below 1 Hz it is gravity unless one moves."""
    if accel.shape[1] < 2 * MOTION_HZ:
        slow = np.repeat(accel.mean(axis=1, keepdims=True), accel.shape[1], axis=1)
    else:
        slow = low_pass(accel, 1.0, rate_hz=MOTION_HZ)
    return _unit(slow)


def vqf_up(
    gyro: NDArray[np.floating],
    accel: NDArray[np.floating],
    rate_hz: float,
    parameters: Mapping[str, float] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(3, n) unit vectors of up in sensor axes and (3,) mean bias of the gyroscope [rad/s], of a
    stretch without gaps: (3, n) gyro [rad/s] and accel [m/s2]. parameters: VQF's, that are not its
    defaults."""
    answer = offlineVQF(_rows(gyro), _rows(accel), None, 1.0 / rate_hz, parameters)
    w, x, y, z = answer["quat6D"].T
    up = np.stack((2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)))
    return up, answer["bias"].mean(axis=0)


def _up(
    accel: NDArray[np.floating],
    gyro: NDArray[np.floating],
    valid: NDArray[np.bool_],
    busy: NDArray[np.bool_],
    bias: Bias,
) -> NDArray[np.float64]:
    """(3, n) unit vectors in sensor axes, from (3, n) accel and gyro at MOTION_HZ.

    The direction is taken on a straight line between the samples at half of that rate: within 0.01
    degrees of every sample.
    """
    n = len(valid)
    if n % PAIR:
        accel, gyro = (np.pad(signal, ((0, 0), (0, 1)), mode="edge") for signal in (accel, gyro))
        valid = np.pad(valid, (0, 1), mode="edge")
    accel, gyro = pair_means(accel), pair_means(gyro)
    calm = np.zeros(len(valid), bool)
    calm[:n] = np.repeat(~busy, MOTION_HZ)
    calm = calm[::PAIR]
    rested = np.count_nonzero(calm) >= _REST_S * _TURN_HZ
    if rested:
        bias.radps = gyro[:, calm].mean(axis=1, dtype=float)
    gyro = gyro - bias.radps[:, None]
    coarse = _calm_up(accel, gyro, calm) if rested else np.empty(accel.shape)
    left = np.zeros(3)
    for start, stop in _stretches(valid, ~calm if rested else np.ones_like(calm)):
        part = slice(start, stop)
        coarse[:, part], found = vqf_up(gyro[:, part], accel[:, part], _TURN_HZ, _VQF)
        left += found * (stop - start) / len(accel[0])
    if not rested:
        bias.radps = bias.radps + left
    fine = np.empty((3, len(coarse[0]), PAIR))
    step = 0.25 * np.diff(coarse, axis=1)
    fine[:, 0, 0], fine[:, -1, 1] = coarse[:, 0], coarse[:, -1]
    np.subtract(coarse[:, 1:], step, out=fine[:, 1:, 0])
    np.add(coarse[:, :-1], step, out=fine[:, :-1, 1])
    return _unit(fine.reshape(3, -1)[:, :n])


def _rows(columns: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n, 3) contiguous, as VQF takes it."""
    return np.ascontiguousarray(columns.T, float)


def _calm_up(
    accel: NDArray[np.floating], gyro: NDArray[np.floating], calm: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(3, n) up in sensor axes where it is calm, from (3, n) accel and gyro without bias at
    _TURN_HZ; not of unit length, and of no meaning elsewhere.

    Up turns by -gyro x up; what that adds up to is followed above the cut-off of VQF's low-pass,
    gravity below it. The ends are mirrored.
    """
    gravity = accel * (1.0 / GRAVITY_MPS2)
    a, b, c = ndimage.uniform_filter1d(gravity, _MEAN_POINTS, axis=1, mode="nearest")
    x, y, z = gyro * np.where(calm, 1.0 / _TURN_HZ, 0.0)
    turn = np.stack((z * b - y * c, x * c - z * a, y * a - x * b))
    angle = np.cumsum(turn, axis=1)
    angle -= 0.5 * turn
    width = min(round(2 * _TAU_S * _TURN_HZ), len(calm))
    gravity -= angle
    mirrored = np.concatenate(
        (gravity[:, width - 1 :: -1], gravity, gravity[:, : -width - 1 : -1]), axis=1
    )
    angle += low_pass(mirrored, _CUT_OFF_HZ, rate_hz=_TURN_HZ)[:, width:-width]
    return angle


def _stretches(valid: NDArray[np.bool_], moving: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(start, stop) of the moving parts, cut in the middle of long gaps, at the rate of turning;
    valid at the rate of motion."""
    cuts = {
        (start + stop) // 2 // PAIR
        for start, stop in runs(~valid).tolist()
        if stop - start > _LONG_GAP_S * MOTION_HZ and start > 0 and stop < len(valid)
    }
    out = []
    for start, stop in runs(moving).tolist():
        edges = [start, *sorted(cut for cut in cuts if start < cut < stop), stop]
        out += list(pairwise(edges))
    return out


def _rotated(rotation: NDArray[np.float64], vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """rotation (3, 3) times each of (3, n) vectors, element by element: a matrix product may round
    differently with the number of samples."""
    x, y, z = vectors
    return np.stack([row[0] * x + row[1] * y + row[2] * z for row in rotation])


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    x, y, z = vectors
    size = np.sqrt(x * x + y * y + z * z)
    out: NDArray[np.float64] = vectors / np.maximum(size, 1e-9, out=size)
    return out
