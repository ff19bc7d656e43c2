"""Days and weeks of gait, breathing and sway, against the person's own usual."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import product
from typing import Any

import numpy as np
import pytest

from analytics.exposure.signs import SIGNS, DaySign, breathing_coverage, day_signs
from analytics.exposure.trends import TrendParameters, Verdict, trends, weekly
from analytics.store.base import Result

S = 10**9
MONDAY = date(2026, 3, 2)


def bout(scale: float | None, *, signed: float = 3.0, strides: float = 60.0) -> Result:
    piece: dict[str, Any] = {
        "strides": strides,
        "stride_time_s": 1.1,
        "stride_regularity": 0.8,
        "step_regularity": 0.7,
        "step_length_m": 0.6,
        "rise_asymmetry_pct": signed,
        "jerk_asymmetry_pct": signed,
        "sway_forward_deg": None,
        "sway_lateral_deg": None,
        "turns": None,
    }
    body = {
        "gait": [piece, piece],
        "step_length_m": 0.6 * (scale or 1.0),
        "step_length_calibrated": scale is not None,
    }
    return Result("walking_bout", 0, 100 * S, body)


def breathing(start_s: int, rate: float, posture: str) -> Result:
    body = {"breaths_per_min": rate, "confidence": 0.8, "posture": posture}
    return Result("respiration", start_s * S, (start_s + 60) * S, body)


def test_a_day_is_pooled_from_its_results() -> None:
    sway = {"rms_deg": 0.5, "path_deg": 9.0, "frequency_hz": 0.3}
    signs = day_signs(
        [
            bout(1.1),
            breathing(0, 12.0, "lying_left"),
            breathing(60, 14.0, "lying_supine"),
            breathing(120, 18.0, "sitting"),
            breathing(180, 30.0, "standing"),
            Result("sway", 0, 30 * S, sway),
        ]
    )
    assert signs["step_length_m"].value == pytest.approx(0.66)
    assert signs["step_length_m"].calibrated is True
    assert signs["step_time_asymmetry_pct"].value == pytest.approx(0.6 * 3.0)
    assert signs["breaths_per_min_lying"].value == pytest.approx(13.0)
    assert signs["breaths_per_min_lying"].amount == 2.0
    assert signs["breaths_per_min_sitting"].value == 18.0
    assert signs["sway_rms_deg"].value == 0.5
    assert "trunk_sway_lateral_deg" not in signs
    assert set(signs) <= set(SIGNS)
    coverage = breathing_coverage(signs, {"lying_left": 8.0, "sitting": 2.0, "walking": None})
    shares = {kind: found.share for kind, found in coverage.items()}
    assert shares == {"breaths_per_min_lying": 0.25, "breaths_per_min_sitting": 0.5}
    days = [coverage["breaths_per_min_lying"], *breathing_coverage({}, None).values()]
    assert [day.share for day in days] == [0.25, None, None]
    unanswered = breathing_coverage({}, {"lying_left": 12.0})["breaths_per_min_lying"]
    assert (days[0] + unanswered).share == 0.1


def test_without_a_known_walk_lengths_are_a_trend() -> None:
    assert day_signs([bout(None)])["step_length_m"].calibrated is False
    assert day_signs([bout(None), bout(1.2)])["step_length_m"].calibrated is False


def test_opposite_limps_of_short_walks_cancel_and_sides_do_not() -> None:
    noisy = day_signs([bout(None, signed=9.0), bout(None, signed=-9.0)])
    assert noisy["step_time_asymmetry_pct"].value < 1.0
    limping = day_signs([bout(None, signed=9.0), bout(None, signed=9.0)])
    assert limping["step_time_asymmetry_pct"].value == pytest.approx(5.4)


def test_a_week_is_a_median_with_an_interval_by_order() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 100.0]
    days = [(MONDAY + timedelta(days=i), v) for i, v in enumerate(values)]
    (week,) = weekly(days, TrendParameters())
    assert (week.value, week.low, week.high, week.days) == (3.0, 1.0, 100.0, 5)
    assert week.coverage == pytest.approx(0.9375)
    assert weekly(days[:2], TrendParameters()) == ()
    rng = np.random.default_rng(0)
    inside = [min(x) <= 0 <= max(x) for x in rng.standard_cauchy((4000, 6))]
    assert np.mean(inside) == pytest.approx(1 - 2**-5, abs=0.01)


def history(weeks: list[float], kind: str) -> list[tuple[date, dict[str, DaySign]]]:
    return [
        (MONDAY + timedelta(weeks=w, days=d), {kind: DaySign(value * (1 + 0.01 * (d - 2)), 100.0)})
        for (w, value), d in product(enumerate(weeks), range(5))
    ]


@pytest.mark.parametrize(
    ("kind", "weeks", "expected"),
    [
        ("walking_speed_mps", [1.2, 1.21, 1.19, 1.2, 1.0], Verdict.WORSE),
        ("walking_speed_mps", [1.2, 1.21, 1.19, 1.2, 1.4], Verdict.BETTER),
        ("walking_speed_mps", [1.2, 1.21, 1.19, 1.2, 1.21], Verdict.USUAL),
        ("walking_speed_mps", [1.2, 1.0, 1.4, 1.1, 1.3, 1.0], Verdict.USUAL),
        ("step_time_asymmetry_pct", [4.0, 4.1, 3.9, 6.0], Verdict.WORSE),
        ("breaths_per_min_lying", [14.0, 14.1, 13.9, 18.0], Verdict.CHANGED),
        ("walking_speed_mps", [1.2, 1.2, 1.0], Verdict.TOO_EARLY),
    ],
)
def test_a_week_is_judged_by_the_persons_own_usual(
    kind: str, weeks: list[float], expected: Verdict
) -> None:
    found = {trend.kind: trend for trend in trends(history(weeks, kind))}
    assert found[kind].verdict is expected
    assert len(found[kind].weeks) == len(weeks)
    others = [trend for name, trend in found.items() if name != kind]
    assert all(trend.verdict is Verdict.TOO_EARLY and not trend.weeks for trend in others)


def test_what_a_placement_cannot_know_is_not_observable() -> None:
    found = trends(history([1.2] * 5, "walking_speed_mps"), denied=["sway"])
    assert {t.kind for t in found if t.verdict is Verdict.NOT_OBSERVABLE} == {
        "sway_rms_deg",
        "sway_path_deg",
        "sway_frequency_hz",
    }
