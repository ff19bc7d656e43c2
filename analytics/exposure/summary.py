"""Trigger exposure of an interval, an hour, a day: minutes, counts, bands and denominators.

A day is the sum of its hours: seconds count where they lie, an episode's band is shared by
overlap, an event counts where it starts.
None means "cannot be said" (not worn, no data, not observable with this sensor); it is never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from operator import add
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from analytics.exposure.days import Day, Hour
from analytics.exposure.observable import MOVEMENTS, POSTURE, WALKING, Observable
from analytics.exposure.slouched import Band, slouched_minutes
from analytics.exposure.timeline import (
    CODE,
    NO_DATA,
    POSTURES,
    Item,
    Timeline,
    longest_run_s,
)

BREAK_S = 60
"""Not sitting for this long is a break from sitting. Convention of accelerometer studies of
sedentary breaks (Healy et al. 2008: at least one minute)."""
ITEM_KINDS = ("movement", "slouch_episode", "walking_bout", "quality")
"""Kinds of results that exposure reads beside `timeline`."""

WORN_POSTURES = tuple(word for word in POSTURES if word != "not_worn")
MINUTE_NS = 60_000_000_000

_Figure = TypeVar("_Figure", int, float, "Band")


@dataclass(frozen=True, slots=True)
class Exposure:
    """What happened in [start_ns, end_ns)."""

    start_ns: int
    end_ns: int
    worn_min: float | None
    """minutes the sensor was worn; None when there is no data at all, 0.0 when it lay aside"""
    posture_min: Mapping[str, float | None] | None
    """minutes of each posture word while worn (all but not_worn)"""
    slouch_known_min: float | None
    """sitting minutes in which slouching could be told: the denominator of `slouched_share`"""
    slouched_min: Band | None
    slouch_episodes: int | None
    walking_bouts: int | None
    prolonged_bouts: int | None
    """walks without a rest that passed the wearer's own limit"""
    movements: Mapping[str, int | None]
    """count of each kind of movement; None where the sensor cannot tell this kind"""
    gap_min: float
    """minutes of the interval without any data"""
    slouch_dose: float | None
    """highest dose (leaky minutes) at the end of an episode that began here; 0 without one"""
    longest_slouch_min: float | None
    """longest slouch episode begun here, 0 without one"""
    longest_walk_min: float | None
    """longest walking bout begun here, 0 without one"""

    @property
    def walking_min(self) -> float | None:
        return None if self.posture_min is None else self.posture_min["walking"]

    @property
    def slouched_share(self) -> float | None:
        """Slouched part of the sitting in which it could be told, 0..1; None without any."""
        if self.slouched_min is None or not self.slouch_known_min:
            return None
        return self.slouched_min.mid / self.slouch_known_min

    def per_worn_hour(self, count: float | None) -> float | None:
        """A count or a number of minutes as a rate; None when not worn."""
        if count is None or not self.worn_min:
            return None
        return count / (self.worn_min / 60)


@dataclass(frozen=True, slots=True)
class HourExposure:
    """One wall-clock hour."""

    hour: Hour
    exposure: Exposure


@dataclass(frozen=True, slots=True)
class DayExposure:
    """One local day and its hours."""

    date: date
    exposure: Exposure
    longest_sitting_min: float | None
    """longest sitting without a break of a minute or more"""
    hours: tuple[HourExposure, ...]


def day_exposure(day: Day, line: Timeline, items: Iterable[Item]) -> DayExposure:
    """Exposure of one local day.

    `line` is the timeline of that day, `items` the results of ITEM_KINDS that overlap it, in any
    order.
    """
    worn = line.worn == 1
    sitting = (line.posture == CODE["sitting"]) & worn
    hours = day.hours()
    parts = [
        exposure(line, events, hour.start_ns, hour.end_ns)
        for hour, events in zip(hours, _by_hour(hours, list(items)), strict=True)
    ]
    whole = total(parts, day.start_ns, day.end_ns)
    sat = whole.posture_min is not None and whole.posture_min["sitting"] is not None
    return DayExposure(
        date=day.date,
        exposure=whole,
        longest_sitting_min=longest_run_s(sitting, BREAK_S) / 60 if sat else None,
        hours=tuple(HourExposure(*pair) for pair in zip(hours, parts, strict=True)),
    )


def _by_hour(hours: Sequence[Hour], items: Sequence[Item]) -> list[list[Item]]:
    """The items that overlap or begin in each hour."""
    starts = np.array([item.start_ns for item in items], np.int64)
    ends = np.array([item.end_ns for item in items], np.int64)
    first = np.searchsorted([hour.end_ns for hour in hours], starts, side="right")
    after = np.searchsorted([hour.start_ns for hour in hours], ends, side="left")
    found: list[list[Item]] = [[] for _ in hours]
    for item, low, high in zip(items, first.tolist(), after.tolist(), strict=True):
        for number in range(low, min(max(high, low + 1), len(hours))):
            found[number].append(item)
    return found


def total(parts: Sequence[Exposure], start_ns: int, end_ns: int) -> Exposure:
    """The sum of consecutive intervals; a figure is None only where every part's is."""
    worn_postures = [part.posture_min for part in parts if part.posture_min is not None]
    return Exposure(
        start_ns=start_ns,
        end_ns=end_ns,
        worn_min=_sum(part.worn_min for part in parts),
        posture_min=(
            {word: _sum(minutes[word] for minutes in worn_postures) for word in worn_postures[0]}
            if worn_postures
            else None
        ),
        slouch_known_min=_sum(part.slouch_known_min for part in parts),
        slouched_min=_sum(part.slouched_min for part in parts),
        slouch_episodes=_sum(part.slouch_episodes for part in parts),
        walking_bouts=_sum(part.walking_bouts for part in parts),
        prolonged_bouts=_sum(part.prolonged_bouts for part in parts),
        movements={kind: _sum(part.movements[kind] for part in parts) for kind in MOVEMENTS},
        gap_min=sum(part.gap_min for part in parts),
        slouch_dose=_highest(part.slouch_dose for part in parts),
        longest_slouch_min=_highest(part.longest_slouch_min for part in parts),
        longest_walk_min=_highest(part.longest_walk_min for part in parts),
    )


def _sum(values: Iterable[_Figure | None]) -> _Figure | None:
    known = [value for value in values if value is not None]
    return reduce(add, known) if known else None


def _highest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def exposure(line: Timeline, items: Sequence[Item], start_ns: int, end_ns: int) -> Exposure:
    """Exposure of [start_ns, end_ns), whole seconds inside `line`."""
    part = line.between(start_ns, end_ns)
    worn = part.worn == 1
    worn_min = float(worn.sum()) / 60 if (part.worn != NO_DATA).any() else None
    gap_min = (end_ns - start_ns) / MINUTE_NS - float((part.worn != NO_DATA).sum()) / 60
    if not worn_min:
        return not_worn(start_ns, end_ns, worn_min=worn_min, gap_min=gap_min)
    here = [item for item in items if item.end_ns > start_ns and item.start_ns < end_ns]
    begun = [item for item in items if start_ns <= item.start_ns < end_ns]
    observable = Observable(here)
    slouched = slouched_minutes(part, here, observable, start_ns, end_ns)
    slouch_known_s = (worn & (part.slouched != NO_DATA)).sum()
    episodes = [item for item in begun if item.kind == "slouch_episode"]
    bouts = [item for item in begun if item.kind == "walking_bout"]
    walking = not observable.denied(WALKING)
    kinds = [str(item.body["kind"]) for item in begun if item.kind == "movement"]
    return Exposure(
        start_ns=start_ns,
        end_ns=end_ns,
        worn_min=worn_min,
        posture_min=_posture_min(part.posture[worn], observable),
        slouch_known_min=None if slouched is None else float(slouch_known_s) / 60,
        slouched_min=slouched,
        slouch_episodes=None if slouched is None else len(episodes),
        walking_bouts=len(bouts) if walking else None,
        prolonged_bouts=sum(bool(b.body.get("prolonged")) for b in bouts) if walking else None,
        movements={k: kinds.count(k) if observable.movement(k) else None for k in MOVEMENTS},
        gap_min=gap_min,
        slouch_dose=None if slouched is None else max((_dose(e) for e in episodes), default=0.0),
        longest_slouch_min=None if slouched is None else _longest_min(episodes),
        longest_walk_min=_longest_min(bouts) if walking else None,
    )


def not_worn(
    start_ns: int, end_ns: int, *, worn_min: float | None, gap_min: float | None = None
) -> Exposure:
    """Nothing can be said of [start_ns, end_ns): worn_min is 0.0 when the sensor lay aside, None
    without any data; without `gap_min` all of it is a gap."""
    return Exposure(
        start_ns, end_ns, worn_min, None, None, None, None, None, None, dict.fromkeys(MOVEMENTS),
        (end_ns - start_ns) / MINUTE_NS if gap_min is None else gap_min, None, None, None,
    )  # fmt: skip


def _dose(episode: Item) -> float:
    return float(episode.body.get("dose") or 0.0)


def _longest_min(items: Sequence[Item]) -> float:
    return max(((item.end_ns - item.start_ns) / MINUTE_NS for item in items), default=0.0)


def _posture_min(worn: NDArray[np.int8], observable: Observable) -> dict[str, float | None]:
    """Minutes of each posture in worn seconds; what has no code there counts as unknown."""
    seconds = np.bincount(worn + 1, minlength=len(POSTURES) + 1)[1:]
    seconds[CODE["unknown"]] += len(worn) - seconds.sum()
    hidden = {word for word in POSTURES if word not in {"walking", "unknown"}}
    hidden = hidden if observable.denied(POSTURE) else set()
    hidden |= {"walking"} if observable.denied(WALKING) else set()
    return {
        word: None if word in hidden else float(seconds[CODE[word]]) / 60 for word in WORN_POSTURES
    }
