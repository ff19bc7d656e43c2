"""bluetoothd on an emulated D-Bus: there, off, missing, forbidden."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from dbus_fast import Variant

from sensor_agent.virtual.encoders.movesense import MovesenseEncoder
from tests.conftest import missing
from tests.sensor_agent.bluez.emulated import ADAPTER, ADAPTER_PATH, EmulatedBluez, private_bus
from trunkline.doctor import bluetooth
from trunkline.doctor.finding import Finding, Level


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    found = shutil.which("dbus-daemon")
    if found is None:
        missing("dbus-daemon is not installed: apt install dbus")
    with private_bus(Path(str(found)), tmp_path) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        yield


async def look(adapter: str | None = None) -> Finding:
    (finding,) = await asyncio.to_thread(bluetooth.check, adapter)
    return finding


async def test_an_adapter_on_off_and_of_another_name(bus: None) -> None:
    bluez = EmulatedBluez(MovesenseEncoder("203330001"))
    await bluez.start()
    try:
        assert (await look()).line() == "ok       bluetooth: hci0 is on"
        other = await look("hci7")
        assert (other.level, other.advice) == (Level.FAILED, "there are: hci0")
        bluez._objects[ADAPTER_PATH][ADAPTER]["Powered"] = Variant("b", False)
        off = await look()
        assert (off.level, off.text) == (Level.FAILED, "hci0 is switched off")
        assert "bluetoothctl power on" in off.advice
        del bluez._objects[ADAPTER_PATH][ADAPTER]
        assert (await look()).text == "there is no Bluetooth adapter"
    finally:
        await bluez.stop()


async def test_without_bluetoothd(bus: None) -> None:
    finding = await look()
    assert finding.level is Level.FAILED
    assert "bluetoothd is not there (ServiceUnknown)" in finding.text


async def test_without_a_bus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    assert "D-Bus cannot be reached" in (await look()).text


async def test_a_user_who_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    async def denied() -> dict[str, dict[str, object]]:
        raise bluetooth._AnswerError("org.freedesktop.DBus.Error.AccessDenied")

    monkeypatch.setattr(bluetooth, "_managed_objects", denied)
    assert "usermod -aG bluetooth" in (await look()).advice
