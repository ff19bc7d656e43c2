"""Which way is up: gravity in a frame that turns with the gyroscope, or low-pass gravity without.

With a gyroscope this is the inclination part of VQF (Laidig & Seel 2023,
doi:10.1016/j.inffus.2022.10.014): acceleration is turned into a frame that stays in place but for
the gyroscope's bias, is smoothed there, where gravity does not move, and turned back. It deviates
from VQF where a whole stretch is known at once: smoothing runs both ways and so has no lag, and
the bias is the constant that explains how gravity drifts over the stretch, taken from the two
directions that gravity shows; the third, about up, stays what the calibration says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from analytics.signal.calibration import Calibration
from analytics.signal.filters import low_pass
from analytics.signal.frames import MOTION_HZ, PAIR, Frames, Readings, pair_means
from analytics.signal.masks import runs
from analytics.signal.turns import turned

GRAVITY_HZ: Final = 0.075
"""Smoothing of acceleration in the frame that stays in place; 3 s, VQF's default."""
_TURN_HZ: Final = MOTION_HZ / PAIR
"""Rate at which turning is followed."""
_MEAN_OF: Final = 6
"""Samples at that rate in a mean of about half a second."""
_REACH_S: Final = 12
"""The smoothing looks so far; at the ends the signal is taken to go on as its mirror image."""
_WINDOW_S: Final = 5
"""Over so long the trunk's own acceleration averages out, so that drift of gravity shows."""
_WINDOW_MPS2: Final = 0.2
"""What it leaves; outliers count less."""
_BIAS_SIGMA_RADPS: Final = np.radians(1.0)
"""How far the bias may be from what was known before."""
_AGAIN_RADPS: Final = np.radians(0.03)
"""A change of the bias that turns gravity by more than 0.1 degrees within the smoothing."""
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
        up = _up(slow, gyro, readings.pairs_valid(), bias)
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

    The turning is followed at half of that rate, where it is the sum of what lies between, and the
    direction is taken on a straight line in between: within 0.01 degrees of every sample.
    """
    n = len(valid)
    if n % PAIR:
        accel, gyro = (np.pad(signal, ((0, 0), (0, 1)), mode="edge") for signal in (accel, gyro))
        valid = np.pad(valid, (0, 1), mode="edge")
    accel, gyro = pair_means(accel), pair_means(gyro)
    for last in (False, True):
        matrices = turned(gyro - bias.radps[:, None], 1.0 / _TURN_HZ)
        fixed = _applied(matrices, accel)
        change = _bias_change(matrices, fixed, pair_means(valid.astype(float)))
        if last or np.abs(change).max() < _AGAIN_RADPS:
            break
        bias.radps = bias.radps + change
    gravity = np.empty_like(fixed)
    for start, stop in _stretches(valid):
        gravity[:, start:stop] = _smoothed(fixed[:, start:stop])
    coarse = _applied(matrices.transpose(1, 0, 2), gravity)
    fine = np.empty((3, len(coarse[0]), PAIR))
    step = 0.25 * np.diff(coarse, axis=1)
    fine[:, 0, 0], fine[:, -1, 1] = coarse[:, 0], coarse[:, -1]
    np.subtract(coarse[:, 1:], step, out=fine[:, 1:, 0])
    np.add(coarse[:, :-1], step, out=fine[:, :-1, 1])
    return _unit(fine.reshape(3, -1)[:, :n])


def _stretches(valid: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(start, stop) of the parts between the middles of long gaps, at the rate of turning."""
    cuts = [
        (start + stop) // 2 // PAIR
        for start, stop in runs(~valid).tolist()
        if stop - start > _LONG_GAP_S * MOTION_HZ and start > 0 and stop < len(valid)
    ]
    return list(zip([0, *cuts], [*cuts, len(valid) // PAIR], strict=True))


def _smoothed(fixed: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, n) gravity in the frame that stays in place.

    Smoothed from means over half a second and drawn as straight lines in between: nothing so slow
    needs more.
    """
    n = fixed.shape[1]
    count = n // _MEAN_OF
    if count < 4:
        return np.repeat(fixed.mean(axis=1, keepdims=True), n, axis=1)
    means = fixed[:, : count * _MEAN_OF].reshape(3, count, _MEAN_OF).mean(axis=2)
    reach = min(round(_REACH_S * _TURN_HZ / _MEAN_OF), count - 1)
    mirrored = np.concatenate((means[:, reach:0:-1], means, means[:, -2 : -reach - 2 : -1]), axis=1)
    smooth = low_pass(mirrored, GRAVITY_HZ, rate_hz=_TURN_HZ / _MEAN_OF)
    smooth = smooth[:, reach : reach + count]
    line = (np.arange(_MEAN_OF) + 0.5) / _MEAN_OF
    lines = smooth[:, :-1, None] + np.diff(smooth, axis=1)[:, :, None] * line
    half = _MEAN_OF // 2
    out = np.empty_like(fixed)
    out[:, :half] = smooth[:, :1]
    out[:, half : half + lines[0].size] = lines.reshape(3, -1)
    out[:, half + lines[0].size :] = smooth[:, -1:]
    return out


def _bias_change(
    matrices: NDArray[np.float64], fixed: NDArray[np.float64], valid: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(3,) rad/s to add to the bias so that gravity no longer drifts in the fixed frame.

    A bias b turns the frame by R b, so gravity g drifts by (R b) x g. Least squares over
    windows, held back by what was known before; one step of reweighting for outliers.
    """
    width = round(_WINDOW_S * _TURN_HZ)
    count = fixed.shape[1] // width
    if count < 2:
        return np.zeros(3)
    n = count * width
    gravity = fixed[:, :n].reshape(3, count, width).mean(axis=2)
    some = matrices[:, :, :n].reshape(3, 3, count, width)[..., ::_MEAN_OF]
    attitude = some.mean(axis=3)
    measured = valid[:n].reshape(count, width).mean(axis=1) > 0.9
    known = measured[1:] & measured[:-1]
    drift = (gravity[:, 1:] - gravity[:, :-1])[:, known]
    g = 0.5 * (gravity[:, 1:] + gravity[:, :-1])[:, known]
    turn = (0.5 * _WINDOW_S) * (attitude[:, :, 1:] + attitude[:, :, :-1])[:, :, known]
    effect = np.stack(
        (
            turn[1] * g[2] - turn[2] * g[1],
            turn[2] * g[0] - turn[0] * g[2],
            turn[0] * g[1] - turn[1] * g[0],
        )
    )
    weight = np.ones(drift.shape[1])
    change = np.zeros(3)
    prior = np.eye(3) * (_WINDOW_MPS2 / _BIAS_SIGMA_RADPS) ** 2
    for _ in range(2):
        normal = np.einsum("ijk,ilk,k->jl", effect, effect, weight) + prior
        change = np.linalg.solve(normal, np.einsum("ijk,ik,k->j", effect, drift, weight))
        rest = drift - np.einsum("ijk,j->ik", effect, change)
        weight = 1.0 / np.maximum(1.0, np.sqrt((rest**2).sum(axis=0)) / _WINDOW_MPS2)
    return change


def _applied(matrices: NDArray[np.float64], vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """(3, n): each matrix of (3, 3, n) times its vector."""
    out: NDArray[np.float64] = matrices[:, 0] * vectors[0]
    out += matrices[:, 1] * vectors[1]
    out += matrices[:, 2] * vectors[2]
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
