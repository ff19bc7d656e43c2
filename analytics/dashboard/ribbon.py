"""A day as a ribbon: one strip of rectangles, tall for walking and low for lying.

Height says the same as colour, so that the ribbon reads without colours, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.dashboard import words
from analytics.dashboard.diary import text_of
from analytics.dashboard.language import clock, gettext
from analytics.exposure.days import NS_PER_S, Day
from analytics.exposure.timeline import MINUTE_S, NO_DATA, POSTURES, Item, Timeline, runs
from analytics.store.records import DiaryEntry

HEIGHT: Final = {
    "walking": 40,
    "standing": 30,
    "sitting": 20,
    "lying": 10,
    "unknown": 4,
    "not_worn": 2,
}
BASE: Final = 44
"""Bottom of the posture strip; the slouch strip lies below."""
_BAND_OF: Final = ["lying" if word in words.LYING else word for word in POSTURES]


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle; x and width in minutes from the start of the day."""

    css: str
    x: int
    width: int
    y: int
    height: int
    title: str


@dataclass(frozen=True, slots=True)
class Mark:
    """One symptom; x in minutes from the start of the day."""

    css: str
    x: float
    text: str
    title: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One kind of trigger below the strip: when it happened, in minutes from the day's start."""

    word: str
    events: tuple[tuple[float, str], ...]
    """(minute, what a pointer is told)"""


@dataclass(frozen=True, slots=True)
class Ribbon:
    """The drawing of one day, `minutes` wide (1380, 1440 or 1500)."""

    minutes: int
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]
    ticks: tuple[tuple[int, str], ...]
    """(minute from the start of the day, wall-clock label)"""
    lanes: tuple[Lane, ...] = ()
    """triggers that happened, none for those that did not"""


def ribbon(
    day: Day, line: Timeline, diary: Sequence[DiaryEntry], items: Sequence[Item] = ()
) -> Ribbon:
    """Draw a day: every minute shows its most frequent posture; `diary` are that day's entries,
    `items` its movements and walks, of which each is a tick in a lane of its kind."""
    minutes = (day.end_ns - day.start_ns) // NS_PER_S // MINUTE_S
    posture = _majority(line.posture, minutes)
    posture[_majority(line.worn, minutes) == 0] = POSTURES.index("not_worn")
    bars = []
    for first, end, code in runs(posture):
        if code != NO_DATA:
            band = _BAND_OF[code]
            title = f"{words.POSTURES[POSTURES[code]]} {_span(day, first, end)}"
            height = HEIGHT[band]
            bars.append(Bar(band, first, end - first, BASE - height, height, title))
    for first, end, flag in runs(_majority(line.slouched, minutes)):
        if flag == 1:
            title = gettext("Slouched %(span)s", span=_span(day, first, end))
            bars.append(Bar("slouched", first, end - first, BASE + 2, 8, title))
    ticks = tuple(
        ((hour.start_ns - day.start_ns) // NS_PER_S // MINUTE_S, f"{hour.hour:02d}")
        for hour in day.hours()
        if hour.hour % 3 == 0 and not hour.fold
    )
    marks = tuple(
        Mark(
            css=entry.symptom,
            x=(entry.at_ns - day.start_ns) / NS_PER_S / MINUTE_S,
            text="" if entry.severity is None else str(entry.severity),
            title=f"{clock(words.local(entry.at_ns, day.zone))} {text_of(entry)}",
        )
        for entry in diary
    )
    return Ribbon(minutes, tuple(bars), marks, ticks, _lanes(day, items))


def _lanes(day: Day, items: Sequence[Item]) -> tuple[Lane, ...]:
    here = [item for item in items if day.start_ns <= item.start_ns < day.end_ns]
    found = []
    for word, kinds in words.TRIGGERS:
        events = [i for i in here if i.kind == "movement" and i.body["kind"] in kinds]
        found.append((str(word), [(e, str(words.MOVEMENTS[e.body["kind"]])) for e in events]))
    walks = [i for i in here if i.kind == "walking_bout" and i.body.get("prolonged")]
    found.append((gettext("Long walks"), [(walk, gettext("Long walk")) for walk in walks]))
    return tuple(
        Lane(
            word,
            tuple(
                (
                    (event.start_ns - day.start_ns) / NS_PER_S / MINUTE_S,
                    f"{title} {clock(words.local(event.start_ns, day.zone))}",
                )
                for event, title in events
            ),
        )
        for word, events in found
        if events
    )


def _majority(code: NDArray[np.int8], minutes: int) -> NDArray[np.int8]:
    """(minutes,) the most frequent known code of each minute, -1 where none is known."""
    rows = code[: minutes * MINUTE_S].reshape(minutes, MINUTE_S)
    counts = np.stack([(rows == value).sum(axis=1) for value in range(len(POSTURES))], axis=1)
    return np.where(counts.any(axis=1), counts.argmax(axis=1), NO_DATA).astype(np.int8)


def _span(day: Day, first: int, end: int) -> str:
    edges = (
        words.local(day.start_ns + minute * MINUTE_S * NS_PER_S, day.zone)
        for minute in (first, end)
    )
    return "–".join(clock(edge) for edge in edges)
