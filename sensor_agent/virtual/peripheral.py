"""A virtual sensor: a GATT peripheral on the virtual air that plays a recording."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from bumble import att, core, gatt
from bumble.device import Connection

from sensor_agent.virtual.encoders.base import (
    Characteristic,
    Encoder,
    Frame,
    Push,
    Service,
    Stream,
)
from sensor_agent.virtual.playback import Conditions, Playback
from sensor_agent.virtual.radio import VirtualRadio

_BATTERY_LEVEL = "00002a19-0000-1000-8000-00805f9b34fb"
_BATTERY_SERVICE = Service(
    "0000180f-0000-1000-8000-00805f9b34fb",
    (Characteristic(_BATTERY_LEVEL, frozenset({"read", "notify"})),),
)
_PROPERTY = {
    "read": gatt.Characteristic.Properties.READ,
    "write": gatt.Characteristic.Properties.WRITE,
    "notify": gatt.Characteristic.Properties.NOTIFY,
    "indicate": gatt.Characteristic.Properties.INDICATE,
}


class VirtualSensor:
    """Advertises, answers and streams like the real sensor, and can be made to fail."""

    def __init__(
        self, encoder: Encoder, playback: Playback, radio: VirtualRadio, conditions: Conditions
    ) -> None:
        self.encoder = encoder
        self.finished = asyncio.Event()
        """Set at the end of the recording; from then on the sensor is silent."""
        self.sent: list[Frame] = []
        """Every frame handed to the radio of a listening central, in order."""
        self.battery_pct = 87
        self.duplicates = 0
        """How many more times every packet of samples is sent."""
        self.answer_delay_s = 0.0
        """How long (real seconds) the answer to a command takes; it is obeyed at once."""
        self._playback = playback
        self._radio = radio
        self._device = radio.device
        self._conditions = conditions
        self._connection: Connection | None = None
        self._characteristics: dict[str, gatt.Characteristic[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._player: asyncio.Task[None] | None = None
        self._playing: Stream | None = None
        self._held: list[Frame] | None = None
        self._is_off = False
        start_ns = conditions.clock_start_ns
        playback.restart_clock(encoder.clock_start_ns if start_ns is None else start_ns)

    @property
    def name(self) -> str:
        """Local name in the advertisement."""
        return self.encoder.name

    @property
    def origin_ns(self) -> int | None:
        """Host monotonic time of the recording's first sample; None before the first stream."""
        return self._playback.origin_ns

    @property
    def is_connected(self) -> bool:
        """Whether a central is connected."""
        return self._connection is not None

    async def start(self) -> None:
        """Power on and advertise."""
        battery = (_BATTERY_SERVICE,) if self.encoder.has_battery_service else ()
        for service in (*self.encoder.services, *battery):
            self._add(service)
        self._device.gatt_server.max_mtu = self._conditions.mtu
        self._device.on("connection", self._on_connection)
        await self._device.power_on()
        await self._advertise()

    async def close(self) -> None:
        """Leave the air."""
        self._is_off = True
        self._radio.drop_links()
        tasks = [*self._tasks, *([self._player] if self._player else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._device.stop_advertising()
        await self._device.power_off()

    # --- faults --------------------------------------------------------------------------------

    def out_of_range(self) -> None:
        """Walk away: packets wait, and after the supervision timeout the link is lost."""
        self._radio.set_in_range(False)

    def back_in_range(self) -> None:
        """Come back: what waited arrives in one burst."""
        self._radio.set_in_range(True)

    def lose_link(self) -> None:
        """Supervision timeout at once."""
        self._radio.drop_links()

    async def hang_up(self) -> None:
        """The sensor ends the connection by itself, properly."""
        if self._connection is not None:
            await self._connection.disconnect()

    def stall(self) -> None:
        """Stay connected and say nothing; samples go on being taken."""
        if self._held is None:
            self._held = []

    async def resume(self, burst: bool = True) -> None:
        """End a stall; what was held back is sent in one burst, or is lost."""
        if self._held and not burst:
            self._held.clear()
        while self._held:  # frames that become due meanwhile queue up behind
            await self._send(self._held.pop(0))
        self._held = None

    async def end_stream(self) -> None:
        """The sensor ends the stream by itself, as when a strap is taken off."""
        await self._answer(self.encoder.end())

    def reboot(self) -> None:
        """Power off and on: link and settings are lost, the device clock restarts."""
        self._radio.drop_links()
        self.encoder.reboot()
        self._playback.restart_clock(self.encoder.clock_start_ns)
        self._follow_stream()

    # --- GATT ----------------------------------------------------------------------------------

    def _add(self, service: Service) -> None:
        for spec in service.characteristics:
            properties = gatt.Characteristic.Properties(0)
            for word in spec.properties:
                properties |= _PROPERTY[word]
            self._characteristics[spec.uuid] = gatt.Characteristic(
                core.UUID(spec.uuid),
                properties,
                gatt.Characteristic.READABLE | gatt.Characteristic.WRITEABLE,
                gatt.CharacteristicValue(
                    read=lambda _connection, uuid=spec.uuid: self._read(uuid),
                    write=lambda connection, value, uuid=spec.uuid: self._write(
                        uuid, connection, value
                    ),
                ),
            )
        made = [self._characteristics[spec.uuid] for spec in service.characteristics]
        self._device.add_service(gatt.Service(core.UUID(service.uuid), made))

    def _read(self, uuid: str) -> bytes:
        if uuid == _BATTERY_LEVEL:
            return bytes((self.battery_pct,))
        return self.encoder.read(uuid)

    def _write(self, uuid: str, connection: Connection, data: bytes) -> None:
        can_indicate = self._characteristics[uuid].properties & _PROPERTY["indicate"]
        if can_indicate and not self._is_listening(uuid):  # as control points do
            raise att.ATT_Error(att.ErrorCode.CCCD_IMPROPERLY_CONFIGURED)
        pushes = self.encoder.write(uuid, bytes(data), connection.att_mtu)
        self._end_old_stream()
        # a task, so that the answer follows the write response as on a real sensor
        self._spawn(self._answer(pushes))

    async def _answer(self, pushes: list[Push]) -> None:
        if self.answer_delay_s:
            await asyncio.sleep(self.answer_delay_s)
        for push in pushes:
            await self._push(push)
        self._follow_stream()

    async def _push(self, push: Push) -> None:
        if self._connection is None:
            return
        characteristic = self._characteristics[push.characteristic]
        if characteristic.properties & _PROPERTY["indicate"]:
            await self._device.indicate_subscriber(self._connection, characteristic, push.data)
        else:
            await self._device.notify_subscriber(self._connection, characteristic, push.data)

    def _on_connection(self, connection: Connection) -> None:
        self._connection = connection
        connection.on("disconnection", self._on_disconnection)
        self._follow_stream()  # some sensors stream without being told

    def _on_disconnection(self, _reason: int) -> None:
        self._connection = None
        self.encoder.link_lost()
        self._follow_stream()
        for task in self._tasks:  # an indication would wait half a minute for its confirmation
            task.cancel()
        if not self._is_off:
            self._spawn(self._advertise())

    async def _advertise(self) -> None:
        data = _advertising_data(self.encoder.name, self.encoder.advertised_uuids)
        await self._device.start_advertising(auto_restart=False, advertising_data=data)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- streaming -----------------------------------------------------------------------------

    def _follow_stream(self) -> None:
        """Start or stop playing when the encoder's stream has changed."""
        self._end_old_stream()
        stream = self.encoder.stream
        if stream is not None and stream is not self._playing:
            self._playing = stream
            self._player = asyncio.get_running_loop().create_task(self._play(stream))

    def _end_old_stream(self) -> None:
        """Stop playing what the encoder has ended."""
        if self._player is not None and self.encoder.stream is not self._playing:
            self._player.cancel()
            self._player = self._playing = None

    async def _play(self, stream: Stream) -> None:
        async for frame in self._playback.frames(stream, self.encoder):
            if self._held is None:
                await self._send(frame)
            else:
                self._held.append(frame)
        self.finished.set()

    async def _send(self, frame: Frame) -> None:
        if not self._is_listening(frame.pushes[0].characteristic):
            return
        if self._conditions.keep_sent:
            self.sent.append(frame)
        for push in frame.pushes:
            for _ in range(1 + self.duplicates):
                await self._push(push)

    def _is_listening(self, uuid: str) -> bool:
        if self._connection is None:
            return False
        subscriptions = self._device.gatt_server.subscribers.get(self._connection, {})
        return any(subscriptions.get(self._characteristics[uuid].handle, b""))


def _advertising_data(name: str, uuids: tuple[str, ...]) -> bytes:
    fields: list[tuple[int, bytes]] = [
        (core.AdvertisingData.FLAGS, b"\x06"),
        (core.AdvertisingData.COMPLETE_LOCAL_NAME, name.encode()),
    ]
    for text in uuids:
        short = _shortest(text)
        kind = (
            core.AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS
            if len(short) == 2
            else core.AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS
        )
        fields.append((kind, short))
    return bytes(core.AdvertisingData(fields))


def _shortest(uuid: str) -> bytes:
    """Two bytes for one of the Bluetooth SIG's: an advertisement has room for 31 in all, and Linux
    drops what is longer."""
    head, tail = uuid[:8], uuid[8:]
    is_of_sig = head.startswith("0000") and tail == _BATTERY_LEVEL[8:]
    return (core.UUID.from_16_bits(int(head, 16)) if is_of_sig else core.UUID(uuid)).to_bytes()
