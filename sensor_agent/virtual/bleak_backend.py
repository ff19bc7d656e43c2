"""A bleak 3 backend over a bumble central: product code talks plain bleak to the virtual air."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

from bleak.args import SizedBuffer
from bleak.assigned_numbers import gatt_char_props_to_strs
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient, NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import (
    AdvertisementData,
    AdvertisementDataCallback,
    BaseBleakScanner,
)
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import (
    BleakDeviceNotFoundError,
    BleakError,
    BleakGATTProtocolError,
    BleakGATTProtocolErrorCode,
)
from bleak.uuids import normalize_uuid_str
from bumble import core, hci
from bumble.att import ATT_Error
from bumble.core import AdvertisingData
from bumble.device import Advertisement, Connection, Device, Peer

_CENTRAL_MTU = 517
_UUID_LISTS = (
    AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
    AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
)
_T = TypeVar("_T")


def bind_backend(
    central: Device,
) -> tuple[type[BaseBleakScanner], type[BaseBleakClient]]:
    """Scanner and client classes for `BleakScanner(backend=...)` and `BleakClient(backend=...)`.

    bleak takes a class and makes the instance itself, so the central travels as an attribute of
    classes made here; several worlds can exist side by side.
    """
    lock = asyncio.Lock()
    scanner = type("VirtualScanner", (_Scanner,), {"central": central})
    client = type(
        "VirtualClient", (_Client,), {"central": central, "scanner": scanner, "connecting": lock}
    )
    return scanner, client


class _Scanner(BaseBleakScanner):
    central: Device

    def __init__(
        self,
        detection_callback: AdvertisementDataCallback | None = None,
        service_uuids: list[str] | None = None,
        scanning_mode: str = "active",
        **_kwargs: Any,
    ) -> None:
        super().__init__(detection_callback, service_uuids)
        self._is_active = scanning_mode == "active"

    async def start(self) -> None:
        self.seen_devices = {}
        self.central.on("advertisement", self._on_advertisement)
        if not self.central.is_scanning:
            await self.central.start_scanning(active=self._is_active, filter_duplicates=False)

    async def stop(self) -> None:
        with suppress(KeyError):  # stopped twice
            self.central.remove_listener("advertisement", self._on_advertisement)
        if self.central.is_scanning and not self.central.listeners("advertisement"):
            await self.central.stop_scanning()

    def _on_advertisement(self, advertisement: Advertisement) -> None:
        data = advertisement.data
        uuids = [
            _text(uuid)
            for kind in _UUID_LISTS
            for found in cast(list[list[core.UUID]], data.get_all(kind))
            for uuid in found
        ]
        uuids = list(dict.fromkeys(uuids))  # bumble's scan response repeats the advertisement
        if not self.is_allowed_uuid(uuids):
            return
        name = data.get(AdvertisingData.COMPLETE_LOCAL_NAME)
        manufacturer = {
            company: bytes(payload)
            for company, payload in data.get_all(AdvertisingData.MANUFACTURER_SPECIFIC_DATA)
        }
        seen = AdvertisementData(
            local_name=name,
            manufacturer_data=manufacturer,
            service_data={},
            service_uuids=uuids,
            tx_power=None,
            rssi=advertisement.rssi,
            platform_data=(advertisement,),
        )
        address = advertisement.address.to_string(False)
        device = self.create_or_update_device(address, address, name, advertisement.address, seen)
        self.call_detection_callbacks(device, seen)


class _Client(BaseBleakClient):
    central: Device
    scanner: type[_Scanner]
    connecting: asyncio.Lock
    """A controller connects to one peer at a time."""

    def __init__(
        self,
        address_or_ble_device: BLEDevice | str,
        services: set[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(address_or_ble_device, **kwargs)
        is_device = isinstance(address_or_ble_device, BLEDevice)
        self._peer_address: hci.Address | None = (
            address_or_ble_device.details if is_device else None  # type: ignore[union-attr]
        )
        self._name: str | None = address_or_ble_device.name if is_device else None  # type: ignore[union-attr]
        self._wanted = services
        self._connection: Connection | None = None
        self._peer: Peer | None = None
        self._subscribers: dict[int, Callable[[bytes], None]] = {}

    @property
    def name(self) -> str:
        return self._name or self.address.replace(":", "-")

    @property
    def mtu_size(self) -> int:
        return self._connection.att_mtu if self._connection else 23

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    async def connect(self, pair: bool, **kwargs: Any) -> None:
        if self._connection is not None:
            raise BleakError("already connected")
        try:
            async with asyncio.timeout(kwargs.get("timeout", self._timeout)):
                self._connection = await self._open()
                self._connection.on("disconnection", self._on_disconnection)
                if pair:
                    await self.pair()
                await self._discover()
        except core.ConnectionError as error:
            raise BleakError(f"connection failed: {error}") from error
        except BaseException:
            await self.disconnect()
            raise

    async def _open(self) -> Connection:
        if self._peer_address is None:
            self._peer_address = await self._find()
        async with self.connecting:
            try:
                return await self.central.connect_le(self._peer_address, timeout=None)
            except asyncio.CancelledError:
                await self.central.send_sync_command(hci.HCI_LE_Create_Connection_Cancel_Command())
                raise

    async def _find(self) -> hci.Address:
        """bleak's own backends scan when they are given an address."""
        found: asyncio.Future[hci.Address] = asyncio.get_running_loop().create_future()

        def on_seen(device: BLEDevice, _seen: AdvertisementData) -> None:
            if device.address.lower() == self.address.lower() and not found.done():
                found.set_result(device.details)

        scanner = self.scanner(on_seen)
        await scanner.start()
        try:
            return await asyncio.wait_for(found, self._timeout)
        except TimeoutError:
            raise BleakDeviceNotFoundError(self.address, "device was not found") from None
        finally:
            await scanner.stop()

    async def _discover(self) -> None:
        connection = self._connection
        if connection is None:
            raise BleakError("disconnected")
        self._peer = peer = Peer(connection)
        await self._io(peer.request_mtu, _CENTRAL_MTU)
        await self._io(peer.discover_services)
        await self._io(peer.discover_characteristics)
        services = BleakGATTServiceCollection()
        for found in peer.services:
            if self._wanted and _text(found.uuid) not in self._wanted:
                continue
            service = BleakGATTService(found, found.handle, _text(found.uuid))
            services.add_service(service)
            for proxy in found.characteristics:
                await self._io(proxy.discover_descriptors)
                characteristic = BleakGATTCharacteristic(
                    proxy,
                    proxy.handle - 1,  # BlueZ counts the declaration, bumble the value
                    _text(proxy.uuid),
                    list(gatt_char_props_to_strs(int(proxy.properties))),
                    lambda: self.mtu_size - 3,
                    service,
                )
                services.add_characteristic(characteristic)
                for descriptor in proxy.descriptors:
                    services.add_descriptor(
                        BleakGATTDescriptor(
                            descriptor, descriptor.handle, _text(descriptor.type), characteristic
                        )
                    )
        self.services = services

    def _on_disconnection(self, _reason: int) -> None:
        if self._connection is None:
            return
        self._connection = self._peer = None
        self._subscribers.clear()
        if self._disconnected_callback:
            self._disconnected_callback()

    async def disconnect(self) -> None:
        if self._connection is not None:
            with suppress(core.ConnectionError, core.InvalidStateError):
                await self._connection.disconnect()

    async def pair(self, *_args: Any, **_kwargs: Any) -> None:
        if self._connection is None:
            raise BleakError("Not connected")
        await self._connection.pair()

    async def unpair(self) -> None:
        raise NotImplementedError("virtual sensors do not bond")

    async def _io(self, work: Callable[..., Awaitable[_T]], *args: Any, **kwargs: Any) -> _T:
        """Carry out one ATT transaction; failures become bleak's exceptions."""
        connection = self._connection
        if connection is None:
            raise BleakError("Not connected")
        try:
            return await connection.cancel_on_disconnection(work(*args, **kwargs))
        except ATT_Error as error:
            raise BleakGATTProtocolError(BleakGATTProtocolErrorCode(error.error_code)) from error
        except core.TimeoutError as error:
            raise BleakError(str(error)) from error
        except asyncio.CancelledError:
            if self._connection is not connection:  # cancelled by the loss, not by the caller
                raise BleakError("disconnected") from None
            raise

    async def read_gatt_char(
        self, characteristic: BleakGATTCharacteristic, *, use_cached: bool = False, **_kwargs: Any
    ) -> bytearray:
        return bytearray(await self._io(characteristic.obj.read_value))

    async def read_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, *, use_cached: bool = False, **_kwargs: Any
    ) -> bytearray:
        return bytearray(await self._io(descriptor.obj.read_value))

    async def write_gatt_char(
        self, characteristic: BleakGATTCharacteristic, data: SizedBuffer, response: bool
    ) -> None:
        await self._io(characteristic.obj.write_value, bytes(data), with_response=response)

    async def write_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, data: SizedBuffer
    ) -> None:
        await self._io(descriptor.obj.write_value, bytes(data), with_response=True)

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **_kwargs: Any
    ) -> None:
        def subscriber(value: bytes) -> None:
            callback(bytearray(value))

        self._subscribers[characteristic.handle] = subscriber
        await self._io(characteristic.obj.subscribe, subscriber)

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        subscriber = self._subscribers.pop(characteristic.handle, None)
        await self._io(characteristic.obj.unsubscribe, subscriber)


def _text(uuid: core.UUID) -> str:
    return normalize_uuid_str(uuid.to_hex_str("-").lower())
