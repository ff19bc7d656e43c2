"""A D-Bus of one's own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.sensor_agent.bluez.emulated import private_bus


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    found = shutil.which("dbus-daemon")
    if found is None:
        missing("dbus-daemon is not installed: apt install dbus")
    with private_bus(Path(str(found)), tmp_path) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        yield
