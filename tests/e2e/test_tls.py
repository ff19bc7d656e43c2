"""Agent, ingest and tap over TLS with certificates on both sides, in both versions of MQTT."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from analytics.broker import Broker
from analytics.ingest import run_ingest
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from sensor_agent.broker import BrokerConfig
from sensor_agent.outbox import Outbox
from sensor_agent.uplink import Uplink, UplinkState
from tests.sensor_agent.broker_side import until
from tests.sensor_agent.test_outbox import batch
from tests.servers import PATIENCE_S, Mosquitto, mosquitto
from trunkline.cli import main
from wire.ids import new_session
from wire.messages import AgentState, Birth, Placement
from wire.topics import Kind, sensor_topic

pytestmark = [
    pytest.mark.mosquitto,
    # paho leaves the socket of a failed handshake to the garbage collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def broker(mosquitto_bin: Path, tmp_path: Path) -> Iterator[Mosquitto]:
    folder = tmp_path / "broker"
    with mosquitto(mosquitto_bin, folder, ("w1", "w2"), require_certificate=True) as running:
        yield running


def agent_config(broker: Mosquitto, wearer: str, *, mqtt5: bool) -> BrokerConfig:
    return BrokerConfig(
        host="localhost",
        port=broker.tls_port,
        user=wearer,
        password=broker.password_file(wearer).read_text(),
        tls=True,
        ca_file=broker.secrets / "ca.crt",
        cert_file=broker.secrets / f"client-{wearer}.crt",
        key_file=broker.secrets / f"client-{wearer}.key",
        mqtt5=mqtt5,
    )


@contextmanager
def ingest(
    broker: Mosquitto, store: EmbeddedStore, clinic: Clinic, data_dir: Path, *, mqtt5: bool
) -> Iterator[None]:
    server = Broker(
        host="localhost",
        port=broker.tls_port,
        user="server",
        password=broker.password_file("server").read_text(),
        tls=True,
        tls_ca=broker.secrets / "ca.crt",
        tls_cert=broker.secrets / "client-server.crt",
        tls_key=broker.secrets / "client-server.key",
        mqtt5=mqtt5,
    )
    stop, failed = threading.Event(), []

    def work() -> None:
        try:
            run_ingest(server, store, clinic, stop, data_dir=data_dir)
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
        assert not failed


@pytest.mark.parametrize("mqtt5", [False, True], ids=["3.1.1", "5"])
async def test_the_whole_way_and_the_will(broker: Mosquitto, tmp_path: Path, mqtt5: bool) -> None:
    data_dir = tmp_path / "data"
    clinic = Clinic(data_dir / "clinic.db")
    clinic.add_wearer("w1", "UTC")
    store = EmbeddedStore(data_dir / "samples.db")
    outbox, run, session = Outbox(tmp_path / "outbox.db", "w1"), new_session(), new_session()
    birth = Birth(session, "movesense", Placement.T12, 52.0, ["accel"])
    topic = sensor_topic("w1", "trunk", Kind.BIRTH)
    outbox.append_small(Kind.BIRTH, topic, birth.dump())
    outbox.append([("trunk", batch(session, seq)) for seq in range(20)], time.time_ns())
    uplink = Uplink(agent_config(broker, "w1", mqtt5=mqtt5), outbox, run, time.time_ns)
    uplink.connection.first_wait_s = 0.2
    uplink.set_agent_state(AgentState.READY)
    uplink.set_retained(topic, birth.dump())

    def state() -> tuple[str, str] | None:
        told = clinic.agent_state("w1")
        return told and (told.run, told.state)

    with ingest(broker, store, clinic, data_dir, mqtt5=mqtt5):
        task = asyncio.create_task(uplink.run())
        await until(outbox.is_empty)
        assert len(store.read_samples("w1", "trunk", 0, 2**62)) == 20 * 50
        await until(lambda: state() == (run, AgentState.READY))
        assert clinic.sensors("w1")[0].birth == birth
        retained = tap(broker, topic, mqtt5=mqtt5)
        assert retained == {"topic": topic, "retained": True, "message": json.loads(birth.dump())}

        uplink.connection.first_wait_s = 2
        _cut(uplink)
        await until(lambda: state() == (run, AgentState.LOST))
        await until(lambda: state() == (run, AgentState.READY))
        uplink.close()
        await task
        await until(lambda: state() == (run, AgentState.DISCONNECTED))
    outbox.close()
    store.close()
    clinic.close()


def _cut(uplink: Uplink) -> None:
    """The network goes without a goodbye."""
    connection = uplink.connection.socket
    assert connection is not None
    socket.socket.shutdown(connection, socket.SHUT_RDWR)


def tap(broker: Mosquitto, topic: str, *, mqtt5: bool) -> object:
    arguments = [
        *("tap", topic, "--count", "1", "--seconds", str(PATIENCE_S)),
        *("--broker", f"localhost:{broker.tls_port}", "--user", "server"),
        *("--password-file", str(broker.password_file("server"))),
        *("--tls-ca", str(broker.secrets / "ca.crt")),
        *("--tls-cert", str(broker.secrets / "client-server.crt")),
        *("--tls-key", str(broker.secrets / "client-server.key")),
    ]
    result = CliRunner().invoke(main, [*arguments, "--mqtt5"] if mqtt5 else arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


@pytest.mark.parametrize("mqtt5", [False, True], ids=["3.1.1", "5"])
async def test_without_a_certificate_nobody_comes_in(
    broker: Mosquitto, tmp_path: Path, mqtt5: bool
) -> None:
    whole = agent_config(broker, "w1", mqtt5=mqtt5)
    config = BrokerConfig(
        **{
            name: getattr(whole, name)
            for name in ("host", "port", "user", "password", "tls", "ca_file", "mqtt5")
        }
    )
    outbox = Outbox(tmp_path / "outbox.db", "w1")
    uplink = Uplink(config, outbox, new_session(), time.time_ns)
    task = asyncio.create_task(uplink.run())
    await until(lambda: uplink.problem is not None)
    assert uplink.state is not UplinkState.CONNECTED
    uplink.close()
    await task
    outbox.close()
