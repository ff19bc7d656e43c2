"""Bluetooth on Linux: the system bus, bluetoothd, an adapter that is on."""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Final

from trunkline.doctor.finding import Finding, failed, ok, warning

TIMEOUT_S: Final = 5.0
WHAT: Final = "bluetooth"
_ADAPTER: Final = "org.bluez.Adapter1"


def check(adapter: str | None = None) -> list[Finding]:
    """`adapter`: the one to use, e.g. hci1; None: any."""
    if sys.platform != "linux":
        return [warning(WHAT, "is only looked at on Linux", "try: trunkline scan")]
    try:
        finding = _judge(asyncio.run(_managed_objects()), adapter)
    except PermissionError:
        finding = _no_permission()
    except TimeoutError:
        finding = failed(
            WHAT, "bluetoothd does not answer", "try: sudo systemctl restart bluetooth"
        )
    except (OSError, EOFError):
        finding = failed(
            WHAT,
            "the system's D-Bus cannot be reached",
            "install dbus and bluez; in a container mount /run/dbus/system_bus_socket",
        )
    except _AnswerError as error:
        finding = (
            _no_permission()
            if error.name.endswith("AccessDenied")
            else failed(
                WHAT,
                f"bluetoothd is not there ({error.name.rpartition('.')[2]})",
                "install bluez and run: sudo systemctl enable --now bluetooth",
            )
        )
    return [finding]


class _AnswerError(Exception):
    """D-Bus answered with an error."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


async def _managed_objects() -> dict[str, dict[str, Any]]:
    """Object path -> interface -> properties, as bluetoothd has them."""
    from dbus_fast import BusType, DBusError, Message, MessageType  # Linux only
    from dbus_fast.aio import MessageBus

    question = Message(
        destination="org.bluez",
        path="/",
        interface="org.freedesktop.DBus.ObjectManager",
        member="GetManagedObjects",
    )
    async with asyncio.timeout(TIMEOUT_S):
        try:
            bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
        except DBusError as error:
            raise _AnswerError(error.type) from error
        try:
            answer = await bus.call(question)
        finally:
            bus.disconnect()
    if answer is None or answer.message_type is not MessageType.METHOD_RETURN:
        raise _AnswerError(str(answer.error_name) if answer else "NoReply")
    objects: dict[str, dict[str, Any]] = answer.body[0]
    return objects


def _judge(objects: dict[str, dict[str, Any]], wanted: str | None) -> Finding:
    adapters = {
        path.rpartition("/")[2]: bool(about[_ADAPTER]["Powered"].value)
        for path, about in objects.items()
        if _ADAPTER in about
    }
    if wanted is not None and wanted not in adapters:
        there = ", ".join(sorted(adapters)) or "none"
        return failed(WHAT, f"there is no adapter {wanted}", f"there are: {there}")
    if not adapters:
        return failed(
            WHAT,
            "there is no Bluetooth adapter",
            "plug one in, and look for it with: hciconfig or bluetoothctl list",
        )
    off = sorted(name for name in ([wanted] if wanted else adapters) if not adapters[name])
    on = sorted(name for name in ([wanted] if wanted else adapters) if adapters[name])
    if not on:
        return failed(
            WHAT,
            f"{', '.join(off)} is switched off",
            "run: rfkill unblock bluetooth && bluetoothctl power on",
        )
    return ok(WHAT, f"{', '.join(on)} is on" + (f", {', '.join(off)} is off" if off else ""))


def _no_permission() -> Finding:
    return failed(
        WHAT,
        "this user may not speak to bluetoothd",
        "run: sudo usermod -aG bluetooth $USER, then log in again",
    )
