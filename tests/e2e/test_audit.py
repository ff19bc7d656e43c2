"""From the sensor to the store: a gap, a drop and a repetition, and what the audit tells."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import analytics.broker
from analytics.store.base import Store, StoredBatch
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from sensor_agent.agent import Agent, AgentConfig
from sensor_agent.ble import Radio
from sensor_agent.broker import BrokerConfig
from sensor_agent.session import SensorConfig
from sensor_agent.state import State
from sensor_agent.virtual.motion import Motion
from sensor_agent.virtual.world import VirtualWorld
from tests.analytics.ingest.agent_side import ingest, server_account
from tests.chaos.verdict import LATE_S
from tests.patient_clock import PatientClock
from tests.sensor_agent.broker_side import until
from tests.servers import PATIENCE_S, Mosquitto, mosquitto
from tests.trunkline.conftest import MqttClient
from trunkline.cli import main
from wire.codec import decode
from wire.messages import Placement

pytestmark = pytest.mark.mosquitto

SPEED = 25.0
UTC0_NS = 1_750_000_000_000_000_000
DAY = "2025-06-15"
RATE_HZ = 52.0
SMALL_OUTBOX_PAGES = 24


@pytest.fixture
def broker(mosquitto_bin: Path, tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(mosquitto_bin, tmp_path / "broker", ("w1",)) as running:
        yield running


def audit(data_dir: Path, *more: str) -> Result:
    return CliRunner().invoke(main, ["audit", "--data-dir", str(data_dir), "--day", DAY, *more])


def motion(seconds: float) -> Motion:
    phase = np.arange(round(RATE_HZ * seconds))[:, None] / RATE_HZ * np.array([0.3, 0.5, 0.7])
    return Motion(RATE_HZ, 9 * np.sin(phase), 2 * np.cos(phase))


async def test_a_gap_a_drop_and_a_repetition_are_told(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analytics.broker, "MAX_RECONNECT_S", 0.5)
    data_dir = tmp_path / "data"
    clinic = Clinic(data_dir / "clinic.db")
    clinic.add_wearer("w1", "UTC")
    store = EmbeddedStore(data_dir / "samples.db")
    payloads = await _wear(broker, tmp_path, store, clinic)
    try:
        sent = [decode(payload) for payload in payloads]
        dropped = sum(loss.samples for loss in clinic.losses("w1", "trunk"))
        first_ns = min(batch.t0_ns for batch in sent)
        last_ns = max(batch.t0_ns + batch.n * batch.dt_ns for batch in sent)

        run = audit(data_dir, "--json")
        assert run.exit_code == 0, run.output
        (found,) = json.loads(run.output)
        missing = found["missing"]
        # a gap's length is known as well as the clocks on both sides of it
        slack = 3 + RATE_HZ * (2 * max(batch.clock_err_ns for batch in sent) / 1e9 + LATE_S)
        assert found["expected"] == pytest.approx((last_ns - first_ns) * RATE_HZ / 1e9, abs=slack)
        assert found["stored"] == len(store.read_samples("w1", "trunk", 0, 2**62))
        # of what the agent gave up, some may have come before the broker's end
        assert RATE_HZ < missing["dropped"] <= dropped + 3
        assert missing["disconnected"] > RATE_HZ
        assert [k for k, v in missing.items() if not v] == [
            "connected",
            "restarted",
            "refused",
            "not_committed",
            "unexplained",
        ]
        assert found["duplicates"] == 0
        assert len(sent) > len({(b.session, b.seq) for b in sent})  # it was repeated
        (kept,) = clinic.deliveries("w1", DAY, DAY)
        told = {k: v for k, v in found.items() if k not in {"wearer", "day", "sound"}}
        assert kept.body["sensors"] == [told]
        text = audit(data_dir).output
        assert f"{found['stored']} of {found['expected']} samples stored" in text
        assert "given up by the agent, on record" in text

        _vanish_and_repeat(data_dir, store, sent[2], sent[4])
        run = audit(data_dir, "--json")
        assert run.exit_code == 1
        (found,) = json.loads(run.output)
        assert found["missing"]["unexplained"] == pytest.approx(sent[2].n, abs=1)
        assert found["duplicates"] == sent[4].n
        assert "UNEXPLAINED" in audit(data_dir).output
    finally:
        store.close()
        clinic.close()


async def _wear(broker: Mosquitto, folder: Path, store: Store, clinic: Clinic) -> list[bytes]:
    """A walk out of range, an outage of the broker that the outbox is too small for, a batch
    delivered again; returns the batches' payloads as ingest got them."""
    password = broker.password_file("w1").read_text()
    config = AgentConfig(
        wearer="w1",
        broker=BrokerConfig(port=broker.port, user="w1", password=password),
        outbox_path=folder / "outbox.db",
        sensors=(SensorConfig("trunk", Placement.T12, "movesense", "00000001"),),
        silence_s=8 * SPEED,
    )
    seen = []
    async with VirtualWorld(PatientClock(SPEED, UTC0_NS), supervision_timeout_s=0.3) as world:
        sensor = await world.add_sensor("movesense", motion(600))
        radio = Radio(scanner_backend=world.scanner_backend, client_backend=world.client_backend)
        agent, stop = Agent(config, world.clock, radio), asyncio.Event()
        agent.uplink.connection.first_wait_s = 0.2
        session = agent.sessions["trunk"]
        with ingest(server_account(broker), store, clinic, folder / "data"):
            with _listening(broker) as first:
                task = asyncio.create_task(agent.run(stop, agent.drained))
                await until(lambda: agent.uplink.committed_batches > 4)
                sensor.out_of_range()
                await until(lambda: session.state is not State.STREAMING)
                sensor.back_in_range()
                count = agent.uplink.committed_batches
                await until(lambda: agent.uplink.committed_batches > count + 4)
                broker.kill(wipe=True)
                seen += list(first.got.queue)
            agent.outbox._max_pages = SMALL_OUTBOX_PAGES
            await until(lambda: len(agent.outbox.dropped()) > 3)
            broker.start()
            with _listening(broker) as second:
                count = agent.uplink.committed_batches
                await until(lambda: agent.uplink.committed_batches > count)
                for _ in range(3):
                    await asyncio.to_thread(second.publish, *seen[3])
                stop.set()
                async with asyncio.timeout(PATIENCE_S):
                    report = await task
                await until(lambda: _is_told(clinic) and _has_all(second, session.batcher.next_seq))
                seen += list(second.got.queue)
    assert report.waiting_batches == 0
    return [payload for _, payload in seen]


@contextmanager
def _listening(broker: Mosquitto) -> Iterator[MqttClient]:
    client = MqttClient(broker.port, "server", broker.password_file("server").read_text())
    client.subscribe("trunkline/v1/w1/trunk/imu")
    try:
        yield client
    finally:
        client.close()


def _is_told(clinic: Clinic) -> bool:
    statuses: Any = clinic.session_statuses("w1", "trunk").values()
    return all(status.state == "stopped" for status in statuses)


def _has_all(listener: MqttClient, batches: int) -> bool:
    return max(decode(payload).seq for _, payload in listener.got.queue) == batches - 1


def _vanish_and_repeat(data_dir: Path, store: Store, lost: Any, twice: Any) -> None:
    """What must never happen: a batch gone from the store, another in it twice."""
    with sqlite3.connect(data_dir / "samples.db") as samples:
        assert samples.execute("DELETE FROM batch WHERE t0_ns = ?", (lost.t0_ns,)).rowcount == 1
    samples.close()
    again = replace(twice, t0_ns=twice.t0_ns + 1000)
    store.write_batches([StoredBatch("w1", "trunk", again)])
