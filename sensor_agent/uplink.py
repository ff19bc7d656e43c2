"""The outbox's way to the broker: what is sent when, and what may be deleted.

Fresh batches are published at once. What was in the outbox when the connection came up follows
oldest first, at a limited rate and with a limited number of batches that ingest has not committed.
A batch leaves the outbox on ingest's `committed`, a birth or mark on its `taken`; what stays is
sent again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from sensor_agent.broker import BrokerConfig
from sensor_agent.connection import Connection, UplinkState
from sensor_agent.outbox import Message, Outbox, OutboxError
from wire.messages import AgentState, AgentStatus, Alert, Committed, MessageError, Taken
from wire.topics import ROOT, Kind, TopicError, parse, wearer_topic

__all__ = ["Uplink", "UplinkState"]

log = logging.getLogger(__name__)

MAX_UNACKED = 64
"""Messages that the broker has not acknowledged: bounds memory on a link that takes nothing."""
ACK_S = 30.0
"""A broker that has not acknowledged a message for so long is not one: another connection."""
STRIKES = 3
"""Connections that ended while a batch was under way: then one is sent at a time, to find out
whether a batch is to blame."""
AVOID_S = 300.0
"""How long a batch at which the broker hangs up is left out, so that the others get through."""
BACKLOG_PER_S = 100
"""Eight hours of one sensor in five minutes, and a live batch never waits behind more than one."""
BACKLOG_PER_SENSOR_S = 40
"""With several sensors: eight hours in twelve minutes, however many there are."""
BACKLOG_WINDOW = 256
"""Backlog batches that the store has not committed: ingest sets the pace, not the broker."""
LIVE_WINDOW = 5000
"""The same for fresh batches. Far beyond any broker's queue for an absent ingest; later batches
wait in the outbox and follow when ingest has caught up."""
RESEND_S = 10.0
"""A batch uncommitted for so long after it was sent is in doubt once ingest shows life."""
PROBE_S = 10.0
"""Without a word from ingest for so long, the oldest batch is sent again to ask for one."""
SMALL_AGAIN_S = 20.0
SMALL_AGAIN_MAX_S = 600.0
"""Births and marks that ingest has not taken are sent again after so long, then twice that."""
_CHUNK = 64
_TICK_S = 0.5


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
        self,
        broker: BrokerConfig,
        outbox: Outbox,
        run: str,
        utc_ns: Callable[[], int],
        sensors: int = 1,
        *,
        alerted: Callable[[Alert], None] = lambda _: None,
    ) -> None:
        """`run`: ULID of this run of the agent; `sensors`: how many it has; `alerted` is told the
        wearer's alerts. BrokerConfigError."""
        self.committed_batches = self.committed_samples = 0
        """What the store has taken since the start."""
        self._outbox, self._run, self._utc_ns = outbox, run, utc_ns
        self._alerted = alerted
        self._backlog_per_s = max(BACKLOG_PER_S, BACKLOG_PER_SENSOR_S * sensors)
        self._state_topic = wearer_topic(outbox.wearer, Kind.AGENT_STATE)
        self._retained: dict[str, bytes] = {}
        self._wake = asyncio.Event()
        self._closing = False
        self._greeted = False
        # MQTT message id -> (row of the outbox, whether it is a batch, when it was sent)
        self._unacked: dict[int, tuple[int | None, bool, float]] = {}
        self._taken: set[str] = set()
        self._small_id = 0  # births and marks up to this row are sent, on this connection
        self._small_wait_s = self._small_again_s = 0.0
        self._commits: dict[str, int] = {}
        self._published: dict[str, int] = {}  # sessions of this run -> highest number sent
        self._sent: dict[str, _Sent] = {}
        self._backlog: deque[Message] = deque()
        self._backlog_id = self._backlog_end = self._live_id = 0
        self._backlog_due_s = 0.0
        self._strikes: dict[int, int] = {}  # row -> connections that ended with it under way
        self._avoided: dict[int, float] = {}  # row -> until when
        self.connection = Connection(
            broker,
            f"tl{run[-20:]}",  # MQTT 3.1.1 promises 23 characters
            subscriptions=(
                f"{ROOT}/{outbox.wearer}/+/{Kind.COMMITTED}",
                wearer_topic(outbox.wearer, Kind.TAKEN),
                wearer_topic(outbox.wearer, Kind.ALERT),
            ),
            will_topic=self._state_topic,
            will=lambda: self._agent_status(AgentState.LOST),
            listener=self,
        )

    @property
    def state(self) -> UplinkState:
        """Whether the broker takes what we have."""
        return self.connection.state

    @property
    def problem(self) -> str | None:
        """What keeps us from the broker, with advice; None when nothing does."""
        return self.connection.problem

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
        connecting = asyncio.create_task(self.connection.run())
        try:
            while not self._closing:
                try:
                    busy = await self._pump()
                except OutboxError as error:
                    self.connection.complain(str(error))
                    busy = False
                with suppress(TimeoutError):
                    async with asyncio.timeout(0 if busy else _TICK_S):
                        await self._wake.wait()
                self._wake.clear()
                if connecting.done():
                    connecting.result()
            await self._say_goodbye()
        finally:
            self.connection.close()
            await asyncio.wait([connecting], timeout=1.5)
            connecting.cancel()

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
        self._watch_acks()
        if not self._greeted:
            await self._greet()
        busy = await self._send_small() and self._room() > 0
        busy |= await self._send_live()
        busy |= await self._send_backlog()
        await self._probe()
        return busy

    async def _settle(self) -> None:
        """Delete from the outbox what has arrived."""
        if taken := set(self._taken):
            await asyncio.to_thread(self._outbox.taken, taken)
            self._taken -= taken
        for session, seq in list(self._commits.items()):
            if not await self._is_believed(session, seq):
                del self._commits[session]
                continue
            batches, samples = await asyncio.to_thread(self._outbox.commit, session, seq)
            self.committed_batches += batches
            self.committed_samples += samples
            if self._commits[session] == seq:
                del self._commits[session]
            if sent := self._sent.get(session):
                await self._forget(session, sent, seq)

    async def _is_believed(self, session: str, seq: int) -> bool:
        """Nobody can have stored what was never sent: a word about that deletes nothing."""
        if session > self._run:
            last = self._published.get(session)
        else:
            last = await asyncio.to_thread(self._outbox.last_seq, session)
        if last is not None and seq > last:
            self.connection.complain(
                f"batch {seq} of a sensor is said to be stored, but only {last} was sent; nothing "
                "is deleted, look who publishes on the topic `committed`"
            )
        return last is not None and seq <= last

    async def _forget(self, session: str, sent: _Sent, seq: int) -> None:
        """Ingest has committed up to `seq`; what it should have had long ago is sent again."""
        sent.heard_s = now_s = time.monotonic()
        sent.at_s = {q: at_s for q, at_s in sent.at_s.items() if q > seq}
        sent.backlog = {q for q in sent.backlog if q > seq}
        # Fresh batches stay uncommitted until the backlog before them is through: that is no reason
        # to send them again, and would leave no room for the backlog.
        is_through = self._backlog_id >= self._backlog_end
        doubtful = [
            q
            for q, at_s in sent.at_s.items()
            if at_s < now_s - RESEND_S and (is_through or q in sent.backlog)
        ]
        if doubtful and not self._backlog:
            await self._resend(session, min(doubtful), BACKLOG_WINDOW)

    async def _resend(self, session: str, seq: int, limit: int) -> None:
        sent, before_s = self._sent[session].at_s, time.monotonic() - RESEND_S
        for row in await asyncio.to_thread(self._outbox.batches_from, session, seq, limit):
            if row.seq is not None and sent.get(row.seq, before_s) < before_s:
                self._backlog.append(row)

    async def _greet(self) -> None:
        """First round of a connection: the broker may be another, and know nothing."""
        self._sent.clear()
        self._backlog.clear()
        self._backlog_id, self._backlog_end = 0, await asyncio.to_thread(self._outbox.last_id)
        self._live_id = self._backlog_end
        self._small_id, self._small_wait_s = 0, SMALL_AGAIN_S
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
        now_s = time.monotonic()
        if self._small_id and now_s > self._small_again_s:
            self._small_id, self._small_wait_s = 0, min(2 * self._small_wait_s, SMALL_AGAIN_MAX_S)
        room = self._room()
        if room <= 0:
            return True
        rows = await asyncio.to_thread(self._outbox.small, room, self._small_id)
        for row in rows:
            self._publish(row.topic, row.payload, retain=False, row_id=row.id)
            self._small_id, self._small_again_s = row.id, now_s + self._small_wait_s
        return len(rows) == room

    async def _send_live(self) -> bool:
        held = sum(len(sent.at_s) for sent in self._sent.values())
        room = min(self._room(), LIVE_WINDOW - held, _CHUNK)
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
        allowed = min(self._room(), int((now_s - self._backlog_due_s) * self._backlog_per_s))
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
        self._backlog_due_s = max(self._backlog_due_s, now_s - _TICK_S)
        self._backlog_due_s += count / self._backlog_per_s
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
        if self._avoided.get(row.id, 0.0) <= time.monotonic():
            self._publish(row.topic, row.payload, retain=False, row_id=row.id, is_batch=True)
        if row.session > self._run:
            self._published[row.session] = max(row.seq, self._published.get(row.session, 0))
        sent = self._sent.setdefault(row.session, _Sent())
        sent.at_s[row.seq] = time.monotonic()
        if is_backlog:
            sent.backlog.add(row.seq)

    def _publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool,
        row_id: int | None = None,
        is_batch: bool = False,
    ) -> None:
        mid = self.connection.publish(topic, payload, retain=retain)
        if mid is not None:
            self._unacked[mid] = (row_id, is_batch, time.monotonic())

    def _room(self) -> int:
        """Messages that may be sent now; one at a time while we look for what the broker hangs up
        at."""
        is_careful = any(count >= STRIKES for count in self._strikes.values())
        return (1 if is_careful else MAX_UNACKED) - len(self._unacked)

    def _watch_acks(self) -> None:
        if self._unacked and time.monotonic() - next(iter(self._unacked.values()))[2] > ACK_S:
            self.connection.drop(
                "the broker takes messages and does not acknowledge them; it is connected anew, "
                "look whether its disk is full"
            )

    def _agent_status(self, state: AgentState) -> bytes:
        return AgentStatus(run=self._run, state=state, at_ns=self._utc_ns()).dump()

    # --- what the connection says ---------------------------------------------------------------

    def connected(self) -> None:
        """See Listener."""
        self._greeted = False
        self._unacked.clear()
        self._wake.set()

    def lost(self) -> None:
        """See Listener."""
        self._greeted = False
        rows = [row for row, is_batch, _ in self._unacked.values() if is_batch and row is not None]
        self._strikes = {row: self._strikes.get(row, 0) + 1 for row in rows}
        if any(count >= STRIKES for count in self._strikes.values()):
            self.connection.complain(
                "the broker hangs up at what it is sent; check its limit of the message size and "
                "its access list. Samples wait on disk"
            )
        if len(rows) == 1 and self._strikes[rows[0]] > STRIKES:
            self._avoided[rows[0]] = time.monotonic() + AVOID_S
            self._strikes.clear()

    def acked(self, mid: int) -> None:
        """See Listener."""
        row, is_batch, _ = self._unacked.pop(mid, (None, False, 0.0))
        is_small = row is not None and not is_batch
        if row is not None and is_batch:
            self._strikes.pop(row, None)
        if is_small or len(self._unacked) < MAX_UNACKED // 2:
            self._wake.set()

    def received(self, topic: str, payload: bytes) -> None:
        """See Listener."""
        try:
            kind = parse(topic).kind
            if not payload:
                return
            if kind is Kind.TAKEN:
                self._taken |= set(Taken.load(payload).digests)
            elif kind is Kind.ALERT:
                self._alerted(Alert.load(payload))
                return
            elif kind is Kind.COMMITTED:
                committed = Committed.load(payload)
                known = self._commits.get(committed.session, -1)
                self._commits[committed.session] = max(known, committed.seq)
        except (TopicError, MessageError) as error:
            log.warning("a message from the broker cannot be used: %s", error)
            return
        self._wake.set()

    async def _say_goodbye(self) -> None:
        if self.state is not UplinkState.CONNECTED:
            return
        with suppress(OutboxError):
            await self._settle()
        goodbye = self._agent_status(AgentState.DISCONNECTED)
        self._publish(self._state_topic, goodbye, retain=True)
        deadline_s = time.monotonic() + 1.0
        while self._unacked and time.monotonic() < deadline_s:
            await asyncio.sleep(0.01)
