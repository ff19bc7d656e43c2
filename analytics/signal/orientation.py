"""Which way is up: VQF with a gyroscope, low-pass gravity without.

With a gyroscope a stretch is looked at as a whole, as VQF does offline (Laidig & Seel 2023,
doi:10.1016/j.inffus.2022.10.014): VQF integrates the turning, gravity is found in the frame that is
held still, forwards and backwards in time, so without lag. The gyroscope's bias comes from still
seconds, else from how gravity seems to turn. All of it runs at half of the rate of motion, where
the turning between two samples is the mean of what lies between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from vqf import BasicVQF  # type: ignore[import-untyped]

from analytics.signal.calibration import Calibration
from analytics.signal.filters import low_pass
from analytics.signal.frames import MOTION_HZ, PAIR, Frames, Readings, pair_means
from analytics.signal.masks import runs

_TURN_HZ: Final = MOTION_HZ / PAIR
"""Rate at which turning is followed."""
_REST_RADPS: Final = float(np.radians(2.0))
"""A second is still when turning stays so close to its mean (VQF's limit of rest)."""
_MOST_BIAS_RADPS: Final = float(np.radians(10.0))
"""Commodity gyroscopes are off by up to so much (LSM6DS3 data sheet); more is a real turn."""
_MOST_CHANGE_RADPS: Final = float(np.radians(3.0))
"""A known bias changes by less while a sensor warms up; what differs more is a slow turn."""
_SURE_S: Final = 20
"""Still seconds after which their median counts fully: some breaths."""
_INCLINATION_HZ: Final = float(np.sqrt(2.0) / (2 * np.pi * 3.0))
"""VQF's correction of inclination has a time constant of 3 s."""
_SETTLING_S: Final = 9.0
"""Beyond the ends acceleration is taken as its mirror image for three time constants."""
_DOUBT_S2: Final = 4.0
"""Slow acceleration is off gravity by 0.1 rad, an unknown bias is 0.05 rad/s: (0.1 / 0.05) ** 2."""
_CONJUGATE: Final = np.array([[1.0], [-1.0], [-1.0], [-1.0]])
_LONG_GAP_S: Final = 1
"""Over a longer gap nobody knows how the sensor turned: each side stands alone."""


@dataclass(slots=True)
class Bias:
    """Gyroscope bias in sensor axes, carried from stretch to stretch."""

    radps: NDArray[np.float64]
    """(3,)"""
    known: bool
    """False while it is a guess of nothing."""

    @classmethod
    def of(cls, calibration: Calibration) -> Self:
        """What a still reference says, or nothing."""
        known = calibration.gyro_bias_radps
        return cls(np.array(known or (0.0, 0.0, 0.0)), known is not None)

    def learn(self, gyro: NDArray[np.floating], valid: NDArray[np.bool_]) -> None:
        """Bring it up to date from the still seconds of (3, n) gyro at MOTION_HZ."""
        seconds = gyro[:, : len(valid) // MOTION_HZ * MOTION_HZ].reshape(3, -1, MOTION_HZ)
        mean = seconds.mean(axis=2)
        spread = np.square(seconds).mean(axis=2) - np.square(mean)
        still = valid[: seconds[0].size].reshape(-1, MOTION_HZ).all(axis=1)
        still &= spread.sum(axis=0) < _REST_RADPS**2
        most = _MOST_CHANGE_RADPS if self.known else _MOST_BIAS_RADPS
        still &= np.abs(mean - self.radps[:, None]).max(axis=0) < most
        count = int(np.count_nonzero(still))
        if count:
            step = np.median(mean[:, still], axis=1) - self.radps
            self.radps = self.radps + step * min(1.0, count / _SURE_S)
            self.known |= count >= _SURE_S


def frames_of(readings: Readings, rotation: NDArray[np.float64], bias: Bias) -> Frames:
    """Frames of readings of whole seconds; rotation (3, 3) turns sensor axes into trunk axes.

    `bias` is brought up to date from these readings.
    """
    accel, gyro = readings.accel, readings.gyro
    slow = pair_means(accel)
    turning = yaw = None
    if gyro is None:
        up = slow_up(slow)
    else:
        measured = readings.pairs_valid()
        bias.learn(gyro, measured)
        up = _up(slow, gyro, measured, bias)
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
    )


def slow_up(accel: NDArray[np.floating]) -> NDArray[np.float64]:
    """(3, n) unit vectors from acceleration alone: below 1 Hz it is gravity unless one moves."""
    if accel.shape[1] < 2 * MOTION_HZ:
        slow = np.repeat(accel.mean(axis=1, keepdims=True), accel.shape[1], axis=1)
    else:
        slow = low_pass(accel, 1.0, rate_hz=MOTION_HZ)
    return _unit(slow)


def _up(
    accel: NDArray[np.floating],
    gyro: NDArray[np.floating],
    valid: NDArray[np.bool_],
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
    coarse = np.empty(accel.shape)
    for start, stop in _stretches(valid):
        part = slice(start, stop)
        coarse[:, part] = _gravity(gyro[:, part], accel[:, part], bias)
    fine = np.empty((3, len(coarse[0]), PAIR))
    step = 0.25 * np.diff(coarse, axis=1)
    fine[:, 0, 0], fine[:, -1, 1] = coarse[:, 0], coarse[:, -1]
    np.subtract(coarse[:, 1:], step, out=fine[:, 1:, 0])
    np.add(coarse[:, :-1], step, out=fine[:, :-1, 1])
    return _unit(fine.reshape(3, -1)[:, :n])


def _gravity(
    gyro: NDArray[np.floating], accel: NDArray[np.floating], bias: Bias
) -> NDArray[np.float64]:
    """(3, n) direction of gravity's reaction in sensor axes, not of unit length.

    In the frame that the integrated gyroscope holds still gravity is constant and what the wearer
    does averages out, so acceleration is low-passed there and turned back. Where gravity seems to
    turn in that frame and the bias is not known, its turning tells the bias.
    """
    q, slow = _held(gyro - bias.radps[:, None], accel)
    if not bias.known:
        bias.radps = bias.radps + _drift(q, slow)
        q, slow = _held(gyro - bias.radps[:, None], accel)
    return _turned(q * _CONJUGATE, slow)


def _held(
    gyro: NDArray[np.floating], accel: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(4, n) quaternions from sensor axes to the frame that is held still, (3, n) slow acceleration
    in it. VQF without acceleration integrates."""
    n = gyro.shape[1]
    q = BasicVQF(1.0 / _TURN_HZ).updateBatch(_rows(gyro), np.zeros((n, 3)))["quat6D"].T
    settling = min(round(_SETTLING_S * _TURN_HZ), n - 1)
    held = np.pad(_turned(q, accel), ((0, 0), (settling, settling)), mode="reflect")
    slow = low_pass(held, _INCLINATION_HZ, rate_hz=_TURN_HZ)
    return q, slow[:, settling : settling + n]


def _drift(q: NDArray[np.float64], slow: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3,) bias [rad/s] in sensor axes that makes gravity turn as it does, by least squares over
    the stretch. What does not show, such as turning about up, stays zero."""
    every = round(_TURN_HZ)
    q, up = q[:, ::every], _unit(slow[:, ::every])
    turns = np.stack(
        [np.cross(_turned(q, axis[:, None] + 0.0 * up).T, up.T) for axis in np.eye(3)], axis=2
    )
    way = np.cumsum(turns, axis=0) * (every / _TURN_HZ)
    way, moved = way - way.mean(axis=0), up.T - up.T.mean(axis=0)
    way, moved = way.reshape(-1, 3), moved.reshape(-1)
    found = np.linalg.solve(way.T @ way + _DOUBT_S2 * np.eye(3), way.T @ moved)
    return np.clip(found, -_MOST_BIAS_RADPS, _MOST_BIAS_RADPS)


def _turned(q: NDArray[np.float64], v: NDArray[np.floating]) -> NDArray[np.float64]:
    """(3, n) vectors turned by (4, n) quaternions."""
    w, x, y, z = q
    a, b, c = v
    # twice the cross product of the vector part with the vector
    d, e, f = 2 * (y * c - z * b), 2 * (z * a - x * c), 2 * (x * b - y * a)
    return np.stack(
        (a + w * d + y * f - z * e, b + w * e + z * d - x * f, c + w * f + x * e - y * d)
    )


def _rows(columns: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n, 3) contiguous, as VQF takes it."""
    return np.ascontiguousarray(columns.T, float)


def _stretches(valid: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(start, stop) of the parts between the middles of long gaps, at the rate of turning."""
    cuts = [
        (start + stop) // 2 // PAIR
        for start, stop in runs(~valid).tolist()
        if stop - start > _LONG_GAP_S * MOTION_HZ and start > 0 and stop < len(valid)
    ]
    return list(zip([0, *cuts], [*cuts, len(valid) // PAIR], strict=True))


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
