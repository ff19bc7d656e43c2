"""Messages that nobody should send, against a real broker and the ingest process: each is put aside
with its reason, and the stream before, between and after them is stored."""

from __future__ import annotations

import dataclasses
import os
from contextlib import suppress
from pathlib import Path

import cbor2
import pytest

from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from tests.analytics.ingest.agent_side import agent, ingest_process, wait_until
from tests.analytics.store.samples import DT_NS, T0_NS, batch
from tests.servers import mosquitto, stop
from wire.codec import encode
from wire.ids import new_session
from wire.messages import Birth

pytestmark = pytest.mark.mosquitto

MEGABYTE = 1 << 20


def changed(key: int, value: object) -> bytes:
    """A good batch with one field of its map replaced."""
    message = cbor2.loads(encode(batch(50, session=new_session())))
    message[key] = value
    return cbor2.dumps(message)


POISON = {
    "random bytes": (os.urandom(300), "not"),
    "valid CBOR of a wrong kind": (cbor2.dumps([1, 2, 3]), "not a CBOR map"),
    "a text for the number": (changed(2, "seven"), "seq is missing or not"),
    "a number for the channels": (changed(7, 5), "wrong type"),
    "a channel that is none": (changed(7, {"accel": ["m/s2", 1.0, b"x"]}), "no typed array"),
    "more samples than there are": (changed(6, 51), "bytes for n=51"),
    "10 MB": (bytes(10 * MEGABYTE), "more than"),
    "a later version": (changed(0, 2), "version 2 is not supported"),
    "a stamp at the end of time": (changed(4, 2**63 - 1), "stamp"),
    "deep nesting": (b"\x81" * 100_000, "not CBOR"),
    "cut off": (encode(batch(50, session=new_session()))[:-7], "not CBOR"),
    "more behind it": (encode(batch(50, session=new_session())) + b"\0", "stand behind"),
    "a float for the number": (changed(2, 7.0), "seq is missing or not"),
    "a step back in time": (changed(5, -20_000_000), "dt_ns is missing or not"),
    "a step of a year": (changed(5, 365 * 86_400 * 10**9), "more than 4096 s"),
    "no end of samples": (changed(6, 2**62), "bytes for n="),
    "the next century": (changed(4, 2**62), "1970 to 2100"),
    "a session that is none": (changed(1, b"x"), "session id has 1 bytes"),
    "no numbers": (
        changed(7, {"accel": ["m/s2", 1.0, cbor2.CBORTag(85, b"\xff" * 600)]}),
        "no sensor gives",
    ),
}
SMALL = {
    "back/status": (b"\xff{", "not a Status message"),
    "back/birth": (
        Birth(new_session(), "x", "T12", 50.0, ["accel"]).dump().replace(b"50.0", b"1e999"),
        "not a Birth message",
    ),
    "mark": (b'{"at_ns": 1, "kind": "symptom", "symptom": "pain", "note": "\\ud800"}', "Mark"),
    "agent/state": (b'{"run": "x", "state": "ready", "at_ns": 1}', "is not a ULID"),
    "back/loss": (b"[" * 100_000, "not a Losses message"),
}


def test_poison_is_put_aside_and_the_stream_goes_on(mosquitto_bin: Path, tmp_path: Path) -> None:
    with mosquitto(mosquitto_bin, tmp_path / "broker", ("w1", "stranger")) as server:
        server.kill()
        server.max_packet_size = 20 * MEGABYTE  # another broker than ours lets them through
        server.start()
        data_dir = tmp_path / "data"
        clinic = Clinic(data_dir / "clinic.db")
        clinic.add_wearer("w1", "UTC")
        process = ingest_process(server, data_dir)
        session = new_session()
        try:
            with agent(server) as sender, agent(server, "stranger") as stranger:
                for seq, (payload, _) in enumerate(POISON.values()):
                    sender.send(dataclasses.replace(batch(50 * seq, seq=seq), session=session))
                    sender.wait_for_commit(session, 0)  # ingest is there
                    sender.publish("back/imu", payload)
                sender.publish("back/imu", encode(batch(0, session=new_session())), retain=True)
                for topic, (payload, _) in SMALL.items():
                    sender.publish(topic, payload)
                stranger.publish("back/imu", encode(batch(0, session=new_session())))
                last = len(POISON)
                sender.send(dataclasses.replace(batch(50 * last, seq=last), session=session))
                sender.wait_for_commit(session, last)
            with suppress(AssertionError):  # what is missing is seen below
                wait_until(
                    lambda: len(clinic.dead_letters()) > last + len(SMALL), "the dead letters"
                )
            assert process.poll() is None
        finally:
            stop(process)  # type: ignore[arg-type]
            assert process.stderr is not None
            process.stderr.close()
        reasons = [letter.reason for letter in reversed(clinic.dead_letters())]
        store = EmbeddedStore(data_dir / "samples.db")
        found = store.read_samples("w1", "back", 0, 2**62)
        assert found.t_ns.tolist() == [T0_NS + i * DT_NS for i in range(50 * (last + 1))]
        assert store.sensors("stranger") == []
        store.close()
        clinic.close()
    expected = [text for _, text in (*POISON.values(), *SMALL.values())] + ["unknown wearer"]
    assert len(reasons) == len(expected), reasons
    for text in expected:
        assert any(text in reason for reason in reasons), (text, reasons)
