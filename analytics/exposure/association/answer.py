"""The whole answer: every trigger at every pre-declared lag, in figures and in one sentence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import atanh, ceil
from typing import Final

import numpy as np
from scipy.special import ndtri, stdtrit

from analytics.exposure.association.flares import FlareOdds, flare_odds
from analytics.exposure.association.lags import (
    REVERSE,
    Design,
    daily_design,
    designs,
)
from analytics.exposure.association.observations import Exposures, Floats, Pain
from analytics.exposure.association.parameters import AssociationParameters
from analytics.exposure.association.scores import Fit, fit_shifts
from analytics.exposure.association.shifts import Shifts, circular_shifts

ASSOCIATED: Final = "associated"
NOT_FOUND: Final = "not_found"
NOT_ENOUGH: Final = "not_enough_data"
NO_CHANGE: Final = "exposure_does_not_vary"
PAIN_CONSTANT: Final = "pain_does_not_vary"
TIE = 1e-9
"""Scores closer than this are the same number computed in another order."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Points of pain that go along with more exposure, 95 % interval."""

    points_per_unit: float
    low: float
    high: float
    points_per_sd: float
    sd: float
    """standard deviation of the exposure, in its unit"""


@dataclass(frozen=True, slots=True)
class TriggerAnswer:
    """One trigger at one lag."""

    trigger: str
    lag: str
    answer: str
    """associated, not_found, not_enough_data, exposure_does_not_vary or pain_does_not_vary"""
    n: int
    """answers with known exposure"""
    p: float | None
    """of this trigger and lag alone"""
    p_family: float | None
    """over all triggers and lags together: the one that decides"""
    effect: Effect | None
    more_days: int | None
    """days still missing, about; None where none are"""


@dataclass(frozen=True, slots=True)
class Association:
    """What can be said of one person."""

    days: int
    pain_days: int
    """days with at least one answer"""
    exposure_days: int
    """days worn long enough"""
    lags: tuple[str, ...]
    permutations: int
    exact: bool
    """every possible shift was tried"""
    answers: tuple[TriggerAnswer, ...]
    reverse: tuple[TriggerAnswer, ...]
    """pain of a day -> exposure of the next; the signs of avoiding, not of causing"""
    flares: tuple[FlareOdds, ...]


def associate(
    exposures: Exposures,
    pain: Pain,
    parameters: AssociationParameters | None = None,
    lags: tuple[str, ...] | None = None,
    *,
    beside: bool = True,
) -> Association:
    """Everything that was declared beforehand, computed once.

    lags: those declared for this question; None is all that the data can speak of. beside: also
    the reverse direction and the flares, which decide nothing.
    """
    p = parameters or AssociationParameters()
    shifts = _shifts(exposures.days, p.permutations, p)
    chosen = {
        lag: design
        for lag, design in designs(exposures, pain, p).items()
        if lags is None or lag in lags
    }
    by_day = pain.by_day(exposures.days)
    worn = exposures.worn_min >= p.min_worn_h * 60
    return Association(
        days=exposures.days,
        pain_days=int(np.isfinite(by_day).sum()),
        exposure_days=int((worn & np.isfinite(exposures.amount).any(axis=0)).sum()),
        lags=tuple(chosen),
        permutations=len(shifts.source),
        exact=shifts.exact,
        answers=_answers(chosen, exposures, shifts, p),
        reverse=_answers(
            {REVERSE: daily_design(exposures, pain, REVERSE, p)},
            exposures,
            _shifts(exposures.days, p.reverse_permutations, p),
            replace(p, other_way_share=0.5),
        )
        if beside
        else (),
        flares=tuple(
            odds
            for design in (chosen.values() if beside else ())
            for odds in flare_odds(design, exposures, pain, p)
        ),
    )


def _shifts(days: int, most: int, p: AssociationParameters) -> Shifts:
    return circular_shifts(days, segment_days=p.segment_days, most=most)


def _answers(
    chosen: dict[str, Design], exposures: Exposures, shifts: Shifts, p: AssociationParameters
) -> tuple[TriggerAnswer, ...]:
    """Max-statistic over everything in `chosen`: one shift moves all triggers and lags alike.

    Every shift counts as it is and mirrored, more exposure for less: without a link a score is as
    likely as its opposite.
    """
    fits = {lag: fit_shifts(design, shifts) for lag, design in chosen.items()}
    if not fits:
        return ()
    strengths = {lag: _strengths(each.score, p) for lag, each in fits.items()}
    together = np.concatenate(list(strengths.values()), axis=1)
    with np.errstate(invalid="ignore"):
        highest = np.fmax.reduce(together, axis=1)
    tests = max(int(np.isfinite(together[0]).sum()), 1)
    found = []
    for lag, each in fits.items():
        spread = _spread(chosen[lag], exposures.days)
        for t, trigger in enumerate(exposures.triggers):
            own = strengths[lag][:, t]
            single, family = _share(own, own[0]), _share(highest, own[0])
            n = int(each.n[0, t])
            enough = exposures.days >= p.min_days and n >= p.min_days
            needed = answers_needed(tests, n - int(each.freedom[0, t]), p)
            missing = _more_days(n, exposures.days, needed, p)
            if not np.isfinite(own[0]) or not enough:
                single = family = None
            verdict = _verdict(family, missing, enough, spread[t], p)
            found.append(
                TriggerAnswer(
                    trigger=trigger,
                    lag=lag,
                    answer=verdict,
                    n=n,
                    p=single,
                    p_family=family,
                    effect=_effect(each, t, spread[t]) if enough else None,
                    more_days=missing if verdict == NOT_ENOUGH else None,
                )
            )
    return tuple(found)


def _verdict(
    family: float | None, missing: int | None, enough: bool, sd: float, p: AssociationParameters
) -> str:
    if family is not None and family <= p.alpha:
        return ASSOCIATED
    if enough and not sd > 0:
        return NO_CHANGE
    if enough and family is None and missing is None:
        return PAIN_CONSTANT
    return NOT_FOUND if missing is None else NOT_ENOUGH


def _strengths(scores: Floats, p: AssociationParameters) -> Floats:
    """(P, T) scores -> (2 P, T), mirrored ones below: the declared direction in full, the other so
    much less that it takes `other_way_share` of the level."""
    other, declared = p.other_way_share, 1 - p.other_way_share
    weight = ndtri(p.alpha * declared) / ndtri(p.alpha * other)
    both = np.concatenate([scores, -scores])
    out: Floats = np.where(both < 0, -weight * both, both)
    return out


def _share(values: Floats, own: float) -> float | None:
    """Share of the shifts that reach the own score; ties count against it."""
    known = values[np.isfinite(values)]
    return float((known >= own - TIE).mean()) if len(known) and np.isfinite(own) else None


def answers_needed(tests: int, coefficients: int, p: AssociationParameters) -> int:
    """Answers that find a medium effect with the wanted power, by Fisher's z (Cohen 1988), at a
    level shared among the tests, in the declared direction."""
    z = -ndtri(p.alpha * (1 - p.other_way_share) / tests) + ndtri(p.power)
    return ceil(float(z / atanh(p.medium_r)) ** 2 + 3 + coefficients)


def _more_days(n: int, days: int, needed: int, p: AssociationParameters) -> int | None:
    """Days still to come at the present rate of answers; None where there are enough. Several
    answers of one day count as one: they say little more."""
    n = min(n, days)
    rate = n / days if n else 1.0
    missing = max(ceil((needed - n) / rate), p.min_days - days)
    return missing if missing > 0 else None


def _spread(design: Design, days: int) -> Floats:
    """(T,) standard deviation of the exposure on the answers, 0 where it does not vary."""
    exposure, _ = design.exposure_on(np.arange(days)[None])
    asked = np.where(np.isfinite(design.pain), exposure[0], np.nan)
    known = np.isfinite(asked)
    count = np.maximum(known.sum(axis=1), 1)
    middle = np.where(known, asked, 0.0).sum(axis=1) / count
    centred = np.where(known, asked - middle[:, None], 0.0)
    spread = np.sqrt((centred**2).sum(axis=1) / count)
    varies: Floats = np.where(spread > TIE * (1 + np.abs(middle)), spread, 0.0)
    return varies


def _effect(each: Fit, t: int, sd: float) -> Effect | None:
    slope, error = float(each.slope[0, t]), float(each.error[0, t])
    if not (np.isfinite(slope) and np.isfinite(error) and sd > 0):
        return None
    reach = float(stdtrit(each.freedom[0, t], 0.975)) * error
    return Effect(slope, slope - reach, slope + reach, slope * float(sd), float(sd))
