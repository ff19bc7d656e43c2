"""Motion -> virtual sensor -> bleak -> profile -> samples: what comes out is what went in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from firmware_profiles.base import (
    BatteryLevel,
    ConfigurationError,
    Quantity,
    SampleBlock,
    StreamEnded,
)
from firmware_profiles.registry import PROFILES
from sensor_agent.virtual.encoders import ENCODERS
from sensor_agent.virtual.encoders.base import Frame
from sensor_agent.virtual.motion import Motion
from tests.servers import PATIENCE_S

Add = Callable[..., Awaitable[Any]]
BOTH = pytest.mark.parametrize("name", ["movesense", "polar_h10"])
STREAMS = (("movesense", 52.0), ("movesense", 104.0), ("polar_h10", 50.0), ("polar_h10", 200.0))
STEP = {
    "movesense": {Quantity.ACCEL: 0.244e-3 * 9.807, Quantity.GYRO: np.radians(0.07)},
    "polar_h10": {Quantity.ACCEL: 9.80665e-3},
}
STAMP_NS = {"movesense": 1_000_000, "polar_h10": 2}
"""Resolution of a stamp."""


def times(block: SampleBlock) -> NDArray[np.int64]:
    assert block.device_t0_ns is not None
    return block.device_t0_ns + np.rint(np.arange(block.n) * block.device_dt_ns).astype(np.int64)


def assert_is(block: SampleBlock, frame: Frame, stamp_ns: float) -> None:
    assert np.abs(times(block) - frame.device_t_ns).max() <= stamp_ns
    assert set(block.values) == set(frame.values)
    for quantity, rows in block.values.items():
        np.testing.assert_allclose(rows, frame.values[quantity], rtol=3e-7, atol=0)


def span_ns(blocks: list[SampleBlock]) -> int:
    """From the last sample of the first block to the last one of all."""
    return int(times(blocks[-1])[-1]) - int(times(blocks[0])[-1])


def test_every_profile_has_a_virtual_sensor() -> None:
    assert set(ENCODERS) == set(PROFILES)


@pytest.mark.parametrize(("name", "rate_hz"), STREAMS)
async def test_recording_comes_out_as_it_went_in(
    name: str, rate_hz: float, add: Add, make_motion: Callable[[float, float], Motion]
) -> None:
    motion = make_motion(rate_hz, 10.1)
    sensor, link = await add(name, rate_hz, 10.1)
    decoder = await link.start(rate_hz=rate_hz, host_utc_us=1)
    assert decoder.settings.rate_hz == rate_hz
    await link.to_the_end()
    assert sensor.encoder.stream is None
    for block, frame in zip(link.blocks, sensor.sent, strict=True):
        assert_is(block, frame, STAMP_NS[name])
        assert (block.lost_before, block.restarted) == (0, False)
    for quantity, step in STEP[name].items():
        rows = np.concatenate([block.values[quantity] for block in link.blocks])
        truth = motion.accel if quantity is Quantity.ACCEL else motion.gyro
        assert truth is not None
        assert 0 <= len(rows) - len(truth) < link.blocks[0].n  # the last frame is filled up
        assert np.abs(rows[: len(truth)] - truth).max() <= step / 2 * 1.001
        assert [block.lsb[quantity] for block in link.blocks] == pytest.approx(
            [step] * len(link.blocks)
        )


@pytest.mark.parametrize(("name", "rate_hz"), [("movesense", 104.0), ("polar_h10", 100.0)])
async def test_recording_at_another_rate_is_resampled(
    name: str, rate_hz: float, add: Add, make_motion: Callable[[float, float], Motion]
) -> None:
    sensor, link = await add(name, 40.0, 10)
    await link.start(rate_hz=rate_hz)
    await link.to_the_end()
    expected = make_motion(rate_hz, 10).accel
    accel = np.concatenate([frame.values["accel"] for frame in sensor.sent])[: len(expected)]
    middle = slice(len(expected) // 10, -len(expected) // 10)
    np.testing.assert_allclose(accel[middle], expected[middle], atol=0.03)


@pytest.mark.parametrize(("name", "status"), [("movesense", 429), ("polar_h10", 12)])
async def test_refusal_then_battery(name: str, status: int, add: Add) -> None:
    sensor, link = await add(name, 52, 10)
    sensor.battery_pct = 42
    sensor.encoder.refuse_status = status
    with pytest.raises(ConfigurationError, match=f"status {status}"):
        await link.start()
    await link.client.disconnect()
    sensor.encoder.refuse_status = None
    await link.start()
    await link.read_battery()
    assert BatteryLevel(42) in link.events
    await link.stop()


async def test_small_mtu_is_refused_by_the_sensor_too(add: Add) -> None:
    _, link = await add("polar_h10", 50, 10, mtu=185)
    with pytest.raises(ConfigurationError, match="185 bytes"):
        await link.start()
    await link.client.disconnect()
    link.mtu = 512  # what an adapter may claim
    with pytest.raises(ConfigurationError, match="status 10"):
        await link.start()
    await link.client.disconnect()


async def test_polar_streams_on_after_a_lost_link_and_is_started_anew(add: Add) -> None:
    sensor, link = await add("polar_h10", 200, 600)
    await link.start(rate_hz=200.0)
    await link.until(lambda: len(link.blocks) > 3)
    sensor.lose_link()
    await asyncio.wait_for(link.lost.wait(), PATIENCE_S)
    left_over = sensor.encoder.stream
    assert left_over is not None
    before = len(link.blocks)
    await link.start(rate_hz=200.0)  # status 6, stop, start
    assert sensor.encoder.stream is not left_over
    await link.until(lambda: len(link.blocks) > before + 3)
    await link.stop()
    assert sensor.encoder.stream is None
    stamps = [int(times(block)[0]) for block in link.blocks]
    assert stamps == sorted(stamps), "the device clock ran on"


async def test_movesense_forgets_the_subscription_and_the_wearer_moves_on(
    add: Add, make_motion: Callable[[float, float], Motion]
) -> None:
    sensor, link = await add("movesense", 52, 600)
    await link.start()
    await link.until(lambda: len(link.blocks) > 3)
    sensor.lose_link()
    await asyncio.wait_for(link.lost.wait(), PATIENCE_S)
    assert sensor.encoder.stream is None
    before = len(link.blocks)
    await link.start()
    await link.until(lambda: len(link.blocks) > before + 3)
    await link.stop()
    again = link.blocks[before]
    index = round((times(again)[0] - times(link.blocks[0])[0]) * 1e-9 * 52)
    assert index > 4 * before, "time passed without a link"
    accel = make_motion(52, 600).accel[index : index + 4]
    np.testing.assert_allclose(again.values[Quantity.ACCEL], accel, atol=0.6)


@BOTH
async def test_reboot_restarts_the_device_clock(name: str, add: Add) -> None:
    sensor, link = await add(name, 104, 600, clock_start_ns=10**18)
    await link.start(rate_hz=104.0)
    await link.until(lambda: len(link.blocks) > 5)
    sensor.reboot()
    await asyncio.wait_for(link.lost.wait(), PATIENCE_S)
    before = len(link.blocks)
    await link.start(rate_hz=104.0)
    await link.until(lambda: len(link.blocks) > before + 2)
    await link.stop()
    uptime_ns = times(link.blocks[before])[0] - sensor.encoder.clock_start_ns
    assert 0 <= uptime_ns < 10**12


async def test_device_clock_wraps_on_the_air(add: Add) -> None:
    wrap_ns = 2**32 * 1_000_000
    sensor, link = await add("movesense", 52, 80, clock_start_ns=wrap_ns - 60_000_000_000)
    await link.start()
    await link.to_the_end()
    stamps_ms = [int.from_bytes(frame.pushes[0].data[2:6], "little") for frame in sensor.sent]
    assert min(stamps_ms) < 300_000 < max(stamps_ms), "no wrap happened"
    assert all(block.lost_before == 0 and not block.restarted for block in link.blocks)
    for block, frame in zip(link.blocks, sensor.sent, strict=True):
        assert_is(block, frame, STAMP_NS["movesense"])


@pytest.mark.parametrize(("name", "rate_error"), [("movesense", 0.01), ("polar_h10", -0.015)])
async def test_drift_and_true_rate_are_in_the_stamps(
    name: str, rate_error: float, add: Add
) -> None:
    _, link = await add(name, 52, 30, drift_ppm=200.0, rate_error=rate_error)
    decoder = await link.start(rate_hz=50.0)
    await link.to_the_end()
    assert sum(block.lost_before for block in link.blocks) == 0
    step_ns = span_ns(link.blocks) / sum(block.n for block in link.blocks[1:])
    true_ns = 1e9 / (decoder.settings.rate_hz * (1 + rate_error)) * (1 + 200e-6)
    assert step_ns == pytest.approx(true_ns, rel=1e-4)


@pytest.mark.parametrize("burst", [True, False])
@BOTH
async def test_stall_then_burst_or_loss(name: str, burst: bool, add: Add) -> None:
    sensor, link = await add(name, 100, 25)
    decoder = await link.start(rate_hz=100.0)
    await link.until(lambda: len(link.blocks) > 2)
    sensor.stall()
    await link.until(lambda: len(link.blocks) == len(sensor.sent))
    before = len(link.blocks)
    await asyncio.sleep(0.1)
    assert len(link.blocks) == before
    await sensor.resume(burst=burst)
    await link.to_the_end()
    lost = sum(block.lost_before for block in link.blocks)
    assert (lost == 0) is burst
    delivered = sum(block.n for block in link.blocks[1:])
    counted = span_ns(link.blocks) * 1e-9 * decoder.settings.rate_hz
    assert delivered + lost == pytest.approx(counted, abs=0.5)


@BOTH
async def test_packets_delivered_twice_give_blocks_twice_and_no_loss(name: str, add: Add) -> None:
    sensor, link = await add(name, 52, 15)
    sensor.duplicates = 1
    await link.start(rate_hz=50.0)
    await link.to_the_end()
    assert all(block.lost_before == 0 and not block.restarted for block in link.blocks)
    for one, two in zip(link.blocks[::2], link.blocks[1::2], strict=True):
        assert one.device_t0_ns == two.device_t0_ns


async def test_sensor_ends_the_stream_by_itself(add: Add) -> None:
    sensor, link = await add("polar_h10", 200, 600)
    await link.start(rate_hz=200.0)
    await link.until(lambda: len(link.blocks) > 2)
    await sensor.end_stream()
    await link.until(lambda: any(isinstance(event, StreamEnded) for event in link.events))
    await link.stop()


async def test_loop_begins_again(add: Add, make_motion: Callable[[float, float], Motion]) -> None:
    _, link = await add("movesense", 52, 2, loop=True)
    await link.start()
    await link.until(lambda: len(link.blocks) > 60)
    await link.stop()
    accel = np.concatenate([block.values[Quantity.ACCEL] for block in link.blocks[:60]])
    motion = make_motion(52, 2)
    expected = motion.accel[np.arange(len(accel)) % len(motion)]
    assert np.abs(accel - expected).max() < 2e-3
