"""The air between virtual controllers: a bumble link that can be out of range or break."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bumble import hci, ll
from bumble.controller import Controller
from bumble.core import PhysicalTransport
from bumble.device import Device, DeviceConfiguration
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport.common import AsyncPipeSink

SUPERVISION_TIMEOUT_S = 2.0
"""Real seconds out of range after which both ends give the link up (BlueZ's default is 0.42 to 2 s
for most adapters). Not scaled: the radio does not speed up with a replay."""

_ADVERTISING_INTERVAL_MS = 100
_ACL_BYTES = 251
"""Link layer data length of any BLE 4.2 controller; bumble's 27 would split every notification."""


class VirtualController(Controller):
    """bumble's controller with LE Create Connection Cancel as the specification has it.

    bumble 0.0.236 acknowledges the cancel and stays in the connecting state, so that every later
    connect fails (Core specification Vol 4 Part E 7.8.13 asks for a Connection Complete event).
    """

    le_acl_data_packet_length = _ACL_BYTES

    def on_hci_le_create_connection_cancel_command(
        self, _command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        pending = self.pending_le_connection
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        self.pending_le_connection = None
        cancelled = hci.HCI_LE_Connection_Complete_Event(
            status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
            connection_handle=0,
            role=hci.Role.CENTRAL,
            peer_address_type=pending.peer_address_type,
            peer_address=pending.peer_address,
            connection_interval=0,
            peripheral_latency=0,
            supervision_timeout=0,
            central_clock_accuracy=0,
        )
        # the command's own completion goes first
        asyncio.get_running_loop().call_soon(self.send_hci_packet, cancelled)
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)


class VirtualAir(LocalLink):
    """Carries packets between controllers; single controllers can go out of range and come back.

    Out of range, the link layer of a real pair keeps trying: packets wait and arrive in one burst
    when the range is back. After `supervision_timeout_s` both ends lose the link with reason 0x08
    and what waited is lost.
    """

    def __init__(self, supervision_timeout_s: float = SUPERVISION_TIMEOUT_S) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.supervision_timeout_s = supervision_timeout_s
        self._away: dict[Controller, asyncio.TimerHandle] = {}
        self._waiting: list[tuple[Controller, Controller, Callable[[], None]]] = []

    def set_in_range(self, controller: Controller, in_range: bool) -> None:
        """Take one controller out of range or bring it back."""
        if in_range == (controller not in self._away):
            return
        if in_range:
            self._away.pop(controller).cancel()
            self._flush()
        else:
            self._away[controller] = asyncio.get_running_loop().call_later(
                self.supervision_timeout_s, self.drop_links, controller
            )

    def drop_links(self, controller: Controller) -> None:
        """Supervision timeout now: every link of `controller` breaks at both ends."""
        self._waiting = [item for item in self._waiting if controller not in item[:2]]
        for connection in list(controller.le_connections.values()):
            peer = self.find_le_controller(connection.peer_address)
            controller.on_le_disconnected(connection, hci.HCI_CONNECTION_TIMEOUT_ERROR)
            far = peer.le_connections.get(connection.self_address) if peer else None
            if peer and far:
                peer.on_le_disconnected(far, hci.HCI_CONNECTION_TIMEOUT_ERROR)

    def close(self) -> None:
        """Forget pending time-outs."""
        for timer in self._away.values():
            timer.cancel()
        self._away.clear()

    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: hci.Address,
        transport: PhysicalTransport,
        data: bytes,
    ) -> None:
        # bumble takes the sender's random address as source; a link may run on the public one
        connection = sender_controller.le_connections.get(destination_address)
        peer = self.find_le_controller(destination_address)
        if connection is None or peer is None:
            return
        source = connection.self_address
        self._carry(sender_controller, peer, lambda: peer.on_link_acl_data(source, transport, data))

    def send_ll_control_pdu(
        self, sender_address: hci.Address, receiver_address: hci.Address, packet: ll.ControlPdu
    ) -> None:
        sender = self.find_le_controller(sender_address)
        peer = self.find_le_controller(receiver_address)
        if sender is None or peer is None:
            return
        if isinstance(packet, ll.TerminateInd) and self._apart(sender, peer):
            # The far end never hears the goodbye: its own supervision timer ends the link, or,
            # back in range before that, the silence of the near end does.
            far = peer.le_connections.get(sender_address)
            if far is not None:
                peer.on_le_disconnected(far, hci.HCI_CONNECTION_TIMEOUT_ERROR)
            return
        self._carry(sender, peer, lambda: peer.on_ll_control_pdu(sender_address, packet))

    def send_advertising_pdu(
        self, sender_controller: Controller, packet: ll.AdvertisingPdu
    ) -> None:
        if sender_controller in self._away:
            return
        loop = asyncio.get_running_loop()
        for controller in self.controllers:
            if controller is not sender_controller and controller not in self._away:
                loop.call_soon(self._hear, sender_controller, controller, packet)

    def _hear(self, sender: Controller, controller: Controller, packet: ll.AdvertisingPdu) -> None:
        """Nobody hears what was under way when one of both left the air, or when the link that it
        asks for broke: a sensor would wait for good for a central that is gone."""
        both_here = {sender, controller} <= self.controllers
        if isinstance(packet, ll.ConnectInd):
            both_here = both_here and packet.advertiser_address in sender.le_connections
        if both_here:
            controller.on_ll_advertising_pdu(packet)

    def _apart(self, one: Controller, other: Controller) -> bool:
        return one in self._away or other in self._away

    def _carry(self, sender: Controller, peer: Controller, deliver: Callable[[], None]) -> None:
        if self._apart(sender, peer):
            self._waiting.append((sender, peer, deliver))
        else:
            asyncio.get_running_loop().call_soon(deliver)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for sender, peer, deliver in waiting:
            self._carry(sender, peer, deliver)


class VirtualRadio:
    """A bumble host and its virtual controller, attached to the air."""

    def __init__(self, air: VirtualAir, name: str, address: str) -> None:
        config = DeviceConfiguration(
            name=name,
            address=hci.Address(address),
            advertising_interval_min=_ADVERTISING_INTERVAL_MS,
            advertising_interval_max=_ADVERTISING_INTERVAL_MS,
        )
        self._air = air
        self._controller = VirtualController(name, link=air)
        self.device = Device(
            config=config, host=Host(self._controller, AsyncPipeSink(self._controller))
        )
        self._controller.host = AsyncPipeSink(self.device.host)

    def set_in_range(self, in_range: bool) -> None:
        """Walk away or come back."""
        self._air.set_in_range(self._controller, in_range)

    def drop_links(self) -> None:
        """Supervision timeout at once."""
        self._air.drop_links(self._controller)
