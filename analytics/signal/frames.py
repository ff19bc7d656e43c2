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

    def part(self, start: int, stop: int | None) -> Frames:
        """Grid points start .. stop - 1, as far as they exist."""
        start = max(0, start)
        return Frames(
            self.k0 + start,
            self.valid[start:stop],
            self.up[:, start:stop],
            self.accel[:, start:stop],
            None if self.gyro is None else self.gyro[:, start:stop],
        )

    def padded(self, lead: int, trail: int) -> Frames:
        """The same with so many points before and after that were not measured."""
        if not lead and not trail:
            return self
        pad = ((0, 0), (lead, trail))
        return Frames(
            self.k0 - lead,
            np.pad(self.valid, (lead, trail)),
            np.pad(self.up, pad, mode="edge"),
            np.pad(self.accel, pad, mode="edge"),
            None if self.gyro is None else np.pad(self.gyro, pad),
        )


def whole_seconds(frames: Frames) -> Frames:
    """The frames, filled up to whole seconds on both sides."""
    end = frames.k0 + len(frames.valid)
    return frames.padded(frames.k0 % GRID_HZ, -end % GRID_HZ)


def joined_frames(parts: list[Frames]) -> Frames:
    """Consecutive frames as one."""
    if len(parts) == 1:
        return parts[0]
    gyro = [part.gyro for part in parts if part.gyro is not None]
    return Frames(
        parts[0].k0,
        np.concatenate([part.valid for part in parts]),
        np.concatenate([part.up for part in parts], axis=1),
        np.concatenate([part.accel for part in parts], axis=1),
        np.concatenate(gyro, axis=1) if gyro else None,
    )
