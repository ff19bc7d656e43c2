"""The worker: turns stored samples into stored results, live and for days gone by.

It takes the queue of arrivals that ingest fills. New samples of today go through the day's running
pipeline; samples that come late, a new upright hold or a past day start that day's computation
again. The queue is cleared only after the results are written, so a crash loses nothing.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, cast
from zoneinfo import ZoneInfo

from analytics.calibration import judge_steps
from analytics.day_basis import DayBasis, Setup
from analytics.day_reading import keep_day
from analytics.detect.parameters import Parameters
from analytics.exposure.days import Day
from analytics.extra_days import ExtraDays
from analytics.store.arrivals import Arrival
from analytics.store.base import Store, StoreError
from analytics.store.clinic import Clinic
from analytics.store.grouped import GroupedResults
from analytics.track import Track, TrackKey
from analytics.trunk_sensor import trunk_sensor
from analytics.unsummed_days import UnsummedDays

logger = logging.getLogger(__name__)

SETTLED_S = 60.0
"""A day is summed up when nothing has come for so long: any write drops its sum, and the pages
read a day that has none as it is."""
SILENT_S = 5.0
"""When nothing has come for so long, what is open is computed once as if it ended there."""
SETTLED_AT_ONCE = 4
LONG_NS = 24 * 3600 * 10**9
REPEAT_SHARE = 10
"""Late samples start a day again at most as often as keeps this work under a tenth of the time."""


@dataclass(slots=True)
class _Running:
    """A track, and what it was computed with."""

    track: Track
    setup: Setup
    rebuilt_s: float
    cost_s: float
    changed_s: float
    """When results were last written that are not in the day's sum; infinite: all are."""
    settled: bool = False
    """Whether all is told of what has come."""

    def advance(self, end_ns: int) -> None:
        """See `Track.advance`."""
        self.track.advance(end_ns)
        self.changed_s, self.settled = time.monotonic(), False


class Worker:
    """Computes for every wearer of one store and clinic. Not thread-safe."""

    def __init__(
        self,
        store: Store,
        clinic: Clinic,
        parameters: Parameters | None = None,
        *,
        overrides: Mapping[str, Mapping[str, Any]] | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """`overrides` go beyond what a clinician has set for a wearer."""
        self._grouped = GroupedResults(store)
        self._store = cast(Store, self._grouped)
        self._clock_ns = clock_ns
        self._clinic = clinic
        self.basis = DayBasis(self._store, clinic, parameters or Parameters(), overrides or {})
        self._running: dict[TrackKey, _Running] = {}
        self._unsummed = UnsummedDays(self._store, clinic)
        self._extra = ExtraDays(self._store, clinic, self.basis.contexts_of, self.basis.parameters)

    def run(self, stop: threading.Event, poll_s: float = 0.5) -> None:
        """Work until `stop` is set; a store that does not answer is waited for."""
        trouble = ""
        while not stop.is_set():
            try:
                self.tick()
                trouble = ""
            except StoreError as error:
                if str(error) != trouble:
                    logger.warning("%s; trying again", error)
                trouble = str(error)
                self._grouped.forget()
                self._running.clear()  # a half-written tick is computed again from the samples
                stop.wait(5.0)
            stop.wait(poll_s)

    def tick(self) -> int:
        """Take what has arrived once; returns how many arrivals were dealt with."""
        judge_steps(self._store, self._clinic, self._clock_ns(), self.basis.parameters)
        arrivals = self._clinic.arrivals()
        put_off: set[int] = set()
        for (wearer, sensor), items in _grouped(arrivals).items():
            zone = self._clinic.wearer(wearer).zone
            by_day = _by_day(self._with_samples(wearer, sensor, items), zone)
            put_off |= self._extra.note(wearer, sensor, by_day)
            if sensor != trunk_sensor(self._clinic, wearer):
                continue
            self._forget_other_days(wearer, zone)
            for day, part in by_day.items():
                if not self._compute(TrackKey(wearer, sensor, day), part):
                    put_off |= {item.id for item in part}
        self._retire()
        put_off -= self._look_at_extra_sensors()
        self._settle()
        self._sum_up(idle=not arrivals)
        self._grouped.flush()
        done = [item.id for item in arrivals if item.id not in put_off]
        self._clinic.clear_arrivals(done)
        return len(done)

    def _look_at_extra_sensors(self) -> set[int]:
        """Entries of the queue that are done with."""
        written, done = self._extra.work()
        if written is not None:
            running = [key for key in self._running if (key.wearer, key.day) == written]
            for key in running:
                self._running[key].changed_s = time.monotonic()
            if not running:
                keep_day(self._store, *written)
        return done

    def _forget_other_days(self, wearer: str, zone: ZoneInfo) -> None:
        """The days of a wearer begin elsewhere since a journey was told."""
        for key in [k for k in self._running if k.wearer == wearer and k.day.zone != zone]:
            del self._running[key]

    def _with_samples(self, wearer: str, sensor: str, arrivals: Sequence[Arrival]) -> list[Arrival]:
        """What is told of long spans (a calibration counts from long ago) ends where the samples
        do."""
        if all(item.end_ns - item.start_ns <= LONG_NS for item in arrivals):
            return list(arrivals)
        spans = {span.sensor: span for span in self._store.sensors(wearer)}
        if sensor not in spans:
            return []
        low_ns, high_ns = spans[sensor].first_ns, spans[sensor].last_ns + 1
        cut = [
            replace(x, start_ns=max(x.start_ns, low_ns), end_ns=min(x.end_ns, high_ns))
            for x in arrivals
        ]
        return [item for item in cut if item.start_ns < item.end_ns]

    def _compute(self, key: TrackKey, arrivals: Sequence[Arrival]) -> bool:
        """Bring one day up to date; False when that is put off to a later tick."""
        running = self._running.get(key)
        newest_ns = max(item.end_ns for item in arrivals)
        if running is not None and running.setup == self.basis.setup(key):
            if not any(_comes_late(item, running) for item in arrivals):
                running.advance(newest_ns)
                return True
            pause_s = REPEAT_SHARE * running.cost_s
            if time.monotonic() - running.rebuilt_s < pause_s:
                running.advance(newest_ns)
                return False
        return self._rebuild(key)

    def _rebuild(self, key: TrackKey) -> bool:
        begun_s = time.monotonic()
        setup = self.basis.setup(key)
        parameters = self.basis.parameters(key.wearer)
        track = Track(key, self._store, self.basis.contexts(key, setup, parameters), parameters)
        track.advance(key.day.end_ns)
        track.settle()
        ended_s = time.monotonic()
        self._running[key] = _Running(
            track, setup, ended_s, ended_s - begun_s, ended_s, settled=True
        )
        return True

    def recompute(self, wearer: str, day: Day) -> bool:
        """Compute a day from its first sample to its last; False without a trunk sensor."""
        sensor = trunk_sensor(self._clinic, wearer)
        if sensor is None:
            return False
        key = TrackKey(wearer, sensor, day)
        self._rebuild(key)
        self._running.pop(key).track.finish()
        self._extra.bring_up_to_date(wearer, day)
        self._grouped.flush()
        return True

    def _retire(self) -> None:
        """End the days that are over everywhere: a newer day of the same sensor has begun."""
        newest: dict[tuple[str, str], Day] = {}
        for key in self._running:
            pair = (key.wearer, key.sensor)
            if pair not in newest or key.day.start_ns > newest[pair].start_ns:
                newest[pair] = key.day
        for key in [k for k in self._running if k.day != newest[k.wearer, k.sensor]]:
            self._running.pop(key).track.finish()
            keep_day(self._store, key.wearer, key.day)
            self._extra.again(key.wearer, key.day)

    def _settle(self) -> None:
        """A few at most: a tick stays short when a broker is away and nobody is heard."""
        now_s = time.monotonic()
        waiting = (
            running
            for running in self._running.values()
            if not running.settled and now_s - running.changed_s > SILENT_S
        )
        for running in islice(waiting, SETTLED_AT_ONCE):
            running.track.settle()
            running.settled = True

    def _sum_up(self, *, idle: bool) -> None:
        """One day at most: a tick stays short."""
        now_s = time.monotonic()
        for key, running in self._running.items():
            if now_s - running.changed_s > SETTLED_S:
                keep_day(self._store, key.wearer, key.day)
                running.changed_s = math.inf
                return
        if idle:
            self._unsummed.sum_up_one({(key.wearer, key.day) for key in self._running})


def _comes_late(arrival: Arrival, running: _Running) -> bool:
    """Whether what has been computed would differ had these samples been there: they belong before
    what the pipeline has, or to what a calibration was taken from."""
    in_reference = any(
        arrival.start_ns < end_ns and arrival.end_ns > start_ns
        for reference in running.setup.references
        for start_ns, end_ns in reference.intervals_ns
    )
    return in_reference or arrival.start_ns < running.track.next_ns


def _grouped(arrivals: Iterable[Arrival]) -> dict[tuple[str, str], list[Arrival]]:
    groups: dict[tuple[str, str], list[Arrival]] = {}
    for arrival in arrivals:
        groups.setdefault((arrival.wearer, arrival.sensor), []).append(arrival)
    return groups


def _by_day(arrivals: Iterable[Arrival], zone: ZoneInfo) -> dict[Day, list[Arrival]]:
    """Arrivals by the local days they touch, in order of the days."""
    days: dict[Day, list[Arrival]] = {}
    for arrival in arrivals:
        day = Day.at(arrival.start_ns, zone)
        while day.start_ns < arrival.end_ns:
            days.setdefault(day, []).append(arrival)
            day = day.plus(1)
    return dict(sorted(days.items(), key=lambda item: item[0].start_ns))
