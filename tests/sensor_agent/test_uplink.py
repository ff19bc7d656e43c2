"""The uplink against a real mosquitto with password and ACL."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sensor_agent import connection as connection_module
from sensor_agent import uplink as uplink_module
from sensor_agent.broker import BrokerConfig, BrokerConfigError
from sensor_agent.outbox import Outbox
from sensor_agent.uplink import Uplink, UplinkState
from tests.sensor_agent.broker_side import Ingest, until
from tests.sensor_agent.test_outbox import batch
from tests.servers import Mosquitto, free_port, wait_until_listening
from wire.ids import new_session
from wire.messages import AgentState, AgentStatus, Birth, Committed, Mark, Placement
from wire.topics import Kind, sensor_topic, wearer_topic

pytestmark = pytest.mark.mosquitto


def login(broker: Mosquitto) -> BrokerConfig:
    return BrokerConfig(
        port=broker.port, user="w1", password=broker.password_file("w1").read_text().strip()
    )


@pytest.fixture
def outbox(tmp_path: Path):
    made = Outbox(tmp_path / "outbox.db", "w1")
    yield made
    made.close()


@asynccontextmanager
async def running(config: BrokerConfig, outbox: Outbox) -> AsyncIterator[Uplink]:
    uplink = Uplink(config, outbox, new_session(), time.time_ns)
    uplink.connection.first_wait_s = 0.2
    task = asyncio.create_task(uplink.run())
    try:
        yield uplink
    finally:
        began = time.monotonic()
        uplink.close()
        await task
        assert time.monotonic() - began < 4


def fill(outbox: Outbox, session: str, first: int, last: int) -> None:
    outbox.append([("trunk", batch(session, seq)) for seq in range(first, last + 1)], 0)


async def test_live_batches_go_out_at_once_and_are_deleted_when_committed(
    broker: Mosquitto, outbox: Outbox
) -> None:
    session = new_session()
    with Ingest(broker) as ingest:
        async with running(login(broker), outbox) as uplink:
            await until(lambda: uplink.state is UplinkState.CONNECTED)
            for seq in range(5):
                fill(outbox, session, seq, seq)
                uplink.appended()
                began = time.monotonic()
                await until(lambda: uplink.committed_batches == seq + 1, 5)  # noqa: B023
                assert time.monotonic() - began < 0.5
            assert outbox.batch_count() == 0
        assert set(ingest.counts().values()) == {1}


async def test_a_puback_deletes_no_batch(broker: Mosquitto, outbox: Outbox) -> None:
    session = new_session()
    with Ingest(broker, committing=False) as ingest:
        async with running(login(broker), outbox) as uplink:
            fill(outbox, session, 0, 4)
            uplink.appended()
            await until(lambda: len(ingest.held) == 5)
            await until(lambda: not uplink._unacked)
            assert outbox.batch_count() == 5
            ingest.commit(session)
            await until(lambda: outbox.batch_count() == 0)


async def test_what_an_earlier_run_left_is_delivered_oldest_first(
    broker: Mosquitto, outbox: Outbox
) -> None:
    old = [new_session(), new_session()]
    for session in old:
        fill(outbox, session, 0, 149)
    with Ingest(broker) as ingest:
        began = time.monotonic()
        async with running(login(broker), outbox) as uplink:
            fresh = new_session()
            await until(lambda: uplink.state is UplinkState.CONNECTED)
            await until(lambda: len(ingest.held) > 10)
            fill(outbox, fresh, 0, 0)
            uplink.appended()
            await until(lambda: (fresh, 0) in ingest.held, 1)
            assert len(ingest.held) < 200  # live does not wait for the backlog
            await until(lambda: outbox.batch_count() == 0)
        took_s = time.monotonic() - began
    order = [(s, q) for _, s, q in ingest.arrivals if s != fresh]
    assert order == [(s, q) for s in old for q in range(150)]
    assert took_s > 2.0  # 300 at 100 a second, with half a second of credit


async def test_the_backlog_waits_for_ingest(
    broker: Mosquitto, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink_module, "BACKLOG_WINDOW", 64)
    session = new_session()
    fill(outbox, session, 0, 299)
    with Ingest(broker, committing=False) as ingest:
        async with running(login(broker), outbox):
            await until(lambda: len(ingest.held) >= 64)
            await asyncio.sleep(1.5)  # time for more than 100 others, if it did not wait
            assert len(ingest.held) <= 64 + 63
            ingest.committing = True
            ingest.commit(session)
            await until(lambda: outbox.batch_count() == 0)


async def test_what_ingest_forgot_is_sent_again(
    broker: Mosquitto, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink_module, "RESEND_S", 0.3)
    monkeypatch.setattr(uplink_module, "PROBE_S", 0.6)
    session = new_session()
    with Ingest(broker, committing=False) as ingest:
        async with running(login(broker), outbox) as uplink:
            fill(outbox, session, 0, 39)
            uplink.appended()
            await until(lambda: len(ingest.held) == 40)
            ingest.held.clear()  # its database is gone
            ingest.committing = True
            await until(lambda: outbox.batch_count() == 0)
            assert len(ingest.held) == 40


async def test_a_broker_killed_and_wiped_loses_nothing(
    broker: Mosquitto, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    session = new_session()
    caplog.set_level(logging.INFO)
    async with running(login(broker), outbox) as uplink:
        uplink.set_agent_state(AgentState.READY)
        fill(outbox, session, 0, 9)
        uplink.appended()
        await until(lambda: uplink.state is UplinkState.CONNECTED and bool(uplink._sent))
        await until(lambda: not uplink._unacked)
        broker.kill(wipe=True)
        await until(lambda: uplink.state is UplinkState.CONNECTING)
        fill(outbox, session, 10, 19)
        broker.start()
        with Ingest(broker) as ingest:
            await until(lambda: outbox.batch_count() == 0)
            assert len(ingest.held) == 20
            await until(lambda: bool(ingest.of(Kind.AGENT_STATE)))
            assert AgentStatus.load(ingest.of(Kind.AGENT_STATE)[-1]).state == AgentState.READY
    lost = [r for r in caplog.records if "was lost" in r.message]
    assert len(lost) == 1
    assert any("connected to the broker" in r.message for r in caplog.records)


async def test_births_and_marks_survive_a_broker_wiped_before_ingest_came(
    broker: Mosquitto, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink_module, "SMALL_AGAIN_S", 1.0)
    mark = Mark(1, "symptom", "pain").dump()
    birth = Birth(new_session(), "movesense", Placement.T12, 52.0, ["accel"]).dump()
    outbox.append_small(Kind.BIRTH, sensor_topic("w1", "trunk", Kind.BIRTH), birth)
    outbox.append_small(Kind.MARK, wearer_topic("w1", Kind.MARK), mark)
    async with running(login(broker), outbox) as uplink:
        await until(lambda: uplink._small_id > 1 and not uplink._unacked)  # the broker has them
        broker.kill(wipe=True)
        await until(lambda: uplink.state is UplinkState.CONNECTING)
        broker.start()
        await until(lambda: uplink.state is UplinkState.CONNECTED)
        with Ingest(broker) as ingest:
            broker_lost = len(outbox.small(10))
            await until(outbox.is_empty, 60)
    assert broker_lost == 2
    assert (set(ingest.of(Kind.BIRTH)), set(ingest.of(Kind.MARK))) == ({birth}, {mark})


async def test_a_mark_that_ingest_does_not_take_is_sent_again(
    broker: Mosquitto, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink_module, "SMALL_AGAIN_S", 0.3)
    mark = Mark(1, "note").dump()
    with Ingest(broker, committing=False) as ingest:
        async with running(login(broker), outbox) as uplink:
            await until(lambda: uplink.state is UplinkState.CONNECTED)
            outbox.append_small(Kind.MARK, wearer_topic("w1", Kind.MARK), mark)
            uplink.appended()
            await until(lambda: len(ingest.of(Kind.MARK)) >= 2)
            assert len(outbox.small(10)) == 1
            ingest.committing = True
            await until(outbox.is_empty)


async def test_births_and_marks_stay_until_the_store_has_them(
    broker: Mosquitto, outbox: Outbox
) -> None:
    def birth(session: str) -> bytes:
        return Birth(session, "movesense", Placement.T12, 52.0, ["accel"]).dump()

    old, new = new_session(), new_session()
    topic = sensor_topic("w1", "trunk", Kind.BIRTH)
    outbox.append_small(Kind.BIRTH, topic, birth(old))
    outbox.append_small(Kind.MARK, wearer_topic("w1", Kind.MARK), Mark(1, "note").dump())
    with Ingest(broker) as ingest:
        async with running(login(broker), outbox) as uplink:
            outbox.append_small(Kind.BIRTH, topic, birth(new))
            uplink.set_retained(topic, birth(new))
            await until(lambda: not outbox.small(10))
            await until(lambda: len(ingest.of(Kind.BIRTH)) >= 2)
        assert Birth.load(ingest.of(Kind.BIRTH)[0]).session == old
        assert ingest.of(Kind.MARK) == [Mark(1, "note").dump()]
    with Ingest(dataclasses.replace(broker)) as late:
        await until(lambda: bool(late.of(Kind.BIRTH)))
        assert Birth.load(late.of(Kind.BIRTH)[0]).session == new  # the retained one is the present


async def test_marks_are_published_once(broker: Mosquitto, outbox: Outbox) -> None:
    topic = wearer_topic("w1", Kind.MARK)
    with Ingest(broker) as ingest:
        async with running(login(broker), outbox) as uplink:
            await until(lambda: uplink.state is UplinkState.CONNECTED)
            for number in range(200):
                outbox.append_small(Kind.MARK, topic, Mark(number, "note").dump())
                uplink.appended()
                await asyncio.sleep(0.002)
            await until(outbox.is_empty)
        marks = [Mark.load(payload).at_ns for payload in ingest.of(Kind.MARK)]
    assert sorted(marks) == list(range(200))


async def test_state_follows_the_agents_life(broker: Mosquitto, outbox: Outbox) -> None:
    with Ingest(broker) as ingest:
        async with running(login(broker), outbox) as uplink:
            uplink.set_agent_state(AgentState.INIT)
            await until(lambda: len(ingest.of(Kind.AGENT_STATE)) == 1)
        await until(lambda: len(ingest.of(Kind.AGENT_STATE)) == 2)
        states = [AgentStatus.load(p) for p in ingest.of(Kind.AGENT_STATE)]
    assert [s.state for s in states] == [AgentState.INIT, AgentState.DISCONNECTED]
    assert states[0].run == states[1].run


async def test_the_last_will_says_lost(broker: Mosquitto, outbox: Outbox) -> None:
    with Ingest(broker) as ingest:
        async with running(login(broker), outbox) as uplink:
            uplink.set_agent_state(AgentState.READY)
            await until(lambda: len(ingest.of(Kind.AGENT_STATE)) == 1)
            sock = uplink.connection.socket
            assert sock is not None
            sock.shutdown(socket.SHUT_RDWR)
            await until(lambda: len(ingest.of(Kind.AGENT_STATE)) >= 3)
        states = [AgentStatus.load(p).state for p in ingest.of(Kind.AGENT_STATE)]
    assert states[:3] == [AgentState.READY, AgentState.LOST, AgentState.READY]


async def test_a_wrong_password_is_said_once_and_nothing_is_lost(
    broker: Mosquitto, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    fill(outbox, new_session(), 0, 2)
    wrong = dataclasses.replace(login(broker), password="wrong")
    async with running(wrong, outbox) as uplink:
        await until(lambda: uplink.state is UplinkState.REFUSED)
        await asyncio.sleep(1.0)  # several more attempts
        assert uplink.problem is not None
        assert "password" in uplink.problem
    assert outbox.batch_count() == 3
    assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) == 1
    assert "wrong" not in caplog.text


async def test_an_unreachable_broker_is_said_once(
    outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(BrokerConfig(port=free_port()), outbox) as uplink:
        await until(lambda: uplink.problem is not None)
        await asyncio.sleep(1.0)
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    assert "nothing listens there" in caplog.text


async def test_an_unknown_name_is_said(outbox: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    async with running(BrokerConfig(host="no-such-host.invalid"), outbox) as uplink:
        await until(lambda: uplink.problem is not None)
    assert "check the name" in caplog.text


async def test_plain_broker_when_tls_was_expected(
    broker: Mosquitto, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(dataclasses.replace(login(broker), tls=True), outbox) as uplink:
        await until(lambda: uplink.problem is not None)
    assert "TLS" in caplog.text


@pytest.mark.parametrize("mqtt5", [False, True])
async def test_garbage_on_committed_is_survived(
    broker: Mosquitto, outbox: Outbox, mqtt5: bool, caplog: pytest.LogCaptureFixture
) -> None:
    session = new_session()
    with Ingest(broker) as ingest:
        topic = sensor_topic("w1", "trunk", Kind.COMMITTED)
        ingest._client.publish(topic, b"\xff{", qos=1, retain=True)
        async with running(dataclasses.replace(login(broker), mqtt5=mqtt5), outbox) as uplink:
            await until(lambda: "cannot be used" in caplog.text)
            fill(outbox, session, 0, 0)
            uplink.appended()
            await until(lambda: outbox.batch_count() == 0)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, which is its own authority."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-keyout", str(key), "-out", str(cert), "-days", "2"]
    command += ["-subj", "/CN=broker", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


@pytest.fixture
def tls_broker(mosquitto_bin: Path, tmp_path: Path):
    """(port, authority) of a mosquitto that wants a client certificate."""
    cert, key = make_certificate(tmp_path)
    port = free_port()
    (tmp_path / "tls.conf").write_text(
        f"listener {port} 127.0.0.1\ncafile {cert}\ncertfile {cert}\nkeyfile {key}\n"
        "require_certificate true\nallow_anonymous true\nuser root\n"
    )
    process = subprocess.Popen(
        [mosquitto_bin, "-c", tmp_path / "tls.conf"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until_listening(port, process)
        yield BrokerConfig(port=port, tls=True, ca_file=cert, cert_file=cert, key_file=key)
    finally:
        process.terminate()
        process.wait()


async def test_tls_with_client_certificate(tls_broker: BrokerConfig, outbox: Outbox) -> None:
    async with running(tls_broker, outbox) as uplink:
        await until(lambda: uplink.state is UplinkState.CONNECTED)


async def test_an_untrusted_certificate_is_said(
    tls_broker: BrokerConfig, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    config = dataclasses.replace(tls_broker, ca_file=None)
    async with running(config, outbox) as uplink:
        await until(lambda: uplink.problem is not None)
    assert "not trusted" in caplog.text


async def test_no_tls_where_tls_is_expected(
    tls_broker: BrokerConfig, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(BrokerConfig(port=tls_broker.port), outbox) as uplink:
        await until(lambda: uplink.problem is not None)
    assert "TLS" in caplog.text


def test_tls_files_that_do_not_exist(outbox: Outbox, tmp_path: Path) -> None:
    config = BrokerConfig(tls=True, ca_file=tmp_path / "none.pem")
    with pytest.raises(BrokerConfigError, match="TLS files"):
        Uplink(config, outbox, new_session(), time.time_ns)


def test_the_password_is_not_shown() -> None:
    assert "geheim" not in repr(BrokerConfig(password="geheim"))


# --- a broker that is not what it seems -----------------------------------------------------------


class Stub:
    """Half a broker: lets everybody in, then does as it is told with what it gets."""

    def __init__(self, answers_ping: bool = True, connack: bool = True) -> None:
        self.connections = 0
        self._answers_ping, self._connack = answers_ping, connack

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while data := await reader.read(65536):
                if data[0] >> 4 == 1 and self._connack:
                    writer.write(b"\x20\x02\x00\x00")
                if data[0] >> 4 == 12 and self._answers_ping:
                    writer.write(b"\xd0\x00")
        except ConnectionError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def stub_broker(stub: Stub) -> AsyncIterator[BrokerConfig]:
    server = await asyncio.start_server(stub.serve, "127.0.0.1", 0)
    yield BrokerConfig(port=server.sockets[0].getsockname()[1])
    server.close()


async def test_a_broker_that_never_acknowledges_is_left_and_said(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(uplink_module, "ACK_S", 0.5)
    fill(outbox, new_session(), 0, 2)
    stub = Stub()
    async with stub_broker(stub) as config, running(config, outbox):
        await until(lambda: stub.connections >= 2)
    assert "does not acknowledge" in caplog.text
    assert outbox.batch_count() == 3


async def test_a_broker_that_never_answers_the_log_in_is_left_and_said(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connection_module, "LOGIN_TIMEOUT_S", 0.5)
    stub = Stub(connack=False)
    async with stub_broker(stub) as config, running(config, outbox):
        await until(lambda: stub.connections >= 2)
    assert "hung up before the log-in" in caplog.text


async def test_a_half_open_connection_is_noticed(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "KEEPALIVE_S", 1)
    stub = Stub(answers_ping=False)
    async with stub_broker(stub) as config, running(config, outbox):
        await until(lambda: stub.connections >= 2)


async def test_a_batch_that_the_broker_hangs_up_at_does_not_hold_up_the_others(
    broker: Mosquitto, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    broker.kill()
    broker.max_packet_size = 4000
    broker.start()
    session = new_session()
    fill(outbox, session, 0, 3)
    outbox.append([("trunk", batch(session, 4, n=2000))], 0)  # 12 kB
    fill(outbox, session, 5, 30)
    with Ingest(broker) as ingest:
        async with running(login(broker), outbox) as uplink:
            await until(lambda: len(ingest.held) == 30, 60)
            assert "limit of the message size" in caplog.text
            await until(lambda: outbox.batch_count() == 27)  # the big one and what lies behind it
            broker.kill()
            broker.max_packet_size = 1 << 20
            broker.start()
            uplink._avoided.clear()  # instead of waiting for minutes
            await until(lambda: outbox.batch_count() == 0, 60)


@pytest.mark.parametrize("lie", ["never sent", "other session"])
async def test_a_false_commit_deletes_nothing(
    broker: Mosquitto, outbox: Outbox, lie: str, caplog: pytest.LogCaptureFixture
) -> None:
    session = new_session()
    fill(outbox, session, 0, 4)
    told = session if lie == "never sent" else new_session()
    with Ingest(broker, committing=False) as ingest:
        topic = sensor_topic("w1", "trunk", Kind.COMMITTED)
        word = Committed(told, 10**12).dump()
        ingest._client.publish(topic, word, qos=1, retain=True).wait_for_publish(5)
        async with running(login(broker), outbox):
            await until(lambda: len(ingest.held) == 5)
            assert outbox.batch_count() == 5
            ingest.committing = True
            ingest.commit(session)
            await until(lambda: outbox.batch_count() == 0)
    assert ("nothing is deleted" in caplog.text) == (lie == "never sent")


async def test_a_password_put_right_needs_no_restart(
    broker: Mosquitto, outbox: Outbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    fill(outbox, new_session(), 0, 2)
    config = dataclasses.replace(login(broker), password=None, password_file=secret)
    with Ingest(broker):
        async with running(config, outbox) as uplink:
            await until(lambda: uplink.state is UplinkState.REFUSED)
            secret.unlink()
            await until(lambda: "password file" in caplog.text)
            secret.write_text(broker.password_file("w1").read_text())
            await until(lambda: outbox.batch_count() == 0)
            assert uplink.problem is None
