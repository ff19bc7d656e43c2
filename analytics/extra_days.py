"""Days whose extra sensors are to be looked at again: when, and the writing of what they say.

A day waits until nothing has come for a minute, or for ten minutes while samples keep coming. What
waits stays in the queue of arrivals, one entry a day, so that a worker that is ended forgets
nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from analytics.detect.parameters import Parameters
from analytics.exposure.days import Day
from analytics.extra_sensors import KIND, ExtraDay, extra_sensors, place_of
from analytics.result import provenance
from analytics.sensor_context import SensorContext
from analytics.store.arrivals import Arrival
from analytics.store.base import Store
from analytics.store.clinic import Clinic

SETTLED_S: Final = 60.0
EVERY_S: Final = 600.0
"""Gait signs of a day change slowly."""
REPEAT_SHARE: Final = 50
"""The work stays below this part of the time."""

WearerDay = tuple[str, Day]


@dataclass(slots=True)
class _Waiting:
    """A day that is to be looked at."""

    since_s: float
    changed_s: float
    entry: int | None = None
    """In the queue of arrivals; None: it has just been put there."""


@dataclass(slots=True)
class ExtraDays:
    """For every wearer of one store and clinic. Not thread-safe."""

    store: Store
    clinic: Clinic
    contexts: Callable[[str, Day], Sequence[tuple[int, SensorContext]]]
    """Of the trunk's sensor on a day."""
    parameters: Callable[[str], Parameters]
    clock_s: Callable[[], float] = time.monotonic
    _waiting: dict[WearerDay, _Waiting] = field(default_factory=dict)
    _pause: dict[WearerDay, float] = field(default_factory=dict)
    """Not again before this, of days that were looked at."""

    def note(self, wearer: str, sensor: str, arrivals: Mapping[Day, Sequence[Arrival]]) -> set[int]:
        """Samples of a sensor have come; the entries of the queue that must stay there."""
        extra = [known.sensor for known in extra_sensors(self.clinic, wearer)]
        keep: set[int] = set()
        if not extra:
            return keep
        for day, items in arrivals.items():
            if sensor not in extra:
                self.again(wearer, day)
                continue
            ids = {item.id for item in items}
            waits = self._wait(wearer, day)
            if waits.entry is None:
                waits.entry = min(ids)
            if ids - {waits.entry}:
                waits.changed_s = self.clock_s()
            keep |= ids & {waits.entry}
        return keep

    def again(self, wearer: str, day: Day) -> None:
        """The walks of a day may have changed."""
        extra = extra_sensors(self.clinic, wearer)
        if not extra:
            return
        if (wearer, day) not in self._waiting:
            self.clinic.add_arrivals([(wearer, extra[0].sensor, day.start_ns, day.start_ns + 1)])
        self._wait(wearer, day).changed_s = self.clock_s()

    def work(self) -> tuple[WearerDay | None, set[int]]:
        """Look at one day at most: what was written, and the entries that are done with."""
        now_s = self.clock_s()
        for key, waits in self._waiting.items():
            settled = now_s - waits.changed_s > SETTLED_S or now_s - waits.since_s > EVERY_S
            if settled and now_s >= self._pause.get(key, now_s):
                break
        else:
            return None, set()
        done = {waits.entry} if waits.entry is not None else set()
        is_new = self.bring_up_to_date(*key)
        self._pause = {other: at_s for other, at_s in self._pause.items() if at_s > now_s}
        self._pause[key] = now_s + REPEAT_SHARE * (self.clock_s() - now_s)
        del self._waiting[key]
        return (key if is_new else None), done

    def bring_up_to_date(self, wearer: str, day: Day) -> bool:
        """Compute a day and write what is new; False when that is nothing."""
        parameters, place = self.parameters(wearer), place_of(day)
        new = []
        if extra_sensors(self.clinic, wearer):
            of_day = ExtraDay(self.store, self.clinic, wearer, day)
            found = of_day.result(self.contexts(wearer, day), parameters)
            new = [] if found is None else [found]
        known = self.store.read_results(wearer, KIND, *place)
        if [r for r in known if r.start_ns == place[0]] == new:
            return False
        self.store.write_results(wearer, *place, new, provenance(parameters))
        return True

    def _wait(self, wearer: str, day: Day) -> _Waiting:
        now_s = self.clock_s()
        return self._waiting.setdefault((wearer, day), _Waiting(now_s, now_s))
