"""Hours by days as a map of shades: when in the day, and since when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from flask_babel import LazyString

from analytics.dashboard import words
from analytics.dashboard.language import lazy, short_day, tick_day
from analytics.dashboard.tables import Table
from analytics.exposure.summary import DayExposure, Exposure

HOURS: Final = 24
SHADES: Final = 4
NOT_WORN: Final = -1


def _triggers(exposure: Exposure) -> float | None:
    counts = [words.count_of(exposure, kinds) for _, kinds in words.TRIGGERS]
    known = [count for count in counts if count is not None]
    return float(sum(known)) if known else None


MEASURES: Final[dict[str, tuple[LazyString, float, Callable[[Exposure], float | None]]]] = {
    "slouched": (
        lazy("Slouched minutes"),
        60.0,
        lambda exposure: None if exposure.slouched_min is None else exposure.slouched_min.mid,
    ),
    "sitting": (
        lazy("Sitting minutes"),
        60.0,
        lambda exposure: (exposure.posture_min or {}).get("sitting"),
    ),
    "walking": (lazy("Walking minutes"), 60.0, lambda exposure: exposure.walking_min),
    "movements": (lazy("Movements"), 40.0, _triggers),
}
"""Name: the words, the value of the darkest shade, and how it is told."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Hours of one day with the same shade: 0 to SHADES, NOT_WORN without wear."""

    day: int
    hour: int
    hours: int
    shade: int


@dataclass(frozen=True, slots=True)
class Heat:
    """The map; columns are days, rows hours of the wall clock."""

    measure: str
    days: int
    cells: tuple[Cell, ...]
    ticks: tuple[tuple[float, str], ...]
    """(per cent of the width, date)"""
    steps: tuple[str, ...]
    """what each shade but the lightest begins with"""
    table: Table


def heat(days: Sequence[DayExposure], measure: str) -> Heat:
    """The map of some days; measure: a name of MEASURES."""
    word, most, value = MEASURES[measure]
    cells, rows = [], []
    for n, day in enumerate(days):
        values = _by_hour(day, value)
        shades = [_shade(v, most) for v in values]
        hour = 0
        for shade, same in groupby(shades):
            count = len(list(same))
            cells.append(Cell(n, hour, count, shade))
            hour += count
        texts = ["–" if v is None else str(round(v)) for v in values]
        rows.append((short_day(day.date), tuple(texts)))
    return Heat(
        measure=measure,
        days=len(days),
        cells=tuple(cells),
        ticks=tuple(
            (100 * (n + 0.5) / len(days), tick_day(day.date))
            for n, day in enumerate(days)
            if day.date.weekday() == 0
        ),
        steps=tuple(f"{most * step / SHADES:.0f}" for step in range(SHADES)),
        table=Table(str(word), tuple(f"{hour:02d}" for hour in range(HOURS)), tuple(rows)),
    )


def _by_hour(day: DayExposure, value: Callable[[Exposure], float | None]) -> list[float | None]:
    """One value for each hour of the clock; the hour that comes twice is one."""
    found: list[float | None] = [None] * HOURS
    for hour in day.hours:
        said = value(hour.exposure) if hour.exposure.worn_min else None
        if said is not None:
            found[hour.hour.hour] = (found[hour.hour.hour] or 0.0) + said
    return found


def _shade(value: float | None, most: float) -> int:
    if value is None:
        return NOT_WORN
    if value < 0.5:
        return 0
    return 1 + min(int(SHADES * value / most), SHADES - 1)
