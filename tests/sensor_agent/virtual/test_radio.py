"""The air: what leaves it while a link is being made leaves nobody behind who waits for it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from sensor_agent.virtual.radio import VirtualAir, VirtualRadio
from tests.servers import PATIENCE_S

SENSOR, ADAPTER = "C4:F1:00:00:00:01", "C0:00:00:00:00:02"


@pytest.mark.parametrize("leaves", ["before it is heard", "after it has answered", "by a time-out"])
async def test_a_sensor_does_not_wait_for_an_adapter_that_has_gone(leaves: str) -> None:
    air = VirtualAir()
    sensor, adapter = VirtualRadio(air, "sensor", SENSOR), VirtualRadio(air, "adapter", ADAPTER)
    await sensor.device.power_on()
    await adapter.device.power_on()
    await sensor.device.start_advertising(auto_restart=True)
    controller = sensor._controller
    (advertiser,) = controller.advertising_sets.values()
    connecting = asyncio.create_task(adapter.device.connect(SENSOR, timeout=None))
    async with asyncio.timeout(PATIENCE_S):
        while adapter._controller.pending_le_connection is None:
            await asyncio.sleep(0)
    assert advertiser.address is not None
    if leaves == "before it is heard":
        advertiser.send_extended_advertising_data()  # is under way
    else:
        adapter._controller.create_le_connection(advertiser.address)  # its answer is under way
    adapter.drop_links()
    if leaves != "by a time-out":
        air.remove_controller(adapter._controller)  # type: ignore[no-untyped-call]
    for _ in range(20):
        await asyncio.sleep(0)
    assert not controller.le_connections
    assert advertiser.enabled
    connecting.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await connecting
    air.close()
