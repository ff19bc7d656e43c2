"""The host clock, real and scaled."""

from __future__ import annotations

import time

import pytest

from sensor_agent.clock import ScaledClock, SystemClock

SECOND_NS = 1_000_000_000


async def test_the_system_clock_is_the_systems() -> None:
    clock = SystemClock()
    assert time.time_ns() <= clock.utc_ns() <= time.time_ns()
    assert time.monotonic_ns() <= clock.monotonic_ns() <= time.monotonic_ns()
    before_ns = clock.monotonic_ns()
    await clock.sleep(0.01)
    assert clock.monotonic_ns() - before_ns >= 9_000_000


async def test_a_scaled_clock_runs_faster() -> None:
    made_s, clock = time.monotonic(), ScaledClock(100.0, utc0_ns=5 * SECOND_NS)
    began_s, began_ns, utc_ns = time.monotonic(), clock.monotonic_ns(), clock.utc_ns()
    age_s = time.monotonic() - made_s
    await clock.sleep(3.0)
    took_s = time.monotonic() - began_s
    assert took_s >= 0.03
    assert clock.monotonic_ns() - began_ns >= 3 * SECOND_NS
    assert clock.utc_ns() - utc_ns >= 3 * SECOND_NS
    assert 5 * SECOND_NS <= utc_ns <= (5 + 100 * age_s) * SECOND_NS


def test_a_scaled_clock_begins_now_and_can_be_set() -> None:
    before_ns, clock = time.time_ns(), ScaledClock(1.0)
    assert before_ns <= clock.utc_ns()
    at_ns = clock.monotonic_ns()
    clock.set_utc(at_ns, 42 * SECOND_NS)
    assert clock.utc_ns() - clock.monotonic_ns() == pytest.approx(42 * SECOND_NS - at_ns, abs=1e9)


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_speed_must_be_positive(speed: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        ScaledClock(speed)
