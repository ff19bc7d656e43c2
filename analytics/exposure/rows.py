"""Exposure as rows of a table: one for each hour, local day or week (Monday to Sunday)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from analytics.exposure.days import NS_PER_S, Day
from analytics.exposure.signs import BREATHING, SIGNS, Coverage, DaySign
from analytics.exposure.summary import DayExposure, Exposure, total
from analytics.exposure.triggers import DETAILS, TRIGGERS

Cell = str | float | int | None
FIGURES: Final = ("worn_min", "gap_min", *TRIGGERS, *DETAILS)
WEEK_DAYS = 7


def columns(by: str) -> tuple[str, ...]:
    """by: hour, day or week."""
    return ("time" if by == "hour" else "date", *FIGURES)


def hour_rows(day: Day, found: DayExposure) -> Iterator[tuple[Cell, ...]]:
    """Hours with data; the beginning as local time with its offset."""
    for hour in found.hours:
        if hour.exposure.worn_min is not None:
            at = datetime.fromtimestamp(hour.hour.start_ns // NS_PER_S, day.zone)
            yield (at.isoformat(), *figures(hour.exposure))


def day_row(found: DayExposure) -> tuple[Cell, ...]:
    """A local day; a day without data is a row of empty cells."""
    return (found.date.isoformat(), *figures(found.exposure))


def weeks(days: Iterable[DayExposure]) -> list[tuple[date, Exposure]]:
    """(Monday, sum) of the weeks that the days lie in; the days ascend."""
    groups: dict[date, list[Exposure]] = {}
    for day in days:
        monday = day.date - timedelta(days=day.date.weekday())
        groups.setdefault(monday, []).append(day.exposure)
    return [
        (monday, total(parts, parts[0].start_ns, parts[-1].end_ns))
        for monday, parts in groups.items()
    ]


def week_rows(days: Sequence[DayExposure]) -> Iterator[tuple[Cell, ...]]:
    """Weeks, told by their Monday."""
    for monday, exposure in weeks(days):
        yield (monday.isoformat(), *figures(exposure))


def rows(by: str, days: Sequence[Day], found: Sequence[DayExposure]) -> Iterator[tuple[Cell, ...]]:
    """All rows of these days by hour, day or week."""
    if by == "hour":
        for day, exposure in zip(days, found, strict=True):
            yield from hour_rows(day, exposure)
    elif by == "day":
        yield from map(day_row, found)
    else:
        yield from week_rows(found)


def figures(exposure: Exposure) -> tuple[Cell, ...]:
    """Cells in the order of FIGURES; None is "cannot be said"."""
    amounts = [amount(exposure) for amount in (*TRIGGERS.values(), *DETAILS.values())]
    return tuple(
        None if value is None else round(float(value), 3)
        for value in (exposure.worn_min, exposure.gap_min, *amounts)
    )


def sign_columns() -> tuple[str, ...]:
    """Gait, limbs, breathing and sway; breathing with the share of the time it speaks for."""
    return ("date", *SIGNS, *(f"{kind}_coverage" for kind in BREATHING))


def sign_row(
    day: date, signs: Mapping[str, DaySign], coverage: Mapping[str, Coverage]
) -> tuple[Cell, ...]:
    """A local day in the order of `sign_columns`; what cannot be said is empty."""
    shares = [coverage[kind].share for kind in BREATHING]
    values = [signs[kind].value if kind in signs else None for kind in SIGNS]
    return (
        day.isoformat(),
        *(None if value is None else round(value, 3) for value in (*values, *shares)),
    )
