"""Irregular samples -> a uniform 50 Hz grid with a mask of what was really measured.

Grid point k lies at k * GRID_NS of absolute time, so the same samples give the same grid wherever a
stream begins and however it is cut. Every grid value depends on its two neighbouring samples only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.signal.parameter import parameter

GRID_HZ: Final = 50
GRID_NS: Final = 1_000_000_000 // GRID_HZ


@dataclass(frozen=True, slots=True)
class GridParameters:
    """When two neighbouring samples still belong together."""

    max_gap_periods: float = parameter(
        3.5, unit="1", reason="two lost packets of one sample each may be bridged by a line"
    )
    max_gap_s: float = parameter(
        0.25, unit="s", reason="a quarter second is shorter than any movement that is reported"
    )
    split_gap_s: float = parameter(
        30.0, unit="s", reason="after half a minute without data nothing carries over"
    )

    def max_gap_ns(self, rate_hz: float) -> int:
        """Longest interval between samples that is bridged by interpolation [ns]."""
        return int(max(self.max_gap_s, self.max_gap_periods / rate_hz) * 1e9)


@dataclass(frozen=True, slots=True)
class GridChunk:
    """Consecutive grid points k0, k0 + 1, ..."""

    k0: int
    values: NDArray[np.float64]
    """(channels, n)"""
    valid: NDArray[np.bool_]
    """(n,) False where no sample is near: values there are a straight line, to be ignored."""


class Gridder:
    """Resamples a stream of samples; `push` returns the grid points that have become certain."""

    def __init__(self, *, channels: int, rate_hz: float, parameters: GridParameters) -> None:
        self._max_gap_ns = parameters.max_gap_ns(rate_hz)
        # Sources much faster than the grid are averaged first: the mean of m samples has its
        # first zero at rate/m, so that little folds back below 10 Hz.
        self._mean_of = max(1, round(rate_hz / GRID_HZ))
        self._t_ns: NDArray[np.int64] = np.empty(0, np.int64)
        self._values: NDArray[np.float64] = np.empty((channels, 0))
        self._raw_t_ns: NDArray[np.int64] = np.empty(0, np.int64)
        self._raw_values: NDArray[np.float64] = np.empty((channels, 0))
        self._next_k: int | None = None

    def push(self, t_ns: NDArray[np.int64], values: NDArray[np.float64]) -> GridChunk | None:
        """t_ns (n,) strictly increasing, values (channels, n) finite. None: nothing certain yet."""
        t_ns, values = self._averaged(t_ns, values)
        t_ns = np.concatenate((self._t_ns, t_ns))
        values = np.concatenate((self._values, values), axis=1)
        self._t_ns, self._values = t_ns[-1:], values[:, -1:]
        if len(t_ns) < 2:
            return None
        if self._next_k is None:
            self._next_k = int(-(-t_ns[0] // GRID_NS))
        k0, k1 = self._next_k, int(t_ns[-1] // GRID_NS) + 1
        if k1 <= k0:
            return None
        self._next_k = k1
        grid_ns = np.arange(k0, k1, dtype=np.int64) * GRID_NS
        right = np.searchsorted(t_ns, grid_ns, side="left")
        np.clip(right, 1, len(t_ns) - 1, out=right)
        span_ns = t_ns[right] - t_ns[right - 1]
        weight = (grid_ns - t_ns[right - 1]) / span_ns
        before = values[:, right - 1]
        out = before + weight * (values[:, right] - before)
        on_sample = (grid_ns == t_ns[right]) | (grid_ns == t_ns[right - 1])
        return GridChunk(k0, out, (span_ns <= self._max_gap_ns) | on_sample)

    def _averaged(
        self, t_ns: NDArray[np.int64], values: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        m = self._mean_of
        if m == 1:
            return t_ns, values
        t_ns = np.concatenate((self._raw_t_ns, t_ns))
        values = np.concatenate((self._raw_values, values), axis=1)
        self._raw_t_ns, self._raw_values = t_ns[-(m - 1) :], values[:, -(m - 1) :]
        n = len(t_ns) - m + 1
        if n <= 0:
            return t_ns[:0], values[:, :0]
        total = values[:, :n].copy()
        offset_ns = np.zeros(n, np.int64)
        for i in range(1, m):
            total += values[:, i : i + n]
            offset_ns += t_ns[i : i + n] - t_ns[:n]
        # a mean across a gap would be a sample that nobody took
        whole = t_ns[m - 1 :] - t_ns[:n] <= self._max_gap_ns
        return (t_ns[:n] + offset_ns // m)[whole], (total / m)[:, whole]
