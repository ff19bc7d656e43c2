"""A stretch of a sensor's stream without long gaps: samples in, findings of whole blocks out.

Samples become 50 Hz readings at once. What can be seen in them is observed in blocks that are
aligned to absolute time, each with a fixed context on both sides; what it means is read from one
block with the next one known.
"""

from __future__ import annotations

import copy
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.block_findings import BlockReader, BlockState
from analytics.detect.findings import Findings
from analytics.detect.observe import Observations, observe
from analytics.detect.parameters import Parameters
from analytics.sensor_context import SensorContext
from analytics.signal.frames import Frames, Readings, joined
from analytics.signal.neutral import NeutralState
from analytics.signal.orientation import Bias, frames_of
from analytics.signal.stream import ReadingStream

BLOCK_S: Final = 960
"""Results become final in such pieces; a multiple of the minute that the store keeps together."""
CONTEXT_S: Final = 30
"""What a block sees before and after itself; longer than any movement and its surroundings."""
LEAD_S: Final = 15
"""More of the past, from which orientation is told and nothing else."""


class Segment:
    """Findings gather in `done`. Not thread-safe."""

    def __init__(
        self, context: SensorContext, parameters: Parameters, neutral: NeutralState
    ) -> None:
        """neutral: goes on over gaps, a sensor may slip while it is taken off; is kept up to
        date."""
        self.context, self.parameters = context, parameters
        self.done: list[Findings] = []
        self.bias = Bias.of(context.calibration)
        self.state = BlockState(neutral)
        self.next_s = 0
        """First second that is not yet observed."""
        self.reader = BlockReader(context, parameters)
        self._stream = ReadingStream(
            has_gyro=context.has_gyro,
            rate_hz=context.rate_hz,
            calibration=context.calibration,
            grid=parameters.grid,
        )
        self._readings: list[Readings] = []
        self._seen: list[Observations] = []
        """Observed, but not yet read."""

    @property
    def end_s(self) -> int | None:
        """End of the last whole second; None before the first reading."""
        return self._readings[-1].end_s if self._readings else None

    def push(self, t_ns: NDArray[np.int64], values: NDArray[np.floating]) -> None:
        """Finite samples, (3 or 6, n) in sensor axes, without a long gap."""
        new = self._stream.push(t_ns, values)
        if new is None:
            return
        if not self._readings:
            self.next_s = new.first_s
        self._readings.append(new)
        while self._readings[-1].end_s >= self._block_end() + CONTEXT_S:
            self._observe(self._block_end())
            self._read(least_ahead=1)

    def run_out(self) -> None:
        """Observe and read up to the newest sample; the last second is filled up."""
        if not self._readings:
            return
        self._readings = [joined(self._readings).whole_seconds()]
        end_s = self._readings[-1].end_s
        while self.next_s < end_s:
            self._observe(min(self._block_end(), end_s))
            self._read(least_ahead=1)
        self._read(least_ahead=0)

    def close(self) -> None:
        """Run out and end the episodes that are open."""
        self.run_out()
        if self._readings:
            self.done.append(self.reader.closing(self.next_s, self.state))
        self._readings = []

    def copy(self) -> Segment:
        """One that may run on without touching this one."""
        other = copy.copy(self)
        other.bias, other.state = copy.deepcopy((self.bias, self.state))
        other.done, other._seen = list(self.done), list(self._seen)
        other._readings = list(self._readings)
        return other

    def ahead(self, seen: Observations | None, bias: Bias) -> Segment:
        """A copy that ends where the observations of its open block do, and with what they made of
        the bias. None: where that block begins."""
        ahead = self.copy()
        ahead._readings = []
        if seen is not None:
            ahead.bias, ahead.next_s = bias, seen.first_s + seen.seconds
            ahead._seen.append(seen)
            ahead._readings = [self.newest(ahead.next_s - 1).part(ahead.next_s - 1, ahead.next_s)]
        return ahead

    def settled_s(self, end_s: int) -> int:
        """Second before which nothing that is still to come can start; end_s: of what was read."""
        if not self._readings:
            return end_s
        read_s = self._seen[0].first_s if self._seen else self.next_s
        return min([read_s - CONTEXT_S, *self.state.open_since()]) - CONTEXT_S // 2

    def newest(self, start_s: int) -> Readings:
        """Whole seconds from start_s (not before the block that is open, less its context) to the
        newest sample; the last one is filled up. Only after the first reading."""
        parts = [r for r in self._readings if r.end_s >= start_s] or self._readings[-1:]
        return joined(parts).part(start_s, None).whole_seconds()

    def frames(self, view: Readings, bias: Bias) -> Frames:
        """Frames of some whole seconds; `bias` is brought up to date."""
        turn_deg = self.parameters.excursions.slowest_deg(self.context.site.low)
        return frames_of(view, self.context.calibration.rotation, bias, turn_deg)

    def observed(self, start_s: int, stop_s: int, until_s: int, bias: Bias) -> Observations:
        """What happens in [start_s, stop_s), not before the block that is open, seen until until_s,
        CONTEXT_S later at most; `bias` is brought up to date."""
        first_s = start_s - CONTEXT_S - LEAD_S
        view = self.newest(first_s).part(first_s, until_s)
        frames = self.frames(view, bias).part(start_s - CONTEXT_S, None)
        site = self.context.site
        return observe(frames, start_s, stop_s, site=site, parameters=self.parameters)

    def _block_end(self) -> int:
        return (self.next_s // BLOCK_S + 1) * BLOCK_S

    def _observe(self, stop_s: int) -> None:
        """Observe [next_s, stop_s) with the context that there is."""
        self._seen.append(self.observed(self.next_s, stop_s, stop_s + CONTEXT_S, self.bias))
        self.next_s = stop_s
        self._readings = [joined(self._readings).part(stop_s - CONTEXT_S - LEAD_S, None)]

    def _read(self, *, least_ahead: int) -> None:
        """Read the observed blocks that have so many blocks ahead of them and a settled wear."""
        while len(self._seen) > least_ahead:
            if least_ahead and not self.reader.is_decided(self._seen, self.state):
                return
            self.done.append(self.reader.first(self._seen, self.state))
            self._seen = self._seen[1:]
