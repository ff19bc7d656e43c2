"""The block that is open, observed in short pieces, so that its end costs the same however long it
has become.

Pieces lie in absolute time and are observed once, with the context that a block has; only what is
newer than the last whole one is observed anew at every mark. What it means is read from all of them
together, as of a block that is closed.
"""

from __future__ import annotations

import copy
from typing import Final

from analytics.detect.observe import Observations, joined
from analytics.segment import CONTEXT_S, Segment

PIECE_S: Final = 120
"""Holds what is looked at by the minute (breaths) and by the half minute (quiet standing)."""


class OpenBlock:
    """Of one segment, until its next block is closed."""

    def __init__(self, segment: Segment) -> None:
        self._segment, self._start_s = segment, segment.next_s
        self._bias = copy.copy(segment.bias)
        self._pieces: list[Observations] = []
        self._next_s = segment.next_s
        """End of the last piece."""

    def is_of(self, segment: Segment) -> bool:
        """Whether this is the block that is open now."""
        return self._segment is segment and self._start_s == segment.next_s

    def ended_at(self, at_s: int) -> Segment:
        """A copy of the segment that knows nothing of what came after at_s (of its whole seconds;
        not before that of an earlier call)."""
        while (stop_s := (self._next_s // PIECE_S + 1) * PIECE_S) + CONTEXT_S <= at_s:
            seen = self._segment.observed(self._next_s, stop_s, stop_s + CONTEXT_S, self._bias)
            self._pieces.append(seen)
            self._next_s = stop_s
        pieces, bias = list(self._pieces), copy.copy(self._bias)
        if self._next_s < at_s:
            pieces.append(self._segment.observed(self._next_s, at_s, at_s, bias))
        return self._segment.ahead(joined(pieces) if pieces else None, bias)
