"""Faults of disk, store, broker, certificate and clock, from a virtual sensor to the store.

Each is a clear line in the log, and ends without a restart of anything of ours.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from analytics.broker import Broker
from analytics.ingest import consumer
from analytics.store import database
from analytics.store.base import Store
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from analytics.store.influx import InfluxStore
from sensor_agent.agent import Agent, AgentConfig
from sensor_agent.ble import Radio
from sensor_agent.broker import BrokerConfig
from sensor_agent.session import SensorConfig
from sensor_agent.state import State
from sensor_agent.virtual.motion import Motion
from sensor_agent.virtual.peripheral import VirtualSensor
from sensor_agent.virtual.world import VirtualWorld
from tests.analytics.ingest.agent_side import ingest as ingest_running
from tests.analytics.ingest.agent_side import server_account
from tests.chaos.air import MILLI_G, WRAP, numbers
from tests.conftest import missing
from tests.patient_clock import PatientClock
from tests.sensor_agent.broker_side import until
from tests.servers import PATIENCE_S, Mosquitto, influxd, mosquitto, tiny_disk
from wire.messages import Placement

pytestmark = pytest.mark.mosquitto

SPEED = 15.0
EVER = (0, 2**62)


@pytest.fixture
def broker(mosquitto_bin: Path, tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(mosquitto_bin, tmp_path / "broker", ("w1",)) as running:
        yield running


@dataclass
class Wearer:
    """A virtual sensor and its agent."""

    world: VirtualWorld
    sensor: VirtualSensor
    agent: Agent
    clock: PatientClock

    def taken(self) -> int:
        return self.agent.sessions["trunk"].batcher.counters.samples

    async def more(self, samples: int = 300) -> None:
        """Wait until the agent has taken some more."""
        now = self.taken()
        await until(lambda: self.taken() >= now + samples)


@asynccontextmanager
async def streaming(
    broker: Mosquitto, outbox: Path, config: BrokerConfig | None = None
) -> AsyncIterator[Wearer]:
    """An agent that streams; at the end it is stopped and everything is delivered."""
    clock = PatientClock(SPEED)
    async with VirtualWorld(clock) as world:
        i = np.arange(50 * 3600)
        accel = MILLI_G * np.stack([i % WRAP, i // WRAP, np.zeros_like(i)], 1)
        sensor = await world.add_sensor("polar_h10", Motion(50.0, accel))
        made = AgentConfig(
            wearer="w1",
            broker=config or account(broker),
            outbox_path=outbox,
            sensors=(SensorConfig("trunk", Placement.T12, "polar_h10", "00000001"),),
            silence_s=10 * SPEED,
        )
        radio = Radio(scanner_backend=world.scanner_backend, client_backend=world.client_backend)
        agent, stop = Agent(made, clock, radio), asyncio.Event()
        agent.uplink.connection.first_wait_s = 0.2
        run = asyncio.create_task(agent.run(stop, agent.drained))
        wearer = Wearer(world, sensor, agent, clock)
        try:
            await wearer.more()
            yield wearer
        finally:
            stop.set()
            async with asyncio.timeout(PATIENCE_S):
                await run


def account(broker: Mosquitto) -> BrokerConfig:
    return BrokerConfig(port=broker.port, user="w1", password_file=broker.password_file("w1"))


@dataclass
class Server:
    """The clinic's side, in a thread of this process."""

    clinic: Clinic
    store: Store
    data_dir: Path


@contextmanager
def serving(broker: Broker, folder: Path, store: Store | None = None) -> Iterator[Server]:
    data_dir = folder / "data"
    clinic = Clinic(data_dir / "clinic.db")
    clinic.add_wearer("w1", "UTC")
    opened = store or EmbeddedStore(data_dir / "samples.db")
    with ingest_running(broker, opened, clinic, data_dir):
        yield Server(clinic, opened, data_dir)
    opened.close()
    clinic.close()


def stored(server: Server) -> int:
    return len(server.store.read_samples("w1", "trunk", *EVER))


def assert_whole(server: Server, sensor: VirtualSensor) -> None:
    """Every sample that was sent is stored once and in order."""
    found = numbers(server.store.read_samples("w1", "trunk", *EVER).values["accel"])
    sent = np.concatenate([numbers(frame.values["accel"]) for frame in sensor.sent])
    np.testing.assert_array_equal(found, sent)


def said(caplog: pytest.LogCaptureFixture, text: str) -> int:
    return sum(text in record.message for record in caplog.records)


async def test_the_agents_disk_is_full_for_a_while(
    broker: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if os.geteuid() != 0:
        missing("a small file system can only be mounted by root")
    with (
        tiny_disk(tmp_path / "disk", "12m") as disk,
        serving(server_account(broker), tmp_path) as server,
    ):
        async with streaming(broker, disk / "outbox.db") as wearer:
            broker.kill()
            ballast = disk / "somebody else's"
            with pytest.raises(OSError, match="No space"), ballast.open("wb") as file:
                file.write(bytes(20 << 20))
            grown = disk / "outbox.db.reserve"
            await until(lambda: said(caplog, "is full") > 0 or not grown.exists())
            await until(lambda: len(wearer.agent._pending) > 5)
            assert said(caplog, "is full") == 1
            ballast.unlink()
            await until(lambda: not wearer.agent._pending)
            broker.start()
            await wearer.more()
        assert_whole(server, wearer.sensor)
    assert wearer.agent.sessions["trunk"].given_up_samples == 0


async def test_the_embedded_store_is_locked_for_a_while(
    broker: Mosquitto,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.5)
    with serving(server_account(broker), tmp_path) as server:
        async with streaming(broker, tmp_path / "outbox.db") as wearer:
            other = sqlite3.connect(server.data_dir / "samples.db", isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            await until(lambda: said(caplog, "database is locked") > 0)
            await wearer.more()
            assert wearer.agent.outbox.batch_count() > 0  # nothing is deleted that is not stored
            other.execute("ROLLBACK")
            other.close()
            await wearer.more()
        assert_whole(server, wearer.sensor)
    assert said(caplog, "database is locked") == 1


async def test_the_embedded_stores_disk_is_full_for_a_while(
    broker: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(server_account(broker), tmp_path) as server:
        assert isinstance(server.store, EmbeddedStore)
        async with streaming(broker, tmp_path / "outbox.db") as wearer:
            database_of(server.store, "PRAGMA max_page_count = 1")
            await until(lambda: said(caplog, "database or disk is full") > 0)
            await wearer.more()
            database_of(server.store, "PRAGMA max_page_count = 1073741823")
            await wearer.more()
        assert_whole(server, wearer.sensor)


def database_of(store: EmbeddedStore, pragma: str) -> None:
    """Say it on every connection: SQLite then answers as on a disk of that size."""
    for own in list(store._db._connections.values()):
        own.connection.execute(pragma).fetchone()


@pytest.mark.influxdb
async def test_influxdb_refuses_all_data_for_a_while(
    broker: Mosquitto,
    tmp_path: Path,
    influxd_bin: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(consumer, "MAX_RETRY_S", 1.0)
    with influxd(influxd_bin, tmp_path / "influx") as influx:
        store = InfluxStore(influx.url, influx.database, user=influx.user, password=influx.password)
        influx.write('imu,wearer=x,sensor=y accel_x="somebody else\'s"')
        with serving(server_account(broker), tmp_path, store) as server:
            async with streaming(broker, tmp_path / "outbox.db") as wearer:
                await until(lambda: said(caplog, "fields of another type") > 0)
                assert wearer.agent.outbox.batch_count() > 0
                influx.query(f"DROP DATABASE {influx.database}_raw")
                await until(lambda: said(caplog, "has no database") > 0)
                influx.query(f"CREATE DATABASE {influx.database}_raw")
                await wearer.more()
            assert server.clinic.dead_letters() == []
            assert_whole(server, wearer.sensor)
    assert said(caplog, "fields of another type") == said(caplog, "has no database") == 1


async def test_an_expired_certificate_is_said_and_a_new_one_taken(
    mosquitto_bin: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with mosquitto(mosquitto_bin, tmp_path / "broker", ("w1",)) as broker:
        good = (broker.secrets / "mqtt.crt").read_bytes()
        config = replace(
            account(broker),
            host="localhost",
            port=broker.tls_port,
            tls=True,
            ca_file=broker.secrets / "ca.crt",
        )
        side = replace(
            server_account(broker),
            host="localhost",
            port=broker.tls_port,
            tls=True,
            tls_ca=broker.secrets / "ca.crt",
        )
        with serving(side, tmp_path) as server:
            async with streaming(broker, tmp_path / "outbox.db", config) as wearer:
                await until(lambda: stored(server) > 0)
                broker.kill()
                expire(broker.secrets)
                broker.start()
                await until(lambda: said(caplog, "certificate has expired") >= 2)
                assert "expired" in (wearer.agent.uplink.problem or "")
                await wearer.more()
                broker.kill()
                (broker.secrets / "mqtt.crt").write_bytes(good)
                broker.start()
                await wearer.more()
            assert_whole(server, wearer.sensor)
    assert said(caplog, "certificate has expired") == 2  # once the agent, once ingest


def expire(secrets: Path) -> None:
    """Replace the broker's certificate by one of the same authority that ended yesterday."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    def key(name: str) -> object:
        return serialization.load_pem_private_key((secrets / name).read_bytes(), None)

    old = x509.load_pem_x509_certificate((secrets / "mqtt.crt").read_bytes())
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.issuer)
        .public_key(old.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=9))
        .not_valid_after(datetime.now(UTC) - timedelta(days=1))
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    made = builder.sign(key("ca.key"), hashes.SHA256())  # type: ignore[arg-type]
    (secrets / "mqtt.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))


async def test_a_broker_that_refuses_the_log_in_for_a_while(
    broker: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    accounts = broker.secrets / "mosquitto.passwd"
    with serving(server_account(broker), tmp_path) as server:
        async with streaming(broker, tmp_path / "outbox.db") as wearer:
            await until(lambda: stored(server) > 0)
            good = accounts.read_bytes()
            broker.kill()
            accounts.write_bytes(b"")
            broker.start()
            await until(lambda: said(caplog, "refused the log-in") >= 2)
            broker.kill()
            accounts.write_bytes(good)
            broker.start()
            await wearer.more()
        assert_whole(server, wearer.sensor)
    assert said(caplog, "refused the log-in") == 2


@pytest.mark.parametrize("step_s", [-3600, 3600, -3 * 365 * 86_400, 3 * 365 * 86_400])
async def test_a_clock_that_is_set_meanwhile(
    broker: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture, step_s: int
) -> None:
    """Wrong at boot, then set by NTP; or set by an hour in mid-stream."""
    with serving(server_account(broker), tmp_path) as server:
        async with streaming(broker, tmp_path / "outbox.db") as wearer:
            wearer.clock._utc0_ns += step_s * 10**9
            await wearer.more(600)
            after_ns = wearer.clock.utc_ns()
        batches = server.store.read_batches("w1", "trunk", *EVER)
        sent = np.concatenate([numbers(frame.values["accel"]) for frame in wearer.sensor.sent])
        samples = server.store.read_samples("w1", "trunk", *EVER)
        found = numbers(samples.values["accel"])
        birth = server.clinic.sensors("w1")[0].birth
        states = server.clinic.agent_state
        await until(lambda: (told := states("w1")) and told.state == "disconnected")
    assert sorted(found) == sorted(sent)  # every sample, once
    assert len([r for r in caplog.records if "clock was set" in r.message]) == 1
    sessions = sorted({b.session for b in batches})
    assert len(sessions) == (2 if step_s < 0 else 1)
    newest = [b for b in batches if b.session == sessions[-1]]
    last_ns = max(b.t0_ns + b.n * b.dt_ns for b in newest)
    assert abs(last_ns - after_ns) < 60e9  # by the new time
    assert birth is not None
    assert birth.session == sessions[-1]


@pytest.mark.parametrize("answers", [True, False])
async def test_sensors_are_told_to_stop_within_five_seconds(
    broker: Mosquitto, tmp_path: Path, answers: bool
) -> None:
    """Counted in turns of the event loop that should take 20 ms each: a busy machine makes fewer of
    them a second, a wait that is too long makes too many."""
    broker.kill()  # and nobody there to say goodbye to
    clock = PatientClock(1.0)
    async with VirtualWorld(clock) as world:
        still = np.zeros((50 * 600, 3))
        sensors = [await world.add_sensor("polar_h10", Motion(50.0, still)) for _ in range(4)]
        radio = Radio(scanner_backend=world.scanner_backend, client_backend=world.client_backend)
        config = AgentConfig(
            wearer="w1",
            broker=account(broker),
            outbox_path=tmp_path / "outbox.db",
            sensors=tuple(
                SensorConfig(f"s{n}", Placement.T12, "polar_h10", f"{n + 1:08d}") for n in range(4)
            ),
        )
        agent, stop = Agent(config, clock, radio), asyncio.Event()
        run = asyncio.create_task(agent.run(stop))
        sessions = agent.sessions.values()
        await until(lambda: all(s.state is State.STREAMING for s in sessions))
        if not answers:
            for sensor in sensors:
                sensor.answer_delay_s = PATIENCE_S
        stop.set()
        turns = 0
        while not run.done():
            await asyncio.sleep(0.02)
            turns += 1
        await run
        assert turns * 0.02 < 5
        assert not any(sensor.encoder.stream for sensor in sensors)
        assert all(session.state is State.STOPPED for session in sessions)
        await until(lambda: not any(sensor.is_connected for sensor in sensors))


async def test_the_network_is_gone_without_a_goodbye(broker: Mosquitto, tmp_path: Path) -> None:
    with serving(server_account(broker), tmp_path) as server:
        async with streaming(broker, tmp_path / "outbox.db") as wearer:
            for _ in range(3):
                await until(lambda: wearer.agent.uplink.connection.socket is not None)
                sock = wearer.agent.uplink.connection.socket
                assert sock is not None
                sock.shutdown(socket.SHUT_RDWR)
                await wearer.more(100)
        assert_whole(server, wearer.sensor)
