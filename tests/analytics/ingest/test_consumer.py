"""Ingest at a real broker: what is killed, wiped, poisoned or down, and that nothing is lost."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from analytics import broker
from analytics.broker import Broker, BrokerError, clear_retained
from analytics.ingest import consumer
from analytics.store.base import StoredBatch, StoreError
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from tests.analytics.ingest.agent_side import (
    PATIENCE_S,
    Agent,
    agent,
    ingest,
    ingest_process,
    server_account,
    wait_until,
)
from tests.analytics.store.samples import DT_NS, SESSION, T0_NS, batch
from tests.servers import Mosquitto, mosquitto
from wire.batch import Batch
from wire.ids import new_session
from wire.messages import Birth

pytestmark = pytest.mark.mosquitto
EVER = (0, 2**62)


@pytest.fixture
def server(mosquitto_bin: Path, tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(mosquitto_bin, tmp_path / "mosquitto", ("w1", "w2")) as running:
        yield running


def numbered(start: int, end: int, floor: int = 0) -> list[Batch]:
    return [batch(50 * i, seq=i, floor_seq=floor) for i in range(start, end)]


def complete(store: EmbeddedStore, count: int) -> None:
    """Every sample of batches 0 .. count - 1 is there, once."""
    read = store.read_samples("w1", "back", *EVER)
    assert read.t_ns.tolist() == [T0_NS + i * DT_NS for i in range(50 * count)]


class Moody(EmbeddedStore):
    down = False
    asked = 0

    def write_batches(self, items: Sequence[StoredBatch]) -> None:
        self.asked += 1
        if self.down:
            raise StoreError("the store sleeps", "wake it")
        super().write_batches(items)


def test_what_is_sent_is_stored_and_committed(
    server: Mosquitto, data_dir: Path, store: EmbeddedStore, clinic: Clinic
) -> None:
    birth = Birth(SESSION, "movesense", "T12", 52.0, ["accel"])
    with agent(server) as w1, agent(server, "w2") as w2:
        w1.publish("back/birth", birth.dump(), retain=True)
        with ingest(server_account(server), store, clinic, data_dir):
            w2.send(batch(0), sensor="thigh")
            w1.send(*numbered(0, 300))
            w1.wait_for_commit(SESSION, 299)
            w2.wait_for_commit(SESSION, 0)
            wait_until(lambda: bool(clinic.sensors("w1")), "the birth")
    complete(store, 300)
    assert clinic.sensors("w1")[0].birth == birth
    assert clinic.dead_letters() == []


def test_kill_minus_nine_loses_nothing(
    server: Mosquitto, data_dir: Path, store: EmbeddedStore, clinic: Clinic
) -> None:
    with agent(server) as w1:
        for round_ in range(3):
            process = ingest_process(server, data_dir)
            try:
                w1.send(*numbered(100 * round_, 100 * round_ + 100))
                w1.wait_for_commit(SESSION, 100 * round_ + 10)
            finally:
                process.kill()
                process.communicate()
        with ingest(server_account(server), store, clinic, data_dir):
            w1.wait_for_commit(SESSION, 299)
    complete(store, 300)


def test_a_wiped_broker_and_an_agent_that_sends_again(
    server: Mosquitto, data_dir: Path, store: EmbeddedStore, clinic: Clinic
) -> None:
    with ingest(server_account(server), store, clinic, data_dir):
        with agent(server) as w1:
            w1.send(*numbered(0, 20))
            w1.wait_for_commit(SESSION, 19)
        server.kill(wipe=True)
        server.start()
        with agent(server) as w1:
            # 20..29 were lost with the broker; the agent still holds everything from 15 on.
            w1.send(*numbered(30, 40, floor=15))
            w1.send(*numbered(15, 40, floor=15))
            w1.wait_for_commit(SESSION, 39)
    complete(store, 40)


def test_a_lost_ingest_database_does_not_stall_the_agent(
    server: Mosquitto, tmp_path: Path, store: EmbeddedStore
) -> None:
    fresh = Clinic(tmp_path / "other" / "clinic.db")
    fresh.add_wearer("w1", "UTC")
    with agent(server) as w1, ingest(server_account(server), store, fresh, tmp_path / "other"):
        w1.send(*numbered(70, 90, floor=70))
        w1.wait_for_commit(SESSION, 89)
    fresh.close()


def test_a_second_ingest_on_the_same_data_is_turned_away(
    server: Mosquitto, data_dir: Path, store: EmbeddedStore, clinic: Clinic
) -> None:
    with agent(server) as w1, ingest(server_account(server), store, clinic, data_dir):
        w1.send(*numbered(0, 1))
        w1.wait_for_commit(SESSION, 0)
        second = ingest_process(server, data_dir)
        _, text = second.communicate(timeout=PATIENCE_S)
        assert second.returncode == 1
        assert text.strip().endswith("stop it before you start this ingest")
        assert "Traceback" not in text
        w1.send(*numbered(1, 2))
        w1.wait_for_commit(SESSION, 1)


def test_a_second_ingest_with_data_of_its_own_gets_everything_too(
    server: Mosquitto, data_dir: Path, store: EmbeddedStore, clinic: Clinic, tmp_path: Path
) -> None:
    other_dir = tmp_path / "other"
    other_clinic = Clinic(other_dir / "clinic.db")
    other_clinic.add_wearer("w1", "UTC")
    other_store = EmbeddedStore(other_dir / "samples.db")
    broker = server_account(server)
    with (
        agent(server) as w1,
        ingest(broker, store, clinic, data_dir),
        ingest(broker, other_store, other_clinic, other_dir),
    ):
        for each in (store, other_store):
            wait_until(lambda each=each: _has_first(w1, each), "both subscribed")  # type: ignore[misc]
        w1.send(*numbered(1, 60))
        last_ns = T0_NS + (50 * 60 - 1) * DT_NS
        for each in (store, other_store):
            wait_until(
                lambda each=each: each.sensors("w1")[0].last_ns == last_ns,  # type: ignore[misc]
                "all stored",
            )
    for each in (store, other_store):
        complete(each, 60)
    other_store.close()
    other_clinic.close()


def _has_first(w1: Agent, store: EmbeddedStore) -> bool:
    w1.send(*numbered(0, 1))
    return bool(store.sensors("w1"))


def test_poison_does_not_stop_the_stream(
    server: Mosquitto, data_dir: Path, store: EmbeddedStore, clinic: Clinic
) -> None:
    with agent(server) as w1, ingest(server_account(server), store, clinic, data_dir):
        w1.send(*numbered(0, 5))
        w1.wait_for_commit(SESSION, 4)
        for rest in ("back/imu", "back/birth", "back/status", "mark", "agent/state"):
            w1.publish(rest, b"\x9f" * 500)
        w1.publish("Back Sensor/imu", b"x")
        w1.send(*numbered(5, 10))
        w1.wait_for_commit(SESSION, 9)
        wait_until(lambda: len(clinic.dead_letters()) == 6, "six dead letters")
    complete(store, 10)
    # Acknowledged: a new run does not get them again.
    with agent(server) as w1, ingest(server_account(server), store, clinic, data_dir):
        w1.send(*numbered(10, 12))
        w1.wait_for_commit(SESSION, 11)
    assert len(clinic.dead_letters()) == 6


def test_a_store_that_sleeps_and_wakes(
    server: Mosquitto,
    data_dir: Path,
    clinic: Clinic,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(broker, "FIRST_RETRY_S", 0.05)
    monkeypatch.setattr(consumer, "MAX_RETRY_S", 0.1)
    monkeypatch.setattr(consumer, "MAX_WAITING", 10)
    caplog.set_level(logging.INFO, "analytics.broker")
    store = Moody(data_dir / "moody.db")
    store.down = True
    with agent(server) as w1, ingest(server_account(server), store, clinic, data_dir):
        w1.send(*numbered(0, 100))
        wait_until(lambda: _asked(w1, store), "the store is asked")
        asked = store.asked
        wait_until(lambda: store.asked > asked + 3, "more attempts")
        assert w1.committed == {}
        assert store.sensors("w1") == []
        store.down = False
        w1.wait_for_commit(SESSION, 99)
    complete(store, 100)
    store.close()
    texts = [record.message for record in caplog.records]
    assert [text for text in texts if "the store sleeps; wake it" in text] == [
        "the store sleeps; wake it (trying again; nothing is lost)"
    ]
    assert texts.count("the store answers again") == 1


def _asked(w1: Agent, store: Moody) -> bool:
    w1.resend()
    return store.asked > 0


def test_a_stranger_who_is_registered_later_is_served_from_the_start(
    server: Mosquitto, data_dir: Path, store: EmbeddedStore, tmp_path: Path
) -> None:
    clinic = Clinic(tmp_path / "empty" / "clinic.db")
    birth = Birth(SESSION, "movesense", "T12", 52.0, ["accel"])
    with agent(server) as w1, ingest(server_account(server), store, clinic, data_dir):
        w1.publish("back/birth", birth.dump(), retain=True)
        wait_until(lambda: bool(clinic.dead_letters()), "the refusal")
        assert w1.committed == {}
        clinic.add_wearer("w1", "UTC")
        w1.send(*numbered(0, 3))
        w1.wait_for_commit(SESSION, 2)
        wait_until(lambda: bool(clinic.sensors("w1")), "the retained birth again")
    assert clinic.sensors("w1")[0].birth == birth
    complete(store, 3)
    clinic.close()


def test_a_broker_that_comes_late_and_goes_away(
    server: Mosquitto,
    data_dir: Path,
    store: EmbeddedStore,
    clinic: Clinic,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(broker, "FIRST_RETRY_S", 0.05)
    monkeypatch.setattr(broker, "MAX_RECONNECT_S", 0.1)
    server.kill()
    with ingest(server_account(server), store, clinic, data_dir):
        server.start()
        with agent(server) as w1:
            w1.send(*numbered(0, 3))
        server.kill()
        server.start()
        with agent(server) as w1:
            w1.send(*numbered(0, 6))
            w1.wait_for_commit(SESSION, 5)
    complete(store, 6)


def test_a_log_in_refused_at_the_start_is_said_once_and_tried_again(
    server: Mosquitto, data_dir: Path, store: EmbeddedStore, clinic: Clinic, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text("wrong")
    process = ingest_process(server, data_dir, "--password-file", str(password))
    assert process.stderr is not None
    try:
        said = process.stderr.readline()
        assert "refused the log-in" in said
        assert "--password-file" in said
        password.write_text(server.password_file("server").read_text())
        with agent(server) as w1:
            w1.send(*numbered(0, 3))
            w1.wait_for_commit(SESSION, 2)
    finally:
        process.terminate()
        _, rest = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert "refused" not in rest
    complete(store, 3)


def test_tls_against_a_port_without_it_is_told(server: Mosquitto, tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match="TLS files cannot be used"):
        Broker(tls=True, tls_ca=tmp_path / "none.pem").client(
            "x", keep_session=False, manual_ack=False
        )


def test_retained_messages_can_be_cleared(
    server: Mosquitto, data_dir: Path, store: EmbeddedStore, clinic: Clinic
) -> None:
    account = server_account(server)
    session = new_session()
    with agent(server) as w1, ingest(account, store, clinic, data_dir):
        w1.send(batch(0, session=session))
        w1.wait_for_commit(session, 0)
        clear_retained(account, ["trunkline/v1/w1/back/committed"])
    with agent(server) as w1:
        w1.publish("mark", b"a round trip to the broker")
        assert w1.committed == {}
    with pytest.raises(BrokerError, match="refused the log-in"):
        clear_retained(Broker("127.0.0.1", server.port, "server", "wrong"), ["a"])


def test_the_password_is_not_shown(server: Mosquitto) -> None:
    account = server_account(server)
    assert account.password
    assert account.password not in repr(account)
