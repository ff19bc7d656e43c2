"""The worker: turns stored samples into stored results, live and for days gone by.

It takes the queue of arrivals that ingest fills. New samples of today go through the day's running
pipeline; samples that come late, a new upright hold or a past day start that day's computation
again. The queue is cleared only after the results are written, so a crash loses nothing.
"""

from __future__ import annotations

import hashlib
import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast
from zoneinfo import ZoneInfo

from analytics.calibration import (
    Reference,
    Worn,
    calibration_of,
    judge_steps,
    references,
    step_scale_of,
)
from analytics.day_reading import days_to_keep, keep_day
from analytics.detect.parameters import Parameters
from analytics.exposure.days import Day
from analytics.extra_days import ExtraDays
from analytics.extra_sensors import ExtraDay
from analytics.sensor_context import SensorContext
from analytics.store.archive import checksum_of_batches
from analytics.store.arrivals import Arrival
from analytics.store.base import MAX_BATCH_NS, PRESENT, Store, StoreError
from analytics.store.clinic import Clinic
from analytics.store.grouped import GroupedResults
from analytics.store.records import Wearer, WearerSettings
from analytics.track import Track, TrackKey
from analytics.trunk_sensor import trunk_sensor
from wire.messages import Birth

logger = logging.getLogger(__name__)

SETTLED_S = 60.0
"""A day is summed up when nothing has come for so long: any write drops its sum, and the pages
read a day that has none as it is."""
SILENT_S = 5.0
"""When nothing has come for so long, what is open is computed once as if it ended there."""
SUMMED_DAYS = 400
"""So many days back sums are made again where there are none (an older version wrote the results,
or the worker was ended before it could)."""
LONG_NS = 24 * 3600 * 10**9
REPEAT_SHARE = 10
"""Late samples start a day again at most as often as keeps this work under a tenth of the time."""


@dataclass(frozen=True, slots=True)
class _Setup:
    """What the computation of a day rests on besides the samples."""

    placement: str
    rate_hz: float
    has_gyro: bool
    axes: tuple[tuple[str, str], ...]
    references: tuple[Reference, ...]
    settings: WearerSettings


@dataclass(slots=True)
class _Running:
    """A track, and what it was computed with."""

    track: Track
    setup: _Setup
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
        self._overrides = overrides or {}
        self._parameters = parameters or Parameters()
        self._running: dict[TrackKey, _Running] = {}
        self._unsummed: list[tuple[str, Day]] | None = None
        """Days of before the start that need a sum, the next one last; None: not looked for."""
        self._extra = ExtraDays(self._store, clinic, self._contexts_of, self._parameters_of)

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
        judge_steps(self._store, self._clinic, self._clock_ns(), self._parameters_of)
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
        if running is not None and running.setup == self._setup(key):
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
        setup = self._setup(key)
        parameters = self._parameters_of(key.wearer)
        track = Track(key, self._store, self._contexts(key, setup, parameters), parameters)
        track.advance(key.day.end_ns)
        track.settle()
        ended_s = time.monotonic()
        self._running[key] = _Running(
            track, setup, ended_s, ended_s - begun_s, ended_s, settled=True
        )
        return True

    def basis(self, wearer: str, day: Day) -> str | None:
        """What the computation of a day rests on, in a text that changes with any of it: sensor,
        calibration, settings, the batches of samples. None without a trunk sensor."""
        sensor = trunk_sensor(self._clinic, wearer)
        if sensor is None:
            return None
        setup = self._setup(TrackKey(wearer, sensor, day))
        batches = self._store.read_batches(wearer, sensor, day.start_ns - MAX_BATCH_NS, day.end_ns)
        extra = ExtraDay(self._store, self._clinic, wearer, day).basis()
        return hashlib.sha256(
            f"{sensor} {setup} {checksum_of_batches(batches)}{extra}".encode()
        ).hexdigest()

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
        now_s = time.monotonic()
        for running in self._running.values():
            if not running.settled and now_s - running.changed_s > SILENT_S:
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
        if not idle:
            return
        if self._unsummed is None:
            self._unsummed = [
                (wearer.wearer, day)
                for wearer in self._clinic.wearers()
                for day in self._days_to_keep(wearer)
            ]
        if self._unsummed:
            wearer, day = self._unsummed.pop()
            if not any(key.wearer == wearer and key.day == day for key in self._running):
                keep_day(self._store, wearer, day)

    def _days_to_keep(self, wearer: Wearer) -> list[Day]:
        zone = wearer.zone
        spans = [
            span
            for span in self._store.result_spans(wearer.wearer)
            if span.version == PRESENT and span.kind == "timeline_runs"
        ]
        if not spans:
            return []
        first, last = Day.at(spans[0].first_ns, zone), Day.at(spans[0].last_ns, zone)
        count = min((last.date - first.date).days + 1, SUMMED_DAYS)
        days = [last.plus(n - count + 1) for n in range(count)]
        return days_to_keep(self._store, wearer.wearer, days)

    # --- what the clinic knows -------------------------------------------------------------

    def _birth(self, wearer: str, sensor: str) -> Birth:
        birth = {s.sensor: s.birth for s in self._clinic.sensors(wearer)}[sensor]
        assert birth is not None  # noqa: S101 - trunk_sensor chose this one by its birth
        return birth

    def _setup(self, key: TrackKey) -> _Setup:
        birth = self._birth(key.wearer, key.sensor)
        return _Setup(
            placement=birth.placement,
            rate_hz=birth.rate_hz,
            has_gyro="gyro" in birth.quantities,
            axes=tuple(sorted((birth.axes or {}).items())),
            references=references(self._clinic, key.wearer, key.sensor, key.day),
            settings=self._clinic.wearer(key.wearer).settings,
        )

    def _contexts(
        self, key: TrackKey, setup: _Setup, parameters: Parameters
    ) -> list[tuple[int, SensorContext]]:
        worn = Worn(key.wearer, key.sensor, self._birth(key.wearer, key.sensor))
        found = []
        for reference in setup.references or (None,):
            context = SensorContext(
                placement=setup.placement,
                rate_hz=setup.rate_hz,
                has_gyro=setup.has_gyro,
                calibration=calibration_of(reference, self._store, worn, parameters),
            )
            scale = step_scale_of(reference, self._store, worn, context, parameters)
            from_ns = reference.from_ns if reference else key.day.start_ns
            found.append((from_ns, replace(context, step_scale=scale)))
        return found

    def _contexts_of(self, wearer: str, day: Day) -> list[tuple[int, SensorContext]]:
        sensor = trunk_sensor(self._clinic, wearer)
        if sensor is None:
            return []
        key = TrackKey(wearer, sensor, day)
        return self._contexts(key, self._setup(key), self._parameters_of(wearer))

    def _parameters_of(self, wearer: str) -> Parameters:
        settings = self._clinic.wearer(wearer).settings
        return personal(self._parameters, settings).override(self._overrides)


def personal(parameters: Parameters, settings: WearerSettings) -> Parameters:
    """The parameters with what a clinician has set for this wearer."""
    slouch = {"min_episode_min": settings.slouch_bout_min_s / 60}
    if settings.slouch_enter_deg is not None:
        slouch |= dict.fromkeys(
            ("enter_low_trunk_deg", "enter_high_trunk_deg"), settings.slouch_enter_deg
        )
    walking = {"prolonged_min": settings.walking_limit_s / 60}
    return parameters.override({"slouch": slouch, "walking": walking})


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
