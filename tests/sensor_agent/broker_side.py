"""The server's side of the broker for tests: sees everything, commits when told to."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from tests.servers import PATIENCE_S, Mosquitto
from wire.batch import Batch
from wire.codec import decode
from wire.messages import Committed, Taken, digest
from wire.topics import Kind, Topic, parse, sensor_topic, wearer_topic


async def until(condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
    """Wait for something that the code under test brings about; TimeoutError when it does not."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


@dataclass
class Ingest:
    """Collects what arrives; `committing` answers as ingest would, once per batch."""

    broker: Mosquitto
    committing: bool = True
    held: dict[tuple[str, int], tuple[Topic, Batch]] = field(default_factory=dict)
    arrivals: list[tuple[float, str, int]] = field(default_factory=list)
    """(monotonic s, session, seq) of every delivery, repeats included."""
    messages: list[tuple[Topic, bytes, bool]] = field(default_factory=list)
    """(topic, payload, retained) of everything that is not a batch."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        self._client = Client(CallbackAPIVersion.VERSION2, "ingest", clean_session=False)
        self._client.username_pw_set(
            "server", self.broker.password_file("server").read_text().strip()
        )
        self._client.reconnect_delay_set(0.2, 0.2)
        self._client.on_connect = lambda *_args: self._client.subscribe("trunkline/v1/#", 1)
        self._subscribed = threading.Event()
        self._client.on_subscribe = lambda *_args: self._subscribed.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", self.broker.port, 10)
        self._client.loop_start()
        assert self._subscribed.wait(PATIENCE_S)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, _client: object, _data: object, message: MQTTMessage) -> None:
        topic = parse(message.topic)
        payload = bytes(message.payload)
        if topic.kind is not Kind.IMU:
            with self._lock:
                self.messages.append((topic, payload, message.retain))
            if self.committing and topic.kind in {Kind.BIRTH, Kind.MARK}:
                taken = Taken([digest(payload)]).dump()
                self._client.publish(wearer_topic(topic.wearer, Kind.TAKEN), taken, qos=0)
            return
        batch = decode(payload)
        with self._lock:
            self.arrivals.append((time.monotonic(), batch.session, batch.seq))
            self.held[batch.session, batch.seq] = (topic, batch)
        if self.committing:
            self.commit(batch.session)

    def commit(self, session: str) -> None:
        """Publish the watermark of a session by the rule of the wire contract."""
        with self._lock:
            found = {q: b for (s, q), (_, b) in self.held.items() if s == session}
        mark = max(b.floor_seq for b in found.values()) - 1
        while mark + 1 in found:
            mark += 1
        if mark < 0:
            return
        sensor = next(t.sensor for (s, _), (t, _) in list(self.held.items()) if s == session)
        wearer = next(t.wearer for (s, _), (t, _) in list(self.held.items()) if s == session)
        assert sensor is not None
        self._client.publish(
            sensor_topic(wearer, sensor, Kind.COMMITTED),
            Committed(session=session, seq=mark).dump(),
            qos=1,
            retain=True,
        )

    def batches(self, sensor: str) -> list[Batch]:
        """Batches of one sensor by session and number."""
        with self._lock:
            items = sorted(self.held.items(), key=lambda item: item[0])
        return [batch for _, (topic, batch) in items if topic.sensor == sensor]

    def of(self, kind: Kind) -> list[bytes]:
        """Payloads of one kind, in order of arrival."""
        with self._lock:
            return [payload for topic, payload, _ in self.messages if topic.kind is kind]

    def counts(self) -> dict[tuple[str, int], int]:
        """How often each batch was delivered."""
        counts: dict[tuple[str, int], int] = defaultdict(int)
        with self._lock:
            for _, session, seq in self.arrivals:
                counts[session, seq] += 1
        return counts
