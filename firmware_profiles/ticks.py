"""Counters that wrap, as monotonic nanoseconds; shared by sensors that stamp with 32-bit ticks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from firmware_profiles.stamps import Passage, passage

_LONGEST_GAP_NS: Final = 60_000_000_000
"""A step further ahead than this is a restart. The ticks of a counter that wraps within the hour
cannot tell a restart from a long gap, but a link does not survive more than 32 s of silence."""
_RATE_TOLERANCE: Final = 0.2
"""Beyond this a step is not one sample: jitter of 1.5 ms at 100 Hz and a rate 5 % off fit in."""
_SMOOTHING: Final = 64.0
"""Samples; evens out stamps of coarse resolution within a few seconds."""


@dataclass(slots=True)
class TickClock:
    """Follows a counter of `bits` bits; ns_per_tick may be a fraction."""

    ns_per_tick: float
    bits: int = 32
    _ticks: int | None = None
    """Newest, wraps undone."""

    def follow(self, raw: int) -> tuple[int, int, Passage]:
        """(time in ns, step from the newest stamp in ns, what the step means) of a raw stamp.

        The newest stamp stays the reference when this one is a repeat.
        """
        if self._ticks is None:
            self._ticks = raw
            return self._ns(raw), 0, Passage.FIRST
        half = 1 << self.bits - 1
        step = (raw - self._ticks + half) % (2 * half) - half
        ticks, step_ns = self._ticks + step, self._ns(step)
        verdict = passage(self._ns(self._ticks), self._ns(ticks))
        if verdict is Passage.RESTART or step_ns > _LONGEST_GAP_NS:
            self._ticks = raw
            return self._ns(raw), 0, Passage.RESTART
        if verdict is Passage.FORWARD:
            self._ticks = ticks
        return self._ns(ticks), step_ns, verdict

    def _ns(self, ticks: int) -> int:
        return round(ticks * self.ns_per_tick)


@dataclass(slots=True)
class SampleTicks:
    """Stamps of single samples: time, losses and restarts of a stream at about `rate_hz`."""

    rate_hz: float
    clock: TickClock
    finds_loss: bool = True
    """Off when the rate is not known, as it may be for captured packets."""
    _true_step_ns: float = field(init=False)
    """A long gap counted at the nominal rate would be wrong by the rate's error, 1-3 %."""

    def __post_init__(self) -> None:
        self._true_step_ns = 1e9 / self.rate_hz

    def place(self, raw: int) -> tuple[int, int, bool]:
        """(time in ns, samples lost before it, restarted)."""
        time_ns, step_ns, verdict = self.clock.follow(raw)
        lost = 0
        if self.finds_loss and verdict is Passage.FORWARD:
            lost = max(0, round(step_ns / self._true_step_ns) - 1)
            if not lost and abs(step_ns * self.rate_hz * 1e-9 - 1) < _RATE_TOLERANCE:
                self._true_step_ns += (step_ns - self._true_step_ns) / _SMOOTHING
        return time_ns, lost, verdict is Passage.RESTART
