"""Resampling: exact between samples, blind in gaps, the same however the stream is cut."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.signal.grid import GRID_HZ, GRID_NS, GridChunk, Gridder, GridParameters


def gridded(t_ns: np.ndarray, values: np.ndarray, cuts: list[int], rate_hz: float) -> GridChunk:
    gridder = Gridder(channels=len(values), rate_hz=rate_hz, parameters=GridParameters())
    edges = sorted({0, len(t_ns), *cuts})
    parts = [gridder.push(t_ns[a:b], values[:, a:b]) for a, b in itertools.pairwise(edges)]
    chunks = [part for part in parts if part is not None]
    for before, after in itertools.pairwise(chunks):
        assert after.k0 == before.k0 + len(before.valid)
    return GridChunk(
        chunks[0].k0,
        np.concatenate([c.values for c in chunks], axis=1),
        np.concatenate([c.valid for c in chunks]),
    )


def test_samples_on_the_grid_stay_as_they_are() -> None:
    t_ns = (np.arange(100) + 7) * GRID_NS
    values = np.random.default_rng(0).normal(size=(3, 100))
    found = gridded(t_ns, values, [], GRID_HZ)
    assert found.k0 == 7
    assert np.allclose(found.values, values, rtol=0, atol=1e-14)
    assert found.valid.all()


def test_a_straight_line_is_kept_at_any_rate() -> None:
    for rate_hz in (20.0, 52.0, 104.0, 199.0):
        t_ns = np.round(np.arange(400) / rate_hz * 1e9).astype(np.int64) + 12345
        found = gridded(t_ns, np.stack((t_ns / 1e9, -t_ns / 1e9)), [], rate_hz)
        grid_s = (found.k0 + np.arange(len(found.valid))) * GRID_NS / 1e9
        assert np.allclose(found.values[0], grid_s, atol=1e-6)
        assert found.valid.all()


def test_a_gap_is_not_bridged() -> None:
    t_ns = np.arange(300) * GRID_NS
    keep = np.ones(300, bool)
    keep[100:150] = False
    keep[200:203] = False
    found = gridded(t_ns[keep], np.ones((1, 300))[:, keep], [], GRID_HZ)
    assert not found.valid[100:149].any()
    assert found.valid[:100].all()
    assert found.valid[150:].all(), "three lost samples are bridged"


def test_slow_sources_may_be_as_sparse_as_their_rate_says() -> None:
    t_ns = np.arange(20) * 10**9
    assert gridded(t_ns, np.ones((1, 20)), [], 1.0).valid.all()
    assert gridded(t_ns, np.ones((1, 20)), [], 50.0).valid.mean() < 0.05


def test_fast_sources_are_averaged_against_aliasing() -> None:
    t_ns = np.round(np.arange(2000) / 200 * 1e9).astype(np.int64)
    fast = np.sin(2 * np.pi * 50.0 * t_ns / 1e9 + 1.0)[None]
    slow = np.sin(2 * np.pi * 1.0 * t_ns / 1e9)[None]
    found = gridded(t_ns, np.concatenate((fast, slow)), [], 200.0)
    assert np.abs(found.values[0]).max() < 0.02
    assert np.abs(found.values[1]).max() == pytest.approx(1.0, abs=0.01)


@given(seed=st.integers(0, 10**6), rate_hz=st.sampled_from([4.0, 20.4, 50.0, 100.0, 208.0]))
@settings(max_examples=40, deadline=None)
def test_any_chunking_gives_the_same_bits(seed: int, rate_hz: float) -> None:
    rng = np.random.default_rng(seed)
    steps = rng.integers(1, int(2e9 / rate_hz), 300)
    t_ns = np.cumsum(steps) + int(rng.integers(0, 10**15))
    values = rng.normal(size=(2, 300))
    whole = gridded(t_ns, values, [], rate_hz)
    cut = gridded(t_ns, values, rng.integers(1, 300, 40).tolist(), rate_hz)
    assert whole.k0 == cut.k0
    assert np.array_equal(whole.values, cut.values)
    assert np.array_equal(whole.valid, cut.valid)
