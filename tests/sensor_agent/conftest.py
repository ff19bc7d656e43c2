"""A real broker with the accounts of a deployment, and an outbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sensor_agent.outbox import Outbox
from tests.servers import Mosquitto, mosquitto

WEARER = "w1"


@pytest.fixture
def broker(mosquitto_bin: Path, tmp_path: Path) -> Iterator[Mosquitto]:
    """A running mosquitto that knows wearer `w1` and `server`."""
    with mosquitto(mosquitto_bin, tmp_path / "broker", (WEARER,)) as running:
        yield running


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    made = Outbox(tmp_path / "outbox.db", WEARER)
    yield made
    made.close()
