"""The agent's radio over bleak's own BlueZ backend and an emulated bluetoothd."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from firmware_profiles.base import DecodeError, StreamRequest
from firmware_profiles.movesense import Movesense
from sensor_agent.ble import (
    Link,
    LinkLostError,
    NoAdapterError,
    Packet,
    Radio,
    RadioError,
    Sighting,
)
from sensor_agent.clock import SystemClock
from sensor_agent.virtual.encoders.base import Push
from sensor_agent.virtual.encoders.movesense import MovesenseEncoder
from tests.sensor_agent.bluez.emulated import MTU, EmulatedBluez
from tests.servers import PATIENCE_S


@pytest_asyncio.fixture
async def bluez(bus: None) -> AsyncIterator[EmulatedBluez]:
    made = EmulatedBluez(MovesenseEncoder("203330001"))
    await made.start()
    yield made
    await made.stop()


async def sight(radio: Radio) -> Sighting:
    async with asyncio.timeout(PATIENCE_S):
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
    async with asyncio.timeout(PATIENCE_S):
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


async def test_a_device_that_bluez_forgot_is_a_lost_link_and_found_again(
    bluez: EmulatedBluez,
) -> None:
    radio = Radio()
    link = await connected(radio)
    await stream(link)
    bluez.remove_device()
    with pytest.raises(LinkLostError):
        await take(link, 1)
    await link.close()
    again = await connected(radio)
    await stream(again)
    send(bluez, 0, 10)
    assert len(await take(again, 10)) == 10
    await again.close()


async def test_a_device_that_vanishes_before_the_connect_is_said(bluez: EmulatedBluez) -> None:
    radio = Radio()
    sighting = await sight(radio)
    bluez.remove_device()
    with pytest.raises(RadioError, match="did not connect"):
        await radio.connect(sighting, SystemClock())
    await (await connected(radio)).close()


async def test_a_refused_subscription_is_said_and_the_next_attempt_works(
    bluez: EmulatedBluez,
) -> None:
    radio = Radio()
    bluez.refusals["AcquireNotify"] = [("org.bluez.Error.InProgress", "In Progress")]
    link = await connected(radio)
    with pytest.raises(RadioError, match="refused a request"):
        await stream(link)
    await link.close()
    again = await connected(radio)
    await stream(again)
    await again.close()


@pytest.mark.parametrize(
    ("method", "error", "text"),
    [
        ("AcquireNotify", "org.bluez.Error.NotPermitted", "Not paired"),
        ("WriteValue", "org.bluez.Error.NotAuthorized", "Not Authorized"),
        ("WriteValue", "org.bluez.Error.Failed", "Operation failed with ATT error: 0x05"),
        ("WriteValue", "org.bluez.Error.Failed", "Operation failed with ATT error: 0x0f"),
        ("Connect", "org.bluez.Error.AuthenticationFailed", "Authentication Failed"),
    ],
)
async def test_a_sensor_that_wants_a_bond_says_so(
    bluez: EmulatedBluez, method: str, error: str, text: str
) -> None:
    bluez.refusals[method] = [(error, text)] * 9

    async def attempt() -> None:
        link = await connected(Radio())
        try:
            await stream(link)
        finally:
            await link.close()

    with pytest.raises(RadioError, match="asks to be paired") as caught:
        await attempt()
    assert "bluetoothctl" in caught.value.advice
    bluez.refusals.clear()
    await attempt()


async def test_a_link_lost_while_the_sensor_is_set_up(bluez: EmulatedBluez) -> None:
    link = await connected(Radio())
    bluez.answers = False
    task = asyncio.create_task(stream(link))
    async with asyncio.timeout(PATIENCE_S):
        while "WriteValue" not in bluez.calls:
            await asyncio.sleep(0.01)
    bluez.lose_link()
    with pytest.raises(LinkLostError):
        await task
    await link.close()
    bluez.answers = True
    again = await connected(Radio())
    await stream(again)
    await again.close()


@pytest.mark.parametrize("sockets", [True, False])
async def test_an_empty_notification_is_a_packet_like_others(
    bluez: EmulatedBluez, sockets: bool
) -> None:
    bluez.offers_sockets = sockets
    link = await connected(Radio())
    await stream(link)
    send(bluez, 0, 1)
    await take(link, 1)
    uuid = bluez.encoder.encode(np.zeros(4, np.int64), np.zeros((4, 3)), np.zeros((4, 3)))
    bluez.notify(Push(uuid.pushes[0].characteristic, b""))
    send(bluez, 1, 5)
    packets = await take(link, 6)
    assert packets[0].data == b""
    decoder = Movesense().decoder({})
    with pytest.raises(DecodeError):
        decoder.decode(packets[0].characteristic, b"")
    await link.close()


async def test_an_adapter_switched_off_in_mid_stream_is_said(bluez: EmulatedBluez) -> None:
    radio = Radio()
    link = await connected(radio)
    await stream(link)
    bluez.switch_off()
    bluez.lose_link()
    with pytest.raises(LinkLostError):
        await take(link, 1)
    await link.close()
    with pytest.raises(NoAdapterError, match="switched off"):
        await sight(radio)


async def test_signals_carry_what_has_no_socket(bluez: EmulatedBluez) -> None:
    """An older bluetoothd offers StartNotify alone."""
    bluez.offers_sockets = False
    link = await connected(Radio())
    await stream(link)
    assert "StartNotify" in bluez.calls
    assert "AcquireNotify" not in bluez.calls
    for first in range(0, 50, 10):
        send(bluez, first, 10)
        await take(link, 10)
    await link.close()


async def test_each_radio_uses_its_own_adapter(bus: None) -> None:
    bluez = EmulatedBluez(MovesenseEncoder("203330001"), ("hci0", "hci1"))
    await bluez.start()
    for name in ("hci1", "hci0"):
        link = await connected(Radio(name))
        assert bluez.device.startswith(f"/org/bluez/{name}/")
        await link.close()
    await bluez.stop()


@pytest.mark.parametrize(
    ("error", "what", "advice"),
    [
        ("org.bluez.Error.NotReady", "switched off", "bluetoothctl power on"),
        ("org.freedesktop.DBus.Error.AccessDenied", "may not use", "group bluetooth"),
        ("org.freedesktop.DBus.Error.NoReply", "service does not run", "systemctl"),
        ("org.bluez.Error.Failed", "did not start", "turn Bluetooth off and on"),
    ],
)
async def test_a_refused_scan_says_what_to_do(
    bluez: EmulatedBluez, error: str, what: str, advice: str
) -> None:
    bluez.refusals["StartDiscovery"] = [(error, "because")]
    with pytest.raises(RadioError, match=what) as caught:
        await sight(Radio())
    assert advice in caught.value.advice
    assert "\n" not in str(caught.value)
    await sight(Radio())  # and once it works, it works without a restart


@pytest.mark.parametrize("adapter", [None, "hci0"])
async def test_an_adapter_that_is_switched_off(bluez: EmulatedBluez, adapter: str | None) -> None:
    bluez.switch_off()
    await asyncio.sleep(0.05)
    with pytest.raises(NoAdapterError, match="switched off"):
        await sight(Radio(adapter))


async def test_no_adapter(bus: None) -> None:
    bluez = EmulatedBluez(MovesenseEncoder("203330001"), ())
    await bluez.start()
    with pytest.raises(NoAdapterError, match="has no Bluetooth adapter"):
        await sight(Radio())
    with pytest.raises(NoAdapterError, match="no Bluetooth adapter hci7"):
        await sight(Radio("hci7"))
    await bluez.stop()


async def test_no_bluetoothd(bus: None) -> None:
    with pytest.raises(NoAdapterError, match="service does not run"):
        await sight(Radio())


async def test_no_dbus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/nothing")
    with pytest.raises(NoAdapterError, match="D-Bus is not there"):
        await sight(Radio())


async def test_battery_comes_from_bluez(bluez: EmulatedBluez) -> None:
    link = await connected(Radio())
    assert await link.battery_pct() is None
    bluez.set_battery(64)
    assert await link.battery_pct() == 64
    await link.close()
