"""A virtual Movella DOT over bleak: no acknowledgements, one sample a notification."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from firmware_profiles.base import (
    BatteryLevel,
    ConfigurationError,
    Quantity,
    SampleBlock,
    StreamEnded,
)
from sensor_agent.virtual.motion import Motion
from tests.servers import PATIENCE_S

Add = Callable[..., Awaitable[Any]]
MakeMotion = Callable[[float, float], Motion]


def stamps(blocks: list[SampleBlock]) -> Any:
    return np.array([block.device_t0_ns for block in blocks])


def check(blocks: list[SampleBlock], frames: Any) -> None:
    assert len(blocks) == len(frames)
    sent_ns = np.concatenate([frame.device_t_ns for frame in frames])
    assert np.abs(stamps(blocks) - sent_ns).max() <= 1000
    for quantity in (Quantity.ACCEL, Quantity.GYRO):
        rows = np.concatenate([block.values[quantity] for block in blocks])
        sent = np.concatenate([frame.values[quantity] for frame in frames])
        np.testing.assert_allclose(rows, sent, rtol=3e-7)
    assert all(block.lost_before == 0 and not block.restarted for block in blocks)


async def test_recording_comes_out_as_it_went_in(add: Add, make_motion: MakeMotion) -> None:
    motion = make_motion(60, 10)
    sensor, link = await add("movella_dot", 60, 10)
    decoder = await link.start(rate_hz=50.0)
    assert (decoder.settings.rate_hz, decoder.settings.firmware) == (60.0, "1.6.0")
    await link.to_the_end()
    assert sensor.encoder.stream is None
    check(link.blocks, sensor.sent)
    accel = np.concatenate([block.values[Quantity.ACCEL] for block in link.blocks])
    gyro = np.concatenate([block.values[Quantity.GYRO] for block in link.blocks])
    assert motion.gyro is not None
    np.testing.assert_allclose(accel, motion.accel, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(gyro, motion.gyro, rtol=1e-6, atol=1e-6)
    assert BatteryLevel(73) in link.events


async def test_device_clock_wraps_on_the_air(add: Add) -> None:
    sensor, link = await add("movella_dot", 4, 90, clock_start_ns=2**32 * 1000 - 70 * 10**9)
    await link.start(rate_hz=4.0)
    await link.to_the_end()
    raw = [int.from_bytes(frame.pushes[0].data[:4], "little") for frame in sensor.sent]
    assert min(raw) < 12_000_000 < 2**32 - 12_000_000 < max(raw), "no wrap happened"
    check(link.blocks, sensor.sent)


async def test_reboot_restarts_the_device_clock_and_it_is_configured_anew(add: Add) -> None:
    sensor, link = await add("movella_dot", 20, 600, clock_start_ns=3 * 10**12)
    await link.start(rate_hz=20.0)
    await link.until(lambda: len(link.blocks) > 5)
    sensor.reboot()
    await asyncio.wait_for(link.lost.wait(), PATIENCE_S)
    before = len(link.blocks)
    decoder = await link.start(rate_hz=20.0)
    assert decoder.settings.rate_hz == 20.0
    await link.until(lambda: len(link.blocks) > before + 2)
    await link.stop()
    assert 0 <= stamps(link.blocks)[before] < 10**12


async def test_measurement_left_over_from_a_lost_link_is_stopped_first(add: Add) -> None:
    sensor, link = await add("movella_dot", 20, 600)
    await link.start(rate_hz=20.0)
    await link.until(lambda: len(link.blocks) > 5)
    sensor.lose_link()
    await asyncio.wait_for(link.lost.wait(), PATIENCE_S)
    assert sensor.encoder.stream is not None
    before = len(link.blocks)
    decoder = await link.start(rate_hz=30.0)  # a running one would keep its rate
    assert decoder.settings.rate_hz == 30.0
    await link.until(lambda: len(link.blocks) > before + 5)
    await link.stop()
    assert np.all(np.diff(stamps(link.blocks)) > 0)


async def test_sensor_that_is_busy_says_so_by_not_starting(add: Add) -> None:
    sensor, link = await add("movella_dot", 20, 10)
    sensor.encoder.refuse_status = 0x40
    with pytest.raises(ConfigurationError, match=r"does not start.*recording"):
        await link.start()
    await link.client.disconnect()


@pytest.mark.parametrize("burst", [True, False])
async def test_stall_then_burst_or_loss(burst: bool, add: Add) -> None:
    sensor, link = await add("movella_dot", 20, 30, rate_error=0.01)
    await link.start(rate_hz=20.0)
    await link.until(lambda: len(link.blocks) > 40)  # enough to have learnt its rate
    sensor.stall()
    await asyncio.sleep(0.1)
    await sensor.resume(burst=burst)
    await link.to_the_end()
    lost = sum(block.lost_before for block in link.blocks)
    assert (lost == 0) is burst
    counted = (stamps(link.blocks)[-1] - stamps(link.blocks)[0]) * 1e-9 * 20 * 1.01
    assert len(link.blocks) - 1 + lost == pytest.approx(counted, abs=1)


async def test_button_switches_it_off(add: Add) -> None:
    sensor, link = await add("movella_dot", 20, 600)
    await link.start(rate_hz=20.0)
    await link.until(lambda: len(link.blocks) > 2)
    await sensor.end_stream()
    await link.until(lambda: any(isinstance(event, StreamEnded) for event in link.events))
    await link.stop()


async def test_small_mtu_is_refused(add: Add) -> None:
    _, link = await add("movella_dot", 20, 10, mtu=40)
    with pytest.raises(ConfigurationError, match="40 bytes"):
        await link.start()
    await link.client.disconnect()
