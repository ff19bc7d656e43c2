"""org.bluez on a private D-Bus, so that bleak's own BlueZ backend can be tested without a radio.

The methods and properties are those of BlueZ's doc/org.bluez.*.rst that bleak 3 uses. Any number of
adapters that all see the same devices, whose side is an encoder of the virtual sensors each.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from sensor_agent.virtual.encoders.base import Encoder, Push

ADAPTER, DEVICE = "org.bluez.Adapter1", "org.bluez.Device1"
SERVICE, CHARACTERISTIC = "org.bluez.GattService1", "org.bluez.GattCharacteristic1"
BATTERY = "org.bluez.Battery1"
ADAPTER_PATH = "/org/bluez/hci0"
"""Of the only adapter, unless others are asked for."""
MTU = 247

_BUS_CONFIG = """<busconfig><type>system</type><listen>unix:path={folder}/bus</listen>
<auth>EXTERNAL</auth><policy context="default"><allow send_destination="*" eavesdrop="true"/>
<allow eavesdrop="true"/><allow own="*"/></policy></busconfig>"""

Properties = dict[str, Variant]
Answer = tuple[str, list[Any]]


@contextmanager
def private_bus(daemon: Path, folder: Path) -> Iterator[str]:
    """A dbus-daemon of our own; yields its address."""
    (folder / "bus.conf").write_text(_BUS_CONFIG.format(folder=folder))
    command = [daemon, "--nofork", "--nopidfile", "--print-address=1"]
    process = subprocess.Popen(
        [*command, f"--config-file={folder / 'bus.conf'}"], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield f"unix:path={folder}/bus"
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


class BluezError(Exception):
    """Answered as org.bluez.Error.<name>."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


class EmulatedBluez:
    """Adapters and a device that speaks through `encoder`; beside it the devices of `more`."""

    def __init__(
        self,
        encoder: Encoder,
        adapters: tuple[str, ...] = ("hci0",),
        more: tuple[Encoder, ...] = (),
    ) -> None:
        self.encoder = encoder
        self._encoders = (encoder, *more)
        self.connect_errors: list[str] = []
        """Texts that the next Connect calls fail with."""
        self.refusals: dict[str, list[tuple[str, str]]] = {}
        """Method -> (D-Bus error, text) that its next calls are answered with."""
        self.offers_sockets = True
        """Whether characteristics have AcquireNotify."""
        self.calls: list[str] = []
        """Every method called."""
        self.requests: list[tuple[str, str, list[Any]]] = []
        """(method, path, arguments) of what is asked of an adapter beside scans."""
        self.is_near = True
        """Whether the device advertises."""
        self.others: list[str] = []
        """Names of further devices that advertise, and do no more."""
        self.answers = True
        """Whether the device answers commands."""
        self.hangs = False
        """Nothing is answered any more."""
        self.device = ""
        """D-Bus path of the first device, under the adapter that scanned last."""
        self._objects: dict[str, dict[str, Properties]] = {
            "/org/bluez": {"org.bluez.AgentManager1": {}},
        }
        for number, name in enumerate(adapters):
            self._objects[f"/org/bluez/{name}"] = {
                ADAPTER: {
                    "Address": Variant("s", f"00:11:22:33:44:{number:02X}"),
                    "Powered": Variant("b", True),
                    "Discovering": Variant("b", False),
                    "Roles": Variant("as", ["central"]),
                }
            }
        self._abort: asyncio.TimerHandle | None = None
        self._sockets: dict[str, socket.socket] = {}
        self._listeners: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._methods: dict[str, Callable[[str, list[Any]], Awaitable[Answer | None]]] = {
            "StartDiscovery": self._start_discovery,
            "StopDiscovery": self._stop_discovery,
            "Connect": self._connect,
            "Disconnect": self._disconnect,
            "ReadValue": self._read,
            "WriteValue": self._write,
            "StartNotify": self._start_notify,
            "StopNotify": self._stop_notify,
            "RemoveDevice": self._remove_device,
            "Set": self._set,
        }

    async def start(self) -> None:
        self._bus = await MessageBus(bus_type=BusType.SYSTEM, negotiate_unix_fd=True).connect()
        self._bus.add_message_handler(self._on_message)
        await self._bus.request_name("org.bluez")

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._close_sockets()
        self._bus.disconnect()

    # --- the device's side ----------------------------------------------------------------------

    def notify(self, push: Push, number: int = 0) -> None:
        """A notification of one of the devices, on whatever the client asked for."""
        self._notify(self._path(number), push)

    def _notify(self, device: str, push: Push) -> None:
        path = self._characteristic(device, push.characteristic)
        if path in self._sockets:
            self._sockets[path].send(push.data)
        elif path in self._listeners:
            self._change(path, CHARACTERISTIC, Value=Variant("ay", push.data))

    def lose_link(self) -> None:
        """The connection of the first device ends by itself."""
        self._lose_link(self.device)

    def _lose_link(self, device: str) -> None:
        if self._abort:
            self._abort.cancel()
        self._encoder(device).link_lost()
        self._close_sockets(device)
        self._listeners = {path for path in self._listeners if not path.startswith(device)}
        self._change(device, DEVICE, ServicesResolved=Variant("b", False))
        self._change(device, DEVICE, Connected=Variant("b", False))

    def remove_device(self) -> None:
        """bluetoothd forgets the first device, as it does half a minute after a scan."""
        self._remove_device_at(self.device)

    def _remove_device_at(self, device: str) -> None:
        if self._objects[device][DEVICE]["Connected"].value:
            self._lose_link(device)
        self._remove(device)

    def forget(self, name: str) -> None:
        """One of the others goes away, and bluetoothd forgets it."""
        self.others.remove(name)
        for path in [
            path
            for path, interfaces in self._objects.items()
            if interfaces.get(DEVICE, {}).get("Name", Variant("s", "")).value == name
        ]:
            self._remove(path)

    def paths(self) -> set[str]:
        """D-Bus paths of everything that is known."""
        return set(self._objects)

    def power(self, path: str) -> bool:
        """Whether an adapter is on."""
        return bool(self._objects[path][ADAPTER]["Powered"].value)

    def _remove(self, device: str) -> None:
        for path in [path for path in self._objects if path.startswith(device)][::-1]:
            self._signal(
                *("/", "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved"),
                *("oas", [path, list(self._objects.pop(path))]),
            )

    def switch_off(self) -> None:
        """Every adapter is powered off."""
        for path, interfaces in self._objects.items():
            if ADAPTER in interfaces:
                self._change(path, ADAPTER, Powered=Variant("b", False))
        self.refusals["StartDiscovery"] = [("org.bluez.Error.NotReady", "Resource Not Ready")] * 9

    def set_battery(self, percent: int) -> None:
        """bluetoothd has read the battery service."""
        self._objects[self.device][BATTERY] = {"Percentage": Variant("y", percent)}

    # --- D-Bus ----------------------------------------------------------------------------------

    def _on_message(self, message: Message) -> bool:
        if message.message_type is not MessageType.METHOD_CALL or self.hangs:
            return False
        self._spawn(self._answer(message))
        return True

    async def _answer(self, message: Message) -> None:
        name, path = message.member or "", message.path or ""
        if name not in {"Get", "GetAll", "GetManagedObjects"}:
            self.calls.append(name)
        try:
            if self.refusals.get(name):
                await self._bus.send(Message.new_error(message, *self.refusals[name].pop(0)))
                return
            if name == "AcquireNotify":
                await self._acquire_notify(message, path)
                return
            signature, body = await self._call(name, path, message.body) or ("", [])
            await self._bus.send(Message.new_method_return(message, signature, body))
        except BluezError as error:
            full_name = f"org.bluez.Error.{error.name}"
            await self._bus.send(Message.new_error(message, full_name, str(error)))
        except KeyError:
            unknown = "org.freedesktop.DBus.Error.UnknownObject"
            await self._bus.send(Message.new_error(message, unknown, path))

    async def _call(self, name: str, path: str, body: list[Any]) -> Answer | None:
        if name == "GetManagedObjects":
            return "a{oa{sa{sv}}}", [self._objects]
        interfaces = self._objects[path]
        if name == "Get":
            return "v", [interfaces[body[0]][body[1]]]
        if name == "GetAll":
            return "a{sv}", [interfaces[body[0]]]
        if name == "SetDiscoveryFilter":
            return None
        if name not in self._methods:
            raise BluezError("NotSupported", name)
        return await self._methods[name](path, body)

    async def _start_discovery(self, path: str, _body: list[Any]) -> None:
        self._scanning = path
        self.device = self._path(0)
        self._change(path, ADAPTER, Discovering=Variant("b", True))
        self._advertising = self._spawn(self._advertise())

    async def _stop_discovery(self, path: str, _body: list[Any]) -> None:
        self._advertising.cancel()
        self._change(path, ADAPTER, Discovering=Variant("b", False))

    async def _remove_device(self, path: str, body: list[Any]) -> None:
        self.requests.append(("RemoveDevice", path, body))
        if body[0] not in self._objects:
            raise BluezError("DoesNotExist", "Does Not Exist")
        self._remove_device_at(body[0])

    async def _set(self, path: str, body: list[Any]) -> None:
        self.requests.append(("Set", path, body))
        self._change(path, body[0], **{body[1]: body[2]})

    async def _advertise(self) -> None:
        while True:
            near = [encoder.name for encoder in self._encoders] if self.is_near else []
            for number, name in enumerate(near):
                self._seen(self._path(number), name)
            for number, name in enumerate(self.others, len(self._encoders)):
                self._seen(self._path(number), name)
            await asyncio.sleep(0.05)

    def _seen(self, path: str, name: str) -> None:
        if path in self._objects:
            self._change(path, DEVICE, RSSI=Variant("n", -51))
            return
        self._add(
            path,
            DEVICE,
            Address=Variant("s", path[-17:].replace("_", ":")),
            AddressType=Variant("s", "random"),
            Name=Variant("s", name),
            Alias=Variant("s", name),
            Paired=Variant("b", False),
            Trusted=Variant("b", False),
            Connected=Variant("b", False),
            ServicesResolved=Variant("b", False),
            UUIDs=Variant("as", []),
            Adapter=Variant("o", path.rpartition("/")[0]),
            RSSI=Variant("n", -50),
        )

    async def _connect(self, path: str, _body: list[Any]) -> None:
        self._change(path, DEVICE, Connected=Variant("b", True))
        if self.connect_errors:  # the real one is connected for a moment, too
            self._abort = asyncio.get_running_loop().call_later(0.05, self._lose_link, path)
            raise BluezError("Failed", self.connect_errors.pop(0))
        # The real one answers some time after the signal. bleak reads them from two connections and
        # takes an answer that it sees before the signal for a lost link.
        await asyncio.sleep(0.1)
        self._spawn(self._resolve(path))

    async def _resolve(self, path: str) -> None:
        handle = 1
        for service in self._encoder(path).services:
            service_path = f"{path}/service{handle:04x}"
            handle += 1
            if service_path not in self._objects:
                self._add(
                    service_path,
                    SERVICE,
                    UUID=Variant("s", service.uuid),
                    Primary=Variant("b", True),
                    Device=Variant("o", path),
                )
            for spec in service.characteristics:
                own_path = f"{service_path}/char{handle:04x}"
                handle += 3
                extra = {}
                if self.offers_sockets and spec.properties & {"notify", "indicate"}:
                    extra = {"NotifyAcquired": Variant("b", False)}
                if own_path not in self._objects:
                    self._add(
                        own_path,
                        CHARACTERISTIC,
                        UUID=Variant("s", spec.uuid),
                        Service=Variant("o", service_path),
                        Value=Variant("ay", b""),
                        Flags=Variant("as", sorted(spec.properties)),
                        MTU=Variant("q", MTU),
                        **extra,
                    )
        self._change(path, DEVICE, ServicesResolved=Variant("b", True))

    async def _disconnect(self, path: str, _body: list[Any]) -> None:
        if self._objects[path][DEVICE]["Connected"].value:
            self._lose_link(path)

    async def _read(self, path: str, _body: list[Any]) -> Answer:
        return "ay", [self._encoder(path).read(self._objects[path][CHARACTERISTIC]["UUID"].value)]

    async def _write(self, path: str, body: list[Any]) -> None:
        uuid = self._objects[path][CHARACTERISTIC]["UUID"].value
        for push in self._encoder(path).write(uuid, bytes(body[0]), MTU) if self.answers else ():
            self._notify(_device(path), push)

    async def _start_notify(self, path: str, _body: list[Any]) -> None:
        self._listeners.add(path)

    async def _stop_notify(self, path: str, _body: list[Any]) -> None:
        self._listeners.discard(path)

    async def _acquire_notify(self, message: Message, path: str) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._sockets[path] = ours
        body = [0, MTU]
        await self._bus.send(
            Message.new_method_return(message, "hq", body, unix_fds=[theirs.fileno()])
        )
        theirs.close()

    # --- objects --------------------------------------------------------------------------------

    def _path(self, number: int) -> str:
        return f"{self._scanning}/dev_C4_F1_00_00_00_{number + 1:02d}"

    def _encoder(self, path: str) -> Encoder:
        return self._encoders[int(_device(path)[-2:]) - 1]

    def _characteristic(self, device: str, uuid: str) -> str:
        for path, interfaces in self._objects.items():
            found = interfaces.get(CHARACTERISTIC, {}).get("UUID", Variant("s", "")).value
            if path.startswith(device) and found == uuid:
                return path
        raise KeyError(uuid)

    def _add(self, path: str, interface: str, **properties: Variant) -> None:
        self._objects[path] = {interface: properties}
        self._signal(
            *("/", "org.freedesktop.DBus.ObjectManager", "InterfacesAdded"),
            *("oa{sa{sv}}", [path, self._objects[path]]),
        )

    def _change(self, path: str, interface: str, **properties: Variant) -> None:
        self._objects[path][interface].update(properties)
        self._signal(
            *(path, "org.freedesktop.DBus.Properties", "PropertiesChanged"),
            *("sa{sv}as", [interface, properties, []]),
        )

    def _signal(
        self, path: str, interface: str, member: str, signature: str, body: list[Any]
    ) -> None:
        self._spawn(self._send(Message.new_signal(path, interface, member, signature, body)))

    async def _send(self, message: Message) -> None:
        await self._bus.send(message)

    def _close_sockets(self, below: str = "/") -> None:
        for path in [path for path in self._sockets if path.startswith(below)]:
            with suppress(OSError):
                self._sockets.pop(path).close()

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _device(path: str) -> str:
    """The device that an object belongs to: /org/bluez/hci0/dev_X/service0001/..."""
    return "/".join(path.split("/")[:5])
