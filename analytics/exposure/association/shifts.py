"""Circular shifts: which other day's exposure is laid on each day."""

from __future__ import annotations

from dataclasses import dataclass
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

    @property
    def exact(self) -> bool:
        """All of them are here, so that the p-values have no chance in them."""
        return len(self.source) == self.possible


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
    source = np.empty((len(turns), days), np.int64)
    for turn, first, length in zip(turns.T, edges, lengths, strict=False):
        source[:, first : first + length] = first + (np.arange(length) - turn[:, None]) % length
    if count == 1:
        source, possible = np.concatenate([source, source[:, ::-1]])[:most], 2 * possible
    return Shifts(source, possible)
