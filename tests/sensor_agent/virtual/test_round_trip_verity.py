"""A virtual Verity Sense over bleak: two streams with frames of their own come out as one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from firmware_profiles.base import ConfigurationError, Quantity, SampleBlock, StreamEnded
from sensor_agent.virtual.motion import Motion
from tests.servers import PATIENCE_S

Add = Callable[..., Awaitable[Any]]
MakeMotion = Callable[[float, float], Motion]
STEP = {Quantity.ACCEL: 9.80665e-3, Quantity.GYRO: np.radians(0.07)}


def joined(blocks: list[SampleBlock], quantity: Quantity) -> Any:
    return np.concatenate([block.values[quantity] for block in blocks])


def stamps(blocks: list[SampleBlock]) -> Any:
    return np.concatenate([(b.device_t0_ns or 0) + np.arange(b.n) * b.device_dt_ns for b in blocks])


async def play(link: Any, sensor: Any) -> None:
    """Receive until the recording has been silent for a moment, then stop."""
    await asyncio.wait_for(sensor.finished.wait(), PATIENCE_S)
    pushes = sum(len(frame.pushes) for frame in sensor.sent)
    assert pushes
    seen = -1
    while seen != len(link.blocks):
        seen = len(link.blocks)
        await asyncio.sleep(0.05)
    await link.stop()


@pytest.mark.parametrize("rate_hz", [52.0, 208.0])
async def test_recording_comes_out_as_it_went_in(
    rate_hz: float, add: Add, make_motion: MakeMotion
) -> None:
    motion = make_motion(rate_hz, 20)
    sensor, link = await add("polar_verity", rate_hz, 20)
    decoder = await link.start(rate_hz=rate_hz)
    assert decoder.settings.rate_hz == rate_hz
    assert sensor.encoder.is_sdk_mode is (rate_hz != 52.0)
    await play(link, sensor)
    assert (sensor.encoder.stream, sensor.encoder.is_sdk_mode) == (None, False)
    assert all(set(block.values) == {Quantity.ACCEL, Quantity.GYRO} for block in link.blocks)
    assert sum(block.lost_before for block in link.blocks) == 0
    both = [frame for frame in sensor.sent if len(frame.values) == 2]
    sent_ns = np.concatenate([frame.device_t_ns for frame in both])
    found_ns = stamps(link.blocks)
    first = int(np.argmin(np.abs(sent_ns - found_ns[0])))
    assert first < 3, "a start costs little"
    assert np.abs(found_ns - sent_ns[first : first + len(found_ns)]).max() < 1000
    assert len(found_ns) == len(sent_ns) - first, "nothing is held back at the end"
    # the recording began with the first stream, both run a little later
    begin = joined(link.blocks, Quantity.ACCEL)[:20]
    pieces = np.lib.stride_tricks.sliding_window_view(motion.accel, len(begin), axis=0)
    index = int(np.abs(pieces - begin.T).sum(axis=(1, 2)).argmin())
    for quantity, step in STEP.items():
        rows = joined(link.blocks, quantity)
        sent = np.concatenate([frame.values[quantity] for frame in both])[first:]
        np.testing.assert_allclose(rows, sent, rtol=3e-7, atol=1e-9)
        truth = motion.accel if quantity is Quantity.ACCEL else motion.gyro
        assert truth is not None
        n = min(len(rows), len(truth) - index)
        assert np.abs(rows[:n] - truth[index : index + n]).max() <= step / 2 * 1.01
        (lsb,) = {block.lsb[quantity] for block in link.blocks}
        assert lsb == pytest.approx(step)


async def test_streams_left_over_from_a_lost_link_are_started_anew(add: Add) -> None:
    sensor, link = await add("polar_verity", 52, 600)
    await link.start(rate_hz=104.0)
    await link.until(lambda: len(link.blocks) > 3)
    sensor.lose_link()
    await asyncio.wait_for(link.lost.wait(), PATIENCE_S)
    assert sensor.encoder.stream is not None
    before = len(link.blocks)
    await link.start(rate_hz=52.0)  # the sensor is still in SDK mode
    await link.until(lambda: len(link.blocks) > before + 3)
    await link.stop()
    assert (sensor.encoder.stream, sensor.encoder.is_sdk_mode) == (None, False)
    assert np.all(np.diff(stamps(link.blocks)) > 0)


async def test_refusals(add: Add) -> None:
    sensor, link = await add("polar_verity", 52, 10, mtu=200)
    with pytest.raises(ConfigurationError, match="200 bytes"):
        await link.start()
    await link.client.disconnect()
    link.mtu = 512
    with pytest.raises(ConfigurationError, match="status 10"):
        await link.start()
    await link.client.disconnect()
    sensor.encoder.refuse_status = 13
    with pytest.raises(ConfigurationError, match="take the sensor out of the charger"):
        await link.start()
    await link.client.disconnect()


async def test_end_by_the_sensor_and_restart_of_its_clock(add: Add) -> None:
    sensor, link = await add("polar_verity", 52, 600, clock_start_ns=10**18)
    await link.start()
    await link.until(lambda: len(link.blocks) > 3)
    await sensor.end_stream()
    await link.until(lambda: any(isinstance(event, StreamEnded) for event in link.events))
    sensor.reboot()
    await asyncio.wait_for(link.lost.wait(), PATIENCE_S)
    before = len(link.blocks)
    await link.start()
    await link.until(lambda: len(link.blocks) > before + 2)
    await link.stop()
    assert (link.blocks[before].device_t0_ns or 0) < 10**18


@pytest.mark.parametrize("burst", [True, False])
async def test_stall_then_burst_or_loss(burst: bool, add: Add) -> None:
    sensor, link = await add("polar_verity", 52, 40, rate_error=-0.015)
    decoder = await link.start()
    await link.until(lambda: len(link.blocks) > 8)
    sensor.stall()
    await asyncio.sleep(0.2)
    await sensor.resume(burst=burst)
    await play(link, sensor)
    lost = sum(block.lost_before for block in link.blocks)
    assert (lost == 0) is burst
    found_ns = stamps(link.blocks)
    counted = (found_ns[-1] - found_ns[0]) * 1e-9 * decoder.settings.rate_hz * 0.985
    assert len(found_ns) - 1 + lost == pytest.approx(counted, abs=1)
    assert all(len(block.values) == 2 for block in link.blocks)


async def test_packets_delivered_twice_are_taken_once(add: Add) -> None:
    sensor, link = await add("polar_verity", 52, 15)
    sensor.duplicates = 1
    await link.start()
    await play(link, sensor)
    assert np.all(np.diff(stamps(link.blocks)) > 0)
    assert sum(block.lost_before for block in link.blocks) == 0
