"""MQTT connections, one after the other; the only module of the agent that imports paho.

Every attempt has a client of its own, so that nothing of an old connection is sent again behind our
back, and reads password and TLS files anew, so that what is put right there needs no restart. paho
runs in a thread; its callbacks only hand over to the event loop, where all state lives.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Protocol

from paho.mqtt.client import Client, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from sensor_agent.broker import (
    BrokerConfig,
    BrokerConfigError,
    hung_up,
    refused,
    tls_context,
    unreachable,
)

log = logging.getLogger(__name__)

KEEPALIVE_S = 30
LOGIN_TIMEOUT_S = 20.0
RECONNECT_FIRST_S = 1.0
RECONNECT_MAX_S = 60.0
GOOD_S = 10.0
"""A connection of this length was one: the next attempt follows soon."""


class UplinkState(StrEnum):
    """Whether the broker takes what we have."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    REFUSED = "refused"
    """The broker answers and does not let us in."""
    CLOSED = "closed"


class Listener(Protocol):
    """Who uses the connection; called in the event loop."""

    def connected(self) -> None:
        """A new connection is up."""

    def lost(self) -> None:
        """The connection that was up is down."""

    def acked(self, mid: int) -> None:
        """The broker has taken a message."""

    def received(self, topic: str, payload: bytes) -> None:
        """A message of the subscriptions."""


class Connection:
    """Connects until it is closed. All methods belong to the event loop."""

    def __init__(
        self,
        broker: BrokerConfig,
        client_id: str,
        *,
        subscriptions: Sequence[str],
        will_topic: str,
        will: Callable[[], bytes],
        listener: Listener,
    ) -> None:
        """Raises BrokerConfigError."""
        self.state = UplinkState.CONNECTING
        self.problem: str | None = None
        """What keeps us from the broker, with advice; None when nothing does."""
        self.first_wait_s = RECONNECT_FIRST_S
        self._broker, self._client_id = broker, client_id
        self._subscriptions, self._will_topic, self._will = subscriptions, will_topic, will
        self._listener = listener
        self._client: Client | None = None
        self._ended: asyncio.Future[BaseException | None]
        self._closing = asyncio.Event()
        self._said: set[str] = set()
        if broker.tls:
            tls_context(broker)  # what can never work is said at once

    @property
    def socket(self) -> socket.socket | None:
        """The present connection's socket."""
        return self._client.socket() if self._client else None  # type: ignore[return-value]

    async def run(self) -> None:
        """One connection after the other, until `close`."""
        self._loop = asyncio.get_running_loop()
        wait_s = self.first_wait_s
        while not self._closing.is_set():
            began_s = time.monotonic()
            await self._connect_once()
            if time.monotonic() - began_s > GOOD_S:
                wait_s = self.first_wait_s
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s * random.uniform(0.7, 1.0)):  # noqa: S311
                    await self._closing.wait()
            wait_s = min(2 * wait_s, RECONNECT_MAX_S)
        self.state = UplinkState.CLOSED

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> int | None:
        """Send with QoS 1; the number under which it will be acknowledged, None when there is no
        connection."""
        if self.state is not UplinkState.CONNECTED or self._client is None:
            return None
        return self._client.publish(topic, payload, qos=1, retain=retain).mid

    def drop(self, problem: str) -> None:
        """Give up the present connection and make another."""
        self.complain(problem)
        if (sock := self.socket) is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Say goodbye; `run` returns soon."""
        self._closing.set()
        if self._client is not None:
            self._client.disconnect()

    def complain(self, problem: str) -> None:
        """Log a problem once, not at every retry."""
        self.problem = problem
        if problem not in self._said:
            self._said.add(problem)
            log.warning("%s", problem)

    async def _connect_once(self) -> None:
        """Return when the attempt has failed or the connection has ended."""
        self._ended = self._loop.create_future()
        try:
            client = self._client = self._make_client()
        except (BrokerConfigError, OSError) as error:
            self.complain(str(error))
            return
        # a daemon: it may sit in a connect for seconds when the agent is told to stop
        threading.Thread(target=self._work, args=(client, self._ended), daemon=True).start()
        deadline_s = time.monotonic() + LOGIN_TIMEOUT_S
        while not self._ended.done():
            await asyncio.wait([self._ended], timeout=0.5)
            if self._closing.is_set() and time.monotonic() > deadline_s - LOGIN_TIMEOUT_S + 1.0:
                break
            if self.state is not UplinkState.CONNECTED and time.monotonic() > deadline_s:
                self.drop(hung_up(self._broker))
        self._client = None
        reason = self._ended.result() if self._ended.done() else None
        was = self.state
        self.state = UplinkState.CONNECTING
        if self._closing.is_set():
            return
        if was is UplinkState.CONNECTED:
            self._listener.lost()
            if self.problem is None:
                self.complain(
                    f"the connection to the broker at {self._broker.address} was lost; samples "
                    "wait on disk and follow when it is back"
                )
        elif was is UplinkState.REFUSED:
            self.state = was
        elif reason is not None:
            self.complain(unreachable(self._broker, reason))
        else:
            self.complain(hung_up(self._broker))

    def _work(self, client: Client, ended: asyncio.Future[BaseException | None]) -> None:
        """The thread of one attempt."""
        found: BaseException | None = None
        try:
            client.connect(self._broker.host, self._broker.port, KEEPALIVE_S)
            client.loop_forever()
        except (OSError, ValueError) as error:
            found = error
        self._hand_over(lambda: None if ended.done() else ended.set_result(found))

    def _make_client(self) -> Client:
        broker = self._broker
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=MQTTv5 if broker.mqtt5 else MQTTv311,
            reconnect_on_failure=False,
        )
        if broker.tls:
            client.tls_set_context(tls_context(broker))
        if broker.user is not None:
            client.username_pw_set(broker.user, broker.present_password())
        client.max_inflight_messages_set(0)  # the uplink counts itself
        client.will_set(self._will_topic, self._will(), 1, retain=True)
        client.on_connect = lambda _c, _d, _f, reason, _p: self._hand_over(
            lambda: self._on_connect(client, reason.is_failure, str(reason))
        )
        client.on_publish = lambda _c, _d, mid, _r, _p: self._hand_over(
            lambda: self._listener.acked(mid) if client is self._client else None
        )
        client.on_message = lambda _c, _d, message: self._hand_over(
            lambda: self._listener.received(*_parts(message))
        )
        return client

    def _hand_over(self, act: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop is closed: we are past caring
            self._loop.call_soon_threadsafe(act)

    def _on_connect(self, client: Client, is_failure: bool, reason: str) -> None:
        if client is not self._client:
            return
        if is_failure:
            self.state = UplinkState.REFUSED
            self.complain(refused(self._broker, reason))
            return
        if self.problem is not None:
            log.info("connected to the broker at %s", self._broker.address)
        self.state, self.problem = UplinkState.CONNECTED, None
        self._said.clear()
        client.subscribe([(topic, 1) for topic in self._subscriptions])
        self._listener.connected()


def _parts(message: MQTTMessage) -> tuple[str, bytes]:
    try:
        return message.topic, bytes(message.payload)
    except UnicodeDecodeError:
        return "(not UTF-8)", b""
