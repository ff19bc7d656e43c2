"""Recordings for virtual sensors: what is refused, and resampling."""

from __future__ import annotations

import numpy as np
import pytest

from sensor_agent.virtual.motion import Motion, MotionError


@pytest.mark.parametrize(
    ("rate_hz", "accel", "gyro", "reason"),
    [
        (0.0, np.zeros((3, 3)), None, "rate_hz"),
        (np.nan, np.zeros((3, 3)), None, "rate_hz"),
        (50.0, np.zeros((0, 3)), None, "shape"),
        (50.0, np.zeros((3, 2)), None, "shape"),
        (50.0, np.zeros(3), None, "shape"),
        (50.0, np.zeros((3, 3)), np.zeros((4, 3)), "samples"),
        (50.0, np.full((3, 3), np.nan), None, "finite"),
        (50.0, np.zeros((3, 3)), np.full((3, 3), np.inf), "finite"),
    ],
)
def test_unusable_recordings_are_refused(
    rate_hz: float, accel: np.ndarray, gyro: np.ndarray | None, reason: str
) -> None:
    with pytest.raises(MotionError, match=reason):
        Motion(rate_hz, accel, gyro)


def test_equal_rate_is_the_same_object() -> None:
    motion = Motion(50.0, np.zeros((5, 3)))
    assert motion.at_rate(50.0) is motion


@pytest.mark.parametrize("rate_hz", [13.0, 25.0, 52.0, 104.0, 200.0, 49.75, 208.0])
def test_sine_stays_a_sine_in_time(rate_hz: float) -> None:
    def sine(rate: float, n: int) -> np.ndarray:
        t = np.arange(n) / rate
        return np.stack([np.sin(2 * np.pi * f * t) for f in (0.4, 0.9, 1.7)], axis=1)

    motion = Motion(50.0, 9.81 + sine(50.0, 3000), sine(50.0, 3000))
    new = motion.at_rate(rate_hz)
    assert new.rate_hz == rate_hz
    assert len(new) == pytest.approx(60 * rate_hz, abs=1)
    middle = slice(len(new) // 10, -len(new) // 10)
    expected = sine(rate_hz, len(new))[middle]
    np.testing.assert_allclose(new.accel[middle], 9.81 + expected, atol=0.02)
    assert new.gyro is not None
    np.testing.assert_allclose(new.gyro[middle], expected, atol=0.02)


def test_fast_movement_is_not_folded_into_a_slow_rate() -> None:
    t = np.arange(5000) / 100
    motion = Motion(100.0, np.tile(np.sin(2 * np.pi * 24 * t)[:, None], (1, 3)))
    slow = motion.at_rate(26.0)  # 24 Hz would look like 2 Hz
    assert np.abs(slow.accel[50:-50]).max() < 0.05
