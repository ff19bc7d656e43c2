"""Lowest and highest sample of equal pieces of time: what a chart of a long recording draws."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Envelope:
    """Grows chunk by chunk; the chunks may come in any order and leave gaps."""

    def __init__(self, start_ns: int, end_ns: int, pieces: int, columns: int) -> None:
        """Cut [start_ns, end_ns) into `pieces` of equal length (the last may be shorter)."""
        self.start_ns = start_ns
        self.piece_ns = -(-(end_ns - start_ns) // pieces)
        self.low = np.full((pieces, columns), np.nan, np.float32)
        """(pieces, columns) lowest value, NaN where there is none"""
        self.high = np.full((pieces, columns), np.nan, np.float32)
        """(pieces, columns) highest value, NaN where there is none"""
        self.count = np.zeros(pieces, np.int64)
        """(pieces,) samples"""

    def add(self, t_ns: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        """Take in samples: t_ns (n,) ascending and inside the range, values (n, columns)."""
        if len(t_ns) == 0:
            return
        piece = (t_ns - self.start_ns) // self.piece_ns
        first = np.flatnonzero(np.diff(piece, prepend=-1))
        at = piece[first]
        self.count[at] += np.diff(first, append=len(piece))
        self.low[at] = np.fmin(self.low[at], np.fmin.reduceat(values, first, axis=0))
        self.high[at] = np.fmax(self.high[at], np.fmax.reduceat(values, first, axis=0))
