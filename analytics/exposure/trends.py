"""Weeks of a figure, and whether a week is worse than the person's own usual.

A week's value is the median of its days. Its interval runs from the smallest to the largest day:
the true median lies inside with a probability of 1 - 2^(1 - n) for n days (order statistics, no
assumption about how days are spread; 97 % from six days on). Usual is the median of the person's
own earlier weeks. No population cut-off enters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Literal

import numpy as np

from analytics.exposure.signs import SIGNS, DaySign
from analytics.signal.parameter import parameter


@dataclass(frozen=True, slots=True)
class TrendParameters:
    """When a change is one."""

    least_days: int = parameter(3, unit="d", reason="days of a week; two may both be unusual")
    baseline_weeks: int = parameter(8, unit="weeks", reason="what is usual may change in months")
    least_baseline_weeks: int = parameter(3, unit="weeks", reason="fewer have no usual spread")
    spread: float = parameter(
        2.0, unit="1", reason="how many usual deviations (1.4826 MAD) of weeks are a change"
    )
    least_share: float = parameter(
        0.03, unit="1", reason="of the usual value; re-donning alone changes figures by as much"
    )


class Verdict(StrEnum):
    """A week against the person's own usual."""

    WORSE = "worse_than_usual"
    BETTER = "better_than_usual"
    CHANGED = "unlike_usual"
    USUAL = "usual"
    TOO_EARLY = "not_enough_yet"
    NOT_OBSERVABLE = "not_observable"


@dataclass(frozen=True, slots=True)
class WeekValue:
    """A week by its Monday."""

    monday: date
    value: float
    low: float
    high: float
    days: int
    coverage: float
    """Probability that the interval holds the true median."""


@dataclass(frozen=True, slots=True)
class Trend:
    """One figure over weeks."""

    kind: str
    unit: str
    weeks: tuple[WeekValue, ...]
    usual: float | None
    """Median of the earlier weeks; None with too few."""
    verdict: Verdict
    """Of the newest week."""
    calibrated: bool | None


def weekly(days: Sequence[tuple[date, float]], p: TrendParameters) -> tuple[WeekValue, ...]:
    """Weeks with enough days, in order."""
    groups: dict[date, list[float]] = {}
    for day, value in days:
        groups.setdefault(day - timedelta(days=day.weekday()), []).append(value)
    return tuple(
        WeekValue(
            monday=monday,
            value=float(np.median(values)),
            low=min(values),
            high=max(values),
            days=len(values),
            coverage=1.0 - 2.0 ** (1 - len(values)),
        )
        for monday, values in sorted(groups.items())
        if len(values) >= p.least_days
    )


def trends(
    days: Sequence[tuple[date, Mapping[str, DaySign]]],
    *,
    denied: Sequence[str] = (),
    parameters: TrendParameters | None = None,
) -> list[Trend]:
    """Every figure of SIGNS over the weeks of these days.

    denied: beginnings of the names of figures that the sensor cannot know; they are
    `not_observable`.
    """
    p = parameters or TrendParameters()
    out = []
    for kind, sign in SIGNS.items():
        known = [(day, signs[kind]) for day, signs in days if kind in signs]
        weeks = weekly([(day, found.value) for day, found in known], p)
        usual, verdict = against_usual(weeks, sign.worse, p)
        if kind.startswith(tuple(denied)):
            verdict = Verdict.NOT_OBSERVABLE
        flags = {found.calibrated for _, found in known}
        calibrated = flags.pop() if len(flags) == 1 else None
        out.append(Trend(kind, sign.unit, weeks, usual, verdict, calibrated))
    return out


def against_usual(
    weeks: Sequence[WeekValue], worse: Literal["lower", "higher", "either"], p: TrendParameters
) -> tuple[float | None, Verdict]:
    """What is usual, and the newest week against it.

    A week is unlike the usual when its whole interval lies on one side of it and its value differs
    by more than the usual deviation of weeks.
    """
    earlier = np.array([week.value for week in weeks[:-1][-p.baseline_weeks :]])
    if len(earlier) < p.least_baseline_weeks:
        return None, Verdict.TOO_EARLY
    usual, newest = float(np.median(earlier)), weeks[-1]
    deviation = 1.4826 * float(np.median(np.abs(earlier - usual)))
    least = max(p.spread * deviation, p.least_share * abs(usual))
    apart = newest.low > usual or newest.high < usual
    if not apart or abs(newest.value - usual) <= least:
        return usual, Verdict.USUAL
    if worse == "either":
        return usual, Verdict.CHANGED
    is_worse = (newest.value > usual) == (worse == "higher")
    return usual, Verdict.WORSE if is_worse else Verdict.BETTER
