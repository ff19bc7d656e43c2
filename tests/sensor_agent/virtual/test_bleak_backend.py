"""The virtual air through plain bleak: scan, connect, stream, and every way to lose the link."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.exc import (
    BleakDeviceNotFoundError,
    BleakError,
    BleakGATTProtocolError,
    BleakGATTProtocolErrorCode,
)
from bleak_retry_connector import BleakClientWithServiceCache, establish_connection

from sensor_agent.virtual.motion import Motion
from sensor_agent.virtual.peripheral import VirtualSensor
from sensor_agent.virtual.playback import Conditions
from sensor_agent.virtual.world import VirtualWorld
from tests.sensor_agent.broker_side import until
from tests.servers import PATIENCE_S

COMMANDS = "34800001-7185-4d5d-b431-630e7050e8f0"
DATA = "34800002-7185-4d5d-b431-630e7050e8f0"
BATTERY = "00002a19-0000-1000-8000-00805f9b34fb"
START = b"\x01\x63/Meas/IMU6/52"
MakeMotion = Callable[[float, float], Motion]


async def find(world: VirtualWorld, sensor: VirtualSensor) -> BLEDevice:
    device = await BleakScanner.find_device_by_name(
        sensor.name, timeout=PATIENCE_S, backend=world.scanner_backend
    )
    assert device is not None
    return device


class Streaming:
    """A connected client that has started the 52 Hz stream; `packets` are the sample packets."""

    def __init__(self, world: VirtualWorld, sensor: VirtualSensor) -> None:
        self.world, self.sensor = world, sensor
        self.packets: list[bytes] = []
        self.lost = asyncio.Event()

    async def __aenter__(self) -> Streaming:
        device = await find(self.world, self.sensor)
        self.client = BleakClient(
            device,
            disconnected_callback=lambda _client: self.lost.set(),
            backend=self.world.client_backend,
        )
        await self.client.connect()
        await self.client.start_notify(DATA, self._on_data)
        await self.client.write_gatt_char(COMMANDS, START, response=True)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.client.disconnect()

    def _on_data(self, _characteristic: object, data: bytearray) -> None:
        if data[0] != 1:
            self.packets.append(bytes(data))

    def sent(self) -> list[bytes]:
        return [push.data for frame in self.sensor.sent for push in frame.pushes]


async def test_scan_shows_name_and_services(world: VirtualWorld, make_motion: MakeMotion) -> None:
    await world.add_sensor("movesense", make_motion(52, 1), name_suffix="174430000001")
    await world.add_sensor("movesense", make_motion(52, 1), name_suffix="174430000002")
    seen = await BleakScanner.discover(timeout=0.3, return_adv=True, backend=world.scanner_backend)
    names = {advertisement.local_name for _, advertisement in seen.values()}
    assert names == {"Movesense 174430000001", "Movesense 174430000002"}
    uuids = [advertisement.service_uuids for _, advertisement in seen.values()]
    assert uuids == [["0000fdf3-0000-1000-8000-00805f9b34fb"]] * 2


async def test_scan_filters_by_service(world: VirtualWorld, make_motion: MakeMotion) -> None:
    await world.add_sensor("movesense", make_motion(52, 1))
    seen = await BleakScanner.discover(
        timeout=0.2,
        service_uuids=["0000180d-0000-1000-8000-00805f9b34fb"],
        backend=world.scanner_backend,
    )
    assert seen == []


async def test_connect_by_device_and_by_address(
    world: VirtualWorld, make_motion: MakeMotion
) -> None:
    sensor = await world.add_sensor("movesense", make_motion(52, 1), conditions=Conditions(mtu=185))
    device = await find(world, sensor)
    for target in (device, device.address):
        async with BleakClient(target, backend=world.client_backend) as client:
            assert client.mtu_size == 185
            assert await client.read_gatt_char(BATTERY) == b"\x57"
            data = client.services.get_characteristic(DATA)
            assert data is not None
            assert data.properties == ["notify"]
            assert data.max_write_without_response_size == 182
        assert not client.is_connected


async def test_stream_delivers_what_was_sent_in_order(
    world: VirtualWorld, make_motion: MakeMotion
) -> None:
    sensor = await world.add_sensor("movesense", make_motion(52, 10))
    async with Streaming(world, sensor) as streaming:
        await asyncio.wait_for(sensor.finished.wait(), PATIENCE_S)
        await until(lambda: len(streaming.packets) == len(streaming.sent()))
    assert len(streaming.packets) == 130
    assert streaming.packets == streaming.sent()


async def test_short_absence_delays_but_loses_nothing(
    world: VirtualWorld, make_motion: MakeMotion
) -> None:
    sensor = await world.add_sensor("movesense", make_motion(52, 30))
    async with Streaming(world, sensor) as streaming:
        await until(lambda: len(streaming.packets) > 10)
        sensor.out_of_range()
        await asyncio.sleep(0.02)  # what was on its way arrives
        before = len(streaming.packets)
        await asyncio.sleep(0.1)
        assert len(streaming.packets) == before < len(streaming.sent())
        sensor.back_in_range()
        await asyncio.wait_for(sensor.finished.wait(), PATIENCE_S)
        await until(lambda: streaming.packets == streaming.sent())
        assert not streaming.lost.is_set()


async def test_long_absence_ends_the_link_at_both_ends_and_the_sensor_can_be_found_again(
    world: VirtualWorld, make_motion: MakeMotion
) -> None:
    sensor = await world.add_sensor("movesense", make_motion(52, 600))
    async with Streaming(world, sensor) as streaming:
        await until(lambda: len(streaming.packets) > 2)
        sensor.out_of_range()
        await asyncio.wait_for(streaming.lost.wait(), PATIENCE_S)
        assert not streaming.client.is_connected
        assert not sensor.is_connected
        with pytest.raises(BleakError):
            await streaming.client.read_gatt_char(BATTERY)
    sensor.back_in_range()
    async with Streaming(world, sensor) as again:
        await until(lambda: len(again.packets) > 2)
    assert set(again.packets).isdisjoint(streaming.packets)


async def test_disconnect_out_of_range_frees_the_sensor(
    world: VirtualWorld, make_motion: MakeMotion
) -> None:
    sensor = await world.add_sensor("movesense", make_motion(52, 600))
    async with Streaming(world, sensor):
        sensor.out_of_range()
    await until(lambda: not sensor.is_connected)
    sensor.back_in_range()
    before = len(sensor.sent)
    async with Streaming(world, sensor) as again:
        await until(lambda: len(again.packets) > 2)
        assert again.packets[:3] == again.sent()[before : before + 3]


async def test_pending_read_fails_when_the_link_breaks(
    world: VirtualWorld, make_motion: MakeMotion
) -> None:
    sensor = await world.add_sensor("movesense", make_motion(52, 600))
    async with Streaming(world, sensor) as streaming:
        sensor.out_of_range()
        read = asyncio.create_task(streaming.client.read_gatt_char(BATTERY))
        await asyncio.sleep(0.05)
        sensor.lose_link()
        with pytest.raises(BleakError):
            await asyncio.wait_for(read, PATIENCE_S)


async def test_connect_times_out_and_works_later(
    world: VirtualWorld, make_motion: MakeMotion
) -> None:
    sensor = await world.add_sensor("movesense", make_motion(52, 1))
    device = await find(world, sensor)
    sensor.out_of_range()
    with pytest.raises(TimeoutError):
        await BleakClient(device, timeout=0.3, backend=world.client_backend).connect()
    sensor.back_in_range()
    async with BleakClient(device, backend=world.client_backend) as client:
        assert await client.read_gatt_char(BATTERY) == b"\x57"


async def test_unknown_address_is_not_found(world: VirtualWorld) -> None:
    with pytest.raises((BleakDeviceNotFoundError, TimeoutError)):
        await BleakClient("C4:F1:00:00:00:99", timeout=0.2, backend=world.client_backend).connect()


async def test_control_point_wants_its_indications_on(
    world: VirtualWorld, make_motion: MakeMotion
) -> None:
    sensor = await world.add_sensor("polar_h10", make_motion(50, 1))
    control = "fb005c81-02e7-f387-1cad-8acd2d8df0c8"
    answers: list[bytes] = []
    async with BleakClient(await find(world, sensor), backend=world.client_backend) as client:
        with pytest.raises(BleakGATTProtocolError) as caught:
            await client.write_gatt_char(control, b"\x01\x02", response=True)
        assert caught.value.code == BleakGATTProtocolErrorCode.CCCD_IMPROPERLY_CONFIGURED
        await client.start_notify(control, lambda _sender, data: answers.append(bytes(data)))
        await client.write_gatt_char(control, b"\x01\x02", response=True)
        await until(lambda: bool(answers))
    assert answers[0][:5] == bytes.fromhex("f001020000")


async def test_several_sensors_at_once(world: VirtualWorld, make_motion: MakeMotion) -> None:
    sensors = [await world.add_sensor("movesense", make_motion(52, 600)) for _ in range(3)]
    streams = [Streaming(world, sensor) for sensor in sensors]
    for stream in streams:
        await stream.__aenter__()
    await until(lambda: all(len(stream.packets) > 20 for stream in streams))
    sensors[0].lose_link()
    await asyncio.wait_for(streams[0].lost.wait(), PATIENCE_S)
    counts = [len(stream.packets) for stream in streams]
    others = list(zip(streams, counts, strict=True))[1:]
    await until(lambda: all(len(stream.packets) > count + 5 for stream, count in others))
    assert len(streams[0].packets) == counts[0]
    for stream in streams:
        await stream.__aexit__()


async def test_two_worlds_do_not_hear_each_other(make_motion: MakeMotion) -> None:
    async with VirtualWorld() as one, VirtualWorld() as other:
        sensor = await one.add_sensor("movesense", make_motion(52, 1))
        assert (await find(one, sensor)).name == sensor.name
        assert await BleakScanner.discover(timeout=0.2, backend=other.scanner_backend) == []


async def test_retry_connector_reconnects(world: VirtualWorld, make_motion: MakeMotion) -> None:
    sensor = await world.add_sensor("movesense", make_motion(52, 1))
    device = await find(world, sensor)
    for _ in range(2):
        client = await establish_connection(
            BleakClientWithServiceCache, device, sensor.name, backend=world.client_backend
        )
        assert await client.read_gatt_char(BATTERY) == b"\x57"
        await client.disconnect()
