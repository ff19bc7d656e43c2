"""A sensor described in TOML, from motion to samples through the virtual radio."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_profiles.base import BatteryLevel, Quantity
from firmware_profiles.registry import set_user_profiles
from firmware_profiles.toml_profile import TomlProfile, load_profile
from sensor_agent.virtual.encoders import encoder_for
from sensor_agent.virtual.motion import Motion

Add = Callable[..., Awaitable[Any]]
DOCS = Path(__file__).parents[3] / "docs" / "add-your-sensor.md"
(EXAMPLE,) = re.findall(r"```toml\n(.*?)```", DOCS.read_text(), re.DOTALL)
FREE_RUNNING = re.sub(
    r"\[\[rates\]\]\nrate_hz = 50.*?(?=\[\[vectors\]\])",
    "[[rates]]\nrate_hz = 50\n",
    EXAMPLE.replace("my_xiao", "free_running").replace('battery = "none"', 'battery = "standard"'),
    flags=re.DOTALL,
)


@pytest.fixture(autouse=True)
def own() -> Iterator[TomlProfile]:
    found = load_profile(EXAMPLE)
    set_user_profiles([found, load_profile(FREE_RUNNING)])
    yield found
    set_user_profiles(())


@pytest.mark.parametrize("rate_hz", [50.0, 100.0])
async def test_recording_comes_out_as_it_went_in(
    rate_hz: float, add: Add, make_motion: Callable[[float, float], Motion]
) -> None:
    sensor, link = await add("my_xiao", rate_hz, 10.0)
    await link.start(rate_hz=rate_hz)
    await link.to_the_end()
    assert sensor.encoder.stream is None
    for block, frame in zip(link.blocks, sensor.sent, strict=True):
        assert block.lost_before == 0
        assert abs(block.device_t0_ns - frame.device_t_ns[0]) <= 500_000
        for quantity, rows in block.values.items():
            np.testing.assert_allclose(rows, frame.values[quantity], rtol=3e-7, atol=1e-12)
    motion = make_motion(rate_hz, 10.0)
    accel = np.concatenate([block.values[Quantity.ACCEL] for block in link.blocks])
    assert np.abs(accel - motion.accel).max() <= 9.80665 / 2048 / 2 * 1.001
    gyro = np.concatenate([block.values[Quantity.GYRO] for block in link.blocks])
    assert motion.gyro is not None
    assert np.abs(gyro - motion.gyro).max() <= np.radians(1 / 16.4) / 2 * 1.001


async def test_loss_is_counted_by_the_counter(add: Add) -> None:
    sensor, link = await add("my_xiao", 100, 20)
    await link.start(rate_hz=100.0)
    await link.until(lambda: len(link.blocks) > 5)
    sensor.stall()
    await asyncio.sleep(0.02)
    await sensor.resume(burst=False)
    await link.to_the_end()
    lost = sum(block.lost_before for block in link.blocks)
    assert lost > 0
    counters = [frame.pushes[0].data[1] for frame in sensor.sent]
    missing = sum((b - a) % 256 - 1 for a, b in pairwise(counters))
    assert lost == missing


async def test_without_start_commands_it_streams_by_itself(add: Add) -> None:
    sensor, link = await add("free_running", 50, 600)
    sensor.battery_pct = 42
    await link.start()
    await link.until(lambda: len(link.blocks) > 5)
    await link.read_battery()
    await link.stop()
    assert BatteryLevel(42) in link.events
    after = len(sensor.sent)
    await asyncio.sleep(0.05)
    assert len(sensor.sent) == after


def test_start_commands_are_obeyed_or_ignored() -> None:
    encoder = encoder_for("my_xiao")("1")
    commands = "19b10002-e8f2-537e-4f6c-d104768a1214"
    assert encoder.write(commands, b"\x01\x33", 23) == []
    assert encoder.stream is None
    encoder.refuse_status = 1
    encoder.write(commands, b"\x01\x32", 23)
    assert encoder.stream is None
    encoder.refuse_status = None
    encoder.write(commands, b"\x01\x32", 23)
    assert encoder.stream is not None
    assert encoder.stream.rate_hz == 50
    encoder.write(commands, b"\x00", 23)
    assert encoder.stream is None


def test_values_saturate() -> None:
    encoder = encoder_for("my_xiao")("1")
    frame = encoder.encode(np.zeros(1, np.int64), np.full((1, 3), 1e6), np.full((1, 3), -1e6))
    assert frame.pushes[0].data.hex() == "a10000000000ff7fff7fff7f008000800080"


def test_unknown_profile_has_no_encoder() -> None:
    with pytest.raises(KeyError, match="no profile is called"):
        encoder_for("xsens")
