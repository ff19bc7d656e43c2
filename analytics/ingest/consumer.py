"""The MQTT side of ingest: receive, hand over in groups, acknowledge, publish commits.

One thread does it all, so that what is acknowledged is what was written. A message is acknowledged
on the connection it came by and on no other: after a reconnection the same message id may belong
to another message.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from analytics.broker import Broker, Client, MQTTMessage, ReasonCode, Retry, keep_connected
from analytics.ingest.triage import SUBSCRIBED, Message
from analytics.ingest.writer import Writer, Written
from analytics.store.base import StoreError
from wire.codec import MAX_BYTES
from wire.topics import Kind, filter_all

logger = logging.getLogger(__name__)

GROUP_MESSAGES: Final = 500
"""Written together: the two syncs to disk are then a small part of the time."""
GROUP_S: Final = 0.1
"""A group is not held open longer: live state is due two seconds after the sample."""
QUIET_S: Final = 0.005
"""A pause this long ends a group: a broker sends only so many messages ahead (20 for mosquitto
unless told otherwise) and then waits for us."""
IDLE_S: Final = 0.25
"""How long to wait for the first message of a group, and so for the stop signal."""
MAX_WAITING: Final = 5_000
"""Messages held while the store is away; the rest stays with the broker and the agents."""
MAX_RETRY_S: Final = 30.0
GROUP: Final = "ingest"
"""Name of the shared subscription."""


@dataclass(frozen=True, slots=True)
class _Received:
    connection: int
    """Number of the connection it came by."""
    mid: int
    qos: int
    message: Message


class Consumer:
    """Runs ingest for one data directory until `stop` is set. Not thread-safe."""

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        writer: Writer,
        stop: threading.Event,
        *,
        shared: bool = False,
    ) -> None:
        """shared: the batches are divided among all consumers with this flag. What else is sent is
        rare and small; everybody gets it, because a broker sends nothing that it retains to those
        who share. Nor does the broker keep anything for one that is gone: it would go on giving it
        its part. The agents send again what nobody committed. Raises BrokerError when password or
        TLS files cannot be used."""
        self._filters = [
            filter_all(kind, GROUP if shared and kind is Kind.IMU else None) for kind in SUBSCRIBED
        ]
        self._shared = shared
        self._broker, self._client_id = broker, client_id
        self._writer = writer
        self._stop = stop
        self._waiting: deque[_Received] = deque()
        self._connection = 0
        self._client = self._make_client()

    def run(self) -> None:
        """Work until `stop` is set; whatever comes between is waited for."""
        keep_connected(
            self._broker,
            self._stop,
            self._make_client,
            self._consume,
            keep_session=not self._shared,
        )

    # --- connection ------------------------------------------------------------------------

    def _make_client(self) -> Client:
        client = self._broker.client(
            self._client_id, keep_session=not self._shared, manual_ack=True
        )
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        self._client = client
        self._connection += 1
        return client

    def _subscribe(self) -> None:
        self._client.subscribe([(each, 1) for each in self._filters])

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, reasons: list[ReasonCode], _properties: Any
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            logger.error(
                "the broker at %s does not let this account read everybody's messages; "
                "check its access list",
                self._broker.address,
            )

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "(not UTF-8)"
        self._waiting.append(
            _Received(
                self._connection,
                message.mid,
                message.qos,
                Message(topic, bytes(message.payload[: MAX_BYTES + 1])),
            )
        )

    def _pump(self, timeout_s: float) -> bool:
        """Let paho work; False when the connection has ended."""
        return not self._client.loop(timeout_s)

    # --- groups ----------------------------------------------------------------------------

    def _consume(self, _client: Client) -> None:
        """Groups, one after the other, until the connection or the run ends."""
        self._subscribe()
        alive = True
        while alive and not self._stop.is_set():
            alive = self._fill_group()
            group = [
                self._waiting.popleft() for _ in range(min(len(self._waiting), GROUP_MESSAGES))
            ]
            if not group:
                continue
            written = self._write(group)
            if written is None:
                return
            for received in group:
                if received.qos and received.connection == self._connection:
                    self._client.ack(received.mid, received.qos)
            for commit in written.commits:
                # QoS 0: an agent that misses it sends again and is told again.
                self._client.publish(commit.topic, commit.payload, qos=0, retain=True)
            for taken in written.taken:
                self._client.publish(taken.topic, taken.payload, qos=0)
            if written.newly_known:
                self._subscribe()  # makes the broker send again what it retains

    def _fill_group(self) -> bool:
        """Wait for messages and gather those that follow closely; False: the connection ended."""
        if not self._waiting and not self._pump(IDLE_S):
            return False
        deadline_s = time.monotonic() + GROUP_S
        count = -1
        while count < len(self._waiting) < GROUP_MESSAGES and time.monotonic() < deadline_s:
            count = len(self._waiting)
            if count and not self._pump(QUIET_S):
                return False
        return True

    def _write(self, group: list[_Received]) -> Written | None:
        """Write until it succeeds; None when the run ends before."""
        retry = Retry(MAX_RETRY_S)
        while True:
            try:
                written = self._writer.write([received.message for received in group])
            except StoreError as error:
                self._stay_connected(retry.failed(error))
                if self._stop.is_set():
                    return None
            else:
                retry.succeeded("the store answers again")
                return written

    def _stay_connected(self, wait_s: float) -> None:
        """Keep the broker's connection alive while we wait. When too much is waiting, nothing more
        is read: the broker hangs up in the end and keeps the messages."""
        deadline_s = time.monotonic() + wait_s
        while not self._stop.is_set() and (rest_s := deadline_s - time.monotonic()) > 0:
            if len(self._waiting) >= MAX_WAITING or not self._pump(min(rest_s, IDLE_S)):
                self._stop.wait(min(rest_s, IDLE_S))
