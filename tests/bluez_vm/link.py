"""The air between virtual sensors on this machine and the Bluetooth adapters of the guest."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bumble import hci
from bumble.transport.tcp_server import open_tcp_server_transport_with_socket

from sensor_agent.virtual.radio import VirtualAir, VirtualController


class AdapterController(VirtualController):
    """A controller that Linux accepts: bumble 0.0.236 tells of two features whose commands it does
    not carry out as BlueZ expects."""

    le_features = VirtualController.le_features & ~(
        hci.LeFeatureMask.LL_PRIVACY | hci.LeFeatureMask.LE_EXTENDED_ADVERTISING
    )


@asynccontextmanager
async def adapter(air: VirtualAir, number: int) -> AsyncIterator[int]:
    """One controller in the air, served over TCP on loopback; yields the port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    transport = await open_tcp_server_transport_with_socket(listener)
    AdapterController(
        f"adapter {number}",
        host_source=transport.source,
        host_sink=transport.sink,
        link=air,
        public_address=f"00:1B:DC:00:00:{number:02X}",
    )
    try:
        yield port
    finally:
        await transport.close()
        transport.server.close()
