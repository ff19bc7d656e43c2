"""Battery charge from BlueZ, which keeps the standard battery service from its clients.

bluetoothd reads the service itself and offers the charge as `org.bluez.Battery1` on the device's
D-Bus object (github.com/hbldh/bleak/issues/393).
"""

from __future__ import annotations

import asyncio

TIMEOUT_S = 5.0


async def bluez_battery_pct(device_path: str) -> int | None:
    """Percent by the D-Bus object of a device, None when BlueZ does not know."""
    # Linux only, as the package is
    from dbus_fast import BusType, DBusError, Message, MessageType
    from dbus_fast.aio import MessageBus

    question = Message(
        destination="org.bluez",
        path=device_path,
        interface="org.freedesktop.DBus.Properties",
        member="Get",
        signature="ss",
        body=["org.bluez.Battery1", "Percentage"],
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
            try:
                answer = await bus.call(question)
            finally:
                bus.disconnect()
    except (DBusError, OSError, EOFError):
        return None
    if answer is None or answer.message_type is not MessageType.METHOD_RETURN:
        return None
    percent = answer.body[0].value
    return percent if isinstance(percent, int) and 0 <= percent <= 100 else None
