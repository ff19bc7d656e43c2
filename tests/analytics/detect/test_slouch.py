"""Slouching: hysteresis, corrections, dose, and the band of sensitivity."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.detect.slouch import OBSERVABLE_AT, SlouchParameters, SlouchState, close, slouch
from analytics.signal.angles import Angles
from analytics.signal.calibration import SlouchRange

P = SlouchParameters()


def run(
    flexion: list[float] | np.ndarray,
    *,
    state: SlouchState | None = None,
    lateral: float = 0.0,
    sitting: bool = True,
    directed: bool = True,
) -> tuple[np.ndarray, SlouchState]:
    state = state or SlouchState()
    deg = np.asarray(flexion, float)
    angles = Angles(np.abs(deg), deg, np.full(len(deg), lateral))
    out = slouch(
        0,
        angles,
        np.full(len(deg), sitting),
        state,
        directed=directed,
        enter_deg=8.0,
        parameters=P,
    )
    return out, state


def minutes(*parts: tuple[float, float]) -> np.ndarray:
    """(minutes, degrees) one after the other."""
    return np.concatenate([np.full(round(60 * m), deg) for m, deg in parts])


def test_it_is_entered_above_and_left_three_degrees_below() -> None:
    out, _ = run([5, 7.9, 8.1, 6, 5.1, 4.9, 6])
    assert out.tolist() == [0, 0, 1, 1, 1, 0, 0]


def test_the_threshold_lies_inside_the_range_that_the_wearer_has_shown() -> None:
    assert P.enter_deg("T12") == 7.5
    assert P.enter_deg("sternum") == 12.0
    assert P.enter_deg("T12", SlouchRange(-6.0, 20.0)) == pytest.approx(1.5)
    assert P.enter_deg("T12", SlouchRange(2.0, 8.0)) == pytest.approx(6.2)


def test_who_does_not_sit_or_is_not_measured_is_not_judged() -> None:
    assert run([20, 20], sitting=False)[0].tolist() == [-1, -1]
    assert run([20, np.nan, 20])[0].tolist() == [1, -1, 1]


def test_leaning_to_a_side_or_back_is_no_slouch() -> None:
    assert run([20], lateral=15.0)[0].tolist() == [0]
    assert run([-20])[0].tolist() == [0]
    assert run([-20], directed=False)[0].tolist() == [1], "without forward any tilt counts"


def test_a_short_correction_does_not_end_an_episode() -> None:
    _, state = run(minutes((4, 15), (0.8, 0), (4, 15), (2, 0)))
    (episode,) = state.closed
    assert (episode.end_ns - episode.start_ns) / 6e10 == pytest.approx(8.8)
    assert episode.minutes == pytest.approx(8.0)
    assert episode.mean_deg == pytest.approx(15)


def test_a_long_correction_ends_it_and_short_slouching_is_no_episode() -> None:
    _, state = run(minutes((4, 15), (1.2, 0), (4, 15), (2, 0)))
    assert state.closed == []
    _, state = run(minutes((6, 15), (1.2, 0), (7, 15), (2, 0)))
    assert [round(e.minutes, 1) for e in state.closed] == [6.0, 7.0]


def test_a_moment_does_not_begin_an_episode() -> None:
    _, state = run(minutes((0.05, 15), (0.5, 0), (6, 15), (2, 0)))
    (episode,) = state.closed
    assert episode.start_ns == 33 * 10**9


def test_the_band_brackets_the_minutes() -> None:
    _, state = run(minutes((3, 10), (3, 12), (3, 7), (2, 0)))
    (episode,) = state.closed
    assert (episode.minutes_low, episode.minutes, episode.minutes_high) == (3.0, 9.0, 9.0)


def test_the_dose_fills_and_fades() -> None:
    _, state = run(minutes((60, 15)))
    assert state.dose_min == pytest.approx(P.dose_time_constant_min, rel=0.01)
    run(minutes((2, 0)), state=state)
    assert state.dose_min == pytest.approx(P.dose_time_constant_min / 2, rel=0.02)


def test_the_end_of_the_data_closes_the_episode() -> None:
    _, state = run(minutes((6, 15)))
    assert state.closed == []
    close(state, P)
    assert len(state.closed) == 1
    close(state, P)
    assert len(state.closed) == 1


def test_thresholds_by_placement() -> None:
    assert P.enter_deg("T12") < P.enter_deg("sternum")
    assert "waist" not in OBSERVABLE_AT
    assert "L5" not in OBSERVABLE_AT
