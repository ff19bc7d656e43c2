"""Irregular samples -> a uniform 50 Hz grid with a mask of what was really measured.

Grid point k lies at k * GRID_NS of absolute time, so the same samples give the same grid wherever a
stream begins and however it is cut. Every grid value depends on its two neighbouring samples only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

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
    values: NDArray[np.floating]
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
        self._values: NDArray[np.floating] = np.empty((channels, 0), np.float32)
        self._raw_t_ns: NDArray[np.int64] = np.empty(0, np.int64)
        self._raw_values: NDArray[np.floating] = np.empty((channels, 0), np.float32)
        self._next_k: int | None = None

    def push(self, t_ns: NDArray[np.int64], values: NDArray[np.floating]) -> GridChunk | None:
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
        right = _right_of(grid_ns, t_ns)
        here, there = _taken(t_ns, right - 1), _taken(t_ns, right)
        span_ns, ahead_ns = there - here, there - grid_ns
        if not ahead_ns.any():  # the source keeps the grid's own time
            return GridChunk(k0, _taken(values, right), np.ones(len(grid_ns), bool))
        weight = (ahead_ns / span_ns).astype(values.dtype)
        after = _taken(values, right)
        out = _taken(values, right - 1) - after
        out *= weight
        out += after
        on_sample = (ahead_ns == 0) | (ahead_ns == span_ns)
        return GridChunk(k0, out, (span_ns <= self._max_gap_ns) | on_sample)

    def _averaged(
        self, t_ns: NDArray[np.int64], values: NDArray[np.floating]
    ) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
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


def _right_of(grid_ns: NDArray[np.int64], t_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) index of the first sample at or after each grid point, at least 1."""
    steady = np.arange(len(grid_ns)) + max(1, int(np.searchsorted(t_ns, grid_ns[0])))
    if steady[-1] < len(t_ns):  # one sample for each point, as most sensors give for a while
        first, last = int(steady[0]), int(steady[-1]) + 1
        if (t_ns[first:last] >= grid_ns).all() and (t_ns[first - 1 : last - 1] < grid_ns).all():
            return steady
    right = np.searchsorted(t_ns, grid_ns, side="left")
    return np.clip(right, 1, len(t_ns) - 1, out=right)


def _taken(values: NDArray[Any], at: NDArray[np.int64]) -> NDArray[Any]:
    """Entries along the last axis; without a copy where they follow one another."""
    first, last = int(at[0]), int(at[-1])
    if last - first + 1 == len(at) and (len(at) < 3 or (np.diff(at) == 1).all()):
        return values[..., first : last + 1]
    return np.take(values, at, axis=-1)
