"""The readings belong to one trajectory: checked against an independent numerical derivation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.random import default_rng
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from trunkline.synthetic.jet import Jet
from trunkline.synthetic.script import Script
from trunkline.synthetic.sensor import SITES, STANDARD_GRAVITY_MPS2, Mounting, mounting, readings
from trunkline.synthetic.stories import demo_script
from trunkline.synthetic.trajectory import Channel, Trajectory

RATE_HZ = 400.0
SITE = SITES["T12"]
Pose = Mapping[Channel, Jet]


@pytest.fixture(scope="module")
def trajectory() -> Trajectory:
    rng = default_rng(7)
    script = Script(rng, SITE)
    demo_script(script, rng, 280.0, 7.0)
    return script.trajectory()


@pytest.fixture(scope="module")
def t_s() -> NDArray[np.float64]:
    return np.arange(0.0, 280.0, 1.0 / RATE_HZ)


@pytest.fixture(scope="module")
def pose(trajectory: Trajectory, t_s: NDArray[np.float64]) -> Pose:
    return trajectory.evaluate(t_s)


@pytest.fixture(scope="module")
def mount() -> Mounting:
    return mounting(SITE, 6.0, -2.0)


TISSUE = (Channel.TISSUE_ROLL, Channel.TISSUE_PITCH, Channel.TISSUE_YAW)


def sensor_in_room(pose: Pose) -> Rotation:
    wobble = Rotation.from_euler("XYZ", np.stack([pose[c].value for c in TISSUE], axis=1))
    return trunk_in_room(pose) * wobble


def trunk_in_room(pose: Pose) -> Rotation:
    heading_and_tilt = [pose[c].value for c in (Channel.YAW, Channel.LATERAL, Channel.PITCH)]
    about_spine = Rotation.from_euler("z", pose[Channel.AXIAL].value[:, None])
    return Rotation.from_euler("ZXY", np.stack(heading_and_tilt, axis=1)) * about_spine


def test_integrated_gyro_gives_the_orientation(pose: Pose, mount: Mounting) -> None:
    _, rate = readings(pose, SITE, mount)
    trunk_rate = rate @ mount.matrix
    step = Rotation.from_rotvec((trunk_rate[1:] + trunk_rate[:-1]) / (2.0 * RATE_HZ))
    truth = sensor_in_room(pose)
    error_deg = np.degrees(((truth[:-1] * step).inv() * truth[1:]).magnitude())
    assert error_deg.sum() < 1.0  # an upper bound of the drift over the whole recording


def test_specific_force_is_the_second_derivative_of_the_place_plus_gravity(
    pose: Pose, mount: Mounting
) -> None:
    force, _ = readings(pose, SITE, mount)
    yaw = Rotation.from_euler("z", pose[Channel.YAW].value[:, None])
    trunk = trunk_in_room(pose)
    hips = np.stack([pose[c].value for c in (Channel.FORWARD, Channel.LEFT, Channel.UP)], axis=1)
    zero = np.zeros_like(hips[:, 0])
    speed = yaw.apply(np.stack([pose[Channel.SPEED].value, zero, zero], axis=1))
    walked = np.cumsum(speed, axis=0) / RATE_HZ
    place = walked + yaw.apply(hips) + trunk.apply(SITE.lever_m)
    acceleration = np.gradient(np.gradient(place, 1 / RATE_HZ, axis=0), 1 / RATE_HZ, axis=0)
    acceleration[:, 2] += STANDARD_GRAVITY_MPS2
    expected = sensor_in_room(pose).inv().apply(acceleration) @ mount.matrix.T
    error = np.abs(force - expected)[2:-2]
    assert np.percentile(error, 99) < 0.02
    assert error.max() < 0.2  # numerical differentiation at the sharpest step of walking


def test_rest_reads_one_g(trajectory: Trajectory, mount: Mounting) -> None:
    force, rate = readings(trajectory.evaluate(np.linspace(3.0, 11.0, 400)), SITE, mount)
    assert np.linalg.norm(force, axis=1) == pytest.approx(STANDARD_GRAVITY_MPS2, abs=0.06)
    assert np.abs(rate).max() < np.radians(2.0)


def test_the_stated_axes_are_those_of_the_readings() -> None:
    for placement, site in SITES.items():
        level = mounting(site, 0.0, 0.0)
        up, forward, left = (
            np.array(
                [(1 if site.axes[d][0] == "+" else -1) * (site.axes[d][1] == c) for c in "xyz"]
            )
            for d in ("up", "forward", "left")
        )
        assert np.array_equal(np.cross(up, forward), left), placement
        assert level.matrix @ [0.0, 0.0, 1.0] == pytest.approx(up)
        assert level.matrix @ [1.0, 0.0, 0.0] == pytest.approx(forward)
        assert np.linalg.det(level.matrix) == pytest.approx(1.0)


@pytest.mark.parametrize("cut_s", [33.0, 100.02, 200.5])
def test_windows_agree_with_the_whole(
    trajectory: Trajectory, pose: Pose, t_s: NDArray[np.float64], cut_s: float
) -> None:
    part = (t_s >= cut_s) & (t_s < cut_s + 7.0)
    window = trajectory.evaluate(t_s[part])
    for channel in Channel:
        assert window[channel].value == pytest.approx(pose[channel].value[part], abs=1e-12)
        assert window[channel].rate == pytest.approx(pose[channel].rate[part], abs=1e-12)
        assert window[channel].accel == pytest.approx(pose[channel].accel[part], abs=1e-9)
