"""A virtual MetaMotion over bleak, with either chip, stamped or packed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from firmware_profiles.base import ConfigurationError, Quantity, SampleBlock
from sensor_agent.virtual.motion import Motion
from tests.servers import PATIENCE_S

Add = Callable[..., Awaitable[Any]]
MakeMotion = Callable[[float, float], Motion]
TICK_NS = 1464843.75
STEP = {Quantity.ACCEL: 9.80665 * 8 / 32768, Quantity.GYRO: np.radians(1 / 16.4)}
BOTH_CHIPS = pytest.mark.parametrize("chip", ["BMI160", "BMI270"])


def stamps(blocks: list[SampleBlock]) -> Any:
    return np.array([block.device_t0_ns for block in blocks])


def joined(blocks: list[SampleBlock], quantity: Quantity) -> Any:
    return np.concatenate([block.values[quantity] for block in blocks])


async def to_the_end(link: Any, sensor: Any) -> None:
    await asyncio.wait_for(sensor.finished.wait(), PATIENCE_S)
    seen = -1
    while seen != len(link.blocks):
        seen = len(link.blocks)
        await asyncio.sleep(0.05)
    await link.stop()


def turn_into(sensor: Any, chip: str) -> None:
    sensor.encoder.chip = chip
    sensor.encoder.reboot()


@BOTH_CHIPS
@pytest.mark.parametrize("rate_hz", [50.0, 100.0])
async def test_recording_comes_out_as_it_went_in(
    chip: str, rate_hz: float, add: Add, make_motion: MakeMotion
) -> None:
    motion = make_motion(rate_hz, 8)
    sensor, link = await add("metamotion", rate_hz, 8)
    turn_into(sensor, chip)
    decoder = await link.start(rate_hz=rate_hz)
    assert decoder.settings.firmware == f"1.7.3 {chip}"
    await to_the_end(link, sensor)
    assert sensor.encoder.stream is None
    assert all(set(block.values) == {Quantity.ACCEL, Quantity.GYRO} for block in link.blocks)
    assert sum(block.lost_before for block in link.blocks) == 0
    both = [frame for frame in sensor.sent if len(frame.values) == 2]
    if rate_hz <= 50:
        sent_ns = np.concatenate([frame.device_t_ns for frame in both])
        delay_ns = sent_ns - stamps(link.blocks)
        assert delay_ns.min() >= -1
        assert delay_ns.max() <= TICK_NS + 1
    else:
        assert all(block.device_t0_ns is None for block in link.blocks)
    late = np.abs(motion.accel[:60] - joined(link.blocks, Quantity.ACCEL)[0]).sum(axis=1)
    index = int(late.argmin())
    for quantity, step in STEP.items():
        rows = joined(link.blocks, quantity)
        np.testing.assert_allclose(
            rows, np.concatenate([f.values[quantity] for f in both]), rtol=3e-7, atol=1e-9
        )
        truth = motion.accel if quantity is Quantity.ACCEL else motion.gyro
        assert truth is not None
        n = min(len(rows), len(truth) - index)
        assert n > 0.8 * len(truth)
        assert np.abs(rows[:n] - truth[index : index + n]).max() <= step / 2 * 1.01


async def test_ticks_wrap_on_the_air(add: Add) -> None:
    wrap_ns = round(2**32 * TICK_NS)
    sensor, link = await add("metamotion", 12.5, 90, clock_start_ns=wrap_ns - 60 * 10**9)
    await link.start(rate_hz=12.5)
    await to_the_end(link, sensor)
    raw = [
        int.from_bytes(push.data[3:7], "little")
        for frame in sensor.sent
        for push in frame.pushes
        if push.data[0] == 9
    ]
    assert min(raw) < 20_000 < 2**32 - 20_000 < max(raw), "no wrap happened"
    assert np.all(np.diff(stamps(link.blocks)) > 0)
    assert all(not block.restarted and not block.lost_before for block in link.blocks)


async def test_board_that_was_left_streaming_is_cleared_first(add: Add) -> None:
    sensor, link = await add("metamotion", 100, 600)
    await link.start(rate_hz=100.0)
    await link.until(lambda: len(link.blocks) > 5)
    sensor.lose_link()
    await asyncio.wait_for(link.lost.wait(), PATIENCE_S)
    assert sensor.encoder.stream is not None
    before = len(link.blocks)
    await link.start(rate_hz=25.0)
    await link.until(lambda: len(link.blocks) > before + 10)
    await link.stop()
    again = link.blocks[before:]
    assert all(block.n == 1 and block.device_t0_ns is not None for block in again)
    assert np.all(np.diff(stamps(again)) > 0)


async def test_reboot_restarts_the_ticks(add: Add) -> None:
    sensor, link = await add("metamotion", 25, 600, clock_start_ns=10**15)
    await link.start(rate_hz=25.0)
    await link.until(lambda: len(link.blocks) > 5)
    sensor.reboot()
    await asyncio.wait_for(link.lost.wait(), PATIENCE_S)
    before = len(link.blocks)
    await link.start(rate_hz=25.0)
    await link.until(lambda: len(link.blocks) > before + 2)
    await link.stop()
    assert 0 <= stamps(link.blocks)[before] < 10**12


async def test_setting_that_does_not_stick_is_refused(add: Add) -> None:
    sensor, link = await add("metamotion", 50, 10)
    sensor.encoder.refuse_status = 1
    with pytest.raises(ConfigurationError, match="keeps '2803'"):
        await link.start()
    await link.client.disconnect()


@pytest.mark.parametrize("burst", [True, False])
async def test_stall_then_burst_or_loss(burst: bool, add: Add) -> None:
    sensor, link = await add("metamotion", 25, 30, rate_error=-0.01)
    await link.start(rate_hz=25.0)
    await link.until(lambda: len(link.blocks) > 10)
    sensor.stall()
    await asyncio.sleep(0.1)
    await sensor.resume(burst=burst)
    await to_the_end(link, sensor)
    lost = sum(block.lost_before for block in link.blocks)
    assert (lost == 0) is burst
    counted = (stamps(link.blocks)[-1] - stamps(link.blocks)[0]) * 1e-9 * 25 * 0.99
    assert len(link.blocks) - 1 + lost == pytest.approx(counted, abs=1 + 0.01 * lost)
