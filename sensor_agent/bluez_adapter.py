"""What is asked of BlueZ when connecting fails again and again: forget a device, reset an adapter.

Both go over D-Bus as BlueZ's doc/org.bluez.Adapter.rst has them. Elsewhere than on Linux, and when
BlueZ does not answer, nothing happens.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

log = logging.getLogger(__name__)

TIMEOUT_S = 10.0
OFF_S = 1.0
"""A controller needs a moment to lose its state."""


async def forget_device(device_path: str) -> bool:
    """Remove a device with everything that BlueZ has cached of it; True when BlueZ did."""
    adapter_path = device_path.rpartition("/")[0]
    return await _call(
        [(adapter_path, "org.bluez.Adapter1", "RemoveDevice", "o", [device_path])], 0.0
    )


async def restart_adapter(adapter: str) -> bool:
    """Switch an adapter off and on; its connections are lost. True when BlueZ did."""
    from dbus_fast import Variant

    path = f"/org/bluez/{adapter}"
    steps = [
        (
            path,
            "org.freedesktop.DBus.Properties",
            "Set",
            "ssv",
            ["org.bluez.Adapter1", "Powered", Variant("b", is_on)],
        )
        for is_on in (False, True)
    ]
    return await _call(steps, OFF_S)


async def _call(steps: list[tuple[str, str, str, str, list[Any]]], pause_s: float) -> bool:
    try:
        from dbus_fast import BusType, DBusError, Message, MessageType
        from dbus_fast.aio import MessageBus
    except ImportError:
        return False
    try:
        async with asyncio.timeout(TIMEOUT_S):
            bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
            try:
                for path, interface, member, signature, body in steps:
                    answer = await bus.call(
                        Message(
                            destination="org.bluez",
                            path=path,
                            interface=interface,
                            member=member,
                            signature=signature,
                            body=body,
                        )
                    )
                    if answer is None or answer.message_type is not MessageType.METHOD_RETURN:
                        return False
                    await asyncio.sleep(pause_s)
            finally:
                bus.disconnect()
    except (DBusError, OSError, EOFError, TimeoutError) as error:
        log.debug("BlueZ does not answer: %s", error)
        return False
    return True
