"""The association statistics against independent computations and planted truth."""

from __future__ import annotations

import dataclasses
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.exposure.association import words
from analytics.exposure.association.answer import (
    ASSOCIATED,
    NO_CHANGE,
    NOT_ENOUGH,
    NOT_FOUND,
    PAIN_CONSTANT,
    answers_needed,
    associate,
)
from analytics.exposure.association.flares import conditional_logit, flare_days
from analytics.exposure.association.lags import (
    HOURS_BEFORE,
    NEXT_DAY,
    REVERSE,
    SAME_DAY,
    daily_design,
    designs,
)
from analytics.exposure.association.observations import Exposures, Pain
from analytics.exposure.association.parameters import AssociationParameters
from analytics.exposure.association.scores import fit, fit_shifts
from analytics.exposure.association.shifts import circular_shifts
from tests.simulation.association import MEDIUM_R, Case, person, rates

P = AssociationParameters()
QUICK = AssociationParameters(permutations=500, reverse_permutations=300)
MONDAY = date(2026, 3, 2)


def daily(severity: np.ndarray) -> Pain:
    days = np.flatnonzero(np.isfinite(severity))
    return Pain(days, np.full(len(days), np.nan), severity[days])


def days_of(amount: np.ndarray, worn: np.ndarray | None = None) -> Exposures:
    amount = np.atleast_2d(amount)
    worn = np.full(amount.shape[1], 800.0) if worn is None else worn
    return Exposures(MONDAY, tuple(f"t{i}" for i in range(len(amount))), amount, worn)


@settings(max_examples=40, deadline=None)
@given(days=st.integers(1, 200), most=st.integers(1, 500))
def test_shifts_only_turn_segments_and_begin_with_how_it_was(days: int, most: int) -> None:
    shifts = circular_shifts(days, segment_days=28, most=most)
    assert len(shifts.source) <= most
    assert shifts.exact == (len(shifts.source) == shifts.possible)
    assert (shifts.source[0] == np.arange(days)).all()
    assert (np.sort(shifts.source, axis=1) == np.arange(days)).all()
    segments = max(1, days // 28)
    forward = (np.diff(shifts.source, axis=1) != 1).sum(axis=1)
    backward = (np.diff(shifts.source, axis=1) != -1).sum(axis=1)
    breaks = np.minimum(forward, backward) if segments == 1 else forward
    assert breaks.max(initial=0) <= 2 * segments - 1


def test_all_shifts_there_are_are_tried_when_they_are_few() -> None:
    for days, count in ((28, 2 * 28), (60, 30 * 30)):
        shifts = circular_shifts(days, segment_days=28, most=10_000)
        assert shifts.exact
        assert len({tuple(row) for row in shifts.source.tolist()}) == shifts.possible == count
    assert not circular_shifts(90, segment_days=28, most=10_000).exact


@pytest.mark.parametrize("lag", [SAME_DAY, NEXT_DAY, REVERSE])
def test_the_fit_is_that_of_least_squares_on_the_days_that_are_known(lag: str) -> None:
    rng = np.random.default_rng(5)
    amount, severity = rng.normal(30, 10, (3, 70)), rng.normal(4, 1, 70)
    worn = rng.uniform(300, 900, 70)
    worn[[4, 5, 40]] = [100, 0, np.nan]
    amount[0, 20:23] = np.nan
    severity[[9, 33, 34]] = np.nan
    design = daily_design(days_of(amount, worn), daily(severity), lag, P)
    source = circular_shifts(70, segment_days=28, most=50).source
    found = fit(design, source)
    for p, t in ((0, 0), (0, 2), (17, 0), (49, 1)):
        exposure, beside = design.exposure_on(source[p : p + 1])
        columns = beside[0, min(t, beside.shape[1] - 1)]
        x = np.column_stack([design.base, columns.T, exposure[0, t]])
        rows = np.isfinite(x).all(axis=1) & np.isfinite(design.pain)
        x, y = x[rows], design.pain[rows]
        x = x[:, (x.std(axis=0) > 0) | (np.arange(x.shape[1]) == 0)]
        beta, (rest,), rank, _ = np.linalg.lstsq(x, y, rcond=None)
        error = np.sqrt(rest / (len(y) - rank) * np.linalg.inv(x.T @ x)[-1, -1])
        assert found.n[p, t] == rows.sum()
        assert found.freedom[p, t] == len(y) - rank
        assert found.slope[p, t] == pytest.approx(beta[-1], rel=1e-6)
        assert found.error[p, t] == pytest.approx(error, rel=1e-6)


@pytest.mark.parametrize("lag", [HOURS_BEFORE, SAME_DAY, NEXT_DAY, REVERSE])
@pytest.mark.parametrize("days", [40, 70, 90])
@pytest.mark.parametrize("holes", ["none", "of all", "of one"])
def test_summed_by_segments_the_fits_are_the_same(lag: str, days: int, holes: str) -> None:
    rng = np.random.default_rng(days)
    amount = rng.normal(30, 10, (3, days, 24))
    worn = rng.uniform(20, 60, (days, 24))
    if holes == "of one":
        amount[1, 20:33] = np.nan
    if holes == "of all":
        worn[15:18] = 0.0
        amount[:, 15:18] = np.nan
    exposures = Exposures.from_hours(date(2026, 3, 2), ("a", "b", "c"), amount, worn)
    day = np.sort(rng.integers(0, days, 2 * days))
    pain = Pain(day, rng.uniform(0, 24, len(day)), rng.normal(4, 1, len(day)))
    if lag == REVERSE:
        design = daily_design(exposures, pain, lag, P)
    else:
        design = designs(exposures, pain, P)[lag]
    shifts = circular_shifts(days, segment_days=28, most=300)
    direct, summed = fit(design, shifts.source), fit_shifts(design, shifts)
    for name in ("n", "freedom", "slope", "error", "score"):
        np.testing.assert_allclose(
            getattr(summed, name), getattr(direct, name), rtol=1e-7, atol=1e-9, err_msg=name
        )


def test_what_is_missing_is_missing_and_never_zero() -> None:
    exposures, pain, _ = person(Case(60, 2, 0.5, 0.4), np.random.default_rng(1))
    gone = exposures.amount.copy()
    gone[:, 10:15] = np.nan
    worn = exposures.worn_min.copy()
    worn[10:15] = np.nan
    asleep = exposures.worn_min.copy()
    asleep[10:15] = 30.0  # worn too short to say anything of the day
    blank = associate(dataclasses.replace(exposures, amount=gone, worn_min=worn), pain, QUICK)
    short = associate(dataclasses.replace(exposures, worn_min=asleep), pain, QUICK)
    assert blank == short
    assert blank.exposure_days == 55
    assert {a.n for a in blank.answers if a.lag == SAME_DAY} == {55}
    zero = np.where(np.isnan(gone), 0.0, gone)
    assert associate(dataclasses.replace(exposures, amount=zero), pain, QUICK) != blank


def test_a_link_is_found_at_its_lag_and_the_other_triggers_are_not_called() -> None:
    exposures, pain, slope = person(Case(120, 4, 0.4, 0.6), np.random.default_rng(3))
    found = associate(exposures, pain, QUICK)
    called = {(a.trigger, a.lag) for a in found.answers if a.answer == ASSOCIATED}
    assert ("t0", SAME_DAY) in called
    assert {trigger for trigger, _ in called} == {"t0"}
    effect = found.answers[0].effect
    assert effect is not None
    assert effect.low < slope < effect.high
    assert all(a.answer in {NOT_FOUND, NOT_ENOUGH} for a in found.reverse)


def test_avoiding_shows_in_the_reverse_direction() -> None:
    rng = np.random.default_rng(4)
    severity = rng.normal(4, 1.5, 100)
    amount = 60 - 8 * np.r_[4.0, severity[:-1]] + rng.normal(0, 6, 100)
    found = associate(days_of(amount), daily(severity), QUICK)
    assert found.reverse[0].answer == ASSOCIATED
    assert found.reverse[0].effect is not None
    assert found.reverse[0].effect.points_per_sd < 0
    assert ASSOCIATED not in {a.answer for a in found.answers}


def test_a_shared_weekly_rhythm_is_no_association() -> None:
    rng = np.random.default_rng(8)
    called = 0
    for _ in range(20):
        workday = (np.arange(84) % 7 < 5) * 3.0
        found = associate(
            days_of(workday + rng.standard_normal(84)),
            daily(workday + rng.standard_normal(84)),
            QUICK,
        )
        called += any(a.answer == ASSOCIATED for a in found.answers)
    assert called <= 3


@pytest.mark.parametrize("days", [1, 7, 20])
def test_a_few_days_are_not_enough_and_it_says_how_many_more(days: int) -> None:
    rng = np.random.default_rng(0)
    exposure = rng.standard_normal(days)
    found = associate(days_of(exposure), daily(4 + exposure))
    assert {a.answer for a in found.answers} == {NOT_ENOUGH}
    assert all(a.p is None and a.effect is None for a in found.answers)
    more = [a.more_days for a in found.answers]
    assert all(m is not None and m > 30 for m in more)
    assert "Not enough data yet" in words.sentence(found.answers[0])


def test_days_that_are_missing_get_fewer_as_days_come() -> None:
    asked = [answers_needed(tests, 10, P) for tests in (1, 8, 16)]
    assert asked == sorted(asked)
    assert 60 < asked[0] < 80
    rng = np.random.default_rng(2)
    more = [
        associate(days_of(rng.standard_normal(n)), daily(rng.normal(4, 1, n)), QUICK)
        .answers[0]
        .more_days
        for n in (25, 40, 55)
    ]
    assert more[0] > more[1] > more[2] > 0  # type: ignore[operator]
    long = associate(days_of(rng.standard_normal(400)), daily(rng.normal(4, 1, 400)), QUICK)
    assert [a.answer for a in long.answers] == [NOT_FOUND, NOT_FOUND]
    assert "No association" in words.sentence(long.answers[0])


def test_what_never_changes_says_nothing() -> None:
    rng = np.random.default_rng(2)
    exposures = days_of(np.vstack([np.full(60, 5.0), rng.standard_normal(60)]))
    found = associate(exposures, daily(rng.normal(4, 1, 60)), QUICK)
    assert [a.answer for a in found.answers if a.trigger == "t0"] == [NO_CHANGE, NO_CHANGE]
    same = associate(days_of(rng.standard_normal(150)), daily(np.full(150, 3.0)), QUICK)
    assert {a.answer for a in same.answers} == {PAIN_CONSTANT}
    assert all(a.p_family is None for a in same.answers)
    assert "Pain hardly varies" in words.sentence(same.answers[0])


def test_nobody_answered() -> None:
    found = associate(days_of(np.arange(40.0)), daily(np.full(40, np.nan)))
    assert found.pain_days == 0
    assert {a.answer for a in found.answers} == {NOT_ENOUGH}


def test_ties_count_against_the_association() -> None:
    """Two values only: many shifts give the very same score."""
    exposure = np.tile([0.0, 1.0], 30)
    severity = np.tile([2.0, 2.0, 5.0, 5.0], 15)
    found = associate(days_of(exposure), daily(severity), QUICK, lags=(SAME_DAY,))
    assert found.answers[0].p is None or found.answers[0].p > 0.2


def test_the_window_before_an_answer_takes_shares_of_hours() -> None:
    amount = np.full((1, 3, 24), np.nan)
    worn = np.zeros((3, 24))
    amount[0, :, 8:22] = np.arange(8.0, 22.0)
    worn[:, 8:22] = 60.0
    exposures = Exposures.from_hours(MONDAY, ["t0"], amount, worn)
    pain = Pain(np.array([0, 1, 1, 2]), np.array([12.5, 9.0, 10.0, 4.0]), np.full(4, 5.0))
    design = designs(exposures, pain, P)[HOURS_BEFORE]
    exposure, beside = design.exposure_on(np.arange(3)[None])
    assert exposure[0, 0, 0] == pytest.approx(0.5 * 10 + 11 + 0.5 * 12)
    assert exposure[0, 0, 1] == pytest.approx(8.0)
    assert beside[0, 0, 0, :3].tolist() == [120.0, 60.0, 120.0]
    assert np.isnan(exposure[0, 0, 3])  # at night nothing is worn
    other, _ = design.exposure_on(np.array([[1, 2, 0]]))
    assert other[0, 0, 0] == exposure[0, 0, 0]  # every day is alike here


def test_an_hourly_link_is_found_in_the_two_hours_before() -> None:
    rng = np.random.default_rng(6)
    amount = np.full((2, 60, 24), np.nan)
    amount[:, :, 7:23] = rng.gamma(2.0, 8.0, (2, 60, 16))
    worn = np.where(np.isfinite(amount[0]), 55.0, 0.0)
    day = np.repeat(np.arange(60), 3)
    hour = np.tile([11.0, 15.0, 20.0], 60)
    pairs = zip(day.tolist(), hour.astype(int).tolist(), strict=True)
    before = np.array([amount[0, d, h - 2 : h].sum() for d, h in pairs])
    pain = Pain(day, hour, np.clip(2 + 0.06 * before + rng.normal(0, 1, 180), 0, 10))
    found = associate(Exposures.from_hours(MONDAY, ["linked", "other"], amount, worn), pain, QUICK)
    called = {(a.trigger, a.lag) for a in found.answers if a.answer == ASSOCIATED}
    assert ("linked", HOURS_BEFORE) in called
    assert not any(trigger == "other" for trigger, _ in called)
    assert found.lags == (HOURS_BEFORE, SAME_DAY, NEXT_DAY)


def test_conditional_logit_is_the_textbook_one_for_pairs() -> None:
    """1:1 pairs: the likelihood is logistic regression of the differences without intercept."""
    difference = np.array([1.0, 2.0, -0.5, 0.7, -1.2, 0.4, 1.5, -0.3])
    found = conditional_logit([np.array([[d], [0.0]]) for d in difference])
    assert found is not None
    beta, error = found
    chance = 1 / (1 + np.exp(-beta * difference))
    assert (difference * (1 - chance)).sum() == pytest.approx(0, abs=1e-6)
    information = (difference**2 * chance * (1 - chance)).sum()
    assert error == pytest.approx(information**-0.5, rel=1e-4)
    assert conditional_logit([np.array([[1.0], [0.0]])] * 9) is None


def test_flares_are_beginnings_well_above_the_own_median() -> None:
    severity = np.full(20, 3.0)
    severity[[4, 5, 6, 11, 15]] = [6, 7, 6, 5, 4]
    assert flare_days(daily(severity), 20, P).tolist() == [4, 11]


def test_more_exposure_before_flares_raises_the_odds() -> None:
    rng = np.random.default_rng(9)
    amount = rng.gamma(3.0, 20.0, (2, 168))
    severity = np.where(rng.random(168) < 1 / (1 + np.exp(4 - amount[0] / 25)), 7.0, 3.0)
    odds = [
        f for f in associate(days_of(amount), daily(severity), QUICK).flares if f.lag == SAME_DAY
    ]
    assert odds[0].odds_ratio is not None
    assert odds[0].low > 1.0
    assert odds[1].odds_ratio is not None
    assert odds[1].low < 1.0 < odds[1].high
    assert "Odds of a flare" in words.flare_sentence(odds[0])


PEOPLE = 150


@pytest.mark.parametrize(
    "case",
    [
        Case(28, 8, 0.5),
        Case(60, 1, 0.7),
        Case(90, 8, 0.6, missing=0.2),
    ],
    ids=str,
)
def test_false_alarms_keep_the_level_under_autocorrelation(case: Case) -> None:
    """At most 6 %, as far as this many people can tell (docs/association.md has more)."""
    found = rates(case, PEOPLE, seed=11, permutations=200)
    limit = 0.06 + 2 * np.sqrt(0.06 * 0.94 / PEOPLE)
    assert found.family <= limit
    assert found.single <= limit
    assert found.naive > found.single


@pytest.mark.parametrize(("days", "stated"), [(28, 0.36), (60, 0.65), (90, 0.87)])
def test_power_is_as_stated(days: int, stated: float) -> None:
    """At least, as far as this many people can tell (docs/association.md has more)."""
    found = rates(Case(days, 1, 0.5, MEDIUM_R), PEOPLE, seed=12, permutations=200)
    assert found.single >= stated - np.sqrt(stated * (1 - stated) / PEOPLE)


def test_the_declared_direction_has_four_fifths_of_the_level() -> None:
    """Without memory, in many people: what is called associated, and in which direction."""
    rng = np.random.default_rng(21)
    up = down = 0
    for _ in range(400):
        exposures, pain, _ = person(Case(40, 1, 0.0), rng)
        first = associate(exposures, pain, QUICK, (SAME_DAY,), beside=False).answers[0]
        assert first.effect is not None
        if first.answer == ASSOCIATED:
            up += first.effect.points_per_sd > 0
            down += first.effect.points_per_sd < 0
    assert 0.02 < up / 400 < 0.06
    assert down / 400 < 0.025


def test_less_pain_with_more_exposure_is_found_too() -> None:
    exposures, pain, _ = person(Case(90, 3, 0.4, 0.6), np.random.default_rng(3))
    turned = dataclasses.replace(pain, severity=-pain.severity)
    found = associate(exposures, turned, QUICK, (SAME_DAY,))
    assert [a.answer == ASSOCIATED for a in found.answers] == [True, False, False]
    assert found.answers[0].effect is not None
    assert found.answers[0].effect.points_per_sd < 0
    mirrored = associate(exposures, pain, QUICK, (SAME_DAY,))
    assert found.answers[0].p >= mirrored.answers[0].p  # type: ignore[operator]


def test_nobody_is_told_of_causes() -> None:
    exposures, pain, _ = person(Case(120, 3, 0.4, 0.6), np.random.default_rng(3))
    found = associate(exposures, pain, QUICK)
    told = [words.sentence(a) for a in found.answers]
    told += [words.reverse_sentence(a) for a in found.reverse]
    told += [words.flare_sentence(f) for f in found.flares]
    assert any("is associated with" in text for text in told)
    assert not any("cause" in text.lower() for text in told)
