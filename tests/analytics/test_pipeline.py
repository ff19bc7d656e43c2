"""The pipeline: any chunking gives the same findings, any mounting too, and memory is bounded."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from analytics.detect.findings import Findings, Posture, join
from analytics.offline import context_of
from analytics.outlook import Outlook
from analytics.pipeline import Pipeline
from analytics.recording import read_recording
from analytics.segment import BLOCK_S, CONTEXT_S
from analytics.sensor_context import SensorContext
from analytics.signal import orientation
from analytics.signal.calibration import calibrate
from tests.analytics.signals import Wearer, busy_day, played

Samples = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64] | None]
SLOW = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def same(a: Any, b: Any) -> bool:
    """Equal to the last bit, NaN equal to NaN."""
    if dataclasses.is_dataclass(a):
        return type(a) is type(b) and all(
            same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a)
        )
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if isinstance(a, tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def context_for(samples: Samples, **changes: Any) -> SensorContext:
    t_ns, accel, gyro = samples
    calibration = calibrate(
        t_ns,
        accel,
        gyro,
        reference_ns=(int(t_ns[0]), int(t_ns[0]) + 15 * 10**9),
        reference_posture="standing",
        axes=changes.pop("axes", {"up": "+z", "forward": "+x", "left": "+y"}),
    )
    return SensorContext(
        placement="T12", rate_hz=50.0, has_gyro=gyro is not None, calibration=calibration
    )


def whole(context: SensorContext, samples: Samples) -> Findings:
    pipeline = Pipeline(context)
    pipeline.push(*samples)
    found = pipeline.finish()
    assert found is not None
    return found


def cut(context: SensorContext, samples: Samples, cuts: list[int], *, look: bool) -> Findings:
    t_ns, accel, gyro = samples
    pipeline, drained = Pipeline(context), []
    outlook = Outlook(pipeline, 7)
    for start, stop in pairwise(sorted({0, len(t_ns), *cuts})):
        pipeline.push(
            t_ns[start:stop], accel[start:stop], None if gyro is None else gyro[start:stop]
        )
        if look:
            outlook.look()
            pipeline.provisional()
            drained.append(pipeline.final())
    drained.append(pipeline.finish())
    found = join(part for part in drained if part is not None)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def busy() -> Samples:
    return played(busy_day().script())


@pytest.fixture(scope="module")
def found(busy: Samples) -> dict[bool, Findings]:
    """The busy day in one piece, with and without a gyroscope."""
    both = {True: busy, False: (busy[0], busy[1], None)}
    return {gyro: whole(context_for(samples), samples) for gyro, samples in both.items()}


@given(data=st.data())
@SLOW
def test_any_chunking_gives_the_same_findings(
    busy: Samples, found: dict[bool, Findings], data: st.DataObject
) -> None:
    with_gyro = data.draw(st.booleans())
    samples = busy if with_gyro else (busy[0], busy[1], None)
    context = context_for(samples)
    cuts = data.draw(st.lists(st.integers(1, len(busy[0]) - 1), max_size=30))
    look = data.draw(st.booleans())
    assert same(cut(context, samples, cuts, look=look), found[with_gyro])


def test_second_by_second_gives_the_same_findings(
    busy: Samples, found: dict[bool, Findings]
) -> None:
    cuts = list(range(0, len(busy[0]), 50))
    assert same(cut(context_for(busy), busy, cuts, look=False), found[True])


@pytest.mark.corpus
@pytest.mark.parametrize(
    "name",
    [
        "HAPT/hapt_u01_e01",
        "SingleChest/chest1_s02",
        "W2ISP/w2isp_S1_d1p01M",
        "Voisard/voisard_10_1",
    ],
)
def test_any_chunking_of_real_recordings(shared_dir: Path, name: str) -> None:
    recording = read_recording(shared_dir / f"corpus/recordings/{name}.parquet")
    samples = (recording.t_ns, recording.accel, recording.gyro)
    context = context_of(recording)
    in_one = whole(context, samples)

    @given(seed=st.integers(0, 2**32 - 1))
    @settings(SLOW, max_examples=3)
    def cut_anyhow(seed: int) -> None:
        rng = np.random.default_rng(seed)
        cuts = rng.integers(1, len(samples[0]), rng.integers(1, 200)).tolist()
        assert same(cut(context, samples, cuts, look=False), in_one)

    cut_anyhow()


def movements(found: Findings) -> list[tuple[str, str | None]]:
    return [(m.kind.value, m.direction) for m in found.movements]


def test_every_movement_has_its_peaks(found: dict[bool, Findings]) -> None:
    told = found[True]
    for item in told.movements:
        assert item.end_ns > item.start_ns
        assert item.peak_deg is not None
        assert item.peak_deg_s is not None
        assert item.confidence is not None
    (bend,) = (m for m in told.movements if m.kind == "forward_bend")
    assert bend.peak_deg == pytest.approx(50, abs=3)
    assert bend.peak_deg_s == pytest.approx(50 / 1.2 * 15 / 8, rel=0.1)
    (lying,) = (m for m in told.movements if m.kind == "stand_to_lie")
    assert lying.peak_deg == pytest.approx(90, abs=8)
    assert lying.peak_deg_s == pytest.approx(90 / 2.0 * 15 / 8, rel=0.15)


def test_the_busy_day_is_understood(found: dict[bool, Findings]) -> None:
    told = found[True]
    kinds = [kind for kind, _ in movements(told)]
    assert kinds.count("stand_to_sit") == 2
    assert kinds.count("sit_to_stand") == 2
    assert kinds.count("forward_bend") == 1
    assert [d for k, d in movements(told) if k == "lateral_bend"] == ["right", "left"]
    assert [d for k, d in movements(told) if k == "trunk_rotation"] == ["left", "right"]
    assert kinds.count("bed_roll") == 1
    assert kinds.count("stand_to_lie") == 1
    assert len(told.walking_bouts) == 2
    for bout, seconds in zip(told.walking_bouts, (40, 180), strict=True):
        assert (bout.end_ns - bout.start_ns) / 1e9 == pytest.approx(seconds, abs=3)
        assert len(bout.step_ns) == pytest.approx(seconds * 110 / 60, abs=3)
        assert bout.cadence_spm == pytest.approx(110, abs=1)
    (slouch,) = told.slouch_episodes
    assert (slouch.end_ns - slouch.start_ns) / 1e9 == pytest.approx(403, abs=8)
    assert slouch.mean_deg == pytest.approx(18, abs=1)
    assert slouch.minutes_low <= slouch.minutes <= slouch.minutes_high


@given(vector=st.tuples(*[st.floats(-3.0, 3.0)] * 3))
@settings(SLOW, max_examples=6)
def test_any_mounting_gives_the_same_findings(
    busy: Samples, found: dict[bool, Findings], vector: tuple[float, float, float]
) -> None:
    assert busy[2] is not None
    mount = Rotation.from_rotvec(vector)
    turned = (busy[0], mount.apply(busy[1]), mount.apply(busy[2]))
    straight = context_for(busy)
    # the same trunk axes, told in the axes of the turned sensor
    calibration = dataclasses.replace(
        context_for(turned, axes=None).calibration,
        rotation=straight.calibration.rotation @ mount.inv().as_matrix(),
        forward=straight.calibration.forward,
    )
    a = found[True]
    b = whole(dataclasses.replace(straight, calibration=calibration), turned)
    assert movements(a) == movements(b)
    (left,), (right,) = a.timelines, b.timelines
    assert np.mean(left.posture == right.posture) > 0.995
    assert np.allclose(left.flexion_deg, right.flexion_deg, atol=0.1)
    assert len(a.slouch_episodes) == len(b.slouch_episodes)


def test_forward_is_learned_from_walking_when_nobody_says_it(
    busy: Samples, found: dict[bool, Findings]
) -> None:
    """Without axes, tilt alone tells slouching, and postures stay the same."""
    unknown = whole(context_for(busy, axes={}), busy)
    known = found[True]
    (a,), (b,) = unknown.timelines, known.timelines
    assert np.isnan(a.flexion_deg).all()
    lying = {int(p) for p in Posture if p.name.startswith("LYING")}
    collapsed = [np.where(np.isin(t.posture, list(lying)), 4, t.posture) for t in (a, b)]
    assert np.mean(collapsed[0] == collapsed[1]) > 0.97
    assert len(unknown.slouch_episodes) == 1


def test_what_was_final_never_changes_and_ranges_join_up(busy: Samples) -> None:
    context = context_for(busy)
    t_ns, accel, gyro = long = thrice(busy)
    assert gyro is not None
    pipeline, parts = Pipeline(context), []
    for start in range(0, len(t_ns), 1500):
        stop = start + 1500
        pipeline.push(t_ns[start:stop], accel[start:stop], gyro[start:stop])
        part = pipeline.final()
        if part is not None:
            parts.append(part)
    rest = pipeline.finish()
    assert rest is not None
    parts.append(rest)
    assert len(parts) >= 2
    assert all(a.end_ns == b.start_ns for a, b in pairwise(parts))
    for part in parts:
        assert part.start_ns % (60 * 10**9) == 0
        for item in (*part.movements, *part.slouch_episodes, *part.walking_bouts):
            assert part.start_ns <= item.start_ns < part.end_ns
    joined = join(parts)
    assert joined is not None
    assert same(joined.timelines, whole(context, long).timelines)


def thrice(samples: Samples) -> Samples:
    """The recording, and at once the same again and again: longer than two blocks."""
    t_ns, accel, gyro = samples
    assert gyro is not None
    shift_ns = t_ns[-1] - t_ns[0] + t_ns[1] - t_ns[0]
    longer = np.concatenate([t_ns + i * shift_ns for i in range(3)])
    return longer, np.concatenate((accel,) * 3), np.concatenate((gyro,) * 3)


def test_calm_stretches_hold_nothing_that_would_be_found(
    busy: Samples, found: dict[bool, Findings], monkeypatch: pytest.MonkeyPatch
) -> None:
    gated = found[True]
    monkeypatch.setattr(
        orientation, "busy_seconds", lambda readings, *_: np.ones(readings.seconds, bool)
    )
    every = whole(context_for(busy), busy)
    assert movements(gated) == movements(every)
    assert len(gated.walking_bouts) == len(every.walking_bouts)
    for one, other in zip(gated.movements, every.movements, strict=True):
        assert one.peak_deg == pytest.approx(other.peak_deg, abs=0.3)
    same_posture = gated.timelines[0].posture == every.timelines[0].posture
    assert same_posture.mean() > 0.995


def test_findings_become_final_in_bounded_time() -> None:
    wearer = Wearer().hold(20)
    for _ in range(30):
        wearer.walk(20).hold(50)
    t_ns, accel, gyro = samples = played(wearer.script())
    pipeline = Pipeline(context_for(samples))
    final_s = 0.0
    for start in range(0, len(t_ns), 500):
        stop = min(start + 500, len(t_ns))
        pipeline.push(t_ns[start:stop], accel[start:stop], gyro[start:stop])
        part = pipeline.final()
        final_s = part.end_ns / 1e9 if part else final_s
        # two blocks and a context, an open bout and the whole minute
        assert stop / 50 - final_s <= 2 * BLOCK_S + 2 * CONTEXT_S + 60 + 90
    assert final_s > 600


def test_clock_time_does_not_matter(busy: Samples) -> None:
    """UTC nanoseconds give the same as seconds since the start."""
    shift_s = 1_790_000_000 // BLOCK_S * BLOCK_S
    later = (busy[0] + shift_s * 10**9, busy[1], busy[2])
    a, b = whole(context_for(busy), busy), whole(context_for(later), later)
    for left, right in zip(a.timelines, b.timelines, strict=True):
        assert same(left, dataclasses.replace(right, first_s=right.first_s - shift_s))
    for left, right in zip(
        (*a.movements, *a.slouch_episodes, *a.walking_bouts),
        (*b.movements, *b.slouch_episodes, *b.walking_bouts),
        strict=True,
    ):
        assert right.start_ns - left.start_ns == shift_s * 10**9
        assert right.end_ns - left.end_ns == shift_s * 10**9


def test_no_result_bridges_a_gap(busy: Samples) -> None:
    t_ns, accel, gyro = busy
    assert gyro is not None
    keep = (t_ns < 300 * 10**9) | (t_ns > 420 * 10**9)
    short = keep & ((t_ns < 50 * 10**9) | (t_ns > 55 * 10**9))
    found = whole(context_for(busy), (t_ns[short], accel[short], gyro[short]))
    first, second = found.timelines
    assert first.first_s + len(first) == 300
    assert second.first_s == 420
    assert (first.worn[51:54] == -1).all()
    assert (first.posture[51:54] == Posture.UNKNOWN).all()
    for item in (*found.movements, *found.slouch_episodes, *found.walking_bouts):
        assert item.end_ns <= 300 * 10**9 or item.start_ns >= 420 * 10**9


def test_nan_samples_are_gaps(busy: Samples) -> None:
    t_ns, accel, gyro = busy
    assert gyro is not None
    holes = accel[:6000].copy()
    holes[3000:3200] = np.nan
    found = whole(context_for(busy), (t_ns[:6000], holes, gyro[:6000]))
    (timeline,) = found.timelines
    assert (timeline.worn[61:63] == -1).all()
    assert np.isnan(timeline.flexion_deg[61:63]).all()
    assert np.isfinite(timeline.flexion_deg[70:]).all()


def test_a_table_is_not_a_wearer() -> None:
    rng = np.random.default_rng(3)
    n = 50 * 1500
    t_ns = np.arange(n, dtype=np.int64) * 20_000_000
    accel = rng.normal((0.0, 0.0, 9.8), 0.01, (n, 3))
    gyro = rng.normal(0.0, 0.001, (n, 3))
    wearer = played(busy_day().script())
    assert wearer[2] is not None
    both = (
        np.concatenate((t_ns, wearer[0] + t_ns[-1] + 20_000_000)),
        np.concatenate((accel, wearer[1])),
        np.concatenate((gyro, wearer[2])),
    )
    found = whole(context_for(wearer), both)
    (timeline,) = found.timelines
    assert (timeline.worn[5:1480] == 0).all()
    assert (timeline.posture[5:1480] == Posture.NOT_WORN).all()
    assert (timeline.worn[1480:1520] == 0).all(), "it is being put on"
    assert (timeline.worn[1540:] == 1).all()
    assert np.isnan(timeline.flexion_deg[100])


def test_putting_a_sensor_aside_and_on_again_is_no_movement() -> None:
    script = Wearer().hold(200).go(2.0, flexion=-90.0, height=-0.3).hold(2).script()
    _, accel, gyro = played(script)
    rng = np.random.default_rng(3)
    n = 50 * (BLOCK_S - 200)  # it is taken up again at the beginning of the next block
    table = rng.normal(accel[-100:].mean(axis=0), 0.01, (n, 3)), rng.normal(0.0, 0.001, (n, 3))
    accel, gyro = (
        np.concatenate((before, aside, sign * before[::-1]))
        for before, aside, sign in zip((accel, gyro), table, (1, -1), strict=True)
    )
    samples = np.arange(len(accel), dtype=np.int64) * 20_000_000, accel, gyro
    found = whole(context_for(samples), samples)
    (timeline,) = found.timelines
    assert not found.movements
    assert (timeline.worn[:150] == 1).all()
    assert (timeline.worn[190 : BLOCK_S + 15] == 0).all()
    assert (timeline.worn[BLOCK_S + 60 :] == 1).all()
    assert same(found, cut(context_for(samples), samples, [50 * 201, 50 * BLOCK_S], look=True))


def test_without_any_reference_postures_stay_unknown() -> None:
    t_ns, accel, gyro = played(busy_day().script())
    calibration = calibrate(t_ns, accel, gyro, reference_ns=None)
    context = SensorContext("T12", 50.0, has_gyro=True, calibration=calibration)
    found = whole(context, (t_ns, accel, gyro))
    (timeline,) = found.timelines
    assert set(timeline.posture) == {Posture.UNKNOWN, Posture.WALKING}
    assert found.movements == ()


def test_an_empty_stream_finds_nothing() -> None:
    samples = played(busy_day().script())
    pipeline = Pipeline(context_for(samples))
    assert Outlook(pipeline, 0).look() is None
    assert pipeline.provisional() is None
    assert pipeline.final() is None
    assert pipeline.finish() is None


@pytest.mark.parametrize(
    ("facing", "expected"),
    [
        ((0.1, 0.0, 1.0), Posture.LYING_SUPINE),
        ((0.0, 0.2, -1.0), Posture.LYING_PRONE),
        ((0.8, 0.0, 0.6), Posture.UNKNOWN),
    ],
)
def test_forward_alone_tells_lying(facing: tuple[float, ...], expected: Posture) -> None:
    """A sensor whose front is known, but not which of its sides is up."""
    rng = np.random.default_rng(0)
    n = 50 * 15
    t_ns = np.arange(n, dtype=np.int64) * 20_000_000
    accel = 9.8 * np.array(facing) / np.linalg.norm(facing) + rng.normal(0.0, 0.05, (n, 3))
    calibration = calibrate(t_ns, accel, None, reference_ns=None, axes={"forward": "+z"})
    context = SensorContext("sternum", 50.0, has_gyro=False, calibration=calibration)
    (timeline,) = whole(context, (t_ns, accel, None)).timelines
    assert set(timeline.posture) == {expected}


@pytest.mark.parametrize("seconds", [1.0, 1.5, 1.8])
def test_a_slow_squat_is_one_and_a_seat_that_is_sat_on_is_none(seconds: float) -> None:
    """seconds: one way; who is in pain takes their time."""
    wearer = Wearer(3).hold(20)
    for _ in range(3):
        wearer.go(seconds, flexion=30, height=-0.35).go(seconds, flexion=0, height=0).hold(8)
    wearer.sit_down().hold(10).stand_up().hold(30)
    samples = played(wearer.script())
    kinds = [m.kind for m in whole(context_for(samples), samples).movements]
    assert kinds == ["squat", "squat", "squat", "stand_to_sit", "sit_to_stand"]
