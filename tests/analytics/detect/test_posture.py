"""The best path: every transition of the state machine, and what may not happen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analytics.detect.path import Link, Path, State, Stretch, best_path
from analytics.detect.posture import (
    Neutral,
    change_confidence,
    change_evidence,
    evidence,
    low_odds,
    lying_link,
    plain_link,
    pulse_link,
    tilt_evidence,
    unseen_link,
)
from analytics.detect.posture_parameters import PostureParameters
from analytics.detect.pulses import Pulse
from analytics.detect.site import Site

P = PostureParameters()
WAIST = Site(low=True, fixed_low=False, gyro=True, slow=False, upright=True, sagittal=True)
UP = np.array([0.0, 0.0, 1.0])


def pulse(height_m: float, *, jerk: float = 150.0, lean: float = 20.0, calm: float = 0.1) -> Pulse:
    fast = 0.5 if abs(height_m) > 0.1 else 0.1
    return Pulse(
        start=0,
        stop=60,
        height_m=height_m,
        max_mps=fast if height_m > 0 else 0.05,
        min_mps=-fast if height_m < 0 else -0.05,
        end_mps=0.0,
        start_unrest_radps=0.1,
        stop_unrest_radps=0.1,
        before_radps=calm,
        after_radps=calm,
        excursion_deg=35.0,
        turn_deg=10.0,
        start_deg=5.0,
        stop_deg=5.0,
        lean_deg=lean,
        jerk_mps3=jerk,
        score=0.0,
    )


def path(*parts: object, first: State | None = None) -> Path:
    """Stretches (float: log odds of sitting, "walk", "lie") with pulses (Pulse) in between."""
    stretches, links = [], []
    link = plain_link(P)
    for part in parts:
        if isinstance(part, Pulse):
            link = pulse_link(part, WAIST, P)
            continue
        if isinstance(part, float):
            odds = evidence(sit=part, p=P)
        else:
            odds = evidence(walking=part == "walk", lying=part == "lie", p=P)
        stretches.append(Stretch(float(len(stretches)), len(stretches) + 1.0, odds))
        links.append(Link(link))
        link = plain_link(P)
    initial = np.zeros(4)
    if first is not None:
        initial = np.full(4, -6.0)
        initial[first] = 0.0
    return best_path(stretches, links, initial)


def test_a_rise_and_a_descent_change_the_state() -> None:
    found = path(0.0, pulse(-0.4), 0.0, pulse(0.4), 0.0, first=State.STAND)
    assert found.states == [State.STAND, State.SIT, State.STAND]
    assert min(found.probability) > 0.9


def test_small_height_changes_do_not() -> None:
    found = path(0.0, pulse(-0.03), 0.0, pulse(0.02), 0.0, first=State.SIT)
    assert found.states == [State.SIT] * 3


def test_walking_is_done_standing_even_if_the_rise_was_missed() -> None:
    found = path(2.0, "walk", -0.5, first=State.SIT)
    assert found.states == [State.SIT, State.STAND, State.STAND]


def test_what_follows_decides_what_was_unclear() -> None:
    late = path(0.0, pulse(0.4), "walk")
    assert late.states == [State.SIT, State.STAND]
    assert path("walk", pulse(-0.4), 0.0).states == [State.STAND, State.SIT]


def test_lying_is_entered_and_left_either_way() -> None:
    assert path(2.0, "lie", -2.0).states == [State.SIT, State.LIE, State.STAND]
    assert path(-2.0, "lie", 2.0).states == [State.STAND, State.LIE, State.SIT]


def test_a_doubtful_state_has_a_low_probability() -> None:
    assert path(0.0).probability[0] == pytest.approx(0.5, abs=0.01)
    assert path(4.0).probability[0] > 0.97


@pytest.mark.parametrize(
    ("into", "activity", "lean", "state"),
    [
        (False, 1.3, 20.0, State.STAND),
        (False, 0.6, -5.0, State.SIT),
        (True, 1.4, 15.0, State.STAND),
        (True, 0.7, -5.0, State.SIT),
    ],
)
def test_effort_tells_sitting_from_standing_beside_the_bed(
    into: bool, activity: float, lean: float, state: State
) -> None:
    cost = lying_link(into=into, activity_radps=activity, lean_deg=lean, p=P)
    other = State.STAND if state is State.SIT else State.SIT
    if into:
        assert cost[state, State.LIE] > cost[other, State.LIE]
    else:
        assert cost[State.LIE, state] > cost[State.LIE, other]
        assert cost[State.LIE, State.CROUCH] < -1e6


@pytest.mark.parametrize(
    ("depth_flexion_jerk_seconds_lean", "squat"),
    [
        ((0.55, 20.0, 40.0, 2.0, 5.0), True),
        ((0.30, -10.0, 150.0, 4.0, 20.0), False),
        ((0.55, -5.0, 400.0, 4.0, 20.0), False),
        ((0.50, 10.0, 40.0, 60.0, 5.0), False),
        ((0.45, 2.0, 60.0, 4.0, 30.0), False),
        ((0.45, 2.0, 60.0, 4.0, 3.0), True),
    ],
)
def test_a_squat_is_deep_short_soft_and_needs_no_leaning(
    depth_flexion_jerk_seconds_lean: tuple[float, ...], squat: bool
) -> None:
    depth, flexion, jerk, seconds, lean = depth_flexion_jerk_seconds_lean
    odds, _ = low_odds(
        pulse(-depth, jerk=jerk, lean=lean),
        pulse(depth, lean=lean),
        duration_s=seconds,
        flexion_deg=flexion,
        low_site=True,
        p=P,
    )
    assert (odds > 0) is squat


def test_nobody_sits_who_keeps_moving() -> None:
    up, _ = change_evidence(pulse(0.4), WAIST, P)
    assert up > 2
    restless, _ = change_evidence(pulse(0.4, calm=0.6), WAIST, P)
    assert restless < P.told_odds


def test_a_drift_faster_than_the_movement_is_no_height() -> None:
    up, _ = change_evidence(replace(pulse(0.4), end_mps=-0.3), WAIST, P)
    assert up > 2
    drifted, _ = change_evidence(replace(pulse(0.4), end_mps=-0.9), WAIST, P)
    assert drifted < P.told_odds


def test_tilt_speaks_by_site() -> None:
    reclined = np.array([np.sin(np.radians(25)), 0.0, np.cos(np.radians(25))])
    low = Neutral(standing=UP, low_site=True)
    high = Neutral(standing=UP)
    assert tilt_evidence(reclined, 10, low, P) > 2
    assert tilt_evidence(UP, 10, low, P) < -1
    assert tilt_evidence(-reclined * [1, 1, -1], 10, low, P) < -2, "a pelvis that leans forward"
    assert tilt_evidence(-reclined * [1, 1, -1], 10, high, P) > 1, "a chest that leans forward"
    assert tilt_evidence(UP, 10, Neutral(), P) == 0.0
    assert 0 < tilt_evidence(UP, 10, Neutral(sitting=UP), P) < 1
    assert abs(tilt_evidence(reclined, 1, low, P)) < abs(tilt_evidence(reclined, 10, low, P))


def test_a_change_is_told_where_its_event_speaks_for_it() -> None:
    assert change_confidence(0.1, 0.6, P) is not None
    assert change_confidence(-0.1, 0.6, P) is None
    assert change_confidence(-0.1, P.told_sure - 0.01, P) is None


def test_a_doubtful_change_is_told_between_sure_postures() -> None:
    assert change_confidence(-0.5, P.told_sure, P) == pytest.approx(0.5)
    assert change_confidence(P.told_when_sure_odds - 0.1, 1.0, P) is None


@pytest.mark.parametrize("odds", [-0.9, 0.5, 5.0])
@pytest.mark.parametrize("sure", [0.95, 0.97, 1.0])
def test_a_change_is_never_surer_than_the_postures_around_it(odds: float, sure: float) -> None:
    told = change_confidence(odds, sure, P)
    assert told is not None
    assert 0.5 <= told <= sure
    assert change_confidence(5.0, 0.55, P) == pytest.approx(0.55)


def test_rising_takes_more_lean_than_sitting_down() -> None:
    rise = replace(pulse(0.4), excursion_deg=15.0)
    up, _ = change_evidence(rise, WAIST, P)
    _, down = change_evidence(replace(pulse(-0.4), excursion_deg=15.0), WAIST, P)
    assert up < down - 1


def test_height_between_restless_moments_is_doubtful() -> None:
    long = replace(pulse(0.4), start=0, stop=140)
    restless = replace(long, start_unrest_radps=0.3, stop_unrest_radps=0.3)
    calm_up, _ = change_evidence(long, WAIST, P)
    restless_up, _ = change_evidence(restless, WAIST, P)
    brief_up, _ = change_evidence(replace(restless, stop=70), WAIST, P)
    assert calm_up > 2
    assert restless_up < calm_up - 2
    assert brief_up > calm_up - 1, "little time to drift"


def test_a_new_angle_may_hide_a_change_more_where_less_is_seen() -> None:
    gyro, accel, slow = (
        unseen_link(site, P)[State.STAND, State.SIT]
        for site in (WAIST, replace(WAIST, gyro=False), replace(WAIST, slow=True))
    )
    assert plain_link(P)[State.STAND, State.SIT] < gyro <= accel < slow < 0
