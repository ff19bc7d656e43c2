"""Circular shifts: which other day's exposure is laid on each day."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import prod

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Shifts:
    """P ways to lay the days of exposure on the days of pain; the first is how it was."""

    source: NDArray[np.int64]
    """(P, D) day whose exposure stands on each day"""
    possible: int
    """number of distinct shifts"""
    edges: NDArray[np.int64]
    """(S + 1,) first days of the segments, and the end of the calendar"""
    turns: NDArray[np.int64] | None
    """(P, S) by how many days each segment turns; None where time also runs backwards"""

    @property
    def exact(self) -> bool:
        """All of them are here, so that the p-values have no chance in them."""
        return len(self.source) == self.possible

    def together(self) -> NDArray[np.int64]:
        """(L, D) sources in which every segment turns by 0 .. L - 1 days, L the longest one: each
        turn of each segment is in one of them."""
        longest = int(np.diff(self.edges).max())
        return _turned(np.repeat(np.arange(longest)[:, None], len(self.edges) - 1, 1), self.edges)


def circular_shifts(days: int, *, segment_days: int, most: int, seed: int = 0) -> Shifts:
    """Every combination of circular shifts of the segments, or `most` drawn among them.

    The calendar is cut into days // segment_days segments of nearly equal length and each turns by
    itself. Turning keeps the order of days, so that what is alike from day to day stays alike
    except where an end meets a beginning. A calendar too short for two segments turns in both
    directions of time: a stationary process with a linear memory looks alike backwards.
    """
    count = max(1, days // segment_days)
    edges = [days * k // count for k in range(count + 1)]
    lengths = np.diff(edges)
    possible = prod(lengths.tolist())
    if possible <= most:
        turns = np.indices(lengths.tolist()).reshape(count, -1).T
    else:
        turns = np.random.default_rng(seed).integers(0, lengths, (most, count))
        turns[0] = 0
    at = np.array(edges, np.int64)
    source = _turned(turns, at)
    if count == 1:
        both = np.concatenate([source, source[:, ::-1]])[:most]
        return Shifts(both, 2 * possible, at, None)
    return Shifts(source, possible, at, turns)


def _turned(turns: NDArray[np.int64], edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """(P, D) days when each segment turns by itself: turns (P, S)."""
    source = np.empty((len(turns), int(edges[-1])), np.int64)
    for turn, (first, end) in zip(turns.T, pairwise(edges.tolist()), strict=True):
        source[:, first:end] = first + (np.arange(end - first) - turn[:, None]) % (end - first)
    return source
