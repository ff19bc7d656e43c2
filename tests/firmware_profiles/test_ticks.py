"""Counters that wrap become monotonic time; losses and restarts show."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_profiles.stamps import Passage
from firmware_profiles.ticks import SampleTicks, TickClock

US = 1000.0


@settings(max_examples=300, deadline=None, database=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 60_000_000), min_size=1, max_size=200))
def test_time_goes_on_over_any_number_of_wraps(first: int, steps: list[int]) -> None:
    clock = TickClock(US)
    clock.follow(first)
    total = first
    for step in steps:
        total += step
        time_ns, step_ns, verdict = clock.follow(total % 2**32)
        assert (time_ns, step_ns, verdict) == (total * 1000, step * 1000, Passage.FORWARD)


def test_fractions_of_a_nanosecond_do_not_add_up() -> None:
    clock = TickClock(48e9 / 32768)
    for tick in range(0, 1_000_000, 7):
        time_ns, _, _ = clock.follow(tick)
        assert abs(time_ns - tick * 1464843.75) <= 1


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (10**6, 10**6, Passage.REPEAT),
        (10**9, 10**9 - 2_000_000, Passage.REPEAT),
        (5, 2**32 - 5, Passage.REPEAT),
        (10**9, 10**9 - 2_000_001, Passage.RESTART),
        (10**9, 10**9 + 60_000_001, Passage.RESTART),
        (10**9, 0, Passage.RESTART),
    ],
)
def test_what_a_step_means(before: int, after: int, verdict: Passage) -> None:
    clock = TickClock(US)
    clock.follow(before)
    assert clock.follow(after)[2] is verdict


def test_a_repeat_changes_nothing() -> None:
    stream = SampleTicks(100.0, TickClock(US))
    found = [stream.place(raw) for raw in (0, 10_000, 10_000, 0, 20_000, 50_000)]
    assert [lost for _, lost, _ in found] == [0, 0, 0, 0, 0, 2]
    assert not any(restarted for _, _, restarted in found)


@pytest.mark.parametrize("rate_error", [-0.03, 0.03])
def test_a_rate_that_is_a_little_off_loses_nothing(rate_error: float) -> None:
    stream = SampleTicks(100.0, TickClock(US))
    stamps = [round(k * 10_000 / (1 + rate_error)) for k in range(1000)]
    assert sum(stream.place(stamp)[1] for stamp in stamps) == 0


@pytest.mark.parametrize("rate_error", [-0.03, -0.01, 0.02])
@pytest.mark.parametrize("ns_per_tick", [US, 48e9 / 32768])
def test_a_long_gap_is_counted_at_the_true_rate(rate_error: float, ns_per_tick: float) -> None:
    stream = SampleTicks(50.0, TickClock(ns_per_tick))
    step_ns = 20e6 / (1 + rate_error)
    for k in range(500):
        assert stream.place(int(k * step_ns / ns_per_tick))[1] == 0
    assert abs(stream.place(int(1000 * step_ns / ns_per_tick))[1] - 500) <= 1


def test_losses_are_not_looked_for_when_the_rate_is_unknown() -> None:
    stream = SampleTicks(100.0, TickClock(US), finds_loss=False)
    assert [stream.place(raw)[1] for raw in (0, 500_000)] == [0, 0]
