"""The agent's radio over bleak's own BlueZ backend and an emulated bluetoothd."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from firmware_profiles.base import StreamRequest
from firmware_profiles.movesense import Movesense
from sensor_agent.ble import Link, LinkLostError, Packet, Radio, RadioError, Sighting
from sensor_agent.clock import SystemClock
from sensor_agent.virtual.encoders.movesense import MovesenseEncoder
from tests.conftest import missing
from tests.sensor_agent.bluez.emulated import MTU, EmulatedBluez, private_bus


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    found = shutil.which("dbus-daemon")
    if found is None:
        missing("dbus-daemon is not installed: apt install dbus")
    with private_bus(Path(str(found)), tmp_path) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        yield


@pytest_asyncio.fixture
async def bluez(bus: None) -> AsyncIterator[EmulatedBluez]:
    made = EmulatedBluez(MovesenseEncoder("203330001"))
    await made.start()
    yield made
    await made.stop()


async def sight(radio: Radio) -> Sighting:
    async with asyncio.timeout(5):
        return (await radio.find(lambda s: s.advertisement.name is not None, 5.0))[-1]


async def connected(radio: Radio) -> Link:
    return await radio.connect(await sight(radio), SystemClock())


async def stream(link: Link) -> None:
    await link.perform(Movesense().configure(StreamRequest(), link.mtu))


def send(bluez: EmulatedBluez, first: int, count: int) -> None:
    """Packets with stamps first, first + 1, ... in units of 4 samples."""
    for i in range(first, first + count):
        stamps = ((np.arange(4) + 4 * i) * 1e9 / 52).astype(np.int64)
        frame = bluez.encoder.encode(stamps, np.zeros((4, 3)), np.zeros((4, 3)))
        for push in frame.pushes:
            bluez.notify(push)


async def take(link: Link, count: int) -> list[Packet]:
    packets: list[Packet] = []
    async with asyncio.timeout(5):
        while len(packets) < count:
            packets += await link.receive(0.2)
    return packets


async def test_a_stream_over_acquire_notify(bluez: EmulatedBluez) -> None:
    link = await connected(Radio())
    assert link.mtu == MTU  # BlueZ tells bleak 23
    await stream(link)
    assert "AcquireNotify" in bluez.calls
    assert "StartNotify" not in bluez.calls
    for burst in range(50):
        send(bluez, burst * 10, 10)
        await asyncio.sleep(0.005)
    packets = await take(link, 500)
    assert len(packets) == 500
    assert len({packet.data for packet in packets}) == 500
    await link.perform(Movesense().stop())
    await link.close()
    assert bluez.calls[-1] == "Disconnect"


async def test_every_reconnect_delivers_once_and_leaves_no_descriptor_behind(
    bluez: EmulatedBluez,
) -> None:
    radio, descriptors = Radio(), []
    for round_ in range(5):
        link = await connected(radio)
        await stream(link)
        send(bluez, round_ * 10, 10)
        assert len(await take(link, 10)) == 10
        bluez.lose_link()
        with pytest.raises(LinkLostError):
            await take(link, 1)
        await link.close()
        descriptors.append(len(list(Path("/proc/self/fd").iterdir())))
    assert descriptors[-1] <= descriptors[1]


async def test_an_aborted_connect_is_tried_again(bluez: EmulatedBluez) -> None:
    bluez.connect_errors = ["le-connection-abort-by-local"]
    link = await connected(Radio())
    await link.close()
    assert bluez.calls.count("Connect") == 2


async def test_a_sensor_that_does_not_connect_is_said_without_its_address(
    bluez: EmulatedBluez,
) -> None:
    bluez.connect_errors = ["Software caused connection abort"] * 9
    with pytest.raises(RadioError, match="did not connect") as caught:
        await connected(Radio())
    assert "C4:F1" not in str(caught.value)
    assert "C4_F1" not in str(caught.value)


async def test_battery_comes_from_bluez(bluez: EmulatedBluez) -> None:
    link = await connected(Radio())
    assert await link.battery_pct() is None
    bluez.set_battery(64)
    assert await link.battery_pct() == 64
    await link.close()
