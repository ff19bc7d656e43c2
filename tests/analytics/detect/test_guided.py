"""Guided calibration: every step is checked, and together they give forward and the range."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from analytics.detect.guided import Guided, GuidedSamples, GuidedStep, StepCheck, guide
from analytics.signal.calibration import ForwardSource, UpSource
from tests.analytics.signals import Wearer, played

STAND, TALL, SLOUCH, BEND, WALK = GuidedStep


def step(
    wearer: Wearer, mount: Rotation | None = None, *, gyro: bool = True, upto_s: float | None = None
) -> GuidedSamples:
    t_ns, accel, turning = played(wearer.script(), mount=mount)
    n = len(t_ns) if upto_s is None else round(upto_s * 50)
    return GuidedSamples(t_ns[:n] + 10**18, accel[:n], turning[:n] if gyro else None)


def wearers() -> dict[GuidedStep, Wearer]:
    return {
        STAND: Wearer().hold(6),
        TALL: Wearer().go(0.5, flexion=-3).hold(6),
        SLOUCH: Wearer().go(0.5, flexion=19).hold(6),
        BEND: Wearer().hold(1).go(1.5, flexion=60).hold(0.5).go(1.5, flexion=0).hold(1),
        WALK: Wearer().hold(1).walk(11).hold(1),
    }


def all_steps(
    mount: Rotation | None = None, *, gyro: bool = True
) -> dict[GuidedStep, GuidedSamples]:
    held = {TALL, SLOUCH}
    out = {}
    for name, wearer in wearers().items():
        whole = step(wearer, mount, gyro=gyro)
        late = slice(50, None) if name in held else slice(None)
        turning = None if whole.gyro is None else whole.gyro[late]
        out[name] = GuidedSamples(whole.t_ns[late], whole.accel[late], turning)
    return out


def check(guided: Guided, name: GuidedStep) -> StepCheck:
    return next(c for c in guided.checks if c.step is name)


@pytest.mark.parametrize("gyro", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_any_mounting_gives_forward_and_the_personal_range(seed: int, gyro: bool) -> None:
    mount = Rotation.random(random_state=seed)
    guided = guide(all_steps(mount, gyro=gyro), rate_hz=50.0, placement="T12")
    assert [(c.step, c.passed, c.message) for c in guided.checks] == [
        (name, True, "") for name in GuidedStep
    ]
    assert guided.quality == "good"
    found = guided.calibration
    assert found is not None
    assert (found.up, found.forward) == (UpSource.REFERENCE, ForwardSource.BEND)
    assert found.rotation @ mount.apply([1, 0, 0]) == pytest.approx([1, 0, 0], abs=0.03)
    assert found.slouch_range is not None
    assert found.slouch_range.tall_deg == pytest.approx(-3, abs=0.7)
    assert found.slouch_range.deepest_deg == pytest.approx(19, abs=0.7)
    assert check(guided, WALK).figures["cadence_spm"] == pytest.approx(110, abs=3)


def test_a_sensor_worn_the_other_way_round_is_told_by_the_bend() -> None:
    turned = Rotation.from_euler("z", 180, degrees=True)
    guided = guide(all_steps(turned), rate_hz=50.0, axes={"up": "+z", "forward": "+x"})
    assert guided.calibration is not None
    assert guided.calibration.rotation[0] == pytest.approx([-1, 0, 0], abs=0.03)
    assert "worn another way" in check(guided, BEND).message
    assert guided.quality == "rough"


def test_axes_that_standing_contradicts_are_not_believed() -> None:
    upside_down = Rotation.from_euler("x", 180, degrees=True)
    steps = {STAND: all_steps(upside_down)[STAND]}
    guided = guide(steps, rate_hz=50.0, axes={"up": "+z", "forward": "+x"})
    assert guided.calibration is not None
    assert guided.calibration.forward is ForwardSource.UNKNOWN


FAULTS = {
    STAND: [(Wearer().walk(6), "moved"), (Wearer().hold(2), "at least")],
    TALL: [(Wearer().go(0.1, flexion=-50).hold(6), "leaned")],
    SLOUCH: [
        (Wearer().go(0.1, flexion=-1).hold(6), "only 2 degrees"),
        (Wearer().go(0.1, flexion=-20).hold(6), "leaned back"),
        (Wearer().go(0.1, flexion=15, lateral=20).hold(6), "to a side"),
    ],
    BEND: [
        (Wearer().hold(1).go(1.5, flexion=20).go(1.5, flexion=0).hold(1), "20 degrees only"),
        (Wearer().hold(1).go(1.5, flexion=60).hold(3), "Come back"),
        (
            Wearer()
            .hold(1)
            .go(1.5, flexion=45)
            .go(1.5, flexion=10, lateral=60)
            .go(1.5, flexion=0, lateral=0)
            .hold(1),
            "to a side",
        ),
    ],
    WALK: [(Wearer().hold(12), "No steady walking")],
}


@pytest.mark.parametrize(
    ("name", "wearer", "word"),
    [(name, wearer, word) for name, faults in FAULTS.items() for wearer, word in faults],
)
def test_a_step_that_was_not_done_as_asked_says_why(
    name: GuidedStep, wearer: Wearer, word: str
) -> None:
    wrong = step(wearer)
    if name in {TALL, SLOUCH}:
        assert wrong.gyro is not None
        wrong = GuidedSamples(wrong.t_ns[50:], wrong.accel[50:], wrong.gyro[50:])
    guided = guide(all_steps() | {name: wrong}, rate_hz=50.0, placement="T12")
    answer = check(guided, name)
    assert not answer.passed
    assert word in answer.message
    assert guided.quality == "rough"  # the other steps still count, sitting tall stands in


def test_without_an_upright_step_nothing_is_told() -> None:
    steps = all_steps()
    del steps[STAND], steps[TALL]
    guided = guide(steps, rate_hz=50.0)
    assert guided.calibration is None
    assert guided.quality == "failed"
    assert all(not c.passed and "Stand still first" in c.message for c in guided.checks)
    assert guide({}, rate_hz=50.0).quality == "failed"


def test_missing_and_lost_samples_are_named() -> None:
    whole = all_steps()[STAND]
    assert whole.gyro is not None
    thin = GuidedSamples(whole.t_ns[::2], whole.accel[::2], whole.gyro[::2])
    assert "lost" in guide({STAND: thin}, rate_hz=50.0).checks[0].message
    holes = whole.accel.copy()
    holes[:] = np.nan
    silent = GuidedSamples(whole.t_ns, holes, whole.gyro)
    assert "No samples" in guide({STAND: silent}, rate_hz=50.0).checks[0].message


def test_at_the_waist_no_range_is_kept() -> None:
    guided = guide(all_steps(), rate_hz=50.0, placement="waist")
    assert guided.calibration is not None
    assert guided.calibration.slouch_range is None
    assert "cannot see slouching" in check(guided, SLOUCH).message
