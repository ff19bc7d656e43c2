"""The outbox's way to the broker: MQTT, QoS 1, the only module of the agent that imports paho.

Fresh batches are published at once. What was in the outbox when the connection came up follows
oldest first, at a limited rate and with a limited number of batches that ingest has not committed.
A batch leaves the outbox on ingest's `committed`; one that stays uncommitted is sent again.

paho runs in its own thread; its callbacks only hand over to the event loop, where all state lives.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum

from paho.mqtt.client import Client, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from sensor_agent.broker import BrokerConfig, hung_up, refused, tls_context, unreachable
from sensor_agent.outbox import Message, Outbox, OutboxError
from wire.messages import AgentState, AgentStatus, Committed, MessageError
from wire.topics import ROOT, Kind, TopicError, parse, wearer_topic

log = logging.getLogger(__name__)

KEEPALIVE_S = 30
RECONNECT_MAX_S = 60
MAX_UNACKED = 64
"""Messages that the broker has not acknowledged: bounds memory on a link that takes nothing."""
BACKLOG_PER_S = 100
"""Eight hours of one sensor in five minutes, and a live batch never waits behind more than one."""
BACKLOG_WINDOW = 256
"""Backlog batches that the store has not committed: ingest sets the pace, not the broker."""
LIVE_WINDOW = 5000
"""The same for fresh batches. Far beyond any broker's queue for an absent ingest; later batches
wait in the outbox and follow when ingest has caught up."""
RESEND_S = 10.0
"""A batch uncommitted for so long after it was sent is in doubt once ingest shows life."""
PROBE_S = 10.0
"""Without a word from ingest for so long, the oldest batch is sent again to ask for one."""
_CHUNK = 64
_TICK_S = 0.5


class UplinkState(StrEnum):
    """Whether the broker takes what we have."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    REFUSED = "refused"
    """The broker answers and does not let us in."""
    CLOSED = "closed"


class _Sent:
    """Batches of one session that were published and are not committed."""

    def __init__(self) -> None:
        self.at_s: dict[int, float] = {}  # seq -> when
        self.backlog: set[int] = set()  # those of them that count against BACKLOG_WINDOW
        self.heard_s = time.monotonic()
        """Last time that ingest said something, or that we asked."""


class Uplink:
    """Publishes one wearer's outbox until it is closed. All methods belong to the event loop."""

    def __init__(
        self, broker: BrokerConfig, outbox: Outbox, run: str, utc_ns: Callable[[], int]
    ) -> None:
        """`run`: ULID of this run of the agent; raises BrokerConfigError."""
        self.state = UplinkState.CONNECTING
        self.problem: str | None = None
        """What keeps us from the broker, with advice; None when nothing does."""
        self.committed_batches = self.committed_samples = 0
        """What the store has taken since the start."""
        self._broker, self._outbox, self._run, self._utc_ns = broker, outbox, run, utc_ns
        self._state_topic = wearer_topic(outbox.wearer, Kind.AGENT_STATE)
        self._retained: dict[str, bytes] = {}
        self._wake = asyncio.Event()
        self._closing = False
        self._greeted = False
        self._unacked: dict[int, int | None] = {}  # MQTT message id -> small message's row
        self._delivered: list[int] = []
        self._commits: dict[str, int] = {}
        self._sent: dict[str, _Sent] = {}
        self._backlog: deque[Message] = deque()
        self._backlog_id = self._backlog_end = self._live_id = 0
        self._backlog_due_s = 0.0
        self._client = self._make_client()

    def set_retained(self, topic: str, payload: bytes) -> None:
        """Publish a retained message now, and again whenever the broker may have forgotten it."""
        self._retained[topic] = payload
        if self._greeted:
            self._publish(topic, payload, retain=True)

    def set_agent_state(self, state: AgentState) -> None:
        """Retained life-cycle state of the agent."""
        self.set_retained(self._state_topic, self._agent_status(state))

    def appended(self) -> None:
        """The outbox has something new."""
        self._wake.set()

    async def run(self) -> None:
        """Connect and publish until `close`."""
        self._loop = asyncio.get_running_loop()
        self._client.connect_async(self._broker.host, self._broker.port, KEEPALIVE_S)
        self._client.loop_start()
        try:
            while not self._closing:
                try:
                    busy = await self._pump()
                except OutboxError as error:
                    self._complain(str(error))
                    busy = False
                with suppress(TimeoutError):
                    async with asyncio.timeout(0 if busy else _TICK_S):
                        await self._wake.wait()
                self._wake.clear()
        finally:
            await self._disconnect()

    def close(self) -> None:
        """Say goodbye and let `run` return, within two seconds. Nothing is lost: it is on disk."""
        self._closing = True
        self._wake.set()

    # --- pump: from the outbox to the broker ----------------------------------------------------

    async def _pump(self) -> bool:
        """One round; True when the next should follow at once."""
        await self._settle()
        if self.state is not UplinkState.CONNECTED:
            return False
        if not self._greeted:
            await self._greet()
        busy = await self._send_small()
        busy |= await self._send_live()
        busy |= await self._send_backlog()
        await self._probe()
        return busy

    async def _settle(self) -> None:
        """Delete from the outbox what has arrived."""
        if delivered := self._delivered[:]:
            await asyncio.to_thread(self._outbox.delivered, delivered)
            del self._delivered[: len(delivered)]
        for session, seq in list(self._commits.items()):
            batches, samples = await asyncio.to_thread(self._outbox.commit, session, seq)
            self.committed_batches += batches
            self.committed_samples += samples
            if self._commits[session] == seq:
                del self._commits[session]
            if sent := self._sent.get(session):
                await self._forget(session, sent, seq)

    async def _forget(self, session: str, sent: _Sent, seq: int) -> None:
        """Ingest has committed up to `seq`; what it should have had long ago is sent again."""
        sent.heard_s = now_s = time.monotonic()
        sent.at_s = {q: at_s for q, at_s in sent.at_s.items() if q > seq}
        sent.backlog = {q for q in sent.backlog if q > seq}
        doubtful = [q for q, at_s in sent.at_s.items() if at_s < now_s - RESEND_S]
        if doubtful and not self._backlog:
            await self._resend(session, min(doubtful), BACKLOG_WINDOW)

    async def _resend(self, session: str, seq: int, limit: int) -> None:
        sent, before_s = self._sent[session].at_s, time.monotonic() - RESEND_S
        for row in await asyncio.to_thread(self._outbox.batches_from, session, seq, limit):
            if row.seq is not None and sent.get(row.seq, before_s) < before_s:
                self._backlog.append(row)

    async def _greet(self) -> None:
        """First round of a connection: the broker may be another, and know nothing."""
        self._unacked.clear()
        self._sent.clear()
        self._backlog.clear()
        self._backlog_id, self._backlog_end = 0, await asyncio.to_thread(self._outbox.last_id)
        self._live_id = self._backlog_end
        while await self._send_small():
            await asyncio.sleep(_TICK_S / 10)
            await self._settle()
        if self.state is UplinkState.CONNECTED:
            # after the births of older sessions, so that the present ones stay
            self._greeted = True
            for topic, payload in self._retained.items():
                self._publish(topic, payload, retain=True)

    async def _send_small(self) -> bool:
        """Births and marks; True when some could not be published yet."""
        under_way = {row for row in self._unacked.values() if row is not None}
        under_way |= set(self._delivered)
        rows = await asyncio.to_thread(self._outbox.small, MAX_UNACKED + len(under_way))
        waiting = [row for row in rows if row.id not in under_way]
        for row in waiting[: MAX_UNACKED - len(self._unacked)]:
            self._publish(row.topic, row.payload, retain=row.retain, row_id=row.id)
        return len(waiting) > MAX_UNACKED - len(under_way)

    async def _send_live(self) -> bool:
        held = sum(len(sent.at_s) for sent in self._sent.values())
        room = min(MAX_UNACKED - len(self._unacked), LIVE_WINDOW - held, _CHUNK)
        if room <= 0:
            return False
        rows = await asyncio.to_thread(self._outbox.batches_after, self._live_id, room)
        for row in rows:
            self._live_id = row.id
            self._publish_batch(row, is_backlog=False)
        return len(rows) == room

    async def _send_backlog(self) -> bool:
        """What is due again, then what waited for the connection; always False: the rate rules."""
        now_s = time.monotonic()
        room = MAX_UNACKED - len(self._unacked)
        allowed = min(room, int((now_s - self._backlog_due_s) * BACKLOG_PER_S))
        if allowed <= 0:
            return False
        held = sum(len(sent.backlog) for sent in self._sent.values())
        if not self._backlog and self._backlog_id < self._backlog_end and held < BACKLOG_WINDOW:
            rows = await asyncio.to_thread(self._outbox.batches_after, self._backlog_id, _CHUNK)
            self._backlog.extend(row for row in rows if row.id <= self._backlog_end)
            self._backlog_id = rows[-1].id if rows else self._backlog_end
        count = 0
        while self._backlog and count < allowed:
            self._publish_batch(self._backlog.popleft(), is_backlog=True)
            count += 1
        self._backlog_due_s = max(self._backlog_due_s, now_s - _TICK_S) + count / BACKLOG_PER_S
        return False

    async def _probe(self) -> None:
        now_s = time.monotonic()
        for session, sent in list(self._sent.items()):
            if sent.at_s and now_s - sent.heard_s > PROBE_S:
                sent.heard_s = now_s
                await self._resend(session, min(sent.at_s), 1)

    def _publish_batch(self, row: Message, *, is_backlog: bool) -> None:
        if row.session is None or row.seq is None:
            raise ValueError(f"row {row.id} is not a batch")
        self._publish(row.topic, row.payload, retain=False)
        sent = self._sent.setdefault(row.session, _Sent())
        sent.at_s[row.seq] = time.monotonic()
        if is_backlog:
            sent.backlog.add(row.seq)

    def _publish(
        self, topic: str, payload: bytes, *, retain: bool, row_id: int | None = None
    ) -> None:
        self._unacked[self._client.publish(topic, payload, qos=1, retain=retain).mid] = row_id

    # --- connection: paho's callbacks, handed over to the event loop ----------------------------

    def _make_client(self) -> Client:
        broker = self._broker
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"tl{self._run[-20:]}",  # MQTT 3.1.1 promises 23 characters
            protocol=MQTTv5 if broker.mqtt5 else MQTTv311,
        )
        if broker.tls:
            client.tls_set_context(tls_context(broker))
        if broker.user is not None:
            client.username_pw_set(broker.user, broker.password)
        client.reconnect_delay_set(1, RECONNECT_MAX_S)
        client.max_inflight_messages_set(MAX_UNACKED)
        client.will_set(self._state_topic, self._agent_status(AgentState.LOST), 1, retain=True)

        def hand_over(act: Callable[..., None], *args: object) -> None:
            with suppress(RuntimeError):  # the loop is closed: we are past caring
                self._loop.call_soon_threadsafe(act, *args)

        client.on_connect_fail = lambda _c, _d: hand_over(self._on_unreachable, sys.exception())
        client.on_connect = lambda _c, _d, _f, reason, _p: hand_over(
            self._on_connect, reason.is_failure, str(reason)
        )
        client.on_disconnect = lambda *_args: hand_over(self._on_disconnect)
        client.on_publish = lambda _c, _d, mid, _r, _p: hand_over(self._on_acked, mid)
        client.on_message = lambda _c, _d, message: hand_over(self._on_message, message)
        return client

    def _agent_status(self, state: AgentState) -> bytes:
        return AgentStatus(run=self._run, state=state, at_ns=self._utc_ns()).dump()

    def _on_connect(self, is_failure: bool, reason: str) -> None:
        if is_failure:
            self.state = UplinkState.REFUSED
            self._complain(refused(self._broker, reason))
            return
        if self.problem is not None:
            log.info("connected to the broker at %s", self._broker.address)
        self.state, self.problem, self._greeted = UplinkState.CONNECTED, None, False
        self._client.subscribe(f"{ROOT}/{self._outbox.wearer}/+/{Kind.COMMITTED}", qos=1)
        self._wake.set()

    def _on_unreachable(self, error: BaseException | None) -> None:
        self.state = UplinkState.CONNECTING
        self._complain(unreachable(self._broker, error))

    def _on_disconnect(self) -> None:
        self._greeted = False
        was, self.state = self.state, UplinkState.CONNECTING
        if self._closing or was is UplinkState.REFUSED:
            self.state = was
        elif was is UplinkState.CONNECTED:
            self._complain(
                f"the connection to the broker at {self._broker.address} was lost; samples wait "
                "on disk and follow when it is back"
            )
        else:
            self._complain(hung_up(self._broker))

    def _complain(self, problem: str) -> None:
        """Log a problem once, not at every retry."""
        if problem != self.problem:
            log.warning("%s", problem)
        self.problem = problem

    def _on_acked(self, mid: int) -> None:
        row_id = self._unacked.pop(mid, None)
        if row_id is not None:
            self._delivered.append(row_id)
        if row_id is not None or len(self._unacked) < MAX_UNACKED // 2:
            self._wake.set()

    def _on_message(self, message: MQTTMessage) -> None:
        try:
            topic = parse(message.topic)
            if topic.kind is not Kind.COMMITTED or not message.payload:
                return
            committed = Committed.load(bytes(message.payload))
        except (TopicError, MessageError) as error:
            log.warning("a message from the broker cannot be used: %s", error)
            return
        known = self._commits.get(committed.session, -1)
        self._commits[committed.session] = max(known, committed.seq)
        self._wake.set()

    async def _disconnect(self) -> None:
        if self.state is UplinkState.CONNECTED:
            with suppress(OutboxError):
                await self._settle()
            self._publish(
                self._state_topic, self._agent_status(AgentState.DISCONNECTED), retain=True
            )
            deadline_s = time.monotonic() + 1.0
            while self._unacked and time.monotonic() < deadline_s:
                await asyncio.sleep(0.01)
        self._client.disconnect()
        self.state = UplinkState.CLOSED
        # the network thread may sit in a connect for seconds; it is a daemon and may be left there
        stopper = threading.Thread(target=self._client.loop_stop, daemon=True)
        stopper.start()
        deadline_s = time.monotonic() + 1.0
        while stopper.is_alive() and time.monotonic() < deadline_s:
            await asyncio.sleep(0.01)
