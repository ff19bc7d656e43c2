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
from analytics.exposure.timeline import (
    CODE,
    NO_DATA,
    POSTURES,
    Item,
    Timeline,
    longest_run_s,
)

MOVEMENTS = (
    "sit_to_stand",
    "stand_to_sit",
    "sit_to_lie",
    "lie_to_sit",
    "stand_to_lie",
    "lie_to_stand",
    "bed_roll",
    "squat",
    "lateral_bend",
    "trunk_rotation",
    "forward_bend",
)
BREAK_S = 60
"""Not sitting for this long is a break from sitting. Convention of accelerometer studies of
sedentary breaks (Healy et al. 2008: at least one minute)."""
ITEM_KINDS = ("movement", "slouch_episode", "walking_bout", "quality")
"""Kinds of results that exposure reads beside `timeline`."""

_Figure = TypeVar("_Figure", int, float, "Band")


@dataclass(frozen=True, slots=True)
class Band:
    """A figure with its sensitivity band: slouch threshold +3° (low) and -3° (high)."""

    mid: float
    low: float
    high: float

    def __add__(self, other: Band) -> Band:
        return Band(self.mid + other.mid, self.low + other.low, self.high + other.high)


@dataclass(frozen=True, slots=True)
class Exposure:
    """What happened in [start_ns, end_ns)."""

    start_ns: int
    end_ns: int
    worn_min: float | None
    """minutes the sensor was worn; None when there is no data at all, 0.0 when it lay aside"""
    posture_min: Mapping[str, float] | None
    """minutes of each posture word while worn (all but not_worn)"""
    slouch_known_min: float | None
    """sitting minutes in which slouching could be told: the denominator of `slouched_share`"""
    slouched_min: Band | None
    slouch_episodes: int | None
    walking_bouts: int | None
    prolonged_bouts: int | None
    """walking bouts beyond the wearer's own limit"""
    movements: Mapping[str, int | None]
    """count of each kind of movement; None where the sensor cannot tell this kind"""

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
    events = list(items)
    worn = line.worn == 1
    sitting = (line.posture == CODE["sitting"]) & worn
    hours = tuple(
        HourExposure(hour, exposure(line, events, hour.start_ns, hour.end_ns))
        for hour in day.hours()
    )
    return DayExposure(
        date=day.date,
        exposure=total([hour.exposure for hour in hours], day.start_ns, day.end_ns),
        longest_sitting_min=longest_run_s(sitting, BREAK_S) / 60 if worn.any() else None,
        hours=hours,
    )


def total(parts: Sequence[Exposure], start_ns: int, end_ns: int) -> Exposure:
    """The sum of consecutive intervals; a figure is None only where every part's is."""
    worn_postures = [part.posture_min for part in parts if part.posture_min is not None]
    return Exposure(
        start_ns=start_ns,
        end_ns=end_ns,
        worn_min=_sum(part.worn_min for part in parts),
        posture_min=(
            {word: sum(minutes[word] for minutes in worn_postures) for word in worn_postures[0]}
            if worn_postures
            else None
        ),
        slouch_known_min=_sum(part.slouch_known_min for part in parts),
        slouched_min=_sum(part.slouched_min for part in parts),
        slouch_episodes=_sum(part.slouch_episodes for part in parts),
        walking_bouts=_sum(part.walking_bouts for part in parts),
        prolonged_bouts=_sum(part.prolonged_bouts for part in parts),
        movements={kind: _sum(part.movements[kind] for part in parts) for kind in MOVEMENTS},
    )


def _sum(values: Iterable[_Figure | None]) -> _Figure | None:
    known = [value for value in values if value is not None]
    return reduce(add, known) if known else None


def exposure(line: Timeline, items: Sequence[Item], start_ns: int, end_ns: int) -> Exposure:
    """Exposure of [start_ns, end_ns), whole seconds inside `line`."""
    part = line.between(start_ns, end_ns)
    worn = part.worn == 1
    worn_min = float(worn.sum()) / 60 if (part.worn != NO_DATA).any() else None
    if not worn_min:
        return Exposure(
            start_ns, end_ns, worn_min, None, None, None, None, None, None,
            dict.fromkeys(MOVEMENTS),
        )  # fmt: skip
    here = [item for item in items if item.end_ns > start_ns and item.start_ns < end_ns]
    begun = [item for item in items if start_ns <= item.start_ns < end_ns]
    says = _observable(here)
    seconds = np.bincount(part.posture[worn] + 1, minlength=len(POSTURES) + 1)[1:]
    seconds[CODE["unknown"]] += worn.sum() - seconds.sum()
    slouched = _slouched(
        part, worn, here, start_ns=start_ns, end_ns=end_ns, observable=says.get("slouch")
    )
    bouts = [item for item in begun if item.kind == "walking_bout"]
    walks = says.get("walking") is not False
    kinds = [str(item.body["kind"]) for item in begun if item.kind == "movement"]
    return Exposure(
        start_ns=start_ns,
        end_ns=end_ns,
        worn_min=worn_min,
        posture_min={w: float(seconds[CODE[w]]) / 60 for w in POSTURES if w != "not_worn"},
        slouch_known_min=None
        if slouched is None
        else float((worn & (part.slouched != NO_DATA)).sum()) / 60,
        slouched_min=slouched,
        slouch_episodes=None
        if slouched is None
        else sum(item.kind == "slouch_episode" for item in begun),
        walking_bouts=len(bouts) if walks else None,
        prolonged_bouts=sum(bool(b.body.get("prolonged")) for b in bouts) if walks else None,
        movements={k: None if says.get(k) is False else kinds.count(k) for k in MOVEMENTS},
    )


def _observable(items: Iterable[Item]) -> dict[str, bool]:
    """Per feature whether any quality result says that it could be observed.

    A reason in place of true ("placement") means it could not.
    """
    said: dict[str, bool] = {}
    for item in items:
        if item.kind == "quality":
            for feature, answer in item.body.get("observable", {}).items():
                said[feature] = said.get(feature, False) or answer is True
    return said


def _slouched(
    part: Timeline,
    worn: NDArray[np.bool_],
    items: Iterable[Item],
    *,
    start_ns: int,
    end_ns: int,
    observable: bool | None,
) -> Band | None:
    """Slouched minutes; inside episodes the episode's own low and high replace the nominal time.

    Outside episodes (short slouches) no other threshold was tried, so that time is the same in
    all three. The timeline says nothing of slouching while not sitting: an hour without sitting
    has zero slouched minutes only where slouching was observable.
    """
    known = worn & (part.slouched != NO_DATA)
    sat = worn & (part.posture == CODE["sitting"])
    if observable is False or not (known.any() or (observable and not sat.any())):
        return None
    mid = float((part.slouched[worn] == 1).sum()) / 60
    low = high = mid
    for item in items:
        if item.kind != "slouch_episode":
            continue
        first_ns, last_ns = max(item.start_ns, start_ns), min(item.end_ns, end_ns)
        inside = part.between(first_ns, last_ns)
        nominal = float(((inside.slouched == 1) & (inside.worn == 1)).sum()) / 60
        share = (last_ns - first_ns) / max(item.end_ns - item.start_ns, 1)
        low -= max(nominal - item.body["minutes_low"] * share, 0.0)
        high += max(item.body["minutes_high"] * share - nominal, 0.0)
    return Band(mid, max(low, 0.0), high)
