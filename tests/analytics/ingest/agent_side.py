"""An agent's half of the protocol, and ingest running beside the test."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from analytics.broker import Broker
from analytics.ingest import run_ingest
from analytics.store.base import Store
from analytics.store.clinic import Clinic
from tests.servers import PATIENCE_S, Mosquitto
from wire.batch import Batch
from wire.codec import encode

RESEND_S = 1.0


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Return when the condition holds; fail with `what` after PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"not reached: {what}"
        time.sleep(0.01)


class Agent:
    """Publishes as one wearer and remembers what ingest has committed."""

    def __init__(self, server: Mosquitto, wearer: str = "w1") -> None:
        self.wearer = wearer
        self.committed: dict[str, int] = {}
        self._held: dict[tuple[str, int], tuple[str, bytes]] = {}
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        secret = server.password_file(wearer).read_text().strip()
        self._client.username_pw_set(wearer, secret)
        self._client.max_inflight_messages_set(1000)
        self._client.on_connect = lambda *_: self._client.subscribe(
            f"trunkline/v1/{wearer}/+/committed", qos=1
        )
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", server.port)
        self._client.loop_start()
        assert self._subscribed.wait(PATIENCE_S)

    def _on_message(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        if not message.payload:
            return  # a retained message has been cleared
        body = json.loads(message.payload)
        self.committed[body["session"]] = body["seq"]

    def publish(self, rest: str, payload: bytes, *, retain: bool = False) -> None:
        """Returns when the broker has it."""
        topic = f"trunkline/v1/{self.wearer}/{rest}"
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(PATIENCE_S)

    def send(self, *batches: Batch, sensor: str = "back") -> None:
        """Publish, and hold until committed. Returns when the broker has them."""
        topic = f"trunkline/v1/{self.wearer}/{sensor}/imu"
        messages = [(topic, encode(batch)) for batch in batches]
        for batch, message in zip(batches, messages, strict=True):
            self._held[batch.session, batch.seq] = message
        self._publish(messages)

    def resend(self) -> None:
        """Publish again what is not committed: the broker may not have had a subscriber."""
        for session, seq in list(self._held):
            if seq <= self.committed.get(session, -1):
                del self._held[session, seq]
        self._publish(list(self._held.values()))

    def _publish(self, messages: list[tuple[str, bytes]]) -> None:
        infos = [self._client.publish(topic, payload, qos=1) for topic, payload in messages]
        for info in infos:
            info.wait_for_publish(PATIENCE_S)

    def wait_for_commit(self, session: str, seq: int) -> None:
        """Send again until everything up to `seq` is committed."""
        deadline = time.monotonic() + PATIENCE_S
        while self.committed.get(session, -1) < seq:
            assert time.monotonic() < deadline, f"not committed: {seq}, only {self.committed}"
            pause = time.monotonic() + RESEND_S
            while self.committed.get(session, -1) < seq and time.monotonic() < pause:
                time.sleep(0.01)
            self.resend()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def agent(server: Mosquitto, wearer: str = "w1") -> Iterator[Agent]:
    connected = Agent(server, wearer)
    try:
        yield connected
    finally:
        connected.close()


def server_account(server: Mosquitto) -> Broker:
    secret = server.password_file("server").read_text().strip()
    return Broker("127.0.0.1", server.port, "server", secret)


@contextmanager
def ingest(
    broker: Broker, store: Store, clinic: Clinic, data_dir: Path, replica: int | None = None
) -> Iterator[None]:
    """Ingest in a thread of this process, stopped at the end."""
    stop = threading.Event()
    failed: list[BaseException] = []

    def work() -> None:
        try:
            run_ingest(broker, store, clinic, stop, data_dir=data_dir, replica=replica)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
        assert not failed, failed


def ingest_process(server: Mosquitto, data_dir: Path, *more: str) -> subprocess.Popen[str]:
    """`trunkline ingest` as a process of its own."""
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "trunkline",
            "ingest",
            "--broker",
            f"127.0.0.1:{server.port}",
            "--user",
            "server",
            "--password-file",
            str(server.password_file("server")),
            "--data-dir",
            str(data_dir),
            *more,
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
