"""Stored results of one local day, laid out and summed."""

from __future__ import annotations

from dataclasses import dataclass

from analytics.exposure.days import Day
from analytics.exposure.summary import ITEM_KINDS, DayExposure, day_exposure
from analytics.exposure.timeline import Timeline, timeline
from analytics.store.base import Store


@dataclass(frozen=True, slots=True)
class DayReading:
    """A local day: exposure, and the timeline that it was computed from."""

    day: Day
    exposure: DayExposure
    line: Timeline


def read_day(store: Store, wearer: str, day: Day) -> DayReading:
    """One local day; raises StoreError when the store cannot answer."""
    start_ns, end_ns = day.start_ns, day.end_ns
    minutes = store.read_results(wearer, "timeline_runs", start_ns, end_ns)
    line = timeline(minutes, start_ns, end_ns)
    items = [
        item for kind in ITEM_KINDS for item in store.read_results(wearer, kind, start_ns, end_ns)
    ]
    return DayReading(day, day_exposure(day, line, items), line)
