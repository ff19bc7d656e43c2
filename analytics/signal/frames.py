"""A stretch of the grid: what was measured, and what of it every detector reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from analytics.signal.grid import GRID_HZ
from analytics.signal.masks import runs

MOTION_HZ: Final = 25
"""Rate of orientation and of everything slower than a step; half of the grid's rate."""
PAIR: Final = GRID_HZ // MOTION_HZ


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Consecutive grid points k0 .. k0 + n - 1; k0 and n are even."""

    k0: int
    """Grid index of the first point."""
    valid: NDArray[np.bool_]
    """(n,) False where nothing was measured."""

    @property
    def seconds(self) -> int:
        """Number of whole seconds."""
        return len(self.valid) // GRID_HZ

    @property
    def first_s(self) -> int:
        """Second of the first point."""
        return self.k0 // GRID_HZ

    @property
    def end_s(self) -> int:
        """End of the last whole second."""
        return (self.k0 + len(self.valid)) // GRID_HZ

    def pairs_valid(self) -> NDArray[np.bool_]:
        """(n / 2,) True where both points of a pair were measured."""
        return np.logical_and(self.valid[::PAIR], self.valid[1::PAIR])

    def _points(self, start_s: int, stop_s: int | None) -> slice:
        """The points of some whole seconds (absolute), as far as they exist."""
        low = max(0, start_s * GRID_HZ - self.k0)
        high = len(self.valid) if stop_s is None else max(0, stop_s * GRID_HZ - self.k0)
        return slice(low, high)


@dataclass(frozen=True, slots=True)
class Readings(_Stretch):
    """What the sensor measured, in its own axes."""

    accel: NDArray[np.floating]
    """(3, n) m/s2, scaled so that rest reads 9.80665."""
    gyro: NDArray[np.floating] | None
    """(3, n / 2) rad/s, one for each pair of points."""

    def part(self, start_s: int, stop_s: int | None) -> Readings:
        """The whole seconds from start_s to stop_s (absolute), as far as they exist."""
        points = self._points(start_s, stop_s)
        pairs = slice(points.start // PAIR, points.stop // PAIR)
        return Readings(
            self.k0 + points.start,
            self.valid[points],
            self.accel[:, points],
            None if self.gyro is None else self.gyro[:, pairs],
        )

    def whole_seconds(self) -> Readings:
        """The same, filled up to whole seconds on both sides with points not measured."""
        lead, trail = self.k0 % GRID_HZ, -(self.k0 + len(self.valid)) % GRID_HZ
        if not lead and not trail:
            return self
        pairs = ((0, 0), (lead // PAIR, trail // PAIR))
        return Readings(
            self.k0 - lead,
            np.pad(self.valid, (lead, trail)),
            np.pad(self.accel, ((0, 0), (lead, trail)), mode="edge"),
            None if self.gyro is None else np.pad(self.gyro, pairs),
        )


@dataclass(frozen=True, slots=True)
class Frames(_Stretch):
    """The signals that every detector reads, in axes that do not depend on the mounting."""

    vertical: NDArray[np.floating]
    """(n,) m/s2, acceleration along up, gravity included."""
    norm: NDArray[np.floating]
    """(n / 2,) m/s2, size of acceleration, mean of each pair of points."""
    up: NDArray[np.float64]
    """(3, n / 2) unit vector of up in trunk axes (forward, left, up), one for each pair."""
    turning: NDArray[np.floating] | None
    """(n / 2,) rad/s, speed of turning about any axis; None without a gyroscope."""
    yaw: NDArray[np.floating] | None
    """(n / 2,) rad/s, turning about up, to the left positive; None without a gyroscope."""
    busy: NDArray[np.bool_]
    """(seconds,) False where nothing but breathing and sway moves the sensor, see signal.calm."""

    def up_by_second(self) -> NDArray[np.float64]:
        """(3, seconds) mean up over the measured pairs of each second; NaN where there are none."""
        weight = self.pairs_valid().reshape(-1, MOTION_HZ)
        total = np.einsum("ijk,jk->ij", self.up.reshape(3, -1, MOTION_HZ), weight)
        count = weight.sum(axis=1)
        mean: NDArray[np.float64] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        return mean

    def busy_parts(self) -> list[Frames]:
        """The busy stretches."""
        return [
            self.part(self.first_s + start, self.first_s + stop)
            for start, stop in runs(self.busy).tolist()
        ]

    def part(self, start_s: int, stop_s: int | None) -> Frames:
        """The whole seconds from start_s to stop_s (absolute), as far as they exist."""
        points = self._points(start_s, stop_s)
        pairs = slice(points.start // PAIR, points.stop // PAIR)
        return Frames(
            self.k0 + points.start,
            self.valid[points],
            self.vertical[points],
            self.norm[pairs],
            self.up[:, pairs],
            None if self.turning is None else self.turning[pairs],
            None if self.yaw is None else self.yaw[pairs],
            self.busy[points.start // GRID_HZ : points.stop // GRID_HZ],
        )


def pair_means(values: NDArray[Any]) -> NDArray[Any]:
    """(..., n / 2) means of pairs along the last axis."""
    mean: NDArray[Any] = values[..., ::PAIR] + values[..., 1::PAIR]
    mean *= 0.5
    return mean


def joined(parts: Sequence[Readings]) -> Readings:
    """Consecutive readings as one."""
    if len(parts) == 1:
        return parts[0]
    gyro = [part.gyro for part in parts if part.gyro is not None]
    return Readings(
        parts[0].k0,
        np.concatenate([part.valid for part in parts]),
        np.concatenate([part.accel for part in parts], axis=1),
        np.concatenate(gyro, axis=1) if gyro else None,
    )
