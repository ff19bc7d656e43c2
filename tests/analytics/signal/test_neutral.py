"""Slips of the sensor: found from walks, corrected from then on, and never invented."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from analytics.detect.findings import Findings, Posture, join
from analytics.offline import context_of
from analytics.pipeline import Pipeline
from analytics.recording import read_recording
from analytics.result import quality
from analytics.signal.neutral import NeutralParameters, NeutralShift, NeutralState, advance

P = NeutralParameters()
MINUTE = 60


def carried(flexion_deg: list[float]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Five minutes for each entry: a minute's walk that is carried so, then sitting at 20 deg."""
    angle = np.radians(np.repeat(np.array([[a, 20.0] for a in flexion_deg]), 1, axis=0)).ravel()
    angle = np.repeat(angle, np.tile([MINUTE, 4 * MINUTE], len(flexion_deg)))
    walking = np.tile(np.repeat([True, False], [MINUTE, 4 * MINUTE]), len(flexion_deg))
    return np.stack((-np.sin(angle), 0 * angle, np.cos(angle))), walking


def shifts_of(
    flexion_deg: list[float], block_s: int = 480
) -> tuple[list[NeutralShift], NeutralState]:
    up, walking = carried(flexion_deg)
    state, found = NeutralState(), []
    for start in range(0, len(walking), block_s):
        part = slice(start, start + block_s)
        shift = advance(state, start, up[:, part], walking[part], P)
        found += [shift] if shift else []
    return found, state


@pytest.mark.parametrize("block_s", [480, 37])
def test_walks_that_stay_tilted_are_a_slip(block_s: int) -> None:
    (shift,), state = shifts_of([3, 4, 3, 12, 11, 12, 12, 11], block_s)
    assert shift.angle_deg == pytest.approx(8.2, abs=0.6)
    assert shift.agreed_s == 10 * MINUTE + MINUTE
    assert shift.found_s == 15 * MINUTE
    assert shift.corrected_s >= 25 * MINUTE - block_s
    assert state.rotation is not None
    now = np.radians(12.0)
    up = state.rotation @ [-np.sin(now), 0.0, np.cos(now)]
    assert np.degrees(np.arctan2(-up[0], up[2])) == pytest.approx(3.5, abs=1.0)


@pytest.mark.parametrize(
    "flexion_deg",
    [
        [3, 4, 3, 6, 7, 6, 7, 8],  # no more than walks differ
        [3, 4, 3, 12, 3, 12, 4, 12],  # uphill now and then
        [3, 4, 3, 12, 20, 12, 25, 14],  # no two alike
        [3, 4, 3, 12, 12],  # not sure yet
    ],
)
def test_single_walks_are_no_slip(flexion_deg: list[float]) -> None:
    found, state = shifts_of([float(a) for a in flexion_deg])
    assert found == []
    assert state.rotation is None


def test_a_long_way_uphill_is_one_walk() -> None:
    up, walking = carried([3.0, 4.0, 3.0])
    state = NeutralState()
    advance(state, 0, up, walking, P)
    steep = np.radians(13.0)
    hill = np.tile([[-np.sin(steep)], [0.0], [np.cos(steep)]], 480)
    for block in range(5):
        found = advance(state, len(walking) + 480 * block, hill, np.ones(480, bool), P)
        assert found is None


def test_a_second_slip_is_found_too() -> None:
    found, _ = shifts_of([3.0] * 3 + [12.0] * 4 + [-6.0] * 4)
    assert [round(s.angle_deg) for s in found] == [9, 18]


@pytest.mark.corpus
@pytest.mark.parametrize(("slip_deg", "expected"), [(3, False), (15, True)])
def test_a_real_recording_whose_second_half_slipped(
    shared_dir: Path, slip_deg: float, expected: bool
) -> None:
    """One recording six times over; from the middle on the sensor is turned."""
    recording = read_recording(shared_dir / "corpus/recordings/HAPT/hapt_u01_e01.parquet")
    assert recording.gyro is not None
    context = context_of(recording)
    length_ns = int(recording.t_ns[-1]) + 20_000_000
    t_ns = np.concatenate([recording.t_ns + i * length_ns for i in range(6)])
    accel, gyro = np.tile(recording.accel, (6, 1)), np.tile(recording.gyro, (6, 1))
    half = len(t_ns) // 2
    slip = Rotation.from_rotvec(np.radians(slip_deg) * context.calibration.rotation[1])
    slipped_accel = np.concatenate((accel[:half], slip.apply(accel[half:])))
    slipped_gyro = np.concatenate((gyro[:half], slip.apply(gyro[half:])))

    def analysed(pieces: int, a: NDArray[np.float64], g: NDArray[np.float64]) -> Findings:
        pipeline, parts = Pipeline(context), []
        for part in np.array_split(np.arange(len(t_ns)), pieces):
            pipeline.push(t_ns[part], a[part], g[part])
            parts.append(pipeline.final())
        found = join(p for p in (*parts, pipeline.finish()) if p is not None)
        assert found is not None
        return found

    straight = analysed(1, accel, gyro)
    found = analysed(1, slipped_accel, slipped_gyro)
    assert straight.neutral_shifts == ()
    assert quality(found, context)["neutral"]["shifted"] == expected
    if not expected:
        return
    pieces = analysed(40, slipped_accel, slipped_gyro)
    assert pieces.neutral_shifts == found.neutral_shifts
    assert np.array_equal(
        pieces.timelines[0].flexion_deg, found.timelines[0].flexion_deg, equal_nan=True
    )
    (shift,) = found.neutral_shifts
    slip_s = int(t_ns[half] // 10**9)
    assert shift.agreed_s <= slip_s <= shift.found_s
    assert shift.angle_deg == pytest.approx(slip_deg, abs=1.0)
    (before,), (after,) = straight.timelines, found.timelines
    late = slice(shift.corrected_s - before.first_s, None)
    apart_deg = np.abs(after.flexion_deg[late] - before.flexion_deg[late])
    upright = ~np.isin(before.posture[late], [p for p in Posture if "LYING" in p.name])
    assert np.nanmedian(apart_deg[upright]) < 1.0
    assert np.mean(after.posture[late] == before.posture[late]) > 0.98
