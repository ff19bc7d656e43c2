"""Filters, masks, means, angles and wear."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal
from scipy.spatial.transform import Rotation

from analytics.signal.angles import angles_of
from analytics.signal.filters import band_pass, high_pass, low_pass
from analytics.signal.masks import fill_breaks, hysteresis, keep_runs, runs
from analytics.signal.smoothing import from_running_median, moving_mean, moving_sum
from analytics.signal.wear import (
    WearParameters,
    handled_seconds,
    still_seconds,
    undecided_from,
    worn_seconds,
)

masks = st.lists(st.booleans(), max_size=60).map(lambda values: np.array(values, bool))


@pytest.mark.parametrize("n", [1, 2, 5, 40, 400])
def test_filters_are_scipys(n: int) -> None:
    x = np.random.default_rng(n).normal(size=(2, n))
    for found, kind, hz, order in (
        (low_pass(x, 2.0, rate_hz=25), "lowpass", 2.0, 2),
        (high_pass(x, 0.2, rate_hz=25, order=1), "highpass", 0.2, 1),
        (band_pass(x, 0.7, 5.0, rate_hz=25), "bandpass", [0.7, 5.0], 2),
    ):
        assert found.shape == x.shape
        assert np.isfinite(found).all()
        if n >= 40:
            sections = signal.butter(order, hz, kind, fs=25, output="sos")
            expected = signal.sosfiltfilt(sections, x, axis=1)
            assert np.allclose(found, expected, rtol=0.0, atol=1e-13)


@given(mask=masks)
def test_runs_cover_exactly_the_mask(mask: np.ndarray) -> None:
    again = np.zeros(len(mask), bool)
    for start, stop in runs(mask):
        assert start < stop
        again[start:stop] = True
    assert np.array_equal(again, mask)


@given(mask=masks, size=st.integers(1, 5))
def test_breaks_are_filled_and_short_runs_dropped(mask: np.ndarray, size: int) -> None:
    filled = fill_breaks(mask, size)
    assert (filled | ~mask).all()
    inner = [s for s in runs(~filled) if s[0] > 0 and s[1] < len(mask)]
    assert all(stop - start > size for start, stop in inner)
    assert all(stop - start >= size for start, stop in runs(keep_runs(mask, size)))


def test_hysteresis_keeps_its_state() -> None:
    level = np.array([0, 5, 3, 3, 1, 3, 5, 3, 0])
    found = hysteresis(level > 4, level > 2, initial=False)
    assert found.tolist() == [False, True, True, True, False, False, True, True, False]
    assert hysteresis(level[2:4] > 4, level[2:4] > 2, initial=True).tolist() == [True, True]


def test_moving_means_keep_the_length() -> None:
    for n in (1, 2, 3, 50):
        assert moving_mean(np.ones(n), 5).shape == (n,)
    assert moving_sum(np.arange(5.0), 3).tolist() == [1, 3, 6, 9, 7]
    ramp = from_running_median(np.full(200, 3.0), rate_hz=25, window_s=3)
    assert np.allclose(ramp, 0.0)


def test_angles_have_the_promised_signs() -> None:
    forward = Rotation.from_euler("y", 30, degrees=True).inv().apply([0, 0, 1])
    right = Rotation.from_euler("x", 20, degrees=True).inv().apply([0, 0, 1])
    angles = angles_of(np.stack((forward, right), axis=1))
    assert angles.flexion_deg == pytest.approx([30, 0], abs=1e-9)
    assert angles.lateral_deg == pytest.approx([0, 20], abs=1e-9)
    assert angles.tilt_deg == pytest.approx([30, 20])
    assert np.isnan(angles_of(np.full((3, 1), np.nan)).tilt_deg).all()


def test_stillness_is_decided_after_ten_minutes() -> None:
    p = WearParameters()
    rng = np.random.default_rng(0)
    up = np.tile([[0.0], [0.0], [1.0]], 1000)
    table = still_seconds(up + rng.normal(0, 1e-5, up.shape), p)
    assert table.mean() > 0.95
    breathing = up.copy()
    breathing[0] += np.radians(0.3) * np.sin(np.arange(1000) * 1.6)
    assert not still_seconds(breathing, p).any()
    short = np.r_[np.zeros(100, bool), np.ones(300, bool), np.zeros(600, bool)]
    assert worn_seconds(short, False, p).all()
    long = np.r_[np.zeros(100, bool), np.ones(700, bool), np.zeros(200, bool)]
    assert not worn_seconds(long, False, p)[100:800].any()
    assert undecided_from(long, False, p) == 1000
    assert undecided_from(short[:300], False, p) == 100
    assert not worn_seconds(np.ones(5, bool), True, p).any()
    assert still_seconds(np.full((3, 50), np.nan), p).sum() == 0


def test_a_sensor_is_in_hands_before_and_after_it_lies_aside() -> None:
    p = WearParameters()
    worn = np.r_[np.ones(100, bool), np.zeros(700, bool), np.ones(200, bool)]
    assert np.flatnonzero(handled_seconds(worn, None, p)).tolist() == list(range(60, 840))
    later = handled_seconds(np.ones(100, bool), 10, p)
    assert np.flatnonzero(later).tolist() == list(range(30))
    assert not handled_seconds(np.ones(100, bool), 50, p).any()
