"""In the guest: join a virtual HCI device to a controller that is served over TCP.

/dev/vhci takes and gives one whole HCI packet at a time; on TCP they follow each other, each with
its type byte in front (H4, Bluetooth Core Specification Vol 4 Part A 2). Controllers that run
inside the emulated machine are too slow, hence the wire.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from typing import IO

CREATE_PRIMARY = b"\xff\x00"
HEADER_BYTES = {2: 4, 3: 3, 4: 2, 5: 4}
"""Packet type (ACL, SCO, event, ISO) -> length of the header after the type."""


def payload_bytes(kind: int, header: bytes) -> int:
    """Length of what follows the header."""
    if kind in {3, 4}:
        return header[-1]
    length = int.from_bytes(header[2:4], "little")
    return length & 0x3FFF if kind == 5 else length


def to_controller(device: int, wire: socket.socket) -> None:
    """Commands and data of the guest's kernel."""
    while True:
        wire.sendall(os.read(device, 4096))


def to_kernel(stream: IO[bytes], device: int) -> None:
    """Events and data of the controller, until the wire closes."""
    while kind := stream.read(1):
        header = stream.read(HEADER_BYTES[kind[0]])
        os.write(device, kind + header + stream.read(payload_bytes(kind[0], header)))


def main(host: str, port: int) -> None:
    wire = socket.create_connection((host, port))
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    device = os.open("/dev/vhci", os.O_RDWR)
    os.write(device, CREATE_PRIMARY)
    os.read(device, 16)  # which number it got
    threading.Thread(target=to_controller, args=(device, wire), daemon=True).start()
    to_kernel(wire.makefile("rb", buffering=65536), device)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
