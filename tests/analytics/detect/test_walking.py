"""Walking seconds, steps and bouts on walks of known pace."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.detect.bouts import BoutState, bouts
from analytics.detect.findings import WalkingBout
from analytics.detect.steps import StepParameters, step_period, steps_of
from analytics.detect.walking import WalkingParameters, walking_seconds
from analytics.signal.frames import Frames
from tests.analytics.signals import Wearer, framed

S = StepParameters()


def frames(wearer: Wearer) -> Frames:
    return framed(wearer.script())


@pytest.mark.parametrize("cadence", [85, 100, 120, 140])
def test_walks_of_any_pace_are_found_and_counted(cadence: float) -> None:
    wearer = Wearer().hold(10).walk(30, cadence_spm=cadence).hold(10)
    f = frames(wearer)
    walking = walking_seconds(f, WalkingParameters())
    assert walking[12:38].all()
    assert not walking[:7].any()
    assert not walking[43:].any()
    steps = steps_of(f, walking, S)
    assert len(steps.step_ns) == pytest.approx(30 * cadence / 60, abs=2.5)
    assert np.median(np.diff(steps.step_ns)) / 1e9 == pytest.approx(60 / cadence, rel=0.02)
    assert np.nanmin(steps.regularity) > 0.8
    assert np.isnan(steps.regularity[0])


def test_short_walks_and_sitting_are_not_walking() -> None:
    f = frames(Wearer().hold(10).walk(2).hold(10).sit_down().hold(10).stand_up().hold(5))
    assert not walking_seconds(f, WalkingParameters()).any()


def test_a_limp_keeps_every_step() -> None:
    t = np.arange(0, 40, 0.02)
    onsets, at = [], 0.0
    while at < 39:
        onsets += [at, at + 0.48]
        at += 1.1
    crests = np.sum([np.exp(-(((t - o) / 0.09) ** 2)) for o in onsets], axis=0)
    period, regular = step_period(crests, S)
    assert period is not None
    assert regular > 0.3
    up = np.tile([[0.0], [0.0], [1.0]], len(t) // 2)
    vertical = 9.80665 + 3 * crests
    f = Frames(
        0,
        np.ones(len(t), bool),
        vertical,
        vertical[::2],
        up,
        None,
        None,
        np.ones(len(t) // 50, bool),
    )
    walking = np.zeros(40, bool)
    walking[2:38] = True
    found = steps_of(f, walking, S)
    assert len(found.step_ns) == pytest.approx(len(onsets), abs=6)


def test_noise_has_no_steps() -> None:
    assert step_period(np.zeros(500), S) == (None, pytest.approx(np.nan, nan_ok=True))
    assert step_period(np.ones(10), S)[0] is None


def fed(parts: list[np.ndarray], steps: np.ndarray) -> list[tuple[int, int, int]]:
    return [(b.start_ns, b.end_ns, len(b.step_ns)) for b in walked(parts, steps)]


def walked(parts: list[np.ndarray], steps: np.ndarray) -> list[WalkingBout]:
    state, found, at = BoutState(), [], 0
    for part in [*parts, np.empty(0, bool)]:
        end = at + len(part)
        own = steps[(steps >= at * 10**9) & (steps < end * 10**9)]
        found += bouts(
            at,
            part,
            np.where(part, 0.9, np.nan),
            own,
            state,
            steps=S,
            walking_parameters=WalkingParameters(),
            ends=not len(part),
        )
        at = end
    return found


def test_bouts_do_not_depend_on_where_blocks_end() -> None:
    walking = np.zeros(100, bool)
    walking[10:30] = walking[40:60] = walking[90:] = True
    steps = np.concatenate([np.arange(a, b, 0.5) for a, b in ((9, 31), (40, 60), (90, 100))])
    step_ns = np.round(steps * 1e9).astype(np.int64)
    whole = fed([walking], step_ns)
    assert [n for _, _, n in whole] == [44, 40, 20]
    assert whole[0][0] == 9 * 10**9
    for cuts in ([10], [20, 50], [30, 31, 89, 95], list(range(1, 100))):
        assert fed(np.split(walking, cuts), step_ns) == whole


@pytest.mark.parametrize(
    ("break_s", "prolonged"),
    [(45, [False, True, False]), (75, [False, False, False])],
)
def test_a_walk_without_a_rest_is_prolonged_once(break_s: int, prolonged: list[bool]) -> None:
    walking = np.ones(3 * 400 + 2 * break_s, bool)
    for start in (400, 800 + break_s):
        walking[start : start + break_s] = False
    for cuts in ([], [100, 420, 430, 900], list(range(7, len(walking), 7))):
        found = walked(np.split(walking, cuts), np.empty(0, np.int64))
        assert [bout.prolonged for bout in found] == prolonged
