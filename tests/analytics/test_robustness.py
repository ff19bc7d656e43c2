"""Results do not fall apart: other rates, ranges, mountings, sensors and radios."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal
from scipy.spatial.transform import Rotation

from analytics.detect.findings import Findings, Posture
from analytics.pipeline import Pipeline, SensorContext
from analytics.signal.calibration import GRAVITY_MPS2, calibrate
from tests.analytics.signals import Wearer, played

Array = NDArray[np.float64]
RATES_HZ = (25.0, 26.0, 52.0, 100.0, 104.0, 200.0)
AXES = {"up": "+z", "forward": "+x", "left": "+y"}


@pytest.fixture(scope="module")
def recorded() -> tuple[NDArray[np.int64], Array, Array]:
    """Four minutes: sit, rise, walk, bend, sit, lie, turn over."""
    w = Wearer().hold(20).sit_down().hold(40).stand_up().hold(8).walk(40).hold(8)
    w.go(1.2, flexion=50).hold(1).go(1.2, flexion=0).hold(6)
    w.sit_down().hold(20).stand_up().hold(10)
    w.lie_down().hold(20).go(2.0, flexion=-20.0, lateral=65.0).hold(20)
    return played(w.script(), noise=0.01)


def resampled(t_ns: NDArray[np.int64], rate_hz: float, *values: Array) -> list[NDArray[np.float64]]:
    """The samples that a sensor at another rate gives; it filters what it cannot hold."""
    at = np.arange(0.0, t_ns[-1] / 1e9, 1.0 / rate_hz)
    if rate_hz < 50.0:
        low = signal.butter(4, 0.4 * rate_hz, fs=50.0, output="sos")
        values = tuple(signal.sosfiltfilt(low, v, axis=0) for v in values)
    return [
        np.stack([np.interp(at, t_ns / 1e9, column) for column in v.T], axis=1) for v in values
    ] + [at]


def told(
    t_ns: NDArray[np.int64],
    accel: Array,
    gyro: Array | None,
    *,
    rate_hz: float = 50.0,
    axes: dict[str, str | None] | None = None,
) -> Findings:
    calibration = calibrate(
        t_ns,
        accel,
        gyro,
        reference_ns=(0, 15 * 10**9),
        reference_posture="standing",
        axes=axes or AXES,
    )
    context = SensorContext(
        placement="T12", rate_hz=rate_hz, has_gyro=gyro is not None, calibration=calibration
    )
    pipeline = Pipeline(context)
    pipeline.push(t_ns, accel, gyro)
    found = pipeline.finish()
    assert found is not None
    return found


def kinds(found: Findings) -> Counter[str]:
    return Counter(m.kind.value for m in found.movements)


def agreement(a: Findings, b: Findings) -> float:
    """Share of the seconds with the same posture, of those that both tell."""
    (left,), (right,) = a.timelines, b.timelines
    n = min(len(left), len(right))
    assert n > 200
    return float(np.mean(left.posture[:n] == right.posture[:n]))


@pytest.fixture(scope="module")
def usual(recorded: tuple[NDArray[np.int64], Array, Array]) -> Findings:
    found = told(*recorded)
    assert kinds(found) == {
        "stand_to_sit": 2,
        "sit_to_stand": 2,
        "forward_bend": 1,
        "stand_to_lie": 1,
        "bed_roll": 1,
    }
    return found


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_any_usual_rate_tells_the_same(
    recorded: tuple[NDArray[np.int64], Array, Array], usual: Findings, rate_hz: float
) -> None:
    accel, gyro, at = resampled(recorded[0], rate_hz, *recorded[1:])
    found = told(np.round(at * 1e9).astype(np.int64), accel, gyro, rate_hz=rate_hz)
    assert kinds(found) == kinds(usual)
    assert agreement(found, usual) > 0.97
    steps, expected = (sum(len(b.step_ns) for b in f.walking_bouts) for f in (found, usual))
    assert steps == pytest.approx(expected, abs=1)


@pytest.mark.parametrize("rate_hz", [25.0, 52.0, 100.0])
def test_an_accelerometer_alone_tells_postures_and_invents_nothing(
    recorded: tuple[NDArray[np.int64], Array, Array], usual: Findings, rate_hz: float
) -> None:
    accel, at = resampled(recorded[0], rate_hz, recorded[1])
    found = told(np.round(at * 1e9).astype(np.int64), accel, None, rate_hz=rate_hz)
    assert agreement(found, usual) > 0.85
    assert not kinds(found) - kinds(usual)


@pytest.mark.parametrize(
    ("turn", "axes"),
    [
        ((np.pi, 0.0, 0.0), {"up": "-z", "forward": "+x"}),
        ((0.0, np.pi, 0.0), {"up": "-z", "forward": "-x"}),
        ((0.0, 0.0, np.pi), {"up": "+z", "forward": "-x"}),
        ((0.0, np.pi / 2, 0.0), {"up": "+x", "forward": "-z"}),
    ],
)
def test_a_sensor_worn_upside_down_tells_the_same(
    recorded: tuple[NDArray[np.int64], Array, Array],
    usual: Findings,
    turn: tuple[float, float, float],
    axes: dict[str, str | None],
) -> None:
    t_ns, accel, gyro = recorded
    mount = Rotation.from_rotvec(turn)
    found = told(t_ns, mount.apply(accel), mount.apply(gyro), axes=axes)
    assert kinds(found) == kinds(usual)
    assert agreement(found, usual) > 0.99


@pytest.mark.parametrize("seed", range(4))
def test_lost_packets_cost_little_and_invent_nothing(
    recorded: tuple[NDArray[np.int64], Array, Array], usual: Findings, seed: int
) -> None:
    t_ns, accel, gyro = recorded
    rng = np.random.default_rng(seed)
    lost = rng.random(len(t_ns)) < 0.02
    for start in rng.integers(20 * 50, len(t_ns) - 50, 6):
        lost[start : start + rng.integers(5, 40)] = True
    kept = ~lost
    found = told(t_ns[kept], accel[kept], gyro[kept])
    assert agreement(found, usual) > 0.85
    assert (kinds(found) - kinds(usual)).total() <= 1
    assert (kinds(usual) - kinds(found)).total() <= 3


@pytest.mark.parametrize("noise_mps2", [0.05, 0.2])
def test_noise_leaves_the_movements(
    recorded: tuple[NDArray[np.int64], Array, Array], usual: Findings, noise_mps2: float
) -> None:
    t_ns, accel, gyro = recorded
    rng = np.random.default_rng(7)
    found = told(
        t_ns,
        accel + rng.normal(0.0, noise_mps2, accel.shape),
        gyro + rng.normal(0.0, 0.1 * noise_mps2, gyro.shape) + 0.01,
    )
    assert kinds(found) == kinds(usual)
    assert agreement(found, usual) > 0.95


@pytest.mark.parametrize("range_g", [2.0, 16.0])
def test_a_range_and_its_steps_change_nothing(
    recorded: tuple[NDArray[np.int64], Array, Array], usual: Findings, range_g: float
) -> None:
    t_ns, accel, gyro = recorded
    step = 2.0 * range_g * GRAVITY_MPS2 / 2**12
    limit = range_g * GRAVITY_MPS2
    found = told(t_ns, np.round(np.clip(accel, -limit, limit) / step) * step, gyro)
    assert kinds(found) == kinds(usual)
    assert agreement(found, usual) > 0.98


def test_a_lean_that_stays_without_a_descent_makes_the_posture_doubtful() -> None:
    """Sitting down that was missed looks so: nothing says that the wearer still stands."""
    lean = Wearer().hold(20).go(1.5, flexion=9.0).hold(120)
    still = Wearer().hold(141.5)
    first, second = (told(*played(w.script())).timelines[0] for w in (lean, still))
    assert second.posture[100] == Posture.STANDING
    assert second.probability[100] > 0.95
    assert first.posture[10] == Posture.STANDING
    assert first.probability[10] > 0.95, "the reference is known"
    assert first.probability[100] < 0.9


def test_a_movement_is_never_surer_than_the_postures_around_it(usual: Findings) -> None:
    (timeline,) = usual.timelines
    changes = [m for m in usual.movements if m.kind in {"sit_to_stand", "stand_to_sit"}]
    assert changes
    for change in changes:
        around = [change.start_ns // 10**9 - 3, change.end_ns // 10**9 + 3]
        known = timeline.probability[np.array(around) - timeline.first_s]
        assert change.confidence is not None
        assert change.confidence <= np.nanmin(known) + 1e-6


def test_a_record_that_ends_in_a_bend_tells_no_lying_down() -> None:
    down = Wearer().hold(30).go(1.5, flexion=75.0).hold(0.5)
    assert not kinds(told(*played(down.script())))["stand_to_lie"]
    assert kinds(told(*played(down.hold(20).script())))["stand_to_lie"] == 1
