"""The list of wearers: a row of figures each, what needs a look, and the order of rows.

It reads the sums of whole days, so that hundreds of wearers take a moment; today is on the page of
the wearer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from analytics.dashboard.language import gettext, ngettext
from analytics.exposure.day_sum import figure_of
from analytics.exposure.days import NS_PER_S, Day
from analytics.store.base import DAY_SUM, Store, StoreError
from analytics.store.clinic import Clinic
from analytics.store.records import Wearer

RECENT_DAYS: Final = 7
BASELINE_DAYS: Final = 21
ENOUGH_MIN: Final = 60.0
"""A day with less wear than this says nothing about a habit and is left out of a comparison."""
LEAST_DAYS: Final = 3
"""A mean of fewer days is none."""
SILENT_S: Final = 24 * 3600
LOW_PCT: Final = 15
LITTLE_WEAR_MIN: Final = 240.0
"""Less on the days that were worn at all, and the figures of a day say little."""
MORE_SLOUCH: Final = 1.25
MORE_SLOUCH_MIN_PER_H: Final = 2.0
MORE_PAIN: Final = 1.5
"""Points of the scale from 0 to 10."""
KEPT_S: Final = 600.0
"""How long figures of whole days are kept: they hardly ever change."""
LOOK_EVERY_S: Final = 10.0
PAUSE_S: Final = 0.01
"""Between two wearers: pages come first."""


@dataclass(frozen=True, slots=True)
class Week:
    """The last whole days of one wearer against those before. None: cannot be said."""

    worn_min: float | None
    """mean of the days worn at all"""
    worn_days: int
    slouched_min_per_h: float | None
    change_min_per_h: float | None
    compared_days: int
    pain: float | None
    """mean strength of the pain entered"""
    pain_change: float | None
    unexplained: int
    """samples missing without a reason on record"""


@dataclass(frozen=True, slots=True)
class Row:
    """One wearer in the list."""

    wearer: str
    last_seen_ns: int | None
    battery_pct: int | None
    week: Week
    flags: tuple[str, ...]


class Roster:
    """Makes the rows; figures of whole days are kept for KEPT_S."""

    def __init__(self, store: Store, clinic: Clinic, clock_ns: Callable[[], int]) -> None:
        self._store, self._clinic, self._clock_ns = store, clinic, clock_ns
        self._kept: dict[tuple[str, Day], tuple[float, Week]] = {}

    def keep_fresh(self, stop: threading.Event) -> None:
        """Read the figures of whole days ahead, wearer by wearer, until `stop` is set: most of the
        cost of the list is reading the sums of weeks for the first time."""
        while not stop.wait(LOOK_EVERY_S):
            with suppress(StoreError):  # the page says so itself
                self._refresh(stop)

    def _refresh(self, stop: threading.Event) -> None:
        for wearer in self._clinic.wearers():
            today = Day.at(self._clock_ns(), wearer.zone)
            made_s, _ = self._kept.get((wearer.wearer, today), (-KEPT_S, None))
            if time.monotonic() - made_s > KEPT_S / 2:
                week = self._week(wearer.wearer, today)
                self._kept = self._kept | {(wearer.wearer, today): (time.monotonic(), week)}
            if stop.wait(PAUSE_S):
                return

    def rows(self, wearers: Sequence[Wearer]) -> list[Row]:
        """Raises StoreError."""
        now_s, now_ns = time.monotonic(), self._clock_ns()
        kept = {k: v for k, v in self._kept.items() if now_s - v[0] <= KEPT_S}
        found = []
        for wearer in wearers:
            today = Day.at(now_ns, wearer.zone)
            key = (wearer.wearer, today)
            if key not in kept:
                kept[key] = (now_s, self._week(wearer.wearer, today))
            found.append(self._row(wearer.wearer, kept[key][1], now_ns))
        self._kept = kept
        return found

    def _row(self, wearer: str, week: Week, now_ns: int) -> Row:
        seen_ns = max((span.last_ns for span in self._store.sensors(wearer)), default=None)
        levels = [s.status.battery_pct for s in self._clinic.sensors(wearer) if s.status]
        battery_pct = min((level for level in levels if level is not None), default=None)
        flags = tuple(_flags(week, battery_pct, seen_ns, now_ns))
        return Row(wearer, seen_ns, battery_pct, week, flags)

    def _week(self, wearer: str, today: Day) -> Week:
        first = today.plus(-RECENT_DAYS - BASELINE_DAYS)
        recent_ns = today.plus(-RECENT_DAYS).start_ns
        sums = self._store.read_results(wearer, DAY_SUM, first.start_ns, today.start_ns)
        worn = {s.start_ns: figure_of(s.body, "worn_min") for s in sums}
        slouched = {s.start_ns: figure_of(s.body, "slouched_min") for s in sums}
        rates = {
            at: minutes / ((worn[at] or 0.0) / 60)
            for at, minutes in slouched.items()
            if minutes is not None and (worn[at] or 0.0) >= ENOUGH_MIN
        }
        now = _mean([rate for at, rate in rates.items() if at >= recent_ns])
        earlier = [rate for at, rate in rates.items() if at < recent_ns]
        before = _mean(earlier)
        on = [minutes for at, minutes in worn.items() if at >= recent_ns and minutes]
        pains = [
            (entry.at_ns, float(entry.severity))
            for entry in self._clinic.diary(wearer, first.start_ns, today.end_ns)
            if entry.symptom == "pain" and entry.severity is not None
        ]
        pain = _mean([strength for at, strength in pains if at >= recent_ns])
        pain_before = _mean([strength for at, strength in pains if at < recent_ns])
        return Week(
            worn_min=sum(on) / len(on) if on else None,
            worn_days=len(on),
            slouched_min_per_h=now,
            change_min_per_h=None if now is None or before is None else now - before,
            compared_days=len(earlier),
            pain=pain,
            pain_change=None if pain is None or pain_before is None else pain - pain_before,
            unexplained=unexplained(self._clinic, wearer, today, RECENT_DAYS),
        )


def unexplained(clinic: Clinic, wearer: str, today: Day, days: int) -> int:
    """Samples of the last days that are missing without a reason on record."""
    audited = clinic.deliveries(wearer, today.plus(-days).date.isoformat(), today.date.isoformat())
    return sum(
        int(sensor.get("missing", {}).get("unexplained", 0))
        for day in audited
        for sensor in day.body.get("sensors", ())
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if len(values) >= LEAST_DAYS else None


def _flags(week: Week, battery_pct: int | None, seen_ns: int | None, now_ns: int) -> list[str]:
    """What needs a look, most pressing first."""
    found = []
    if seen_ns is None:
        found.append(gettext("never seen"))
    elif now_ns - seen_ns > SILENT_S * NS_PER_S:
        days = int((now_ns - seen_ns) / NS_PER_S / 86_400)
        found.append(ngettext("silent for %(num)d day", "silent for %(num)d days", days))
    if week.unexplained:
        found.append(gettext("data missing"))
    change, rate = week.change_min_per_h, week.slouched_min_per_h
    if change is not None and rate is not None and change >= MORE_SLOUCH_MIN_PER_H:
        before = rate - change
        if rate >= MORE_SLOUCH * before:
            found.append(gettext("more slouching"))
    if week.pain_change is not None and week.pain_change >= MORE_PAIN:
        found.append(gettext("more pain"))
    if week.worn_min is not None and week.worn_min < LITTLE_WEAR_MIN:
        found.append(gettext("little wear"))
    if battery_pct is not None and battery_pct < LOW_PCT:
        found.append(gettext("battery low"))
    return found


ORDERS: Final[dict[str, Callable[[Row], tuple[bool, float | str]]]] = {
    "wearer": lambda row: (False, row.wearer),
    "flags": lambda row: (False, len(row.flags)),
    "seen": lambda row: _last(row.last_seen_ns),
    "battery": lambda row: _last(row.battery_pct),
    "worn": lambda row: _last(row.week.worn_min),
    "slouched": lambda row: _last(row.week.slouched_min_per_h),
    "change": lambda row: _last(row.week.change_min_per_h),
    "pain": lambda row: _last(row.week.pain),
}
"""Columns that the list can be put in order by; what is not known comes last either way."""


def _last(value: float | None) -> tuple[bool, float]:
    return value is None, 0.0 if value is None else float(value)


def in_order(rows: Sequence[Row], column: str, *, falling: bool) -> list[Row]:
    """Rows by a column of ORDERS, then by name."""
    key = ORDERS[column]
    named = sorted(rows, key=lambda row: row.wearer)
    known = [row for row in named if not key(row)[0]]
    return sorted(known, key=lambda row: key(row)[1], reverse=falling) + [
        row for row in named if key(row)[0]
    ]
