"""Charts as geometry that a template draws as SVG: no library, no script, the same in print.

Across, places are per cent of the drawing's width, so that a chart fits a phone and a desk; up and
down they are pixels. Missing is a gap and a word, never a zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from analytics.dashboard import words
from analytics.dashboard.language import gettext, number, short_day, tick_day, weekday
from analytics.exposure.summary import DayExposure, Exposure
from analytics.store.records import DiaryEntry

PLOT_PX: Final = 130
"""Height of the plot without its labels."""
MOST_WORDS: Final = 10
"""Columns that leave room for "no data" in each."""
_STEPS: Final = (1, 2, 3, 4, 5, 6, 8, 10)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle: x and width in per cent, y and height in pixels."""

    css: str
    x: float
    width: float
    y: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class Point:
    """A mark: x in per cent, y in pixels; its shape follows from `css`."""

    css: str
    x: float
    y: float
    title: str


@dataclass(frozen=True, slots=True)
class Whisker:
    """An interval: x in per cent, from y_low down to y_high up in pixels."""

    x: float
    y_low: float
    y_high: float


@dataclass(frozen=True, slots=True)
class Chart:
    """One drawing with its axes."""

    id: str
    caption: str
    boxes: tuple[Box, ...] = ()
    points: tuple[Point, ...] = ()
    whiskers: tuple[Whisker, ...] = ()
    missing: tuple[float, ...] = ()
    """x in per cent, where "no data" is written"""
    x_ticks: tuple[tuple[float, str], ...] = ()
    y_ticks: tuple[tuple[float, str], ...] = ()
    legend: tuple[tuple[str, str], ...] = ()
    """(css, word)"""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a chart: their names, and what is written below some of them ("": nothing)."""

    names: tuple[str, ...]
    ticks: tuple[str, ...]

    @property
    def width(self) -> float:
        return 100 / len(self.names)

    def left(self, column: int) -> float:
        return column * self.width

    def middle(self, column: int) -> float:
        return (column + 0.5) * self.width

    @property
    def x_ticks(self) -> tuple[tuple[float, str], ...]:
        return tuple((self.middle(n), tick) for n, tick in enumerate(self.ticks) if tick)


def axis_top(highest: float, least: float) -> float:
    """The end of the axis: a round number, at least `least`."""
    wanted = max(highest, least)
    power = 10.0 ** math.floor(math.log10(wanted))
    return float(next(step * power for step in _STEPS if step * power >= wanted * 0.999))


def _y_ticks(top: float) -> tuple[tuple[float, str], ...]:
    digits = 1 if top < 3 else 0
    return tuple(
        (_y(value, top), number(value, digits if value % 1 else 0)) for value in (0.0, top / 2, top)
    )


def _y(value: float, top: float) -> float:
    return PLOT_PX * (1 - value / top)


def stacked(
    name: str,
    caption: str,
    columns: Columns,
    stacks: Sequence[Sequence[tuple[str, str, float | None]] | None],
    *,
    least_top: float,
    legend: Sequence[tuple[str, str]],
    digits: int = 0,
    unit: str = "",
) -> Chart:
    """Stacks of (css, word, value) in each column; None where there is no data at all."""
    sums = [sum(value or 0.0 for _, _, value in stack) for stack in stacks if stack]
    top = axis_top(max(sums, default=0.0), least_top)
    boxes = []
    for n, stack in enumerate(stacks):
        base = 0.0
        for css, word, value in stack or ():
            if value:
                text = f"{columns.names[n]}, {word}: {number(value, digits)}{unit}"
                height = PLOT_PX * value / top
                x, width = columns.left(n) + columns.width * 0.12, columns.width * 0.76
                boxes.append(Box(css, x, width, _y(base + value, top), height, text))
                base += value
    return Chart(
        id=name,
        caption=caption,
        boxes=tuple(boxes),
        missing=_missing(columns, [stack is None for stack in stacks]),
        x_ticks=columns.x_ticks,
        y_ticks=_y_ticks(top),
        legend=tuple(legend),
    )


def _missing(columns: Columns, absent: Sequence[bool]) -> tuple[float, ...]:
    """Where the words go: not in charts of many columns, where the gap must do."""
    if len(columns.names) > MOST_WORDS:
        return ()
    return tuple(columns.middle(n) for n, is_absent in enumerate(absent) if is_absent)


def postures(
    name: str, caption: str, columns: Columns, parts: Sequence[Exposure], scale: int
) -> Chart:
    """Worn time by posture; scale: minutes in the unit shown, 60 for hours."""

    def stack(part: Exposure) -> list[tuple[str, str, float | None]] | None:
        if part.worn_min is None:
            return None
        bands = words.band_minutes(part) or dict.fromkeys(words.BANDS)
        return [
            (f"p-{band}", str(words.BAND_WORDS[band]), None if v is None else v / scale)
            for band, v in bands.items()
        ]

    return stacked(
        name,
        caption,
        columns,
        [stack(part) for part in parts],
        least_top=10 if scale > 1 else 60,
        legend=[(f"p-{band}", str(word)) for band, word in words.BAND_WORDS.items()],
        digits=1 if scale > 1 else 0,
        unit=" h" if scale > 1 else " min",
    )


def slouch(name: str, caption: str, columns: Columns, parts: Sequence[Exposure]) -> Chart:
    """Slouched minutes with the band of their threshold."""
    bands = [part.slouched_min for part in parts]
    top = axis_top(max((band.high for band in bands if band), default=0.0), 10)
    boxes, whiskers = [], []
    for n, band in enumerate(bands):
        if band and band.high:
            text = f"{columns.names[n]}: {words.minutes(band.mid)} ({words.band_range(band)})"
            x, width = columns.left(n) + columns.width * 0.12, columns.width * 0.76
            height = PLOT_PX * band.mid / top
            boxes.append(Box("p-slouched", x, width, _y(band.mid, top), height, text))
            whiskers.append(Whisker(columns.middle(n), _y(band.low, top), _y(band.high, top)))
    return Chart(
        id=name,
        caption=caption,
        boxes=tuple(boxes),
        whiskers=tuple(whiskers),
        missing=_missing(columns, [part.worn_min is None for part in parts]),
        x_ticks=columns.x_ticks,
        y_ticks=_y_ticks(top),
    )


def movements(name: str, caption: str, columns: Columns, parts: Sequence[Exposure]) -> Chart:
    """Counts of the triggers."""
    named = [(f"c-{n}", str(word), kinds) for n, (word, kinds) in enumerate(words.TRIGGERS)]
    return stacked(
        name,
        caption,
        columns,
        [
            None
            if part.worn_min is None
            else [(css, word, words.count_of(part, kinds)) for css, word, kinds in named]
            for part in parts
        ],
        least_top=5,
        legend=[(css, word) for css, word, _ in named],
    )


def symptoms(
    name: str, caption: str, columns: Columns, placed: Sequence[tuple[float, DiaryEntry]]
) -> Chart:
    """Strength of each entry; `placed` are pairs of column (a fraction within it) and entry."""
    found = []
    for column, entry in placed:
        word = str(words.SYMPTOMS.get(entry.symptom, entry.symptom))
        site = f", {words.SITES[entry.site]}" if entry.site in words.SITES else ""
        strength = "" if entry.severity is None else f": {entry.severity}"
        title = f"{columns.names[int(column)]}, {word}{site}{strength}"
        y = _y(entry.severity or 0, 10)
        found.append(Point(entry.symptom, column * columns.width, y, title))
    return Chart(
        id=name,
        caption=caption,
        points=tuple(found),
        x_ticks=columns.x_ticks,
        y_ticks=_y_ticks(10),
        legend=tuple((f"m-{key}", str(word)) for key, word in words.SYMPTOMS.items()),
    )


def of_days(
    days: Sequence[DayExposure], diary: Sequence[DiaryEntry], zone: ZoneInfo, prefix: str
) -> tuple[Chart, ...]:
    """The four charts of a week or of weeks."""
    many = len(days) > 14
    ticks = [
        (tick_day(day.date) if day.date.weekday() == 0 else "") if many else weekday(day.date)
        for day in days
    ]
    columns = Columns(tuple(short_day(day.date) for day in days), tuple(ticks))
    parts = [day.exposure for day in days]
    by_date = {day.date: n for n, day in enumerate(days)}
    placed = []
    for entry in diary:
        at = words.local(entry.at_ns, zone)
        if at.date() in by_date:
            placed.append((by_date[at.date()] + (at.hour + at.minute / 60) / 24, entry))
    titles = _titles()
    return (
        postures(f"{prefix}-postures", gettext("Worn hours by posture"), columns, parts, 60),
        slouch(f"{prefix}-slouch", titles[0], columns, parts),
        movements(f"{prefix}-movements", titles[1], columns, parts),
        symptoms(f"{prefix}-symptoms", titles[2], columns, placed),
    )


def of_hours(
    reading: DayExposure, diary: Sequence[DiaryEntry], zone: ZoneInfo
) -> tuple[Chart, ...]:
    """The four charts of a day's hours."""
    hours = [hour.hour for hour in reading.hours]
    ticks = [f"{h.hour:02d}" if h.hour % 3 == 0 and not h.fold else "" for h in hours]
    columns = Columns(tuple(hour.label for hour in hours), tuple(ticks))
    parts = [hour.exposure for hour in reading.hours]
    by_hour = {(hour.hour, hour.fold): n for n, hour in enumerate(hours)}
    placed = []
    for entry in diary:
        at = words.local(entry.at_ns, zone)
        placed.append((by_hour[at.hour, at.fold] + at.minute / 60, entry))
    titles = _titles()
    return (
        postures("day-postures", gettext("Worn minutes by posture"), columns, parts, 1),
        slouch("day-slouch", titles[0], columns, parts),
        movements("day-movements", titles[1], columns, parts),
        symptoms("day-symptoms", titles[2], columns, placed),
    )


def _titles() -> tuple[str, str, str]:
    return (
        gettext("Slouched minutes (line: with the limit 3° higher and lower)"),
        gettext("Movements, number of times"),
        gettext("Symptoms, strength 0 to 10"),
    )


def dots(
    name: str, caption: str, columns: Columns, values: Sequence[float | None], digits: int
) -> Chart:
    """One value in each column on an axis that shows its range; gaps stay gaps."""
    known = [value for value in values if value is not None]
    low, high = min(known), max(known)
    room = max(high - low, abs(high) * 0.1, 10.0**-digits) * 0.15
    low, high = low - room, high + room

    def y(value: float) -> float:
        return PLOT_PX * (1 - (value - low) / (high - low))

    points = [
        Point("value", columns.middle(n), y(v), f"{columns.names[n]}: {number(v, digits)}")
        for n, v in enumerate(values)
        if v is not None
    ]
    ticks = tuple((y(value), number(value, digits)) for value in (low, (low + high) / 2, high))
    return Chart(
        id=name, caption=caption, points=tuple(points), x_ticks=columns.x_ticks, y_ticks=ticks
    )
