"""The clock that virtual sensors share in tests."""

from __future__ import annotations

import asyncio
import time

from tests.patient_clock import PatientClock


async def test_sleepers_wake_in_order_at_their_very_time() -> None:
    clock, woken = PatientClock(50.0), list[tuple[float, int]]()

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        for _ in range(5):
            await asyncio.sleep(0)  # a packet on its way takes no time
        woken.append((seconds, clock.monotonic_ns()))

    await asyncio.gather(*map(sleeper, (2.0, 0.5, 1.0, 0.5)))
    assert woken == [(s, round(s * 1e9)) for s in (0.5, 0.5, 1.0, 2.0)]
    assert clock.utc_ns() - clock.monotonic_ns() == clock._utc0_ns


async def test_a_machine_that_stops_loses_no_time() -> None:
    clock = PatientClock(1.0)
    ticks = []

    async def tick() -> None:
        for _ in range(20):
            await clock.sleep(0.01)
            ticks.append(clock.monotonic_ns())

    running = asyncio.create_task(tick())
    await clock.sleep(0.05)
    time.sleep(0.5)
    before_ns = clock.monotonic_ns()
    await clock.sleep(0.001)
    assert clock.monotonic_ns() - before_ns == 1_000_000
    await running
    assert ticks == [10_000_000 * (n + 1) for n in range(20)]


async def test_a_cancelled_sleeper_holds_up_nobody() -> None:
    clock = PatientClock(10.0)
    gone = asyncio.create_task(clock.sleep(0.5))
    await asyncio.sleep(0)
    gone.cancel()
    await clock.sleep(1.0)
    assert clock.monotonic_ns() == 1_000_000_000
