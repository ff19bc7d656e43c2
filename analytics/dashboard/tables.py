"""Tables of exposure: what the charts draw, as text, with what is missing in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analytics.dashboard import words
from analytics.exposure.summary import DayExposure, Exposure


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a heading per column and one per row."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    """(row heading, cells)"""


_POSTURE_COLUMNS = (*words.BAND_WORDS.values(),)
_FIGURES = ("Worn", "Slouched (band)", "Slouch episodes", *_POSTURE_COLUMNS, "Prolonged walks")


def _figures(exposure: Exposure) -> tuple[str, ...]:
    postures = words.band_minutes(exposure)
    return (
        words.minutes_or_why(exposure.worn_min, exposure),
        words.band_or_why(exposure.slouched_min, exposure),
        words.count_or_why(exposure.slouch_episodes, exposure),
        *(
            words.minutes_or_why(None if postures is None else postures[band], exposure)
            for band in words.BANDS
        ),
        words.count_or_why(exposure.prolonged_bouts, exposure),
    )


def exposure_by_day(days: Sequence[DayExposure]) -> Table:
    """Minutes and counts, one row a day."""
    return Table(
        "Exposure by day",
        _FIGURES,
        tuple((f"{d.date:%a} {d.date.day} {d.date:%b}", _figures(d.exposure)) for d in days),
    )


def exposure_by_hour(day: DayExposure) -> Table:
    """Minutes and counts of a day's hours; hours without data are left out."""
    return Table(
        f"Exposure by hour, {day.date.day} {day.date:%B %Y}",
        _FIGURES,
        tuple(
            (hour.hour.label, _figures(hour.exposure))
            for hour in day.hours
            if hour.exposure.worn_min is not None
        ),
    )


def movements_by_day(days: Sequence[DayExposure]) -> Table:
    """Counts of each kind of movement, one column a day, and the rate per worn hour."""
    rows = []
    for kind, label in words.MOVEMENTS.items():
        cells = []
        for day in days:
            count = day.exposure.movements[kind]
            rate = day.exposure.per_worn_hour(count)
            text = words.count_or_why(count, day.exposure)
            cells.append(text if rate is None else f"{text} ({rate:.1f}/h)")
        rows.append((label, tuple(cells)))
    return Table(
        "Movements by day (per worn hour)",
        tuple(f"{d.date:%a} {d.date.day}" for d in days),
        tuple(rows),
    )


def movements_by_hour(day: DayExposure) -> Table:
    """Counts of each kind of movement in a day's hours; hours without data are left out."""
    hours = [hour for hour in day.hours if hour.exposure.worn_min is not None]
    return Table(
        f"Movements by hour, {day.date.day} {day.date:%B %Y}",
        tuple(words.MOVEMENTS.values()),
        tuple(
            (
                hour.hour.label,
                tuple(
                    words.count_or_why(hour.exposure.movements[kind], hour.exposure)
                    for kind in words.MOVEMENTS
                ),
            )
            for hour in hours
        ),
    )
