"""The agent's own part: disk trouble, overflow, marks, kill -9. Sensors are virtual."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from sensor_agent import agent as agent_module
from sensor_agent.agent import Agent, AgentConfig
from sensor_agent.ble import Radio
from sensor_agent.broker import BrokerConfig
from sensor_agent.outbox import Outbox, OutboxError
from sensor_agent.session import SensorConfig
from sensor_agent.state import State
from sensor_agent.virtual.motion import Motion
from sensor_agent.virtual.world import VirtualWorld
from tests.patient_clock import PatientClock
from tests.sensor_agent.broker_side import Ingest, until
from tests.sensor_agent.test_outbox import batch
from tests.servers import PATIENCE_S, Mosquitto, free_port
from wire.ids import IdError, new_session
from wire.messages import Losses, Mark, Placement
from wire.topics import Kind

SPEED = 20.0


def config(folder: Path, broker: BrokerConfig | None = None, **changes: object) -> AgentConfig:
    fields: dict[str, object] = {
        "wearer": "w1",
        "broker": broker or BrokerConfig(port=free_port()),
        "outbox_path": folder / "outbox.db",
        "sensors": (SensorConfig("trunk", Placement.T12, "movesense", "00000001"),),
        "silence_s": 8 * SPEED,
        **changes,
    }
    return AgentConfig(**fields)  # type: ignore[arg-type]


@asynccontextmanager
async def running(made: AgentConfig) -> AsyncIterator[Agent]:
    async with VirtualWorld(PatientClock(SPEED)) as world:
        still = np.zeros((52 * 600, 3))
        await world.add_sensor("movesense", Motion(52.0, still, still))
        radio = Radio(scanner_backend=world.scanner_backend, client_backend=world.client_backend)
        agent, stop = Agent(made, world.clock, radio), asyncio.Event()
        task = asyncio.create_task(agent.run(stop))
        try:
            yield agent
        finally:
            stop.set()
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.wait([task])
        task.result()


async def test_a_disk_that_refuses_for_a_while_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(agent_module, "DISK_RETRY_S", 0.05)
    append, is_full = Outbox.append, True

    def sometimes(outbox: Outbox, *args: object) -> list:
        if is_full:
            raise OutboxError("disk full")
        return append(outbox, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Outbox, "append", sometimes)
    async with running(config(tmp_path)) as agent:
        session = agent.sessions["trunk"]
        await until(lambda: len(agent._pending) > 5)
        is_full = False
        await until(lambda: agent.outbox.batch_count() > 8)
        messages = agent.outbox.batches_from(session.session, 0, 1000)
        assert [m.seq for m in messages] == list(range(len(messages)))
        assert session.status(0, None).lost_samples == 0
    assert len([r for r in caplog.records if "disk full" in r.message]) == 1


async def test_what_memory_cannot_hold_is_lost_on_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_module, "MAX_PENDING", 3)

    monkeypatch.setattr(agent_module, "DISK_RETRY_S", 0.05)
    append, is_full = Outbox.append, True

    def sometimes(outbox: Outbox, *args: object) -> list:
        if is_full:
            raise OutboxError("disk full")
        return append(outbox, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Outbox, "append", sometimes)
    async with running(config(tmp_path)) as agent:
        session = agent.sessions["trunk"]
        await until(lambda: session.given_up_samples > 100)
        assert session.status(0, None).lost_samples == session.given_up_samples
        assert len(agent._pending) == 3
        assert agent.outbox.losses() == {}
        is_full = False
        await until(lambda: agent.outbox.batch_count() > 3)
        held = agent.outbox.batches_from(session.session, 0, 1)
        await until(lambda: bool(agent.outbox.losses()))
        (loss,) = agent.outbox.losses()["trunk"]
        assert (loss.first_seq, loss.last_seq) == (0, held[0].seq - 1)
        assert loss.samples == session.given_up_samples
        topic = "trunkline/v1/w1/trunk/loss"
        assert Losses.load(agent.uplink._retained[topic]).each() == [loss]


async def test_an_outbox_that_is_full_says_what_it_dropped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, old = tmp_path / "outbox.db", new_session()
    full = Outbox(path, "w1")
    full.append([("trunk", batch(old, seq)) for seq in range(600)], 0)
    full.close()
    async with running(config(tmp_path, outbox_max_bytes=64 * 4096)) as agent:
        await until(lambda: agent.sessions["trunk"].given_up_samples > 0)
        gone = agent.outbox.dropped()
        assert (gone[0].session, gone[0].first_seq) == (old, 0)
    assert "the outbox is full or too old" in caplog.text


async def test_a_mark_is_on_disk_before_it_is_sent(tmp_path: Path) -> None:
    async with running(config(tmp_path)) as agent:
        agent.mark(Mark(at_ns=1, kind="note"))
        await until(lambda: any(m.kind is Kind.MARK for m in agent.outbox.small(10)))


async def test_committed_waits_for_the_store(tmp_path: Path) -> None:
    async with running(config(tmp_path)) as agent:
        session = agent.sessions["trunk"].session
        await until(lambda: agent.outbox.batch_count() > 3)
        waiting = asyncio.create_task(agent.committed(session))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        async with asyncio.timeout(PATIENCE_S):
            while not waiting.done():  # batches go on being made, and so does the store
                agent.outbox.commit(session, 10**6)
                await asyncio.sleep(0.05)
        waiting.result()


async def test_a_service_that_fails_ends_the_run_with_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_agent: Agent) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Agent, "_report", broken)
    with pytest.raises(ZeroDivisionError):
        async with running(config(tmp_path)) as agent:
            await until(lambda: agent.sessions["trunk"].state is State.STOPPED)


def test_a_configuration_is_checked(tmp_path: Path) -> None:
    with pytest.raises(IdError):
        config(tmp_path, wearer="Ann Other")
    twice = (SensorConfig("trunk", Placement.T12),) * 2
    with pytest.raises(ValueError, match="same id"):
        config(tmp_path, sensors=twice)


@pytest.mark.mosquitto
async def test_kill_9_of_the_agent_loses_nothing_that_was_written(
    broker: Mosquitto, tmp_path: Path
) -> None:
    outbox = tmp_path / "outbox.db"
    code = _CHILD.format(outbox=str(outbox), port=free_port())
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    deadline = time.monotonic() + PATIENCE_S
    written = {"batches": 0}
    while written["batches"] < 10:
        assert time.monotonic() < deadline
        written = json.loads(child.stdout.readline())
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    password = broker.password_file("w1").read_text().strip()
    successor = BrokerConfig(port=broker.port, user="w1", password=password)
    with Ingest(broker) as ingest:
        async with running(config(tmp_path, successor, sensors=())) as agent:
            await until(lambda: agent.outbox.batch_count() == 0)
        batches = ingest.batches("trunk")
    assert len(batches) >= written["batches"]
    assert [b.seq for b in batches] == list(range(len(batches)))
    stamps = np.concatenate([b.t_ns for b in batches])
    assert np.all(np.diff(stamps) > 0)


_CHILD = """
import asyncio, json
from pathlib import Path
from sensor_agent.broker import BrokerConfig
from tests.sensor_agent.test_agent import config, running

async def main():
    made = config(Path({outbox!r}).parent, BrokerConfig(port={port}))
    async with running(made) as agent:
        while True:
            print(json.dumps({{"batches": agent.outbox.batch_count()}}), flush=True)
            await asyncio.sleep(0.05)

asyncio.run(main())
"""
