"""Calm seconds: nothing that changes a posture happens in one."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.signal.calibration import calibrate
from analytics.signal.calm import busy_seconds, calm_seconds
from analytics.signal.frames import Readings
from analytics.signal.grid import GridParameters
from analytics.signal.stream import ReadingStream
from tests.analytics.signals import Wearer, played

NO_BIAS = np.zeros(3)


def readings(wearer: Wearer, *, gyro: bool = True) -> Readings:
    t_ns, accel, turning = played(wearer.script())
    assert turning is not None
    values = np.concatenate((accel.T, turning.T))[: 6 if gyro else 3].astype(np.float32)
    stream = ReadingStream(
        has_gyro=gyro,
        rate_hz=50.0,
        calibration=calibrate(t_ns, accel, turning, reference_ns=None),
        grid=GridParameters(),
    )
    found = stream.push(t_ns, values)
    assert found is not None
    return found.part(0, found.end_s)


@pytest.mark.parametrize("gyro", [True, False])
def test_walking_and_bending_are_stirred_and_holding_is_not(gyro: bool) -> None:
    walk = calm_seconds(readings(Wearer().hold(10).walk(20).hold(10), gyro=gyro), NO_BIAS)
    assert walk[:9].all()
    assert not walk[11:28].any()
    assert walk[32:].all()


def test_a_bias_is_taken_off_and_a_missing_sample_stirs() -> None:
    held = readings(Wearer().hold(10))
    assert held.gyro is not None
    held.gyro[:] += 0.3
    assert not calm_seconds(held, NO_BIAS).any()
    held.valid[130] = False
    assert calm_seconds(held, np.full(3, 0.3)).tolist() == [s != 2 for s in range(held.seconds)]


@pytest.mark.parametrize("rate_deg_s", [1.5, 4.0, 30.0])
def test_slow_and_fast_bends_are_busy_with_their_surroundings(rate_deg_s: float) -> None:
    lasts_s = 15.0 / rate_deg_s
    wearer = Wearer().hold(60).go(lasts_s, flexion=15).hold(2).go(lasts_s, flexion=0).hold(60)
    busy = busy_seconds(readings(wearer), NO_BIAS, 5.0)
    stirs = slice(60, 60 + int(2 * lasts_s) + 2)
    assert busy[stirs].all()
    assert busy[stirs.start - 15 : stirs.start].all()
    assert busy[stirs.stop : stirs.stop + 15].all()
    assert not busy[:30].any()
    assert not busy[-25:].any()


def test_breathing_is_calm_and_a_slow_turn_of_the_chair_is_not() -> None:
    held = readings(Wearer().hold(120))
    assert held.gyro is not None
    assert not busy_seconds(held, NO_BIAS, 5.0).any()
    held.gyro[2, 60 * 25 : 64 * 25] = np.radians(5.0)
    assert busy_seconds(held, NO_BIAS, 5.0)[50:75].all()
    assert not busy_seconds(held, NO_BIAS, 30.0).any()
