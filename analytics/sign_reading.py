"""Stored gait, limbs, breathing and sway of local days, for pages and exports."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from analytics.day_reading import read_days
from analytics.exposure.days import Day
from analytics.exposure.signs import KINDS, Coverage, DaySign, breathing_coverage, day_signs
from analytics.exposure.trends import Trend, trends
from analytics.store.base import Result, Store


def read_signs(
    store: Store, wearer: str, days: Sequence[Day]
) -> list[tuple[date, Mapping[str, DaySign]]]:
    """Figures of each of these consecutive days; raises StoreError when the store cannot answer."""
    return _signs_of(_items(store, wearer, days), days)


def _items(store: Store, wearer: str, days: Sequence[Day]) -> list[Result]:
    """Results of KINDS in these consecutive days, in the order of time."""
    if not days:
        return []
    start_ns, end_ns = days[0].start_ns, days[-1].end_ns
    items = [item for kind in KINDS for item in store.read_results(wearer, kind, start_ns, end_ns)]
    return sorted(items, key=_start_ns)


def _signs_of(
    items: Sequence[Result], days: Sequence[Day]
) -> list[tuple[date, Mapping[str, DaySign]]]:
    edges_ns = [day.start_ns for day in days] + [day.end_ns for day in days[-1:]]
    edges = [bisect_left(items, edge_ns, key=_start_ns) for edge_ns in edges_ns]
    return [
        (day.date, day_signs(items[first:last]))
        for day, (first, last) in zip(days, pairwise(edges), strict=True)
    ]


def read_coverage(
    store: Store,
    wearer: str,
    days: Sequence[Day],
    signs: Sequence[tuple[date, Mapping[str, DaySign]]],
) -> list[Mapping[str, Coverage]]:
    """Of the breathing figures of each of these days; raises StoreError when the store cannot
    answer."""
    return [
        breathing_coverage(found, exposure.exposure.posture_min)
        for (_, found), exposure in zip(signs, read_days(store, wearer, days), strict=True)
    ]


def _start_ns(item: Result) -> int:
    return item.start_ns


@dataclass(frozen=True, slots=True)
class SignHistory:
    """Every figure over days and weeks."""

    days: Sequence[tuple[date, Mapping[str, DaySign]]]
    trends: Sequence[Trend]
    """The newest week against the person's own usual."""
    coverage: Sequence[Mapping[str, Coverage]]
    """Of the breathing figures, of each day."""
    extra: Mapping[str, bool | str]
    """What each extra sensor of the newest day with any of them could tell: True, or why not."""


def read_history(store: Store, wearer: str, days: Sequence[Day]) -> SignHistory:
    """The figures of these consecutive days; raises StoreError when the store cannot answer."""
    qualities = (
        store.read_results(wearer, "quality", days[-1].start_ns, days[-1].end_ns) if days else []
    )
    said = qualities[-1].body.get("observable", {}) if qualities else {}
    features = {
        "walking": ("stride", "step", "walking"),
        "trunk_sway": ("trunk_sway",),
        "respiration": ("breaths",),
        "sway": ("sway",),
    }
    denied = [
        prefix
        for feature, prefixes in features.items()
        if said.get(feature, True) is not True
        for prefix in prefixes
    ]
    items = _items(store, wearer, days)
    signs = _signs_of(items, days)
    coverage = read_coverage(store, wearer, days, signs)
    said_of_extra = [item.body["observable"] for item in items if item.kind == "extra_sensors"]
    extra = dict(said_of_extra[-1]) if said_of_extra else {}
    return SignHistory(signs, trends(signs, denied=denied), coverage, extra)
