"""Tables of exposure: what the charts draw, as text, with what is missing in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analytics.dashboard import words
from analytics.dashboard.language import gettext, lazy, long_day, number, short_day, weekday
from analytics.exposure.summary import DayExposure, Exposure


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a heading per column and one per row."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    """(row heading, cells)"""


_FIGURES = (
    lazy("Worn"),
    lazy("Slouched (band)"),
    lazy("Slouch episodes"),
    *words.BAND_WORDS.values(),
    lazy("Prolonged walks"),
)


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
        gettext("Exposure by day"),
        tuple(map(str, _FIGURES)),
        tuple((short_day(d.date), _figures(d.exposure)) for d in days),
    )


def exposure_by_hour(day: DayExposure) -> Table:
    """Minutes and counts of a day's hours; hours without data are left out."""
    return Table(
        gettext("Exposure by hour, %(day)s", day=long_day(day.date)),
        tuple(map(str, _FIGURES)),
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
            cells.append(text if rate is None else f"{text} ({number(rate, 2)}/h)")
        rows.append((str(label), tuple(cells)))
    return Table(
        gettext("Movements by day (per worn hour)"),
        tuple(f"{weekday(d.date)} {d.date.day}" for d in days),
        tuple(rows),
    )


def movements_by_hour(day: DayExposure) -> Table:
    """Counts of each kind of movement in a day's hours; hours without data are left out."""
    hours = [hour for hour in day.hours if hour.exposure.worn_min is not None]
    return Table(
        gettext("Movements by hour, %(day)s", day=long_day(day.date)),
        tuple(map(str, words.MOVEMENTS.values())),
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
