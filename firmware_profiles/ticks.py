"""Counters that wrap, as monotonic nanoseconds; shared by sensors that stamp with 32-bit ticks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_profiles.stamps import Passage, passage

_LONGEST_GAP_NS: Final = 60_000_000_000
"""A step further ahead than this is a restart. The ticks of a counter that wraps within the hour
cannot tell a restart from a long gap, but a link does not survive more than 32 s of silence."""
_RATE_TOLERANCE: Final = 0.2
"""Beyond this a step is not one sample: jitter of 1.5 ms at 100 Hz and a rate 5 % off fit in."""
_FEW: Final = 32
"""Steps: over fewer, stamps of coarse resolution say less about the rate than its nominal value."""


@dataclass(slots=True)
class TickClock:
    """Follows a counter of `bits` bits; ns_per_tick may be a fraction."""

    ns_per_tick: float
    bits: int = 32
    ticks: int | None = None
    """Newest, wraps undone."""

    def follow(self, raw: int) -> tuple[int, int, Passage]:
        """(time in ns, step from the newest stamp in ns, what the step means) of a raw stamp.

        The newest stamp stays the reference when this one is a repeat.
        """
        if self.ticks is None:
            self.ticks = raw
            return self._ns(raw), 0, Passage.FIRST
        half = 1 << self.bits - 1
        step = (raw - self.ticks + half) % (2 * half) - half
        ticks, step_ns = self.ticks + step, self._ns(step)
        verdict = passage(self._ns(self.ticks), self._ns(ticks))
        if verdict is Passage.RESTART or step_ns > _LONGEST_GAP_NS:
            self.ticks = raw
            return self._ns(raw), 0, Passage.RESTART
        if verdict is Passage.FORWARD:
            self.ticks = ticks
        return self._ns(ticks), step_ns, verdict

    def follow_run(
        self, raw: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """(times, steps) in ns of stamps that all go forward, as `follow` gives them one by one;
        None, with nothing changed, when one does not."""
        if self.ticks is None:
            return None
        half = 1 << self.bits - 1
        steps = np.diff(raw, prepend=self.ticks)
        steps = (steps + half & 2 * half - 1) - half
        steps_ns = self._all_ns(steps)
        if (steps_ns <= 0).any() or (steps_ns > _LONGEST_GAP_NS).any():
            return None
        ticks = self.ticks + np.cumsum(steps)
        self.ticks = int(ticks[-1])
        return self._all_ns(ticks), steps_ns

    def _ns(self, ticks: int) -> int:
        return round(ticks * self.ns_per_tick)

    def _all_ns(self, ticks: NDArray[np.int64]) -> NDArray[np.int64]:
        whole: NDArray[np.int64] = np.rint(ticks * self.ns_per_tick).astype(np.int64)
        return whole


@dataclass(slots=True)
class SampleTicks:
    """Stamps of single samples: time, losses and restarts of a stream at about `rate_hz`."""

    rate_hz: float
    clock: TickClock
    finds_loss: bool = True
    """Off when the rate is not known, as it may be for captured packets."""
    _counted_ns: int = 0
    """Sum of the steps that were one sample each. A long gap counted at the nominal rate would be
    wrong by the rate's error, 1-3 %."""
    _counted: int = 0

    def place(self, raw: int) -> tuple[int, int, bool]:
        """(time in ns, samples lost before it, restarted)."""
        time_ns, step_ns, verdict = self.clock.follow(raw)
        lost = 0
        if self.finds_loss and verdict is Passage.FORWARD:
            true_ns = (
                1e9 / self.rate_hz if self._counted < _FEW else self._counted_ns / self._counted
            )
            lost = max(0, round(step_ns / true_ns) - 1)
            if not lost and abs(step_ns * self.rate_hz * 1e-9 - 1) < _RATE_TOLERANCE:
                self._counted_ns += step_ns
                self._counted += 1
        return time_ns, lost, verdict is Passage.RESTART

    def place_run(self, raw: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Times in ns of samples of which none is lost and none restarts the clock; None, with
        nothing changed, when it is otherwise."""
        before = self.clock.ticks
        found = self.clock.follow_run(raw)
        if found is None or not self.finds_loss:
            return None if found is None else found[0]
        times_ns, steps_ns = found
        counted = self._counted + np.arange(len(raw))
        counted_ns = self._counted_ns + np.cumsum(steps_ns) - steps_ns
        true_ns = np.where(counted < _FEW, 1e9 / self.rate_hz, counted_ns / np.maximum(counted, 1))
        is_one = np.abs(steps_ns * self.rate_hz * 1e-9 - 1) < _RATE_TOLERANCE
        if not is_one.all() or (np.rint(steps_ns / true_ns) > 1).any():
            self.clock.ticks = before
            return None
        self._counted_ns += int(steps_ns.sum())
        self._counted += len(raw)
        return times_ns
