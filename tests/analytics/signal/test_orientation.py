"""Up: against known motion, against offline VQF on people, with an unknown bias."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from vqf import offlineVQF  # type: ignore[import-untyped]

from analytics.recording import read_recording
from analytics.signal.angles import angles_of
from analytics.signal.calibration import calibrate
from analytics.signal.frames import MOTION_HZ, Readings, joined, pair_means
from analytics.signal.grid import GridParameters
from analytics.signal.orientation import Bias, frames_of
from analytics.signal.stream import ReadingStream
from tests.analytics.signals import Wearer, busy_day, played


def angle_deg(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(np.clip((a * b).sum(axis=0), -1.0, 1.0)))


def readings_of(accel: np.ndarray, gyro: np.ndarray | None) -> Readings:
    """(n, 3) samples that lie on the grid, whole seconds."""
    n = len(accel) // 50 * 50
    turning = None if gyro is None else pair_means(gyro[:n].T)
    return Readings(0, np.ones(n, bool), accel[:n].T.copy(), turning)


def test_up_with_and_without_gyroscope_and_in_pieces() -> None:
    t_ns, accel, gyro = played(Wearer().hold(5).go(2, flexion=40).hold(10).script())
    calibration = calibrate(
        t_ns, accel, gyro, reference_ns=(0, 4 * 10**9), axes={"up": "+z", "forward": "+x"}
    )
    for has_gyro in (True, False):
        stream = ReadingStream(
            has_gyro=has_gyro, rate_hz=50.0, calibration=calibration, grid=GridParameters()
        )
        values = np.concatenate((accel, gyro), axis=1).T if has_gyro else accel.T
        parts = [stream.push(t_ns[i : i + 33], values[:, i : i + 33]) for i in range(0, 850, 33)]
        readings = joined([part for part in parts if part is not None]).whole_seconds()
        frames = frames_of(readings, calibration.rotation, Bias.of(calibration))
        flexion = angles_of(frames.up).flexion_deg
        assert flexion[MOTION_HZ * 2] == pytest.approx(0, abs=0.5)
        assert flexion[MOTION_HZ * 14] == pytest.approx(40, abs=0.5)
        assert frames.part(3, 5).seconds == 2
        assert frames.part(3, 5).first_s == 3


@pytest.mark.parametrize("bias_dps", [(0.0, 0.0, 0.0), (1.0, -0.6, 0.4), (-4.0, 3.0, 2.0)])
def test_an_unknown_bias_is_found_from_gravity(bias_dps: tuple[float, float, float]) -> None:
    script = busy_day().script()
    _, accel, gyro = played(script)
    true = frames_of(readings_of(accel, gyro), np.eye(3), Bias(np.zeros(3)))
    bias = Bias(np.zeros(3))
    off = gyro + np.radians(bias_dps)
    found = frames_of(readings_of(accel, off), np.eye(3), bias)
    # about up no bias can be seen
    assert np.degrees(bias.radps[:2]) == pytest.approx(bias_dps[:2], abs=0.15)
    assert np.percentile(angle_deg(found.up, true.up), 99) < 1.5


def test_a_long_gap_separates_the_two_sides() -> None:
    """The sensor was turned over while nothing was recorded: neither side knows of the other."""
    accel = np.tile([0.0, 0.0, 9.8], (3000, 1))
    accel[1500:] = [9.8, 0.0, 0.0]
    whole = readings_of(accel, np.zeros((3000, 3)))
    valid = whole.valid.copy()
    valid[1450:1550] = False
    frames = frames_of(Readings(0, valid, whole.accel, whole.gyro), np.eye(3), Bias(np.zeros(3)))
    assert angle_deg(frames.up[:, :725], np.array([[0.0], [0.0], [1.0]])).max() < 2.0
    assert angle_deg(frames.up[:, 775:], np.array([[1.0], [0.0], [0.0]])).max() < 2.0


CALM = "SittingPosture/sp_s43_L5_t09_upright"


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["HAPT/hapt_u01_e01", "Voisard/voisard_10_1", CALM])
def test_it_agrees_with_vqf_on_people(shared_dir: Path, name: str) -> None:
    recording = read_recording(shared_dir / f"corpus/recordings/{name}.parquet")
    assert recording.gyro is not None
    stream = ReadingStream(
        has_gyro=True,
        rate_hz=recording.rate_hz,
        calibration=calibrate(recording.t_ns, recording.accel, None, reference_ns=None),
        grid=GridParameters(),
    )
    values = np.concatenate((recording.accel, recording.gyro), axis=1)
    found = stream.push(recording.t_ns, values.T.copy())
    assert found is not None
    assert found.gyro is not None
    readings = found.part(found.first_s + 1, None).whole_seconds()
    assert readings.gyro is not None
    frames = frames_of(readings, np.eye(3), Bias(np.zeros(3)), 5.0)
    ours = frames.up
    answer = offlineVQF(
        np.ascontiguousarray(readings.gyro.T),
        np.ascontiguousarray(pair_means(readings.accel).T),
        None,
        1.0 / MOTION_HZ,
    )
    w, x, y, z = answer["quat6D"].T
    theirs = np.stack((2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)))
    apart = angle_deg(ours, theirs)
    if name == CALM:
        assert not frames.busy.all()
        assert apart.max() < 0.2
    assert np.median(apart) < 0.7
    assert np.percentile(apart, 95) < 2.0
