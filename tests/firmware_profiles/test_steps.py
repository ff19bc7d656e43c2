"""Steps are claimed only when they are exact, coarse ones first, and never coarser again."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_profiles.base import Quantity
from firmware_profiles.steps import StepFinder

A, G, M = Quantity.ACCEL, Quantity.GYRO, Quantity.MAG


def finder() -> StepFinder:
    return StepFinder({A: (0.5, 0.25), G: (0.07,)}, {A: 1.0, M: 1.0, G: 2.0})


def values(accel: float, gyro: float, mag: float = 1 / 3) -> np.ndarray:
    """Order as in si_per_unit: accel, mag, gyro."""
    rows = [np.full((4, 3), accel), np.full((4, 3), mag), np.full((4, 3), gyro)]
    return np.array(rows).astype(np.float32).astype(np.float64)


def test_steps_of_each_quantity_in_si() -> None:
    assert finder().find(values(1.5, 0.07 * 5)) == {A: 0.5, G: pytest.approx(0.14)}


def test_finer_step_is_taken_and_kept() -> None:
    found = finder()
    assert found.find(values(1.0, 0.0))[A] == 0.5
    assert found.find(values(1.25, 0.0))[A] == 0.25
    assert found.find(values(1.0, 0.0))[A] == 0.25


def test_a_value_between_steps_is_not_claimed_but_forgotten() -> None:
    found = finder()
    assert set(found.find(values(0.3, 0.07))) == {G}
    assert found.find(values(1.0, 0.07))[A] == 0.5


def test_full_scale_in_float32_is_still_whole() -> None:
    counts = np.arange(-32768, 32768, 7)[: 3 * 3120].reshape(1, -1, 3)
    sent = (counts * 0.07).astype(np.float32).astype(np.float64)
    assert set(StepFinder({G: (0.07,)}, {G: 1.0}).find(sent)) == {G}
    off = sent * (1 + 1e-5)
    assert StepFinder({G: (0.07,)}, {G: 1.0}).find(off) == {}


def test_stream_without_known_steps() -> None:
    assert StepFinder({A: (0.5,)}, {M: 1.0}).find(np.zeros((1, 4, 3))) == {}
