"""Batches on their way to a real mosquitto: at once, in order, and deleted when committed."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time

import pytest

from sensor_agent import uplink as uplink_module
from sensor_agent.outbox import Outbox
from sensor_agent.uplink import UplinkState
from tests.sensor_agent.broker_side import Ingest, until
from tests.sensor_agent.test_outbox import batch
from tests.sensor_agent.uplink_side import fill, login, running
from tests.servers import PATIENCE_S, Mosquitto
from wire.ids import new_session
from wire.messages import AgentState, AgentStatus, Committed
from wire.topics import Kind, sensor_topic

pytestmark = pytest.mark.mosquitto


async def test_live_batches_go_out_at_once_and_are_deleted_when_committed(
    broker: Mosquitto, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink_module, "_TICK_S", PATIENCE_S)  # nothing is found by looking again
    session = new_session()
    with Ingest(broker) as ingest:
        async with running(login(broker), outbox) as uplink:
            await until(lambda: uplink.state is UplinkState.CONNECTED)
            for seq in range(5):
                fill(outbox, session, seq, seq)
                uplink.appended()
                await until(lambda: uplink.committed_batches == seq + 1)  # noqa: B023
            assert outbox.batch_count() == 0
        assert set(ingest.counts().values()) == {1}


async def test_a_puback_deletes_no_batch(broker: Mosquitto, outbox: Outbox) -> None:
    session = new_session()
    with Ingest(broker, committing=False) as ingest:
        async with running(login(broker), outbox) as uplink:
            fill(outbox, session, 0, 4)
            uplink.appended()
            await until(lambda: len(ingest.held) == 5)
            await until(lambda: not uplink._unacked)
            assert outbox.batch_count() == 5
            ingest.commit(session)
            await until(lambda: outbox.batch_count() == 0)


async def test_what_an_earlier_run_left_is_delivered_oldest_first(
    broker: Mosquitto, outbox: Outbox
) -> None:
    old = [new_session(), new_session()]
    for session in old:
        fill(outbox, session, 0, 149)
    with Ingest(broker) as ingest:
        began_s = time.monotonic()
        async with running(login(broker), outbox) as uplink:
            fresh = new_session()
            await until(lambda: uplink.state is UplinkState.CONNECTED)
            await until(lambda: len(ingest.held) > 10)
            fill(outbox, fresh, 0, 0)
            uplink.appended()
            await until(lambda: outbox.batch_count() == 0)
        took_s = time.monotonic() - began_s
    order = [(s, q) for _, s, q in ingest.arrivals]
    assert order.index((fresh, 0)) < 250  # live does not wait for the backlog
    order.remove((fresh, 0))
    assert order == [(s, q) for s in old for q in range(150)]
    assert took_s > 2.0  # 300 at 100 a second, with half a second of credit


async def test_the_backlog_waits_for_ingest(
    broker: Mosquitto, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink_module, "BACKLOG_WINDOW", 64)
    session = new_session()
    fill(outbox, session, 0, 299)
    with Ingest(broker, committing=False) as ingest:
        async with running(login(broker), outbox):
            await until(lambda: len(ingest.held) >= 64)
            await asyncio.sleep(1.5)  # time for more than 100 others, if it did not wait
            assert len(ingest.held) <= 64 + 63
            ingest.committing = True
            ingest.commit(session)
            await until(lambda: outbox.batch_count() == 0)


async def test_what_ingest_forgot_is_sent_again(
    broker: Mosquitto, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink_module, "RESEND_S", 0.3)
    monkeypatch.setattr(uplink_module, "PROBE_S", 0.6)
    session = new_session()
    with Ingest(broker, committing=False) as ingest:
        async with running(login(broker), outbox) as uplink:
            fill(outbox, session, 0, 39)
            uplink.appended()
            await until(lambda: len(ingest.held) == 40)
            ingest.held.clear()  # its database is gone
            ingest.committing = True
            await until(lambda: outbox.batch_count() == 0)
            assert len(ingest.held) == 40


async def test_a_broker_killed_and_wiped_loses_nothing(
    broker: Mosquitto, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    session = new_session()
    caplog.set_level(logging.INFO)
    async with running(login(broker), outbox) as uplink:
        uplink.set_agent_state(AgentState.READY)
        fill(outbox, session, 0, 9)
        uplink.appended()
        await until(lambda: uplink.state is UplinkState.CONNECTED and bool(uplink._sent))
        await until(lambda: not uplink._unacked)
        broker.kill(wipe=True)
        await until(lambda: uplink.state is UplinkState.CONNECTING)
        fill(outbox, session, 10, 19)
        broker.start()
        with Ingest(broker) as ingest:
            await until(lambda: outbox.batch_count() == 0)
            assert len(ingest.held) == 20
            await until(lambda: bool(ingest.of(Kind.AGENT_STATE)))
            assert AgentStatus.load(ingest.of(Kind.AGENT_STATE)[-1]).state == AgentState.READY
    lost = [r for r in caplog.records if "was lost" in r.message]
    assert len(lost) == 1
    assert any("connected to the broker" in r.message for r in caplog.records)


@pytest.mark.parametrize("mqtt5", [False, True])
async def test_garbage_on_committed_is_survived(
    broker: Mosquitto, outbox: Outbox, mqtt5: bool, caplog: pytest.LogCaptureFixture
) -> None:
    session = new_session()
    with Ingest(broker) as ingest:
        topic = sensor_topic("w1", "trunk", Kind.COMMITTED)
        ingest._client.publish(topic, b"\xff{", qos=1, retain=True)
        async with running(dataclasses.replace(login(broker), mqtt5=mqtt5), outbox) as uplink:
            await until(lambda: "cannot be used" in caplog.text)
            fill(outbox, session, 0, 0)
            uplink.appended()
            await until(lambda: outbox.batch_count() == 0)


async def test_a_batch_that_the_broker_hangs_up_at_does_not_hold_up_the_others(
    broker: Mosquitto, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    broker.kill()
    broker.max_packet_size = 4000
    broker.start()
    session = new_session()
    fill(outbox, session, 0, 3)
    outbox.append([("trunk", batch(session, 4, n=2000))], 0)  # 12 kB
    fill(outbox, session, 5, 30)
    with Ingest(broker) as ingest:
        async with running(login(broker), outbox) as uplink:
            await until(lambda: len(ingest.held) == 30)
            assert "limit of the message size" in caplog.text
            await until(lambda: outbox.batch_count() == 27)  # the big one and what lies behind it
            broker.kill()
            broker.max_packet_size = 1 << 20
            broker.start()
            uplink._avoided.clear()  # instead of waiting for minutes
            await until(lambda: outbox.batch_count() == 0)


@pytest.mark.parametrize("lie", ["never sent", "other session"])
async def test_a_false_commit_deletes_nothing(
    broker: Mosquitto, outbox: Outbox, lie: str, caplog: pytest.LogCaptureFixture
) -> None:
    session = new_session()
    fill(outbox, session, 0, 4)
    told = session if lie == "never sent" else new_session()
    with Ingest(broker, committing=False) as ingest:
        topic = sensor_topic("w1", "trunk", Kind.COMMITTED)
        word = Committed(told, 10**12).dump()
        ingest._client.publish(topic, word, qos=1, retain=True).wait_for_publish(PATIENCE_S)
        async with running(login(broker), outbox):
            await until(lambda: len(ingest.held) == 5)
            assert outbox.batch_count() == 5
            ingest.committing = True
            ingest.commit(session)
            await until(lambda: outbox.batch_count() == 0)
    assert ("nothing is deleted" in caplog.text) == (lie == "never sent")
