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

from analytics.broker import Broker, BrokerError, Client, MQTTMessage, ReasonCode
from analytics.ingest.triage import SUBSCRIBED, Message
from analytics.ingest.writer import Writer, Written
from analytics.store.base import StoreError
from wire.codec import MAX_BYTES
from wire.topics import filter_all

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
FIRST_RETRY_S: Final = 0.5
MAX_RETRY_S: Final = 30.0
MAX_RECONNECT_S: Final = 15.0
LOGIN_TIMEOUT_S: Final = 20.0


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
        self, broker: Broker, client_id: str, writer: Writer, stop: threading.Event
    ) -> None:
        """Raises BrokerError when password or TLS files cannot be used."""
        self._broker, self._client_id = broker, client_id
        self._writer = writer
        self._stop = stop
        self._waiting: deque[_Received] = deque()
        self._connection = 0
        self._connected = False
        self._ever_connected = False
        self._refusal: BrokerError | None = None
        self._client = self._make_client()

    def run(self) -> None:
        """Work until `stop` is set. Raises BrokerError for what only a change of settings can
        cure, when the broker had never let us in; waits for everything else."""
        retry = _Retry(MAX_RECONNECT_S)
        while not self._stop.is_set():
            try:
                self._connect()
                retry.succeeded("connected to the broker at %s", self._broker.address)
                self._consume()
                raise BrokerError(
                    f"the connection to the broker at {self._broker.address} ended",
                    "connecting again",
                )
            except BrokerError as error:
                if error.lasting and not self._ever_connected:
                    raise
                if not self._stop.is_set():
                    self._stop.wait(retry.failed(error))
        self._client.disconnect()

    # --- connection ------------------------------------------------------------------------

    def _make_client(self) -> Client:
        """One for every connection: password and TLS files are read anew, and nothing of an old
        connection is left in it."""
        client = self._broker.client(self._client_id, keep_session=True, manual_ack=True)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _connect(self) -> None:
        self._connected, self._refusal = False, None
        self._client = self._make_client()
        self._connection += 1
        self._broker.connect(self._client, keep_session=True)
        deadline_s = time.monotonic() + LOGIN_TIMEOUT_S
        while not self._connected:
            alive = self._pump(0.1)
            if self._refusal is not None:
                raise self._refusal
            if not alive or time.monotonic() > deadline_s:
                raise BrokerError(
                    f"the broker at {self._broker.address} hung up before the log-in",
                    "check whether the port expects TLS (--tls-ca)",
                )
            if self._stop.is_set():
                return
        self._ever_connected = True

    def _on_connect(
        self, client: Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        if reason.is_failure:
            self._refusal = self._broker.refused(reason)
            return
        self._connected = True
        self._subscribe()

    def _subscribe(self) -> None:
        self._client.subscribe([(filter_all(kind), 1) for kind in SUBSCRIBED])

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

    def _consume(self) -> None:
        """Groups, one after the other, until the connection or the run ends."""
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
        retry = _Retry(MAX_RETRY_S)
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


class _Retry:
    """Waits that double, and one line in the log for a trouble that lasts."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._wait_s = FIRST_RETRY_S
        self._said = ""

    def failed(self, error: Exception) -> float:
        """Seconds to wait before the next attempt."""
        if str(error) != self._said:
            logger.warning("%s (trying again; nothing is lost)", error)
            self._said = str(error)
        wait_s, self._wait_s = self._wait_s, min(2 * self._wait_s, self._longest_s)
        return wait_s

    def succeeded(self, text: str, *arguments: object) -> None:
        if self._said:
            logger.info(text, *arguments)
        self._said, self._wait_s = "", FIRST_RETRY_S
