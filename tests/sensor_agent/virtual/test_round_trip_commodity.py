"""Motion -> virtual sensor -> bleak -> profile -> samples, for the families of WitMotion, Nordic,
TI and SensorStim."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from firmware_profiles.base import BatteryLevel, ConfigurationError, Quantity
from sensor_agent.virtual.encoders import ENCODERS
from sensor_agent.virtual.motion import Motion
from tests.servers import PATIENCE_S

Add = Callable[..., Awaitable[Any]]
G = 9.80665
STREAMS = [
    ("witmotion_ble5", 50.0),
    ("witmotion_ble5", 100.0),
    ("thingy52", 50.0),
    ("thingy52", 200.0),
    ("sensortag_cc2650", 10.0),
    ("capture2go", 50.0),
    ("capture2go", 200.0),
]
STEP = {
    "witmotion_ble5": {Quantity.ACCEL: 16 * G / 32768, Quantity.GYRO: np.radians(2000) / 32768},
    "thingy52": {Quantity.ACCEL: G / 1024, Quantity.GYRO: np.radians(1 / 32)},
    "sensortag_cc2650": {Quantity.ACCEL: 8 * G / 32768, Quantity.GYRO: np.radians(500 / 65536)},
    "capture2go": {Quantity.ACCEL: 16 * 9.81 / 32768, Quantity.GYRO: np.radians(2000) / 32768},
}
UNSTAMPED = ("witmotion_ble5", "thingy52", "sensortag_cc2650")
STREAMS_ON = ("witmotion_ble5", "thingy52")
"""Cannot be told to stop: falls silent with the subscription."""
NAMES = list(dict.fromkeys(name for name, _ in STREAMS))


@pytest.mark.parametrize(("name", "rate_hz"), STREAMS)
async def test_recording_comes_out_as_it_went_in(
    name: str, rate_hz: float, add: Add, make_motion: Callable[[float, float], Motion]
) -> None:
    sensor, link = await add(name, rate_hz, 10.1)
    decoder = await link.start(rate_hz=rate_hz, host_utc_us=1_795_500_304_000_000)
    assert decoder.settings.rate_hz == rate_hz
    await link.to_the_end()
    assert (sensor.encoder.stream is None) is (name not in STREAMS_ON)
    for block, frame in zip(link.blocks, sensor.sent, strict=True):
        assert (block.lost_before, block.restarted) == (0, False)
        if name in UNSTAMPED:
            assert block.device_t0_ns is None
        else:
            steps = np.rint(np.arange(block.n) * block.device_dt_ns).astype(np.int64)
            assert np.abs(block.device_t0_ns + steps - frame.device_t_ns).max() <= 2
        assert set(block.values) == set(frame.values)
        for quantity, rows in block.values.items():
            np.testing.assert_allclose(rows, frame.values[quantity], rtol=3e-7, atol=1e-12)
    sent_ns = np.concatenate([frame.device_t_ns for frame in sensor.sent])
    first = 0
    if name in UNSTAMPED:
        first = round((sent_ns[0] - played_from_ns(sensor)) * 1e-9 * rate_hz)
    motion = make_motion(rate_hz, 10.1)
    for quantity, step in STEP[name].items():
        rows = np.concatenate([block.values[quantity] for block in link.blocks])
        whole = motion.accel if quantity is Quantity.ACCEL else motion.gyro
        assert whole is not None
        truth = whole[first:]
        assert first < 0.4 * rate_hz, "little is lost before the subscription"
        assert 0 <= len(rows) - len(truth) < link.blocks[0].n
        assert np.abs(rows[: len(truth)] - truth).max() <= step / 2 * 1.001
        assert all(block.lsb[quantity] == pytest.approx(step) for block in link.blocks)


def played_from_ns(sensor: Any) -> int:
    """Device time of the recording's first sample."""
    playback = sensor._playback
    return int(playback._device_time(np.array([sensor.origin_ns]))[0])


@pytest.mark.parametrize("name", NAMES)
async def test_link_lost_then_again(name: str, add: Add) -> None:
    sensor, link = await add(name, 50, 600)
    await link.start(rate_hz=50.0)
    await link.until(lambda: len(link.blocks) > 3)
    sensor.lose_link()
    await asyncio.wait_for(link.lost.wait(), PATIENCE_S)
    before = len(link.blocks)
    await link.start(rate_hz=50.0)
    await link.until(lambda: len(link.blocks) > before + 3)
    await link.stop()
    after = len(sensor.sent)
    await asyncio.sleep(0.05)
    assert len(sensor.sent) == after, "silent after the stop"


@pytest.mark.parametrize("name", ["thingy52", "sensortag_cc2650"])
async def test_battery(name: str, add: Add) -> None:
    sensor, link = await add(name, 50, 600)
    sensor.battery_pct = 42
    await link.start(rate_hz=50.0)
    await link.read_battery()
    assert BatteryLevel(42) in link.events
    await link.stop()


async def test_witmotion_tells_its_own_battery_and_refuses_what_does_not_stick(add: Add) -> None:
    sensor, link = await add("witmotion_ble5", 50, 600)
    sensor.encoder.refuse_status = 1
    with pytest.raises(ConfigurationError, match="register 03 stays 06"):
        await link.start(rate_hz=50.0)
    await link.client.disconnect()
    sensor.encoder.refuse_status = None
    await link.start(rate_hz=50.0)
    await link.until(lambda: BatteryLevel(75) in link.events)  # 3.9 V
    await link.stop()
    assert sensor.encoder.saved[0x03] == 8
    sensor.reboot()
    await link.start(rate_hz=50.0)
    await link.until(lambda: bool(link.blocks))
    await link.stop()


@pytest.mark.parametrize(("name", "kept"), [("thingy52", "20 Hz"), ("sensortag_cc2650", "0000")])
async def test_configuration_that_is_not_taken_is_refused(name: str, kept: str, add: Add) -> None:
    sensor, link = await add(name, 50, 600)
    sensor.encoder.refuse_status = 1
    with pytest.raises(ConfigurationError, match=f"stays at {kept}"):
        await link.start(rate_hz=50.0)
    await link.client.disconnect()


@pytest.mark.parametrize(
    ("hexes", "rate_hz"),
    [
        (["e803e803f401320001"], 50),
        (["e803e803f401040001"], None),
        (["e803e803f401c90001"], None),
        (["e8036300f401320001"], None),
        (["e803e803f401320001", "e803e803f40132"], 50),
    ],
)
def test_thingy_takes_only_what_is_within_its_limits(hexes: list[str], rate_hz: int | None) -> None:
    encoder = ENCODERS["thingy52"]("1")
    for text in hexes:
        config = "ef680401-9b35-4933-9b10-52ffa9740042"
        assert encoder.write(config, bytes.fromhex(text), 23) == []
    assert (encoder.stream and encoder.stream.rate_hz) == rate_hz


@pytest.mark.parametrize(
    ("writes", "rate_hz"),
    [
        ([("aa82", "7f02")], 1),
        ([("aa83", "14"), ("aa82", "7f02")], 5),
        ([("aa83", "05"), ("aa82", "7f02")], 1),
        ([("aa82", "3f02")], None),
        ([("aa82", "7f02"), ("aa82", "0000")], None),
    ],
)
def test_sensortag_streams_while_all_axes_are_on(
    writes: list[tuple[str, str]], rate_hz: int | None
) -> None:
    encoder = ENCODERS["sensortag_cc2650"]("1")
    for short, text in writes:
        uuid = f"f000{short}-0451-4000-b000-000000000000"
        assert encoder.write(uuid, bytes.fromhex(text), 23) == []
    assert (encoder.stream and encoder.stream.rate_hz) == rate_hz


@pytest.mark.parametrize("name", NAMES)
def test_values_saturate_and_stray_writes_are_ignored(name: str) -> None:
    encoder = ENCODERS[name]("1")
    assert encoder.write("0000180d-0000-1000-8000-00805f9b34fb", b"\x01", 247) == []
    assert encoder.stream is None
    n = 8 if name == "capture2go" else 1
    frame = encoder.encode(np.zeros(n, np.int64), np.full((n, 3), 1e6), np.full((n, 3), -1e6))
    for quantity, sign in (("accel", 1), ("gyro", -1)):
        count = 32767 if sign > 0 else -32768
        full_scale = STEP[name][Quantity(quantity)] * count
        if name == "sensortag_cc2650" and quantity == "accel":
            full_scale /= 4  # 2 g before anything is configured
        np.testing.assert_allclose(frame.values[quantity], full_scale, rtol=1e-6)


async def test_capture2go_is_set_to_utc_and_tells_its_battery(add: Add) -> None:
    sensor, link = await add("capture2go", 50, 30)
    await link.start(rate_hz=50.0, host_utc_us=1_795_500_304_000_000)
    await link.to_the_end()
    assert link.blocks[0].device_t0_ns == 1_795_500_304 * 10**9
    assert BatteryLevel(63) in link.events
    assert sensor.encoder.stream is None


@pytest.mark.parametrize("mtu", [60, 100, 247])
async def test_capture2go_packages_are_put_together_at_any_mtu(mtu: int, add: Add) -> None:
    sensor, link = await add("capture2go", 50, 10, mtu=mtu)
    await link.start(rate_hz=50.0)
    await link.to_the_end()
    pieces = {len(frame.pushes) for frame in sensor.sent[1:]}
    assert pieces == {-(-123 // (mtu - 4))}
    assert all(block.lost_before == 0 for block in link.blocks)


async def test_capture2go_refuses_and_small_mtu(add: Add) -> None:
    sensor, link = await add("capture2go", 50, 600)
    sensor.encoder.refuse_status = 0xFE
    with pytest.raises(ConfigurationError, match="status 254: its send buffer is full"):
        await link.start()
    await link.client.disconnect()
    sensor.encoder.refuse_status = None
    link.mtu = 23
    with pytest.raises(ConfigurationError, match="23 bytes"):
        await link.start()
    await link.client.disconnect()


async def test_capture2go_loss_is_counted(add: Add) -> None:
    sensor, link = await add("capture2go", 50, 30)
    await link.start(rate_hz=50.0)
    await link.until(lambda: len(link.blocks) > 3)
    sensor.stall()
    await asyncio.sleep(0.05)
    await sensor.resume(burst=False)
    await asyncio.wait_for(sensor.finished.wait(), PATIENCE_S)
    await link.stop()
    lost = sum(block.lost_before for block in link.blocks)
    assert lost > 0
    assert lost % 8 == 0


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("0200b2a7400070ff", "error"),
        ("02", None),
    ],
)
def test_capture2go_ignores_or_reports_what_is_no_package(command: str, answer: str | None) -> None:
    encoder = ENCODERS["capture2go"]("1")
    rx = "80030002-e629-4c98-9324-aa7fc0c66de7"
    pushes = encoder.write(rx, bytes.fromhex(command), 247)
    assert (not pushes) is (answer is None)
    if pushes:
        assert pushes[0].data[7:9] == b"\xff\xff"


async def test_witmotion_with_several_frames_in_a_notification(add: Add) -> None:
    sensor, link = await add("witmotion_ble5", 100, 10)
    sensor.encoder.frames_per_notification = 5
    await link.start(rate_hz=100.0)
    await link.until(lambda: len(link.blocks) > 5)
    await link.stop()
    assert {block.n for block in link.blocks} == {5}


def test_witmotion_obeys_only_when_unlocked() -> None:
    encoder = ENCODERS["witmotion_ble5"]("1")
    write = "0000ffe9-0000-1000-8000-00805f9a34fb"

    def rate_code() -> int:
        (push,) = encoder.write(write, bytes.fromhex("ffaa270300"), 23)
        return push.data[4]

    encoder.write(write, bytes.fromhex("ffaa030900"), 23)
    assert rate_code() == 6
    encoder.write(write, bytes.fromhex("ffaa6988b5"), 23)
    encoder.write(write, bytes.fromhex("ffaa034000"), 23)  # no such rate
    assert (rate_code(), encoder.stream) == (6, None)
    encoder.write(write, bytes.fromhex("ffaa030900"), 23)
    assert rate_code() == 9
    assert encoder.stream is not None
    assert encoder.stream.rate_hz == 100
