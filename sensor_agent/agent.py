"""One wearer's agent: sensors, outbox and uplink put together."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from sensor_agent.ble import Radio
from sensor_agent.broker import BrokerConfig
from sensor_agent.clock import HostClock
from sensor_agent.device_clock import HostUtc
from sensor_agent.outbox import MAX_BYTES, Dropped, Outbox, OutboxError
from sensor_agent.session import SILENCE_S, SensorConfig, SensorSession
from sensor_agent.state import State
from sensor_agent.uplink import Uplink
from wire.batch import Batch
from wire.ids import check_wearer, new_session
from wire.messages import AgentState, Alert, Birth, Losses, Mark
from wire.topics import Kind, sensor_topic, wearer_topic

log = logging.getLogger(__name__)

STATUS_S = 5.0
SENSORS_STOP_S = 3.0
"""For stop commands and disconnects, which take two seconds on BlueZ."""
LAST_DELIVERY_S = 1.0
"""For the last second of the day to reach the server and be confirmed; what does not is delivered
at the next start."""
MAX_PENDING = 1200
"""Batches in memory while the disk takes nothing: 10 minutes of two sensors, below 1 MB."""
DISK_RETRY_S = 1.0
POLL_S = 0.05
STALE_ALERT_NS = 60_000_000_000
"""An alert that comes later than this speaks of what is over."""


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """What one agent does; raises IdError."""

    wearer: str
    broker: BrokerConfig
    outbox_path: Path
    sensors: tuple[SensorConfig, ...]
    outbox_max_bytes: int = MAX_BYTES
    silence_s: float = SILENCE_S
    """Seconds of the host clock without a sample after which a sensor is connected anew."""

    def __post_init__(self) -> None:
        check_wearer(self.wearer)
        names = [config.sensor for config in self.sensors]
        if len(set(names)) != len(names):
            raise ValueError("two sensors have the same id; give each its own")


@dataclass(frozen=True, slots=True)
class AgentReport:
    """What a run did."""

    samples: int
    """Samples handed to the outbox or dropped on record."""
    lost_samples: int
    committed_samples: int
    """Samples that the store took, those of earlier runs included."""
    waiting_batches: int
    """Batches still in the outbox; they are sent at the next start."""


class Shared:
    """What the agents of one process share: UTC, and which devices are taken."""

    def __init__(self, clock: HostClock) -> None:
        self.utc = HostUtc(clock)
        self.claimed: set[str] = set()


class Agent:
    """Runs once. `run` does everything; the rest may be called while it runs."""

    def __init__(
        self, config: AgentConfig, clock: HostClock, *radios: Radio, shared: Shared | None = None
    ) -> None:
        """radios: the adapters that may be used; shared: with the other agents of this process.

        Raises OutboxError, BrokerConfigError.
        """
        self.config, self._clock = config, clock
        self.outbox = Outbox(config.outbox_path, config.wearer, config.outbox_max_bytes)
        self._newest_id = self.outbox.newest_session()
        self._run = self._new_id()
        try:
            self.uplink = Uplink(
                config.broker,
                self.outbox,
                self._run,
                clock.utc_ns,
                len(config.sensors),
                alerted=self._on_alert,
            )
        except BaseException:
            self.outbox.close()
            raise
        shared, ends = shared or Shared(clock), self.outbox.stream_ends()
        self.sessions = {
            sensor.sensor: SensorSession(
                sensor,
                _turned(radios, number),
                clock,
                shared.utc,
                claimed=shared.claimed,
                silence_s=config.silence_s,
                new_id=self._new_id,
                follows=ends.get(sensor.sensor),
                emit=self._on_batches,
                announce=self._on_birth,
                changed=self._on_changed,
            )
            for number, sensor in enumerate(config.sensors)
        }
        self._pending: deque[tuple[str, Batch]] = deque()
        self._small: deque[tuple[Kind, str, bytes]] = deque()
        self._given_up: dict[str, Dropped] = {}
        """Sensor -> what was given up in memory and is not on record yet."""
        self._to_write = asyncio.Event()
        self._to_report = asyncio.Event()
        self._writing = asyncio.Lock()
        self._disk_problem: str | None = None
        self._felt_id = 0
        self._told = AgentState.INIT

    def mark(self, mark: Mark) -> None:
        """Put something of the wearer's side on record; it is sent as reliably as samples."""
        self._small.append((Kind.MARK, wearer_topic(self.config.wearer, Kind.MARK), mark.dump()))
        self._to_write.set()

    async def committed(self, session: str) -> None:
        """Return when the store has every batch that `session` has made so far."""
        made = [batch.seq for _, batch in self._pending if batch.session == session]
        stored = await asyncio.to_thread(self.outbox.last_seq, session)
        last = max(made if stored is None else [*made, stored], default=-1)
        while any(b.session == session and b.seq <= last for _, b in self._pending):
            await asyncio.sleep(POLL_S)
        while last >= 0:
            held = await asyncio.to_thread(self.outbox.batches_from, session, 0, 1)
            if not held or (held[0].seq or 0) > last:
                return
            await asyncio.sleep(POLL_S)

    async def drained(self) -> None:
        """Return when nothing is left to deliver."""
        while self._small or self._pending or not await asyncio.to_thread(self.outbox.is_empty):
            await asyncio.sleep(POLL_S)

    async def run(
        self, stop: asyncio.Event, finish: Callable[[], Awaitable[None]] | None = None
    ) -> AgentReport:
        """Stream until `stop` is set; `finish` is awaited between the end of the last sensor and
        the goodbye to the broker, in place of a moment for the last delivery."""
        self.uplink.set_agent_state(AgentState.INIT)
        await self._tell_losses()
        uplink = asyncio.create_task(self.uplink.run())
        services = [uplink, *_tasks(self._write_forever(), self._report_forever())]
        sensors = _tasks(*(session.run() for session in self.sessions.values()))
        stopped = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait(
                [stopped, *services, *sensors], return_when=asyncio.FIRST_COMPLETED
            )
            await _cancel(sensors, SENSORS_STOP_S)
            if await self._write():
                with suppress(OutboxError):
                    await asyncio.to_thread(self.outbox.stream_ended)
            await (finish() if finish is not None else self._last_delivery())
            await self._report()
            self.uplink.close()
            await asyncio.wait([uplink], timeout=5.0)
            for task in done - {stopped}:
                task.result()  # none of them ends by itself: this raises what ended it
            return await self._final()
        finally:
            await _cancel([stopped, *services, *sensors], 1.0)
            self.outbox.close()

    async def _last_delivery(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_DELIVERY_S):
                await self.drained()

    async def _final(self) -> AgentReport:
        counters = [session.batcher.counters for session in self.sessions.values()]
        given_up = sum(session.given_up_samples for session in self.sessions.values())
        return AgentReport(
            samples=sum(c.samples for c in counters),
            lost_samples=sum(c.lost_samples for c in counters) + given_up,
            committed_samples=self.uplink.committed_samples,
            waiting_batches=await asyncio.to_thread(self.outbox.batch_count),
        )

    def _new_id(self) -> str:
        self._newest_id = new_session(after=self._newest_id)
        return self._newest_id

    # --- to the outbox --------------------------------------------------------------------------

    def _on_batches(self, sensor: str, batches: list[Batch]) -> None:
        self._pending.extend((sensor, batch) for batch in batches)
        while len(self._pending) > MAX_PENDING:
            oldest, batch = self._pending.popleft()
            self._give_up(oldest, batch)
        self._to_write.set()

    def _on_birth(self, sensor: str, birth: Birth) -> None:
        topic = sensor_topic(self.config.wearer, sensor, Kind.BIRTH)
        self._small.append((Kind.BIRTH, topic, birth.dump()))
        self.uplink.set_retained(topic, birth.dump())
        self._to_write.set()

    async def _write_forever(self) -> None:
        while True:
            await self._to_write.wait()
            self._to_write.clear()
            if not await self._write():
                await asyncio.sleep(DISK_RETRY_S)
                self._to_write.set()

    async def _write(self) -> bool:
        """Everything due, births first, in as few transactions as possible; False when the disk
        takes nothing, and then it is kept."""
        try:
            async with self._writing:
                await self._write_pending()
        except OutboxError as error:
            if self._disk_problem is None:
                log.error("%s; samples are kept in memory for some minutes", error)
            self._disk_problem = str(error)
            return False
        self._disk_problem = None
        self.uplink.appended()
        return True

    async def _write_pending(self) -> None:
        while self._small:
            await asyncio.to_thread(self.outbox.append_small, *self._small[0])
            self._small.popleft()
        if batches := list(self._pending):
            now_ns = self._clock.utc_ns()
            dropped = await asyncio.to_thread(self.outbox.append, batches, now_ns)
            self._forget(batches)
            self._note(dropped)
            if dropped:
                await self._tell_losses()
        for sensor, gone in list(self._given_up.items()):
            del self._given_up[sensor]
            try:
                await asyncio.to_thread(self.outbox.give_up, gone)
            except OutboxError:
                self._given_up[sensor] = _with(gone, self._given_up.get(sensor))
                raise
            await self._tell_losses()

    def _forget(self, written: list[tuple[str, Batch]]) -> None:
        done = {(batch.session, batch.seq) for _, batch in written}
        while self._pending and _key(self._pending[0]) in done:
            self._pending.popleft()

    def _give_up(self, sensor: str, batch: Batch) -> None:
        """The oldest batch in memory must go; what is given up of a sensor follows each other."""
        self.sessions[sensor].given_up_samples += batch.n
        one = Dropped(
            at_ns=self._clock.utc_ns(),
            sensor=sensor,
            session=batch.session,
            first_seq=batch.seq,
            last_seq=batch.seq,
            batches=1,
            samples=batch.n,
        )
        known = self._given_up.get(sensor)
        self._given_up[sensor] = _with(known, one) if known else one

    async def _tell_losses(self) -> None:
        for sensor, losses in (await asyncio.to_thread(self.outbox.losses)).items():
            topic = sensor_topic(self.config.wearer, sensor, Kind.LOSS)
            self.uplink.set_retained(topic, Losses.of(losses).dump())

    def _note(self, dropped: list[Dropped]) -> None:
        for gone in dropped:
            log.warning(
                "the outbox is full or too old: batches %d-%d of sensor %s dropped, on record; "
                "check the connection to the broker and that ingest runs",
                gone.first_seq,
                gone.last_seq,
                gone.sensor,
            )
            if gone.sensor in self.sessions:
                self.sessions[gone.sensor].given_up_samples += gone.samples

    def _on_alert(self, alert: Alert) -> None:
        """The wearer feels it where a sensor has a motor; told twice it is felt once."""
        age_ns = self._clock.utc_ns() - alert.at_ns
        if alert.vibrate_ms and alert.id > self._felt_id and abs(age_ns) <= STALE_ALERT_NS:
            self._felt_id = alert.id
            felt = [s for s in self.sessions.values() if s.vibrate(alert.vibrate_ms)]
            log.info("an alert, felt at %d sensors", len(felt))

    # --- status ---------------------------------------------------------------------------------

    def _on_changed(self) -> None:
        self._to_report.set()

    async def _report_forever(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(STATUS_S):
                    await self._to_report.wait()
            self._to_report.clear()
            await self._report()

    def _agent_state(self) -> AgentState:
        """Ready once a sensor has streamed; sleeping while none does and one keeps its samples."""
        sessions = self.sessions.values()
        if any(session.state is State.STREAMING for session in sessions):
            return AgentState.READY
        if self._told is AgentState.INIT:
            return AgentState.INIT
        is_kept = any(session.memory.is_recording for session in sessions)
        return AgentState.SLEEPING if is_kept else AgentState.READY

    async def _report(self) -> None:
        if (state := self._agent_state()) is not self._told:
            self._told = state
            self.uplink.set_agent_state(state)
        with suppress(OutboxError):
            waiting = await asyncio.to_thread(self.outbox.batch_count)
            for sensor, session in self.sessions.items():
                topic = sensor_topic(self.config.wearer, sensor, Kind.STATUS)
                pending = sum(1 for name, _ in self._pending if name == sensor)
                status = session.status(waiting, _open_fds(), pending)
                self.uplink.set_retained(topic, status.dump())


async def run_agents(
    agents: Sequence[Agent],
    stop: asyncio.Event,
    finish: Callable[[Agent], Awaitable[None]] | None = None,
) -> list[AgentReport]:
    """Run the agents of several wearers until `stop` is set. One that fails ends all of them in
    order, and its error is raised: whoever supervises the process starts it again."""
    tasks = [
        asyncio.create_task(agent.run(stop, partial(finish, agent) if finish else None))
        for agent in agents
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        await asyncio.wait(tasks)
        return [task.result() for task in tasks]
    finally:
        await _cancel(tasks, 1.0)


def _turned(radios: Sequence[Radio], by: int) -> list[Radio]:
    """The adapters in the order in which one of several sensors tries them."""
    by %= len(radios)
    return [*radios[by:], *radios[:by]]


def _key(item: tuple[str, Batch]) -> tuple[str, int]:
    return item[1].session, item[1].seq


def _with(first: Dropped, then: Dropped | None) -> Dropped:
    """Two losses of a sensor that follow each other as one."""
    if then is None:
        return first
    return replace(
        first,
        last_seq=then.last_seq,
        batches=first.batches + then.batches,
        samples=first.samples + then.samples,
    )


def _tasks(*work: Coroutine[Any, Any, None]) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(one) for one in work]


async def _cancel(tasks: list[Any], seconds: float) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=seconds)


def _open_fds() -> int | None:
    try:
        return len(list(Path("/dev/fd").iterdir()))
    except OSError:  # Windows has none
        return None
