"""An uplink that runs for the time of a test, and batches for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sensor_agent.broker import BrokerConfig
from sensor_agent.outbox import Outbox
from sensor_agent.uplink import Uplink
from tests.sensor_agent.test_outbox import batch
from tests.servers import PATIENCE_S, Mosquitto
from wire.ids import new_session


def login(broker: Mosquitto) -> BrokerConfig:
    return BrokerConfig(
        port=broker.port, user="w1", password=broker.password_file("w1").read_text().strip()
    )


@asynccontextmanager
async def running(config: BrokerConfig, outbox: Outbox) -> AsyncIterator[Uplink]:
    uplink = Uplink(config, outbox, new_session(), time.time_ns)
    uplink.connection.first_wait_s = 0.2
    task = asyncio.create_task(uplink.run())
    try:
        yield uplink
    finally:
        uplink.close()
        async with asyncio.timeout(PATIENCE_S):
            await task


def fill(outbox: Outbox, session: str, first: int, last: int) -> None:
    outbox.append([("trunk", batch(session, seq)) for seq in range(first, last + 1)], 0)
