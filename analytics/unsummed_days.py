"""Days of before the worker's start that have no sum: made again while there is nothing else to do.

An older version wrote their results, or the worker was ended before it could sum them up.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from analytics.day_reading import days_to_keep, keep_day
from analytics.exposure.days import Day
from analytics.store.base import PRESENT, Store
from analytics.store.clinic import Clinic
from analytics.store.records import Wearer

SUMMED_DAYS: Final = 400
"""Sums are made again so many days back."""


class UnsummedDays:
    """Of every wearer of one store and clinic. Not thread-safe."""

    def __init__(self, store: Store, clinic: Clinic) -> None:
        self._store, self._clinic = store, clinic
        self._days: list[tuple[str, Day]] | None = None
        """The next one last; None: not looked for."""

    def sum_up_one(self, running: Collection[tuple[str, Day]]) -> None:
        """One of them at most; not those of a wearer and day that are running."""
        if self._days is None:
            self._days = [
                (wearer.wearer, day)
                for wearer in self._clinic.wearers()
                for day in self._of(wearer)
            ]
        if self._days:
            wearer, day = self._days.pop()
            if (wearer, day) not in running:
                keep_day(self._store, wearer, day)

    def _of(self, wearer: Wearer) -> list[Day]:
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
