"""From sensor axes to trunk axes: by reference, by stated axes, by walking, or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from analytics.detect.learning import MountingLearner
from analytics.detect.parameters import Parameters
from analytics.signal.calibration import (
    Calibration,
    ForwardSource,
    UpSource,
    calibrate,
    rotation_of,
    sensor_axis,
    with_mounting,
)
from tests.analytics.signals import Wearer, played


def still(mount: Rotation, seconds: float = 10.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return played(Wearer().hold(seconds).script(), mount=mount)


@pytest.mark.parametrize("seed", range(5))
def test_the_reference_gives_up_whatever_the_mounting(seed: int) -> None:
    mount = Rotation.random(random_state=seed)
    t_ns, accel, gyro = still(mount)
    found = calibrate(t_ns, accel, gyro, reference_ns=(0, 10**10), reference_posture="sitting")
    assert found.up is UpSource.REFERENCE
    assert found.forward is ForwardSource.UNKNOWN
    assert found.still
    assert found.rotation @ mount.apply([0, 0, 1]) == pytest.approx([0, 0, 1], abs=0.01)
    assert np.allclose(found.rotation @ found.rotation.T, np.eye(3))
    assert np.linalg.det(found.rotation) == pytest.approx(1.0)
    assert found.gravity_mps2 == pytest.approx(9.81, abs=0.02)


def test_stated_axes_give_forward_and_left() -> None:
    t_ns, accel, gyro = still(Rotation.identity())
    for axes in ({"up": "+z", "forward": "+x"}, {"up": "+z", "left": "+y"}):
        found = calibrate(t_ns, accel, gyro, reference_ns=(0, 10**10), axes=axes)
        assert found.forward is ForwardSource.AXES
        assert np.allclose(found.rotation, np.eye(3), atol=0.01)


def test_moving_during_the_reference_is_noticed() -> None:
    t_ns, accel, gyro = played(Wearer().walk(10).script())
    found = calibrate(t_ns, accel, gyro, reference_ns=(0, 10**10))
    assert not found.still
    assert found.gyro_bias_radps is None


def test_without_a_reference_the_stated_axes_are_corrected_for_the_body() -> None:
    empty = (np.empty(0, np.int64), np.empty((0, 3)), None)
    axes = {"up": "+x", "forward": "+z"}
    plain = calibrate(*empty, reference_ns=None, axes=axes, placement="T12")
    chest = calibrate(*empty, reference_ns=None, axes=axes, placement="sternum")
    assert plain.up is chest.up is UpSource.AXES
    assert plain.rotation[2] == pytest.approx([1, 0, 0])
    assert np.degrees(np.arccos(chest.rotation[2] @ [1, 0, 0])) == pytest.approx(24)
    assert calibrate(*empty, reference_ns=None).up is UpSource.UNKNOWN


def test_axis_names() -> None:
    assert sensor_axis(None) is None
    assert sensor_axis("-y") == pytest.approx([0, -1, 0])
    rotation = rotation_of(np.array([0.0, 0.0, 2.0]), np.array([1.0, 0.0, 5.0]))
    assert np.allclose(rotation, np.eye(3))


def learned(mount: Rotation, *, with_gyro: bool) -> Calibration:
    t_ns, accel, gyro = played(Wearer().hold(12).walk(40).hold(5).script(), mount=mount)
    calibration = calibrate(t_ns, accel, gyro, reference_ns=(0, 10**10))
    learner = MountingLearner(
        has_gyro=with_gyro, rate_hz=50.0, calibration=calibration, parameters=Parameters()
    )
    assert learner.wanted
    learner.push(t_ns, accel, gyro if with_gyro else None)
    return learner.learned()


def test_what_is_known_is_not_overwritten_by_walking() -> None:
    t_ns, accel, gyro = still(Rotation.identity())
    known = calibrate(
        t_ns, accel, gyro, reference_ns=(0, 10**10), axes={"up": "+z", "forward": "+x"}
    )
    again = with_mounting(known, np.array([1.0, 0, 0]), np.array([0, 1.0, 0]))
    assert again is known
    learner = MountingLearner(
        has_gyro=True, rate_hz=50.0, calibration=known, parameters=Parameters()
    )
    assert not learner.wanted


def test_up_comes_from_walking_when_there_is_no_reference() -> None:
    mount = Rotation.random(random_state=3)
    t_ns, accel, gyro = played(Wearer().walk(40).script(), mount=mount)
    learner = MountingLearner(
        has_gyro=True,
        rate_hz=50.0,
        calibration=calibrate(t_ns, accel, gyro, reference_ns=None),
        parameters=Parameters(),
    )
    learner.push(t_ns, accel, gyro)
    found = learner.learned()
    assert found.up is UpSource.WALKING
    upright = found.rotation @ mount.apply([0, 0, 1])
    assert np.degrees(np.arccos(upright[2])) < 8


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["Voisard/voisard_10_1", "Voisard/voisard_14_1"])
@pytest.mark.parametrize("with_gyro", [True, False])
def test_forward_is_learned_from_real_walking(shared_dir, name: str, with_gyro: bool) -> None:  # type: ignore[no-untyped-def]
    from analytics.recording import read_recording

    recording = read_recording(shared_dir / f"corpus/recordings/{name}.parquet")
    mount = Rotation.random(random_state=1)
    accel = mount.apply(recording.accel)
    gyro = mount.apply(recording.gyro)
    start_s, end_s = recording.upright_reference or (0, 0)
    blind = calibrate(
        recording.t_ns, accel, gyro, reference_ns=(int(start_s * 1e9), int(end_s * 1e9))
    )
    learner = MountingLearner(
        has_gyro=with_gyro, rate_hz=100.0, calibration=blind, parameters=Parameters()
    )
    learner.push(recording.t_ns, accel, gyro if with_gyro else None)
    found = learner.learned()
    assert found.forward is ForwardSource.WALKING
    true = mount.apply(sensor_axis(recording.axes["forward"]))
    ahead = true - (true @ found.rotation[2]) * found.rotation[2]
    assert np.degrees(np.arccos(found.rotation[0] @ ahead / np.linalg.norm(ahead))) < 20
