"""Births, marks and states on their way: until the store has them, and once."""

from __future__ import annotations

import asyncio
import dataclasses
import socket

import pytest

from sensor_agent import uplink as uplink_module
from sensor_agent.outbox import Outbox
from sensor_agent.uplink import UplinkState
from tests.sensor_agent.broker_side import Ingest, until
from tests.sensor_agent.uplink_side import login, running
from tests.servers import Mosquitto
from wire.ids import new_session
from wire.messages import AgentState, AgentStatus, Birth, Mark, Placement
from wire.topics import Kind, sensor_topic, wearer_topic

pytestmark = pytest.mark.mosquitto


async def test_births_and_marks_survive_a_broker_wiped_before_ingest_came(
    broker: Mosquitto, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink_module, "SMALL_AGAIN_S", 1.0)
    mark = Mark(1, "symptom", "pain").dump()
    birth = Birth(new_session(), "movesense", Placement.T12, 52.0, ["accel"]).dump()
    outbox.append_small(Kind.BIRTH, sensor_topic("w1", "trunk", Kind.BIRTH), birth)
    outbox.append_small(Kind.MARK, wearer_topic("w1", Kind.MARK), mark)
    async with running(login(broker), outbox) as uplink:
        await until(lambda: uplink._small_id > 1 and not uplink._unacked)  # the broker has them
        broker.kill(wipe=True)
        await until(lambda: uplink.state is UplinkState.CONNECTING)
        broker.start()
        await until(lambda: uplink.state is UplinkState.CONNECTED)
        with Ingest(broker) as ingest:
            broker_lost = len(outbox.small(10))
            await until(outbox.is_empty)
    assert broker_lost == 2
    assert (set(ingest.of(Kind.BIRTH)), set(ingest.of(Kind.MARK))) == ({birth}, {mark})


async def test_a_mark_that_ingest_does_not_take_is_sent_again(
    broker: Mosquitto, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink_module, "SMALL_AGAIN_S", 0.3)
    mark = Mark(1, "note").dump()
    with Ingest(broker, committing=False) as ingest:
        async with running(login(broker), outbox) as uplink:
            await until(lambda: uplink.state is UplinkState.CONNECTED)
            outbox.append_small(Kind.MARK, wearer_topic("w1", Kind.MARK), mark)
            uplink.appended()
            await until(lambda: len(ingest.of(Kind.MARK)) >= 2)
            assert len(outbox.small(10)) == 1
            ingest.committing = True
            await until(outbox.is_empty)


async def test_births_and_marks_stay_until_the_store_has_them(
    broker: Mosquitto, outbox: Outbox
) -> None:
    def birth(session: str) -> bytes:
        return Birth(session, "movesense", Placement.T12, 52.0, ["accel"]).dump()

    old, new = new_session(), new_session()
    topic = sensor_topic("w1", "trunk", Kind.BIRTH)
    outbox.append_small(Kind.BIRTH, topic, birth(old))
    outbox.append_small(Kind.MARK, wearer_topic("w1", Kind.MARK), Mark(1, "note").dump())
    with Ingest(broker) as ingest:
        async with running(login(broker), outbox) as uplink:
            outbox.append_small(Kind.BIRTH, topic, birth(new))
            uplink.set_retained(topic, birth(new))
            await until(lambda: not outbox.small(10))
            await until(lambda: len(ingest.of(Kind.BIRTH)) >= 2)
        assert Birth.load(ingest.of(Kind.BIRTH)[0]).session == old
        assert ingest.of(Kind.MARK) == [Mark(1, "note").dump()]
    with Ingest(dataclasses.replace(broker)) as late:
        await until(lambda: bool(late.of(Kind.BIRTH)))
        assert Birth.load(late.of(Kind.BIRTH)[0]).session == new  # the retained one is the present


async def test_marks_are_published_once(broker: Mosquitto, outbox: Outbox) -> None:
    topic = wearer_topic("w1", Kind.MARK)
    with Ingest(broker) as ingest:
        async with running(login(broker), outbox) as uplink:
            await until(lambda: uplink.state is UplinkState.CONNECTED)
            for number in range(200):
                outbox.append_small(Kind.MARK, topic, Mark(number, "note").dump())
                uplink.appended()
                await asyncio.sleep(0.002)
            await until(outbox.is_empty)
        marks = [Mark.load(payload).at_ns for payload in ingest.of(Kind.MARK)]
    assert sorted(marks) == list(range(200))


async def test_state_follows_the_agents_life(broker: Mosquitto, outbox: Outbox) -> None:
    with Ingest(broker) as ingest:
        async with running(login(broker), outbox) as uplink:
            uplink.set_agent_state(AgentState.INIT)
            await until(lambda: len(ingest.of(Kind.AGENT_STATE)) == 1)
        await until(lambda: len(ingest.of(Kind.AGENT_STATE)) == 2)
        states = [AgentStatus.load(p) for p in ingest.of(Kind.AGENT_STATE)]
    assert [s.state for s in states] == [AgentState.INIT, AgentState.DISCONNECTED]
    assert states[0].run == states[1].run


async def test_the_last_will_says_lost(broker: Mosquitto, outbox: Outbox) -> None:
    with Ingest(broker) as ingest:
        async with running(login(broker), outbox) as uplink:
            uplink.set_agent_state(AgentState.READY)
            await until(lambda: len(ingest.of(Kind.AGENT_STATE)) == 1)
            sock = uplink.connection.socket
            assert sock is not None
            sock.shutdown(socket.SHUT_RDWR)
            await until(lambda: len(ingest.of(Kind.AGENT_STATE)) >= 3)
        states = [AgentStatus.load(p).state for p in ingest.of(Kind.AGENT_STATE)]
    assert states[:3] == [AgentState.READY, AgentState.LOST, AgentState.READY]
