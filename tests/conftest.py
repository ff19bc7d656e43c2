"""What the tests need from outside: found, or skipped with a reason; on CI a miss is a failure."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

# speed is for the benchmarks: a busy machine must not fail a property
settings.register_profile("trunkline", deadline=None)
settings.load_profile("trunkline")

ON_CI = os.environ.get("CI", "").lower() in {"1", "true"}
SHARED = Path(
    os.environ.get("TRUNKLINE_SHARED", Path(__file__).parent.parent.parent / "shared")
).resolve()


def missing(reason: str) -> None:
    """Skip on a developer's machine, fail on CI: there nothing may hide behind a skip."""
    if ON_CI:
        pytest.fail(f"{reason} (on CI this must be present)")
    pytest.skip(reason)


def _program(names: tuple[str, ...], package: str) -> Path:
    for name in names:
        found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        if found:
            return Path(found)
    missing(f"{names[0]} is not installed: apt install {package}")
    raise AssertionError("unreachable")


@pytest.fixture(scope="session")
def mosquitto_bin() -> Path:
    """The mosquitto broker's binary."""
    return _program(("mosquitto",), "mosquitto")


@pytest.fixture(scope="session")
def influxd_bin() -> Path:
    """The InfluxDB server's binary."""
    return _program(("influxd",), "influxdb")


@pytest.fixture(scope="session")
def chromium_bin() -> Path:
    """A Chromium browser's binary."""
    return _program(("chromium", "chromium-browser", "google-chrome"), "chromium")


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder with the protocol vectors and the recordings corpus."""
    if not (SHARED / "corpus" / "recordings").is_dir():
        missing(f"no corpus at {SHARED.name}/: set TRUNKLINE_SHARED to the folder that holds it")
    return SHARED
