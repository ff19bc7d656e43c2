"""Rhythm: rowing is exercise wherever the blocks cut it; a few bends are not."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.detect.rhythm import (
    RhythmParameters,
    exercise_spans,
    rhythm_at,
    rhythmic_seconds,
)
from analytics.signal.frames import MOTION_HZ
from analytics.signal.motion import Motion

P = RhythmParameters()


def swinging(swing_deg: np.ndarray) -> Motion:
    """A trunk that swings so in the sagittal plane."""
    angle = np.radians(swing_deg)
    up = np.stack((-np.sin(angle), np.zeros(len(angle)), np.cos(angle)))
    none = np.zeros(len(angle))
    return Motion(0, none == 0, none, up, none, none, None)


def seconds(n: int) -> np.ndarray:
    return np.arange(n * MOTION_HZ) / MOTION_HZ


@pytest.mark.parametrize(("period_s", "swing_deg"), [(2.9, 15.0), (1.0, 5.0), (0.7, 4.0)])
def test_rowing_and_cycling_are_rhythm(period_s: float, swing_deg: float) -> None:
    t = seconds(120)
    moving = (t > 20) & (t < 100)
    swing = swinging(np.where(moving, swing_deg * np.sin(2 * np.pi * t / period_s), 0.0))
    found = rhythmic_seconds(swing, np.zeros(120, bool), P)
    walking = np.arange(120) < 60
    assert (rhythmic_seconds(swing, walking, P) == (found & ~walking)).all()
    assert len(found) == 120
    assert found[28:92].all()
    assert not found[:12].any()
    assert not found[108:].any()


def test_breathing_and_single_bends_are_not() -> None:
    t = seconds(90)
    nobody_walks = np.zeros(90, bool)
    breathing = 0.5 * np.sin(2 * np.pi * t / 3.5)
    bends = sum(50 * np.exp(-(((t - at) / 0.8) ** 2)) for at in (20, 31, 47))
    assert not rhythmic_seconds(swinging(breathing), nobody_walks, P).any()
    assert not rhythmic_seconds(swinging(breathing + bends), nobody_walks, P).any()


def test_only_a_rhythm_that_lasts_is_exercise() -> None:
    rhythm = np.zeros(400, bool)
    rhythm[20:60] = True
    rhythm[150:190] = rhythm[205:300] = True
    assert exercise_spans(rhythm, 0, P) == [(150, 300)]


def test_exercise_goes_on_across_blocks() -> None:
    rhythm = np.ones(300, bool)
    rhythm[145:155] = False
    lasted_s = rhythm_at(rhythm, 0, 150, P)
    assert lasted_s == 150
    rest = rhythm[150:].copy()
    rest[25:] = False
    assert exercise_spans(rest, lasted_s, P) == [(0, 25)]
    assert exercise_spans(rest, 0, P) == []
    assert rhythm_at(rest, lasted_s, 20, P) == 170
    assert rhythm_at(rest, lasted_s, 100, P) == 0
