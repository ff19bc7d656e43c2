"""The radio: scan, connect, carry out a profile's steps, queue what a sensor notifies.

The only module of the agent that imports bleak. What long streams over bleak 3.1 and BlueZ 5.66 ask
for, numbers from github.com/hbldh/bleak/issues and our own measurements:

* AcquireNotify instead of StartNotify: D-Bus signals are coalesced in bursts and data is lost.
* Always disconnect, after a loss as well: otherwise bleak keeps the D-Bus connection and every
  reconnect delivers each packet once more (2002).
* stop_notify before disconnect (bluetoothd crashed otherwise); packets that come while a disconnect
  is under way, up to two seconds, are ignored.
* Connect to a device just seen, never to an address (a hidden scan); one scan or connect at a time
  per adapter (631, 666); no scan while nobody looks for a sensor.
* The callback is a plain function: an async one makes a task per packet, without back-pressure.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bleak import BleakClient, BleakScanner
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakCharacteristicNotFoundError,
    BleakDBusError,
    BleakError,
)
from bleak_retry_connector import BleakClientWithServiceCache, establish_connection

from firmware_profiles.base import (
    BATTERY_LEVEL_UUID,
    Advertisement,
    Pause,
    Read,
    Step,
    Subscribe,
    Unsubscribe,
    Write,
)
from sensor_agent.bluetooth_advice import (
    BY_DBUS_ERROR,
    BY_REASON,
    NO_BUS,
    NOT_PAIRED,
    is_about_pairing,
    no_such_adapter,
)
from sensor_agent.bluez_adapter import forget_device, restart_adapter
from sensor_agent.bluez_battery import bluez_battery_pct
from sensor_agent.clock import HostClock

log = logging.getLogger(__name__)
T = TypeVar("T")

MAX_QUEUED = 2000
"""Packets: 20 s of the busiest sensor (100 packets a second). Beyond, the newest are dropped."""
CONNECT_TIMEOUT_S = 45.0
"""Two attempts of bleak-retry-connector, 20 s each; BlueZ's own time-out is 20-40 s."""
STOP_NOTIFY_TIMEOUT_S = 1.0
DISCONNECT_TIMEOUT_S = 5.0
"""BlueZ takes two seconds as a rule; a dead bluetoothd never answers."""
ATT_TIMEOUT_S = 30.0
"""Bluetooth Core Specification Vol 3 Part F 3.3.3: an ATT transaction fails after 30 s."""

_ADDRESS = re.compile(r"(?:[0-9A-F]{2}[:_-]){5}[0-9A-F]{2}", re.IGNORECASE)


class RadioError(Exception):
    """Something about the link failed; `advice` says what to do next. Never names an address."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(f"{_ADDRESS.sub('(address)', message)}; {advice}")
        self.advice = advice


class NoAdapterError(RadioError):
    """This machine has no Bluetooth that can be used."""


class NotInRangeError(RadioError):
    """The sensor was not seen; the radio may be all right."""


class StuckError(RadioError):
    """Nothing that this process can do has helped."""


class LinkLostError(RadioError):
    """The connection ended by itself."""

    def __init__(self) -> None:
        super().__init__("the connection was lost", "the sensor may be out of range or off")


@dataclass(frozen=True, slots=True)
class Sighting:
    """A device that a scan saw."""

    address: str
    rssi_dbm: int
    advertisement: Advertisement
    device: BLEDevice = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Packet:
    """A notification and when it arrived (host monotonic)."""

    characteristic: str
    data: bytes
    arrival_ns: int


class Radio:
    """One Bluetooth adapter, shared by all its sensors.

    adapter: "hci1" and the like, None for any that is on (bleak keeps no order among several); the
    backends replace bleak's own (the virtual radio of replays and tests).
    """

    def __init__(
        self,
        adapter: str | None = None,
        *,
        scanner_backend: type[BaseBleakScanner] | None = None,
        client_backend: type[BaseBleakClient] | None = None,
    ) -> None:
        self._scanner_options: dict[str, Any] = {"backend": scanner_backend}
        self._client_options: dict[str, Any] = {"backend": client_backend}
        self._adapter = adapter
        if adapter is not None:
            self._scanner_options["bluez"] = self._client_options["bluez"] = {"adapter": adapter}
        self._busy = asyncio.Lock()
        self._adapter = adapter
        self.streams = 0
        """Sensors that stream over this adapter now."""

    @asynccontextmanager
    async def scan(self, on_seen: Callable[[Sighting], None]) -> AsyncIterator[None]:
        """Call `on_seen` for every advertisement while the block runs; raises RadioError."""

        def seen(device: BLEDevice, data: AdvertisementData) -> None:
            advertisement = Advertisement(
                data.local_name or device.name,
                tuple(uuid.lower() for uuid in data.service_uuids),
                dict(data.manufacturer_data),
                {uuid.lower(): bytes(value) for uuid, value in data.service_data.items()},
            )
            on_seen(Sighting(device.address, data.rssi, advertisement, device))

        async with self._busy:
            scanner = BleakScanner(seen, **self._scanner_options)
            try:
                await scanner.start()
            except (BleakError, OSError, EOFError) as error:
                raise self._no_scan(error) from error
            try:
                yield
            finally:
                with suppress(BleakError, OSError, EOFError):
                    await scanner.stop()

    def _no_scan(self, error: Exception) -> RadioError:
        """What a failed start of a scan says about this machine."""
        match error:
            case BleakBluetoothNotAvailableError() if error.reason.name in BY_REASON:
                return NoAdapterError(*BY_REASON[error.reason.name])
            case BleakDBusError() if error.dbus_error in BY_DBUS_ERROR:
                return NoAdapterError(*BY_DBUS_ERROR[error.dbus_error])
            case BleakError() if self._adapter and str(error).endswith("not found"):
                return NoAdapterError(*no_such_adapter(self._adapter))
            case OSError():
                return NoAdapterError(*NO_BUS)
        return RadioError(f"the scan did not start ({_reason(error)})", "turn Bluetooth off and on")

    async def find(self, wanted: Callable[[Sighting], bool], timeout_s: float) -> list[Sighting]:
        """Scan until `wanted` says True or the time is up; the devices seen, newest sighting each,
        the wanted one last."""
        found = asyncio.Event()
        seen: dict[str, Sighting] = {}

        def on_seen(sighting: Sighting) -> None:
            if not found.is_set():
                seen.pop(sighting.address, None)
                seen[sighting.address] = sighting
                if wanted(sighting):
                    found.set()

        async with self.scan(on_seen):
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await found.wait()
        return list(seen.values())

    async def forget(self, sighting: Sighting) -> None:
        """Let the system forget a device, cached services and all."""
        details = sighting.device.details
        if isinstance(details, dict) and "path" in details:  # BlueZ
            await forget_device(str(details["path"]))

    async def reset(self) -> None:
        """Switch the adapter off and on, unless somebody streams over it."""
        async with self._busy:
            if not self.streams:
                await restart_adapter(self._adapter or "hci0")

    async def connect(self, sighting: Sighting, clock: HostClock) -> Link:
        """Connect to a device just seen; raises RadioError."""
        link = Link(clock, sighting)
        async with self._busy:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    link.client = await establish_connection(
                        BleakClientWithServiceCache,
                        sighting.device,
                        "sensor",
                        disconnected_callback=link.on_lost,
                        max_attempts=2,
                        use_services_cache=False,  # stale after a firmware update (882)
                        **self._client_options,
                    )
            except (BleakError, OSError, EOFError, TimeoutError) as error:
                if is_about_pairing(error):
                    raise RadioError(*NOT_PAIRED) from error
                raise RadioError(
                    f"the sensor did not connect ({_reason(error)})",
                    "check that it is worn or awake, near, charged, and not connected to a phone",
                ) from error
        return link


class Link:
    """One connection. Its packets end with it: a later connection has a Link of its own."""

    client: BleakClient

    def __init__(self, clock: HostClock, sighting: Sighting) -> None:
        self.dropped = 0
        """Packets that came faster than they were taken."""
        self._clock, self._sighting = clock, sighting
        self._packets: deque[Packet] = deque()
        self._arrived = asyncio.Event()
        self._lost = self._closing = self._is_starting = False
        self._subscribed: list[str] = []
        self._reply: tuple[str, Callable[[bytes], bool], asyncio.Future[bytes]] | None = None

    @property
    def mtu(self) -> int:
        """ATT MTU, by the characteristics: `client.mtu_size` is 23 on BlueZ, with a warning."""
        return 3 + max(
            (c.max_write_without_response_size for c in self._characteristics()), default=20
        )

    async def perform(
        self, steps: Generator[Step, bytes | None, T], *, is_start: bool = False
    ) -> T:
        """Carry out a profile's steps and return what it returns.

        is_start: they start a stream; packets that came before the answer to the last command are
        of an earlier one, which some sensors carry on with when the link comes back, and are thrown
        away.

        Raises RadioError, and whatever the profile raises.
        """
        try:
            self._is_starting = is_start
            step = next(steps)
            while True:
                if isinstance(step, Write):
                    self._drop_earlier()
                try:
                    answer = await self._do(step)
                except TimeoutError:
                    step = steps.throw(TimeoutError())
                else:
                    step = steps.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        except BleakCharacteristicNotFoundError as error:
            raise RadioError(
                "the sensor lacks a characteristic of its profile",
                "check the profile, or restart the sensor and this machine's Bluetooth",
            ) from error
        except (BleakError, OSError, EOFError) as error:
            if self._lost:
                raise LinkLostError from error
            if is_about_pairing(error):
                raise RadioError(*NOT_PAIRED) from error
            raise RadioError(
                f"the sensor refused a request ({_reason(error)})",
                "restart the sensor, and check its firmware's version",
            ) from error
        finally:
            self._is_starting = False
            steps.close()

    def _drop_earlier(self) -> None:
        """What has come until now is of an earlier stream."""
        if self._is_starting:
            self._packets.clear()

    async def receive(self, timeout_s: float) -> list[Packet]:
        """Packets so far, waiting for the first; none when the time is up (real seconds).

        Raises LinkLostError when the link is lost and nothing is left.
        """
        if not self._packets and not self._lost:
            with suppress(TimeoutError):
                # not wait_for: before Python 3.12 it can swallow a cancellation
                async with asyncio.timeout(timeout_s):
                    await self._arrived.wait()
        if not self._packets and self._lost:
            raise LinkLostError
        self._arrived.clear()
        taken, self._packets = list(self._packets), deque()
        return taken

    async def battery_pct(self) -> int | None:
        """Battery charge by the standard service, None when the sensor does not tell."""
        if any(c.uuid == BATTERY_LEVEL_UUID for c in self._characteristics()):
            with suppress(BleakError, OSError, EOFError, TimeoutError):
                async with asyncio.timeout(ATT_TIMEOUT_S):
                    level = await self.client.read_gatt_char(BATTERY_LEVEL_UUID)
                return level[0] if len(level) == 1 and level[0] <= 100 else None
            return None
        details = self._sighting.device.details
        if isinstance(details, dict) and "path" in details:  # BlueZ
            return await bluez_battery_pct(details["path"])
        return None

    async def close(self) -> None:
        """Unsubscribe, then disconnect, also when the link is lost. Raises nothing."""
        self._closing = True
        self._packets.clear()
        if not self._lost:
            for uuid in self._subscribed:
                with suppress(BleakError, OSError, EOFError, TimeoutError):
                    async with asyncio.timeout(STOP_NOTIFY_TIMEOUT_S):
                        await self.client.stop_notify(uuid)
        with suppress(BleakError, OSError, EOFError, TimeoutError):
            async with asyncio.timeout(DISCONNECT_TIMEOUT_S):
                await self.client.disconnect()

    def on_lost(self, _client: BleakClient) -> None:
        """bleak's disconnected callback."""
        self._lost = True
        self._arrived.set()
        if self._reply and not self._reply[2].done():
            self._reply[2].set_exception(LinkLostError())

    def _on_notification(self, characteristic: BleakGATTCharacteristic, data: bytearray) -> None:
        arrival_ns = self._clock.monotonic_ns()
        if self._closing:
            return
        value = bytes(data)
        if self._reply:
            uuid, matches, future = self._reply
            if uuid == characteristic.uuid and not future.done() and matches(value):
                self._drop_earlier()
                future.set_result(value)
                return
        if len(self._packets) >= MAX_QUEUED:
            self.dropped += 1
            return
        self._packets.append(Packet(characteristic.uuid, value, arrival_ns))
        self._arrived.set()

    async def _do(self, step: Step) -> bytes | None:
        match step:
            case Subscribe(characteristic=uuid):
                await self.client.start_notify(
                    uuid, self._on_notification, bluez={"use_start_notify": False}
                )
                self._subscribed.append(uuid)
            case Unsubscribe(characteristic=uuid):
                if uuid in self._subscribed:
                    self._subscribed.remove(uuid)
                    await self.client.stop_notify(uuid)
            case Read(characteristic=uuid):
                async with asyncio.timeout(ATT_TIMEOUT_S):
                    return bytes(await self.client.read_gatt_char(uuid))
            case Write():
                return await self._write(step)
            case Pause(seconds=seconds):
                await self._clock.sleep(seconds)
        return None

    async def _write(self, step: Write) -> bytes | None:
        async with asyncio.timeout(step.timeout_s):
            if step.reply_on is None:
                await self._send(step)
                return None
            future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
            self._reply = (step.reply_on, step.reply or (lambda _data: True), future)
            try:
                await self._send(step)
                return await future
            finally:
                self._reply = None
                if future.done() and not future.cancelled():
                    future.exception()  # taken note of: the send may have failed before it

    async def _send(self, step: Write) -> None:
        await self.client.write_gatt_char(
            step.characteristic, step.data, response=step.with_response
        )

    def _characteristics(self) -> list[BleakGATTCharacteristic]:
        return list(self.client.services.characteristics.values())


def _reason(error: BaseException) -> str:
    """What an exception of the radio says, without addresses."""
    return _ADDRESS.sub("(address)", str(error))[:160] or type(error).__name__
