"""Gait: stride time, step length with a known walk, asymmetry, pooling and any mounting."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from analytics.detect.gait import (
    GaitParameters,
    WalkGait,
    asymmetry,
    gait_of,
    gait_signs,
    pooled,
    step_scale,
)
from analytics.detect.strides import StrideParameters, StrideWindows, stride_windows
from analytics.offline import analyse
from analytics.recording import RecordingError, read_recording
from analytics.signal.frames import Frames
from tests.analytics.detect.test_respiration import framed

G = 9.80665
HZ = 50
P, S = GaitParameters(), StrideParameters()


def walker(
    seconds: int = 120, *, cadence_spm: float = 108.0, height_m: float = 0.04, late: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """accel, gyro (n, 3) of a walk whose every other step comes `late` strides after the middle."""
    rng = np.random.default_rng(2)
    t = np.arange(seconds * HZ) / HZ
    stride_hz = cadence_spm / 120.0
    cycles = stride_hz * t
    phase = cycles % 1.0
    half = 0.5 + late
    step = np.where(phase < half, 0.5 * phase / half, 0.5 + 0.5 * (phase - half) / (1 - half))
    height = 0.5 * height_m * np.cos(4 * np.pi * (step + np.floor(cycles)))
    accel = np.zeros((len(t), 3))
    accel[:, 2] = G + np.gradient(np.gradient(height, t), t)
    lean = np.radians(3.0) * np.cos(2 * np.pi * cycles + 0.4)
    trunk = Rotation.from_rotvec(lean[:, None] * (1.0, 0.0, 0.0))
    turn = np.gradient(lean, t)[:, None] * (1.0, 0.0, 0.0)
    accel = trunk.inv().apply(accel)
    return accel + rng.normal(0, 0.1, accel.shape), turn + rng.normal(0, 0.01, turn.shape)


def gait(frames: Frames) -> tuple[WalkGait, ...]:
    walking = np.ones(frames.seconds, bool)
    windows = stride_windows(frames, walking, frames.first_s, frames.end_s, S)
    return gait_of(windows, S.turning_deg, P)


@pytest.mark.parametrize("cadence_spm", [60.0, 84.0, 108.0, 132.0])
def test_stride_time(cadence_spm: float) -> None:
    pieces = gait(framed(*walker(cadence_spm=cadence_spm)))
    assert len(pieces) >= 2
    for piece in pieces:
        assert piece.stride_time_s == pytest.approx(120.0 / cadence_spm, rel=0.02)
        assert piece.sway_lateral_deg == pytest.approx(3.0 / np.sqrt(2), abs=0.3)
        assert piece.turns == 0


def test_step_length_follows_the_pendulum_and_a_known_walk() -> None:
    pieces = gait(framed(*walker(height_m=0.036)))
    expected = 2 * P.pendulum * np.sqrt(2 * P.leg_m * 0.036 - 0.036**2)
    for piece in pieces:
        assert piece.step_length_m == pytest.approx(expected, rel=0.04)
    scale = step_scale(pieces, 20, 20 * 0.6)
    assert scale is not None
    (length,) = (s for s in gait_signs(pieces, scale, P) if s.kind == "step_length_m")
    assert length.calibrated
    assert length.pooled.value == pytest.approx(0.6, rel=0.02)
    (trend,) = (s for s in gait_signs(pieces, None, P) if s.kind == "step_length_m")
    assert trend.calibrated is False
    assert step_scale((), 10, 10.0) is None
    assert step_scale(pieces, 10, 0.0) is None


def test_asymmetry_grows_with_the_difference_of_the_steps() -> None:
    sizes = []
    for late in (0.0, 0.02, 0.04, 0.07):
        found = asymmetry(gait(framed(*walker(240, late=late))), P)
        assert found is not None
        assert found.low <= found.value <= found.high
        sizes.append(found.value)
    assert sizes[0] < 2.0
    assert sizes == sorted(sizes)
    assert sizes[-1] > 3 * sizes[0] + 3


def test_one_short_walk_says_nothing_about_asymmetry() -> None:
    pieces = gait(framed(*walker(14)))
    assert pieces
    assert asymmetry(pieces, P) is None
    assert gait_signs(pieces, None, P) == []


def test_any_mounting_gives_the_same_gait() -> None:
    accel, gyro = walker(60)
    mount = Rotation.from_rotvec((0.4, -1.2, 2.0))
    (a,) = gait(framed(accel, gyro))
    (b,) = gait(framed(mount.apply(accel), mount.apply(gyro)))
    assert b.stride_time_s == pytest.approx(a.stride_time_s, rel=0.01)
    assert a.step_length_m is not None
    assert b.step_length_m == pytest.approx(a.step_length_m, rel=0.02)


def test_without_a_gyroscope_sway_and_turns_are_not_known() -> None:
    accel, _ = walker(60)
    (piece,) = gait(framed(accel))
    assert piece.sway_lateral_deg is None
    assert piece.turns is None
    assert piece.step_length_m is not None


def test_turning_is_no_straight_walking() -> None:
    accel, gyro = walker(60)
    gyro[20 * HZ : 24 * HZ, 2] += np.pi / 4
    straight = gait(framed(*walker(60)))
    turned = gait(framed(accel, gyro))
    assert sum(p.strides for p in turned) < sum(p.strides for p in straight)
    assert sum(p.turns or 0 for p in turned) == 1


def test_standing_has_no_strides() -> None:
    frames = framed(*walker(60))
    windows = stride_windows(frames, np.zeros(60, bool), 0, 60, S)
    assert len(windows) == 0
    assert gait_of(windows, S.turning_deg, P) == ()
    assert gait_of(StrideWindows.none(), S.turning_deg, P) == ()


def test_pooling_weighs_by_strides_and_tells_its_uncertainty() -> None:
    found = pooled([(1.0, 30.0), (2.0, 10.0), (None, 99.0)])
    assert found is not None
    assert found.value == pytest.approx(1.25)
    assert found.strides == 40.0
    assert found.low < 1.25 < found.high
    assert pooled([(1.0, 30.0)]) is None
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(200):
        sample = pooled([(v, 1.0) for v in rng.normal(3.0, 1.0, 20)])
        assert sample is not None
        hits += sample.low <= 3.0 <= sample.high
    assert hits >= 180


@pytest.mark.corpus
def test_step_length_with_one_known_walk(shared_dir: Path) -> None:
    """One wearer's first trial is the known walk of 10 m there and back; the others follow."""
    folder = shared_dir / "corpus" / "recordings" / "Voisard"
    lengths, truths = [], []
    for trial in (1, 2, 3):
        analysis = analyse(read_recording(folder / f"voisard_10_{trial}.parquet"))
        truths.append(json.loads((folder / f"voisard_10_{trial}.truth.json").read_text()))
        (bout,) = analysis.document()["walking_bouts"][:1]
        assert bout["step_length_calibrated"] is False
        lengths.append(bout["step_length_m"])
    scale = truths[0]["step_length_m"] / lengths[0]
    for length, truth in zip(lengths[1:], truths[1:], strict=True):
        assert scale * length == pytest.approx(truth["step_length_m"], rel=0.08)


@pytest.mark.corpus
def test_metadata_of_a_known_walk_calibrates(shared_dir: Path) -> None:
    path = shared_dir / "corpus" / "recordings" / "Voisard" / "voisard_10_1.parquet"
    recording = read_recording(path)
    known = dataclasses.replace(recording, meta={**recording.meta, "known_walk": [0, 60, 15.0]})
    (bout,) = analyse(known).document()["walking_bouts"][:1]
    assert bout["step_length_calibrated"] is True
    assert bout["step_length_m"] * bout["step_count"] == pytest.approx(15.0, rel=0.05)
    wrong = dataclasses.replace(recording, meta={"known_walk": [5, 5, 10]})
    with pytest.raises(RecordingError, match="known_walk must be"):
        analyse(wrong)
