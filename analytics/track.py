"""One sensor on one local day: stored samples in, stored results out.

The day is the unit of computation: its pipeline always starts at the day's first sample, so that
the results of a day do not depend on when the worker was started or in which order samples came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

from analytics.detect.findings import SECOND_NS, Findings, join
from analytics.detect.parameters import Parameters
from analytics.exposure.days import Day
from analytics.extra_sensors import place_of
from analytics.outlook import BACK_S, Outlook
from analytics.pipeline import Pipeline
from analytics.result import MINUTE_S, provenance, results
from analytics.sensor_context import SensorContext
from analytics.store.base import Store

MINUTE_NS = MINUTE_S * SECOND_NS
CHUNK_NS = 3600 * SECOND_NS
"""Samples read at once; bounds the memory of a day that is computed again."""


@dataclass(frozen=True, slots=True)
class TrackKey:
    """Which sensor of whom on which day."""

    wearer: str
    sensor: str
    day: Day


class Track:
    """The running computation of one sensor's day."""

    def __init__(
        self,
        key: TrackKey,
        store: Store,
        contexts: Sequence[tuple[int, SensorContext]],
        parameters: Parameters,
    ) -> None:
        """`contexts`: (whole minute from which it counts, context) in the order of time; the
        first counts from the beginning of the day whatever it says."""
        self.key = key
        self.context = contexts[0][1]
        self.parameters = parameters
        self.next_ns = key.day.start_ns
        """Samples before this are in the pipeline."""
        self._later = list(contexts[1:])
        self._made_by = provenance(parameters)
        self._store = store
        self._begin()
        self._kept: Findings | None = None
        self._has_written = False
        self._written_ns = key.day.end_ns
        """End of what the store may hold of an earlier computation and must be replaced."""

    def advance(self, end_ns: int) -> None:
        """Read what is stored before `end_ns` and write what follows from it."""
        end_ns = min(end_ns, self.key.day.end_ns)
        while self._later and self._later[0][0] < end_ns:
            self._change_over(*self._later.pop(0))
        self._read(end_ns)
        final, look = self._pipeline.final(), self._outlook.look()
        if look is None:
            self._write(final, None)
        else:
            cuts_ns = [_minute(ns) for ns in (look.mark_ns - BACK_S * SECOND_NS, look.mark_ns)]
            only_new = final is None and not look.fresh
            self._write(final, look.findings, cuts_ns, _minute(look.since_ns) if only_new else 0)

    def settle(self) -> None:
        """Nothing has come for a while: tell all of it as if it ended here."""
        self._write(self._pipeline.final(), self._pipeline.provisional())
        self._outlook = self._new_outlook()

    def finish(self) -> None:
        """The day is over: nothing is provisional any more."""
        self._write(self._pipeline.finish(), None)

    def _change_over(self, at_ns: int, context: SensorContext) -> None:
        """Another calibration counts from here on; what goes on is cut as it is at midnight."""
        self._read(at_ns)
        self._write(self._pipeline.finish(), None)
        self.context = context
        self._begin()
        self.next_ns = max(self.next_ns, at_ns)

    def _begin(self) -> None:
        self._pipeline = Pipeline(self.context, self.parameters)
        self._outlook = self._new_outlook()

    def _new_outlook(self) -> Outlook:
        return Outlook(self._pipeline, crc32(f"{self.key.wearer}/{self.key.sensor}".encode()))

    def _read(self, end_ns: int) -> None:
        for chunk in self._store.iter_samples(
            self.key.wearer, self.key.sensor, self.next_ns, end_ns, CHUNK_NS
        ):
            self._pipeline.push(chunk.t_ns, chunk.values["accel"], chunk.values.get("gyro"))
            self.next_ns = int(chunk.t_ns[-1]) + 1

    def _write(
        self,
        final: Findings | None,
        provisional: Findings | None,
        cuts_ns: Sequence[int] = (),
        since_ns: int = 0,
    ) -> None:
        """Replace the results from the first open minute on, in parts between some minutes, and
        only those from the minute since_ns on.

        What is final but begins in the minute that is still open is kept and written again, so
        that a minute is always replaced as a whole.
        """
        settled = join(part for part in (self._kept, final) if part is not None)
        found = join(part for part in (settled, provisional) if part is not None)
        if found is None:
            return
        *parts, last = _cut(found, cuts_ns)
        parts = [*(part for part in parts if part.end_ns > since_ns), last]
        start_ns = _minute(parts[0].start_ns)
        end_ns = -(-found.end_ns // MINUTE_NS) * MINUTE_NS
        spans = [(start_ns, max(end_ns, self._written_ns))]
        if not self._has_written:
            # the first word on this day replaces all that was said before, but of extra sensors
            first, after = place_of(self.key.day)
            spans = [(min(start_ns, self.key.day.start_ns), first), (after, spans[0][1])]
        told = [result for part in parts for result in results(part, self.context)]
        with self._store.transaction():
            for low_ns, high_ns in spans:
                inside = [result for result in told if low_ns <= result.start_ns < high_ns]
                self._store.write_results(self.key.wearer, low_ns, high_ns, inside, self._made_by)
        self._written_ns, self._has_written = end_ns, True
        if settled is not None:
            self._kept = settled.since(_minute(settled.end_ns))


def _cut(found: Findings, cuts_ns: Sequence[int]) -> list[Findings]:
    """The same in parts between some whole minutes."""
    parts = []
    for cut_ns in cuts_ns:
        if found.start_ns < cut_ns < found.end_ns:
            parts.append(found.before(cut_ns))
            found = found.since(cut_ns)
    return [*parts, found]


def _minute(t_ns: int) -> int:
    """Beginning of the minute."""
    return t_ns - t_ns % MINUTE_NS
