"""Case-crossover: was there more exposure before a flare than at the same time of calmer days?

Each flare is compared with control times of the same person only: the same weekday (and the same
hour) in the same four weeks, so that trend, weekday and time of day are held constant by design.
The odds come from conditional logistic regression with the wear beside the exposure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.exposure.association.lags import WEEK, Design
from analytics.exposure.association.observations import Exposures, Floats, Pain
from analytics.exposure.association.parameters import AssociationParameters

STEPS = 50
Z_95 = 1.959964
LARGEST = 8.0
"""A log-odds this far out means that flares and controls do not overlap: no estimate exists."""


@dataclass(frozen=True, slots=True)
class FlareOdds:
    """Odds of a flare with more exposure; the three figures are None where there is no estimate."""

    trigger: str
    lag: str
    flares: int
    """flares that have at least one control time with known exposure"""
    needed: int
    odds_ratio: float | None
    """for one standard deviation more of exposure"""
    low: float | None
    high: float | None
    """95 % interval"""


def flare_days(pain: Pain, days: int, parameters: AssociationParameters) -> NDArray[np.int64]:
    """Days on which pain was `flare_rise` above the own median and had not been so the day
    before (a day without a word counts as calm)."""
    by_day = pain.by_day(days)
    if not np.isfinite(by_day).any():
        return np.empty(0, np.int64)
    high = by_day >= np.nanmedian(by_day) + parameters.flare_rise
    begun = high & ~np.concatenate([[False], high[:-1]])
    return np.flatnonzero(begun)


def flare_odds(
    design: Design, exposures: Exposures, pain: Pain, parameters: AssociationParameters
) -> list[FlareOdds]:
    """Odds for every trigger at one lag; a day's first answer stands for it in the hours lag."""
    days = exposures.days
    by_day = pain.by_day(days)
    if not np.isfinite(by_day).any():
        return []
    high = by_day >= np.nanmedian(by_day) + parameters.flare_rise
    calm = np.flatnonzero(np.isfinite(by_day) & ~high)
    onsets = flare_days(pain, days, parameters)
    rows, answer_days = _answers(design, pain, days, onsets)
    sets: list[tuple[Floats, Floats]] = []
    for row, day in zip(rows, answer_days, strict=True):
        alike = (calm - day) % WEEK == 0
        alike &= calm // parameters.stratum_days == day // parameters.stratum_days
        times = np.concatenate([[day], calm[alike]])
        source = np.tile(np.arange(days), (len(times), 1))
        source[:, day] = times
        exposure, beside = design.exposure_on(source)
        sets.append((exposure[..., row], beside[:, 0, 0, row]))
    return [
        _odds(
            trigger,
            design.lag,
            [
                (exposure[known, t], wear[known])
                for exposure, wear in sets
                for known in [np.isfinite(exposure[:, t]) & np.isfinite(wear)]
                if known[0] and known.sum() > 1
            ],
            parameters,
        )
        for t, trigger in enumerate(exposures.triggers)
    ]


def _answers(
    design: Design, pain: Pain, days: int, onsets: NDArray[np.int64]
) -> tuple[list[int], list[int]]:
    """Row of the design that stands for each flare, and its day."""
    if len(design.pain) == days and design.lag != "0_2h":
        return onsets.tolist(), onsets.tolist()
    asked = np.isfinite(pain.hour) & (pain.day >= 0) & (pain.day < days)
    day = pain.day[asked]
    firsts = [(int(np.flatnonzero(day == d)[0]), int(d)) for d in onsets if (day == d).any()]
    return [row for row, _ in firsts], [d for _, d in firsts]


def _odds(
    trigger: str,
    lag: str,
    sets: Sequence[tuple[Floats, Floats]],
    parameters: AssociationParameters,
) -> FlareOdds:
    nothing = FlareOdds(trigger, lag, len(sets), parameters.min_flares, None, None, None)
    if len(sets) < parameters.min_flares:
        return nothing
    values = np.concatenate([exposure for exposure, _ in sets])
    spread = values.std()
    if not spread > 0:
        return nothing
    wear_spread = np.concatenate([wear for _, wear in sets]).std() or 1.0
    estimate = conditional_logit(
        [np.column_stack([x / spread, wear / wear_spread]) for x, wear in sets]
    )
    if estimate is None:
        return nothing
    slope, error = estimate
    low, high = slope - Z_95 * error, slope + Z_95 * error
    return FlareOdds(
        trigger,
        lag,
        len(sets),
        parameters.min_flares,
        float(np.exp(slope)),
        float(np.exp(low)),
        float(np.exp(high)),
    )


def conditional_logit(sets: Sequence[Floats]) -> tuple[float, float] | None:
    """Log-odds of the first column and its standard error: each set is (M, C) with the case in
    its first row. None where flares and controls do not overlap. Newton's method."""
    beta = np.zeros(sets[0].shape[1])
    for _ in range(STEPS):
        gradient = np.zeros_like(beta)
        information = np.eye(len(beta)) * 1e-6
        for rows in sets:
            centred = rows - rows[0]
            weight = np.exp(np.clip(centred @ beta, -500, 500))
            weight /= weight.sum()
            mean = weight @ centred
            gradient -= mean
            information += (centred * weight[:, None]).T @ centred - np.outer(mean, mean)
        step = np.linalg.solve(information, gradient)
        beta = beta + np.clip(step, -2.0, 2.0)
        if abs(beta[0]) > LARGEST:
            return None
        if np.abs(step).max() < 1e-8:
            error = float(np.sqrt(np.linalg.inv(information)[0, 0]))
            return float(beta[0]), error
    return None
