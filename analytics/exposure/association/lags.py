"""The pre-declared lags: which exposure is held against which pain, and what is held constant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.exposure.association.observations import HOURS, Exposures, Floats, Pain
from analytics.exposure.association.parameters import AssociationParameters

HOURS_BEFORE: Final = "0_2h"
SAME_DAY: Final = "same_day"
NEXT_DAY: Final = "next_day"
REVERSE: Final = "reverse"
LAGS: Final = (HOURS_BEFORE, SAME_DAY, NEXT_DAY)
WEEK = 7

Sources = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Design:
    """One lag: N answers, what else may explain them, and the exposure laid on them."""

    lag: str
    pain: Floats
    """(N,)"""
    day: Sources
    """(N,) day of the calendar on which each answer lies"""
    base: Floats
    """(N, K) intercept, earlier pain, trend, weekday: these stay with the pain"""
    exposure_on: Callable[[Sources], tuple[Floats, Floats]]
    """(P, D) days -> the exposure (P, T, N) and what goes with it: either the wear (P, 1, 1, N)
    or one covariate for each trigger beside it (P, T, 2, N). NaN where it is not known."""


def designs(
    exposures: Exposures, pain: Pain, parameters: AssociationParameters
) -> dict[str, Design]:
    """Every pre-declared lag that these data can speak of."""
    found = [
        daily_design(exposures, pain, SAME_DAY, parameters),
        daily_design(exposures, pain, NEXT_DAY, parameters),
    ]
    if exposures.hourly_amount is not None and np.isfinite(pain.hour).any():
        found.insert(0, _hours_before(exposures, pain, parameters))
    return {design.lag: design for design in found}


def daily_design(
    exposures: Exposures, pain: Pain, lag: str, parameters: AssociationParameters
) -> Design:
    """A day's mean pain against the exposure of that day, the day before, or (reverse) the day
    after; the reverse holds the exposure of the day itself constant."""
    days = exposures.days
    by_day = pain.by_day(days)
    worn = exposures.worn_min >= parameters.min_worn_h * 60
    amount = np.where(worn, exposures.amount, np.nan)
    wear = np.where(worn, exposures.worn_min, np.nan)
    back = {SAME_DAY: 0, NEXT_DAY: 1, REVERSE: -1}[lag]

    def exposure_on(source: Sources) -> tuple[Floats, Floats]:
        there = _later(amount, back)[:, source].transpose(1, 0, 2)
        shared = _later(wear, back)[source][:, None, None, :]
        if lag != REVERSE:
            return there, shared
        here = amount[:, source].transpose(1, 0, 2)[:, :, None, :]
        return there, np.concatenate([np.broadcast_to(shared, here.shape), here], axis=2)

    day = np.arange(days)
    base = _base(_later(by_day, 1), day, exposures, parameters)
    return Design(lag, by_day, day, base, exposure_on)


def _hours_before(exposures: Exposures, pain: Pain, parameters: AssociationParameters) -> Design:
    """Each answer against the exposure of the hours before it; an hour counts by its share."""
    hourly, hourly_worn = exposures.hourly_amount, exposures.hourly_worn_min
    assert hourly is not None  # noqa: S101 - designs() has looked
    assert hourly_worn is not None  # noqa: S101
    asked = np.isfinite(pain.hour) & (pain.day >= 0) & (pain.day < exposures.days)
    day, hour, severity = pain.day[asked], pain.hour[asked], pain.severity[asked]
    flat = hourly.reshape(len(hourly), -1)
    known = np.isfinite(flat) & (np.nan_to_num(hourly_worn.reshape(-1)) > 0)
    sums = _running(np.where(known, flat, 0.0))
    worn_sums = _running(np.where(known, hourly_worn.reshape(-1), 0.0))

    def exposure_on(source: Sources) -> tuple[Floats, Floats]:
        end_h = source[:, day] * HOURS + hour
        window = np.clip(np.stack([end_h - parameters.window_h, end_h]), 0, exposures.days * HOURS)
        low, part = np.floor(window).astype(np.int64), window % 1

        def at(running: Floats) -> Floats:
            whole = running[:, low]
            ends = whole + part * (running[:, np.minimum(low + 1, running.shape[1] - 1)] - whole)
            return (ends[:, 1] - ends[:, 0]).transpose(1, 0, 2)

        worn = at(worn_sums)
        enough = worn >= parameters.min_window_worn_min
        return np.where(enough, at(sums), np.nan), np.where(enough, worn, np.nan)[:, :, None, :]

    at_h = day * HOURS + hour
    earlier = np.full(len(day), np.nan)
    recent = np.diff(at_h) <= parameters.previous_entry_h
    earlier[1:] = np.where(recent, severity[:-1], np.nan)
    angle = 2 * np.pi * hour / HOURS
    base = np.column_stack(
        [_base(earlier, day, exposures, parameters), np.sin(angle), np.cos(angle)]
    )
    return Design(HOURS_BEFORE, severity, day, base, exposure_on)


def _base(
    earlier: Floats, day: Sources, exposures: Exposures, parameters: AssociationParameters
) -> Floats:
    """Intercept, earlier pain, whether that is known, trend, weekday."""
    known = np.isfinite(earlier)
    middle = earlier[known].mean() if known.any() else 0.0
    weekday = (day + exposures.first_day.weekday()) % WEEK
    if exposures.days < parameters.weekday_days:
        weekdays = (weekday >= 5)[:, None]
    else:
        weekdays = weekday[:, None] == np.arange(1, WEEK)
    return np.column_stack(
        [
            np.ones(len(day)),
            np.where(known, earlier, middle),
            ~known,
            day / max(exposures.days, 1) - 0.5,
            weekdays,
        ]
    ).astype(float)


def _later(values: Floats, days: int) -> Floats:
    """values[..., d - days] at d, NaN beyond the ends of the calendar."""
    out = np.full_like(values, np.nan)
    if days >= 0:
        out[..., days:] = values[..., : values.shape[-1] - days]
    else:
        out[..., :days] = values[..., -days:]
    return out


def _running(hours: Floats) -> Floats:
    """(T, H + 1) sum before each hour."""
    return np.concatenate([np.zeros((len(hours), 1)), np.cumsum(hours, axis=1)], axis=1)
