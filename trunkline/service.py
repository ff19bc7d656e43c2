"""What a service tells its manager: ready, alive, stopping (after sd_notify(3)); and how often it
looks for garbage."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_US_PER_S = 1_000_000
_COLLECT_AFTER = 50_000
"""Objects; Python's own 700 costs half of the time of reading months, `make bench` dashboard."""


def notify(text: str) -> None:
    """Send a state such as "READY=1" to the service manager; nothing happens without one."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address or not hasattr(socket, "AF_UNIX"):
        return
    if address.startswith("@"):  # abstract
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
        connection.sendto(text.encode(), address)


def collect_rarely() -> None:
    """For a service whose answers are hundreds of thousands of short-lived values: what is loaded
    by now is never looked through again, and the rest seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)


@asynccontextmanager
async def running() -> AsyncIterator[None]:
    """Ready inside, stopping at the end; meanwhile the event loop shows that it is alive, twice in
    the time after which the manager would restart us."""
    notify("READY=1")
    beating = asyncio.create_task(_beat())
    try:
        yield
    finally:
        notify("STOPPING=1")
        beating.cancel()


async def _beat() -> None:
    try:
        every_s = int(os.environ.get("WATCHDOG_USEC", "0")) / _US_PER_S / 2
    except ValueError:
        return
    while every_s > 0:
        notify("WATCHDOG=1")
        await asyncio.sleep(every_s)
