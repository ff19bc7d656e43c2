"""Sway: known circles of the trunk's tilt, in standing only, one stand after the other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from analytics.detect.findings import SECOND_NS, Posture, Sway
from analytics.detect.quiet import QuietParameters, quiet_seconds
from analytics.detect.sway import StandState, SwayParameters, quiet_stands, sways
from tests.analytics.detect.test_respiration import framed

G = 9.80665
HZ = 50


def circling(seconds: int, radius_deg: float, hz: float) -> tuple[np.ndarray, np.ndarray]:
    """accel, gyro (n, 3) of a trunk whose tilt goes round in a circle."""
    rng = np.random.default_rng(0)
    t = np.arange(seconds * HZ) / HZ
    tilt = np.radians(radius_deg) * np.stack(
        (np.cos(2 * np.pi * hz * t), np.sin(2 * np.pi * hz * t), 0 * t), axis=1
    )
    trunk = Rotation.from_rotvec(tilt)
    accel = trunk.inv().apply(np.tile((0.0, 0.0, G), (len(t), 1)))
    turn = (trunk[:-1].inv() * trunk[1:]).as_rotvec() * HZ
    gyro = np.concatenate((turn, turn[-1:]))
    return accel + rng.normal(0, 0.01, accel.shape), gyro + rng.normal(0, 0.001, gyro.shape)


def found(accel: np.ndarray, gyro: np.ndarray, posture: np.ndarray) -> tuple[Sway, ...]:
    frames = framed(accel, gyro)
    p = SwayParameters()
    quiet = quiet_seconds(frames, QuietParameters())
    stands = quiet_stands(frames, quiet, 0, frames.end_s, p)
    return sways(stands, posture, 0, StandState(), directed=True, parameters=p)


@pytest.mark.parametrize(("radius_deg", "hz"), [(0.5, 0.3), (1.0, 0.5), (2.0, 0.2)])
def test_a_circle_has_its_radius_path_and_frequency(radius_deg: float, hz: float) -> None:
    standing = np.full(100, Posture.STANDING, np.int8)
    items = found(*circling(100, radius_deg, hz), standing)
    assert [(i.start_ns // SECOND_NS, i.end_ns // SECOND_NS) for i in items] == [
        (0, 30),
        (30, 60),
        (60, 90),
    ]
    for item in items:
        assert item.rms_deg == pytest.approx(radius_deg, rel=0.06)
        assert item.rms_lateral_deg == pytest.approx(radius_deg / np.sqrt(2), rel=0.08)
        assert item.path_deg == pytest.approx(2 * np.pi * radius_deg * hz * 30, rel=0.1)
        assert item.frequency_hz == pytest.approx(hz, rel=0.08)


def test_only_whole_half_minutes_of_standing_count() -> None:
    posture = np.full(100, Posture.SITTING, np.int8)
    posture[12:47] = Posture.STANDING
    (item,) = found(*circling(100, 1.0, 0.3), posture)
    assert item.start_ns == 15 * SECOND_NS
    posture[30] = Posture.SITTING
    assert found(*circling(100, 1.0, 0.3), posture) == ()


def test_a_stand_over_the_edge_of_a_block_is_told_once() -> None:
    """Blocks of 40 s, each seen with half a minute behind it: the same as in one piece."""
    frames, p = framed(*circling(130, 1.0, 0.3)), SwayParameters()
    quiet = quiet_seconds(frames, QuietParameters())
    posture = np.full(130, Posture.STANDING, np.int8)
    posture[:12], posture[97:] = Posture.SITTING, Posture.SITTING
    state, items = StandState(), []
    for start in range(0, 130, 40):
        stop = min(start + 40, 130)
        stands = quiet_stands(frames.part(0, stop + 30), quiet[: stop + 30], start, stop, p)
        part = posture[start:stop]
        items += sways(stands, part, start, state, directed=True, parameters=p)
    assert [item.start_ns // SECOND_NS for item in items] == [15, 45]
    assert tuple(items) == sways(
        quiet_stands(frames, quiet, 0, 130, p),
        posture,
        0,
        StandState(),
        directed=True,
        parameters=p,
    )


def test_moving_is_no_quiet_stand() -> None:
    accel, gyro = circling(60, 1.0, 0.3)
    accel[20 * HZ : 22 * HZ, 2] += np.tile((3.0, 3.0, 3.0, -3.0, -3.0), 2 * HZ // 5)
    accel[40 * HZ : 42 * HZ, 2] += np.tile((3.0, 3.0, 3.0, -3.0, -3.0), 2 * HZ // 5)
    assert found(accel, gyro, np.full(60, Posture.STANDING, np.int8)) == ()
