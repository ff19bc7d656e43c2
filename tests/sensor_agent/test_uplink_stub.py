"""A broker that is not what it seems."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sensor_agent import connection as connection_module
from sensor_agent import uplink as uplink_module
from sensor_agent.broker import BrokerConfig
from sensor_agent.outbox import Outbox
from tests.sensor_agent.broker_side import until
from tests.sensor_agent.uplink_side import fill, running
from wire.ids import new_session


class Stub:
    """Half a broker: lets everybody in, then does as it is told with what it gets."""

    def __init__(self, answers_ping: bool = True, connack: bool = True) -> None:
        self.connections = 0
        self._answers_ping, self._connack = answers_ping, connack

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while data := await reader.read(65536):
                if data[0] >> 4 == 1 and self._connack:
                    writer.write(b"\x20\x02\x00\x00")
                if data[0] >> 4 == 12 and self._answers_ping:
                    writer.write(b"\xd0\x00")
        except ConnectionError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def stub_broker(stub: Stub) -> AsyncIterator[BrokerConfig]:
    server = await asyncio.start_server(stub.serve, "127.0.0.1", 0)
    yield BrokerConfig(port=server.sockets[0].getsockname()[1])
    server.close()


async def test_a_broker_that_never_acknowledges_is_left_and_said(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(uplink_module, "ACK_S", 0.5)
    fill(outbox, new_session(), 0, 2)
    stub = Stub()
    async with stub_broker(stub) as config, running(config, outbox):
        await until(lambda: stub.connections >= 2)
    assert "does not acknowledge" in caplog.text
    assert outbox.batch_count() == 3


async def test_a_broker_that_never_answers_the_log_in_is_left_and_said(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connection_module, "LOGIN_TIMEOUT_S", 0.5)
    stub = Stub(connack=False)
    async with stub_broker(stub) as config, running(config, outbox):
        await until(lambda: stub.connections >= 2)
    assert "hung up before the log-in" in caplog.text


async def test_a_half_open_connection_is_noticed(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "KEEPALIVE_S", 1)
    stub = Stub(answers_ping=False)
    async with stub_broker(stub) as config, running(config, outbox):
        await until(lambda: stub.connections >= 2)
