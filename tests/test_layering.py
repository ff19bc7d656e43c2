"""The rooms of docs/architecture.md: who may import whom, and where an edge library may appear."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("firmware_profiles", "wire", "sensor_agent", "analytics", "trunkline")
ALLOWED = {
    "firmware_profiles": {"firmware_profiles"},
    "wire": {"wire"},
    "sensor_agent": {"sensor_agent", "firmware_profiles", "wire"},
    "analytics": {"analytics", "wire", "firmware_profiles"},
    "trunkline": set(ROOMS),
}
PURE = ("analytics/signal", "analytics/detect", "analytics/exposure")
PURE_MAY_IMPORT = ("analytics.signal", "analytics.detect", "analytics.exposure")
IMPURE_STDLIB = {"os", "socket", "sqlite3", "time", "threading", "asyncio", "subprocess", "urllib"}
EDGES = {
    "bleak": ("sensor_agent/ble.py", "sensor_agent/virtual/"),
    "bumble": ("sensor_agent/virtual/",),
    "paho": ("sensor_agent/connection.py", "analytics/broker.py", "trunkline/commands/tap.py"),
    "influxdb_client": ("analytics/store/influx_server.py",),
    "flask": ("analytics/dashboard/",),
    "amqtt": ("trunkline/broker.py",),
}


def modules() -> list[Path]:
    return [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
    return found


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", modules(), ids=relative)
def test_imports_stay_inside_the_rooms(path: Path) -> None:
    room = relative(path).split("/")[0]
    for name in imports(path):
        top = name.split(".")[0]
        if top in ROOMS:
            assert top in ALLOWED[room], f"{relative(path)} imports {name}"
        if top in EDGES:
            assert relative(path).startswith(EDGES[top]), f"{relative(path)} imports {name}"


@pytest.mark.parametrize(
    "path", [p for p in modules() if relative(p).startswith(PURE)], ids=relative
)
def test_pure_packages_know_no_store_no_mqtt_no_clock(path: Path) -> None:
    for name in imports(path):
        top = name.split(".")[0]
        assert top not in IMPURE_STDLIB, f"{relative(path)} imports {name}"
        if top in ROOMS:
            assert name.startswith(PURE_MAY_IMPORT), f"{relative(path)} imports {name}"


def test_the_rooms_are_found() -> None:
    assert {relative(p).split("/")[0] for p in modules()} == set(ROOMS)
