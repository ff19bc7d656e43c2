"""Samples in, findings out: one streaming computation, whatever the chunks.

A day fed in one piece and the same day fed second by second give the same findings: the stream is
cut at long gaps into segments, and a segment works in blocks of absolute time.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.detect.findings import SECOND_NS, Findings, join
from analytics.detect.parameters import Parameters
from analytics.segment import Segment
from analytics.sensor_context import SensorContext
from analytics.signal.neutral import NeutralState

_MINUTE_NS: Final = 60 * SECOND_NS
PIECE: Final = 1 << 14
"""Samples handled at once: bounds the memory of a long push."""


class Pipeline:
    """One sensor's stream. Not thread-safe.

    Feed it with `push`; take what is final with `final` now and then, look at `provisional` at any
    time, and call `finish` when the stream has ended.
    """

    def __init__(self, context: SensorContext, parameters: Parameters | None = None) -> None:
        self.context = context
        self.parameters = parameters or Parameters()
        self._last_ns: int | None = None
        self._drained_ns: int | None = None
        self._done: list[Findings] = []
        """Of ended segments, but not yet drained by `final`."""
        self._neutral = NeutralState()
        self._start_segment()

    def push(
        self,
        t_ns: NDArray[np.int64],
        accel: NDArray[np.floating],
        gyro: NDArray[np.floating] | None = None,
    ) -> None:
        """Samples in time order: t_ns (n,) strictly increasing, accel (n, 3) m/s2, gyro (n, 3)
        rad/s in sensor axes, NaN where one is missing."""
        channels = 6 if self.context.has_gyro else 3
        for start in range(0, len(t_ns), PIECE):
            piece = slice(start, start + PIECE)
            values = np.empty((channels, len(t_ns[piece])), np.float32)
            values[:3] = accel[piece].T
            # an accelerometer that reads nothing at all is not weightless but silent
            silent = ~values[:3].any(axis=0)
            if self.context.has_gyro:
                values[3:] = np.nan if gyro is None else gyro[piece].T
            # a sum is finite when its parts are
            measured = np.isfinite(values.sum(axis=0)) & ~silent
            if measured.all():
                self._push_measured(t_ns[piece], values)
            elif measured.any():
                self._push_measured(t_ns[piece][measured], values[:, measured])

    def _push_measured(self, t_ns: NDArray[np.int64], values: NDArray[np.floating]) -> None:
        """Finite samples, (3 or 6, n)."""
        first_ns = t_ns[0] if self._last_ns is None else self._last_ns
        split_ns = int(self.parameters.grid.split_gap_s * SECOND_NS)
        splits = np.flatnonzero(np.diff(t_ns, prepend=first_ns) > split_ns).tolist()
        for start, stop in pairwise(sorted({0, *splits, len(t_ns)})):
            if start in splits:
                self._end_segment()
            self.segment.push(t_ns[start:stop], values[:, start:stop])
        self._last_ns = int(t_ns[-1])

    def final(self) -> Findings | None:
        """Drain what will not change any more; None when there is nothing new.

        The ranges of successive answers join up, begin and end at whole minutes, and everything
        that starts in a range is in it: a range ends before an episode that is still open.
        """
        found = join([*self._done, *self.segment.done])
        if found is None:
            return None
        settled_ns = self.segment.settled_s(found.end_ns // SECOND_NS) * SECOND_NS
        stop_ns = min(found.end_ns, settled_ns) // _MINUTE_NS * _MINUTE_NS
        if stop_ns <= found.start_ns:
            return None
        self._done, self.segment.done = [], []
        if stop_ns < found.end_ns:
            self._done = [found.since(stop_ns)]
        return self._joined_up(found.before(stop_ns))

    def provisional(self) -> Findings | None:
        """What would follow the final findings if the stream ended now."""
        return self.if_ended(self.segment.copy())

    def if_ended(self, ahead: Segment) -> Findings | None:
        """What would follow the final findings if the stream ended where this copy of the present
        segment does. Closes the copy."""
        ahead.close()
        found = join([*self._done, *ahead.done])
        return None if found is None else self._joined_up(found, keep=False)

    def finish(self) -> Findings | None:
        """End the stream; drains everything."""
        self._end_segment()
        found = join(self._done)
        self._done = []
        return None if found is None else self._joined_up(found)

    def _start_segment(self) -> None:
        """Begin anew: of what lies before a gap the neutral alone is carried over it."""
        self.segment = Segment(self.context, self.parameters, self._neutral)

    def _end_segment(self) -> None:
        self.segment.close()
        self._done += self.segment.done
        self._start_segment()

    def _joined_up(self, found: Findings, *, keep: bool = True) -> Findings:
        """The same with a range of whole minutes that begins where the last one ended."""
        start_ns = found.start_ns // _MINUTE_NS * _MINUTE_NS
        if self._drained_ns is not None:
            start_ns = self._drained_ns
        end_ns = -(-found.end_ns // _MINUTE_NS) * _MINUTE_NS
        if keep:
            self._drained_ns = end_ns
        return replace(found, start_ns=start_ns, end_ns=end_ns)
