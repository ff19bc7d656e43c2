"""Playing against the clock: deadlines, catching up, device clocks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from sensor_agent.clock import SystemClock
from sensor_agent.virtual.encoders.base import Stream
from sensor_agent.virtual.encoders.movesense import MovesenseEncoder
from sensor_agent.virtual.motion import Motion
from sensor_agent.virtual.playback import Conditions, Playback
from sensor_agent.virtual.world import VirtualWorld
from tests.patient_clock import PatientClock

Add = Callable[..., Awaitable[Any]]


class ManualClock(SystemClock):
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now_ns = 5_000_000_000

    def monotonic_ns(self) -> int:
        return self.now_ns

    async def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


def playback(clock: ManualClock, **conditions: Any) -> Playback:
    rows = np.arange(3.0 * 104).reshape(104, 3)
    made = Playback(Motion(52.0, rows, np.zeros((104, 3))), clock, Conditions(**conditions))
    made.restart_clock(0)
    return made


async def test_frames_are_due_when_their_last_sample_is_taken() -> None:
    clock = ManualClock()
    frames = playback(clock).frames(Stream(52.0, 4), MovesenseEncoder("1"))
    due_ns = [clock.now_ns - 5_000_000_000 async for _frame in frames]
    expected_ns = (np.arange(26) * 4 + 3) * 1e9 / 52
    np.testing.assert_allclose(due_ns, expected_ns, atol=2)


async def test_device_time_drifts_from_where_it_starts() -> None:
    clock = ManualClock()
    made = playback(clock, drift_ppm=100.0)
    made.restart_clock(7_000_000_000)
    clock.now_ns += 100_000_000_000
    frames = made.frames(Stream(52.0, 4), MovesenseEncoder("1"))
    first = (await anext(frames)).device_t_ns[0]
    assert first == 7_000_000_000 + 100_000_000_000 + 10_000_000


async def test_a_late_loop_catches_up_without_leaving_samples_out() -> None:
    clock = ManualClock()
    frames = playback(clock).frames(Stream(52.0, 4), MovesenseEncoder("1"))
    stamps = [(await anext(frames)).device_t_ns]
    clock.now_ns += 1_000_000_000  # the loop was busy
    stamps += [frame.device_t_ns async for frame in frames]
    np.testing.assert_allclose(np.concatenate(stamps), np.arange(104) * 1e9 / 52, atol=1)
    assert clock.now_ns - 5_000_000_000 == pytest.approx(103 * 1e9 / 52, abs=2)


async def test_a_second_stream_continues_where_the_wearer_is_now() -> None:
    clock = ManualClock()
    made, encoder = playback(clock), MovesenseEncoder("1")
    await anext(made.frames(Stream(52.0, 4), encoder))
    clock.now_ns = 5_000_000_000 + 1_000_000_000
    again = await anext(made.frames(Stream(52.0, 4), encoder))
    assert again.device_t_ns[0] == 1_000_000_000
    assert again.values["accel"][0, 0] == pytest.approx(78.4, abs=0.1)  # row 52 is past full scale


async def test_forty_times_as_fast(
    make_motion: Callable[[float, float], Motion], link_to: Any
) -> None:
    """Movesense at 52 Hz and 40 times the speed: 520 packets a second."""
    async with VirtualWorld(PatientClock(40.0)) as world:
        sensor = await world.add_sensor("movesense", make_motion(52, 80))
        link = link_to(world, sensor, "movesense")
        await link.start()
        await link.to_the_end()
    assert sum(block.n for block in link.blocks) == 52 * 80
    assert sum(block.lost_before for block in link.blocks) == 0
