"""Forgetting a device and restarting an adapter, on an emulated bluetoothd."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sensor_agent import bluez_adapter
from sensor_agent.ble import Radio
from sensor_agent.bluez_adapter import forget_device, restart_adapter
from sensor_agent.virtual.encoders.movesense import MovesenseEncoder
from tests.sensor_agent.bluez.emulated import ADAPTER, ADAPTER_PATH, EmulatedBluez

OTHER = "/org/bluez/hci1"


@pytest.fixture(autouse=True)
def short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bluez_adapter, "OFF_S", 0.01)


@pytest.fixture
async def bluez(bus: None):
    made = EmulatedBluez(MovesenseEncoder("203330001"), ("hci0", "hci1"))
    await made.start()
    yield made
    await made.stop()


async def test_a_device_is_removed_from_its_own_adapter_and_found_again(
    bluez: EmulatedBluez,
) -> None:
    radio = Radio("hci1")
    (sighting,) = await radio.find(lambda s: s.advertisement.name is not None, 5.0)
    assert bluez.device in bluez.paths()
    await radio.forget(sighting)
    assert ("RemoveDevice", OTHER, [bluez.device]) in bluez.requests
    assert bluez.device not in bluez.paths()
    assert await radio.find(lambda s: s.advertisement.name is not None, 5.0)


async def test_a_device_that_bluez_does_not_know_is_no_failure_of_ours(
    bluez: EmulatedBluez,
) -> None:
    assert not await forget_device(f"{ADAPTER_PATH}/dev_00_00_00_00_00_00")


async def test_an_adapter_goes_off_and_on(bluez: EmulatedBluez) -> None:
    assert await restart_adapter("hci1")
    powered = [(path, body[2].value) for name, path, body in bluez.requests if name == "Set"]
    assert powered == [(OTHER, False), (OTHER, True)]
    assert bluez.power(OTHER)
    await Radio().reset()
    assert [body[:2] for name, path, body in bluez.requests if path == ADAPTER_PATH] == [
        [ADAPTER, "Powered"]
    ] * 2


async def test_an_adapter_is_left_alone_while_somebody_streams_over_it(
    bluez: EmulatedBluez,
) -> None:
    radio = Radio()
    radio.streams = 1
    await radio.reset()
    assert not bluez.requests


async def test_a_refusal_ends_it(bluez: EmulatedBluez) -> None:
    bluez.refusals["Set"] = [("org.bluez.Error.Busy", "Operation already in progress")]
    assert not await restart_adapter("hci0")
    assert bluez.power(ADAPTER_PATH)


async def test_nobody_answers(bus: None) -> None:
    assert not await restart_adapter("hci0")
    assert not await forget_device(f"{ADAPTER_PATH}/dev_00_00_00_00_00_00")


async def test_a_bluetoothd_that_hangs_is_given_up(
    bluez: EmulatedBluez, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bluez_adapter, "TIMEOUT_S", 0.2)
    bluez.hangs = True
    assert not await restart_adapter("hci0")


async def test_no_bus_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/nothing")
    began = time.process_time()
    assert not await restart_adapter("hci0")
    assert time.process_time() - began < 5
