"""Stored results of local days, laid out and summed."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from analytics.exposure.day_sum import body_of, exposure_of
from analytics.exposure.days import Day
from analytics.exposure.summary import ITEM_KINDS, DayExposure, day_exposure
from analytics.exposure.timeline import Timeline, timeline
from analytics.store.base import DAY_SUM, MAX_RESULT_NS, Result, Store

GROUP_DAYS: Final = 7
"""Days without a sum that are read at once: bounds the memory."""


@dataclass(frozen=True, slots=True)
class DayReading:
    """A local day: exposure, and the timeline and results that it was computed from."""

    day: Day
    exposure: DayExposure
    line: Timeline
    items: tuple[Result, ...] = ()
    """of ITEM_KINDS, all that overlap the day"""


def read_day(store: Store, wearer: str, day: Day) -> DayReading:
    """One local day; raises StoreError when the store cannot answer."""
    return _read(store, wearer, [day])[0]


def read_days(store: Store, wearer: str, days: Sequence[Day]) -> list[DayExposure]:
    """Exposure of consecutive local days from their sums; what has none (the day that goes on) is
    read as `read_day` reads it. Raises StoreError when the store cannot answer."""
    if not days:
        return []
    sums = {
        result.start_ns: result
        for result in store.read_results(wearer, DAY_SUM, days[0].start_ns, days[-1].end_ns)
    }
    found: dict[Day, DayExposure] = {}
    for day in days:
        kept = sums.get(day.start_ns)
        exposure = exposure_of(day, kept.body) if kept else None
        if exposure is not None:
            found[day] = exposure
    for group in _groups([day for day in days if day not in found]):
        found |= {reading.day: reading.exposure for reading in _read(store, wearer, group)}
    return [found[day] for day in days]


def read_lines(store: Store, wearer: str, days: Sequence[Day]) -> list[Timeline]:
    """The timelines of consecutive local days and nothing else; raises StoreError."""
    if not days:
        return []
    minutes = store.read_results(wearer, "timeline_runs", days[0].start_ns, days[-1].end_ns)
    starts_ns = [minute.start_ns for minute in minutes]
    found = []
    for day in days:
        start_ns, end_ns = day.start_ns, day.end_ns
        here = slice(
            bisect_right(starts_ns, start_ns - MAX_RESULT_NS), bisect_left(starts_ns, end_ns)
        )
        found.append(timeline(minutes[here], start_ns, end_ns))
    return found


def keep_day(store: Store, wearer: str, day: Day) -> bool:
    """Sum a day up for `read_days`; False when there are no results to sum up."""
    made_by = store.provenances(wearer, day.start_ns, day.end_ns)
    if not made_by:
        return False
    body = body_of(read_day(store, wearer, day).exposure)
    store.write_day_sum(wearer, Result(DAY_SUM, day.start_ns, day.end_ns, body), made_by[-1])
    return True


def days_to_keep(store: Store, wearer: str, days: Sequence[Day]) -> list[Day]:
    """Those of consecutive days that have results and no sum that can be read."""
    if not days:
        return []
    start_ns, end_ns = days[0].start_ns, days[-1].end_ns
    sums = {r.start_ns: r.body for r in store.read_results(wearer, DAY_SUM, start_ns, end_ns)}
    return [
        day
        for day in days
        if (day.start_ns not in sums or exposure_of(day, sums[day.start_ns]) is None)
        and store.provenances(wearer, day.start_ns, day.end_ns)
    ]


def _groups(days: Sequence[Day]) -> Iterator[list[Day]]:
    """Days that follow each other without a hole, at most GROUP_DAYS."""
    group: list[Day] = []
    for day in days:
        if group and (day.start_ns != group[-1].end_ns or len(group) == GROUP_DAYS):
            yield group
            group = []
        group.append(day)
    if group:
        yield group


def _read(store: Store, wearer: str, days: Sequence[Day]) -> list[DayReading]:
    """Days that follow each other: one pass over all of their results."""
    start_ns, end_ns = days[0].start_ns, days[-1].end_ns
    minutes = store.read_results(wearer, "timeline_runs", start_ns, end_ns)
    items = [
        item for kind in ITEM_KINDS for item in store.read_results(wearer, kind, start_ns, end_ns)
    ]
    readings = []
    for day in days:
        start_ns, end_ns = day.start_ns, day.end_ns  # each is worked out from the calendar
        line = timeline(minutes, start_ns, end_ns)
        here = [x for x in items if x.end_ns > start_ns and x.start_ns < end_ns]
        readings.append(DayReading(day, day_exposure(day, line, here), line, tuple(here)))
    return readings
