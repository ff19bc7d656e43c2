"""The radio over virtual sensors: scan, connect, carry out steps, queue, close."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator

import numpy as np
import pytest
import pytest_asyncio
from bleak.backends.scanner import BaseBleakScanner
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakError,
)

from firmware_profiles.base import (
    BATTERY_LEVEL_UUID,
    ConfigurationError,
    Pause,
    Read,
    Step,
    StreamRequest,
    Subscribe,
    Unsubscribe,
    Write,
)
from firmware_profiles.registry import profile
from sensor_agent import ble
from sensor_agent.ble import Link, LinkLostError, NoAdapterError, Radio, RadioError, Sighting
from sensor_agent.virtual.motion import Motion
from sensor_agent.virtual.peripheral import VirtualSensor
from sensor_agent.virtual.world import VirtualWorld
from tests.patient_clock import PatientClock
from tests.sensor_agent.broker_side import until
from tests.servers import PATIENCE_S

COMMANDS = "34800001-7185-4d5d-b431-630e7050e8f0"
DATA = "34800002-7185-4d5d-b431-630e7050e8f0"
CONTROL_POINT = "fb005c81-02e7-f387-1cad-8acd2d8df0c8"
MISSING = "0000dead-0000-1000-8000-00805f9b34fb"


@pytest_asyncio.fixture
async def world() -> AsyncIterator[VirtualWorld]:
    async with VirtualWorld(PatientClock(10.0), supervision_timeout_s=0.2) as made:
        yield made


@pytest_asyncio.fixture
async def sensor(world: VirtualWorld) -> VirtualSensor:
    still = np.zeros((52 * 600, 3))
    return await world.add_sensor("movesense", Motion(52.0, still, still))


@pytest.fixture
def radio(world: VirtualWorld) -> Radio:
    return Radio(scanner_backend=world.scanner_backend, client_backend=world.client_backend)


async def sight(radio: Radio) -> Sighting:
    return (await radio.find(lambda _sighting: True, 2.0))[-1]


@pytest_asyncio.fixture
async def link(world: VirtualWorld, radio: Radio, sensor: VirtualSensor) -> AsyncIterator[Link]:
    made = await radio.connect(await sight(radio), world.clock)
    yield made
    await made.close()


def steps(*given: Step) -> Generator[Step, bytes | None, list[bytes | None]]:
    answers = []
    for step in given:
        answers.append((yield step))
    return answers


async def test_a_scan_tells_what_profiles_need(radio: Radio, sensor: VirtualSensor) -> None:
    sighting = await sight(radio)
    assert sighting.advertisement.name == sensor.name
    assert sighting.rssi_dbm < 0
    assert profile("movesense").matches(sighting.advertisement)


async def test_find_returns_everything_seen_with_the_wanted_one_last(
    world: VirtualWorld, radio: Radio, sensor: VirtualSensor
) -> None:
    other = await world.add_sensor("polar_h10", Motion(50.0, np.zeros((100, 3))))
    seen: set[str | None] = set()

    def all_seen(sighting: Sighting) -> bool:
        seen.add(sighting.advertisement.name)
        return len(seen) == 2 and sighting.advertisement.name == other.name

    found = await radio.find(all_seen, 3.0)
    assert [s.advertisement.name for s in found] == [sensor.name, other.name]
    assert await radio.find(lambda _s: False, 0.2)


async def test_steps_are_carried_out_and_answered(link: Link) -> None:
    hello = Write(COMMANDS, b"\x00\x01", reply_on=DATA, reply=lambda d: d[:2] == b"\x01\x01")
    answers = await link.perform(
        steps(Read(BATTERY_LEVEL_UUID), Pause(0.1), Subscribe(DATA), hello, Unsubscribe(DATA))
    )
    assert answers[0] == bytes((87,))
    assert answers[1:3] == [None, None]
    assert answers[3] is not None
    assert answers[3][:2] == b"\x01\x01"
    assert await link.receive(0.05) == []  # the answer is not queued as well


async def test_a_missing_reply_is_a_timeout_for_the_profile(link: Link) -> None:
    def work() -> Generator[Step, bytes | None, str]:
        try:
            yield Write(COMMANDS, b"\x00\x01", reply_on=DATA, reply=lambda _d: False, timeout_s=0.1)
        except TimeoutError:
            return "noticed"
        return "answered"

    assert await link.perform(work()) == "noticed"


async def test_a_profiles_own_error_comes_through(link: Link, sensor: VirtualSensor) -> None:
    sensor.encoder.refuse_status = 503
    with pytest.raises(ConfigurationError, match="busy"):
        await link.perform(profile("movesense").configure(StreamRequest(), link.mtu))


async def test_a_missing_characteristic_is_said(link: Link) -> None:
    with pytest.raises(RadioError, match="lacks a characteristic"):
        await link.perform(steps(Read(MISSING)))


async def test_a_refused_request_is_said(world: VirtualWorld, radio: Radio) -> None:
    await world.add_sensor("polar_h10", Motion(50.0, np.zeros((100, 3))))
    link = await radio.connect(await sight(radio), world.clock)
    unsubscribed = Write(CONTROL_POINT, b"\x01\x02")
    with pytest.raises(RadioError, match="refused a request"):
        await link.perform(steps(unsubscribed))
    await link.close()


async def test_battery(link: Link, sensor: VirtualSensor) -> None:
    sensor.battery_pct = 41
    assert await link.battery_pct() == 41
    sensor.battery_pct = 101
    assert await link.battery_pct() is None


async def streaming(link: Link) -> None:
    await link.perform(profile("movesense").configure(StreamRequest(), link.mtu))


async def test_packets_are_stamped_and_queued_in_order(world: VirtualWorld, link: Link) -> None:
    await streaming(link)
    packets = await link.receive(1.0) + await link.receive(1.0)
    stamps = [packet.arrival_ns for packet in packets]
    assert stamps == sorted(stamps)
    assert abs(world.clock.monotonic_ns() - stamps[-1]) < 5e9
    assert {packet.characteristic for packet in packets} == {DATA}


async def test_a_full_queue_drops_and_counts(
    link: Link, sensor: VirtualSensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ble, "MAX_QUEUED", 5)
    await streaming(link)
    await until(lambda: link.dropped >= 3)
    assert len(await link.receive(0)) == 5


async def test_a_loss_ends_receiving_after_the_last_packet(
    link: Link, sensor: VirtualSensor
) -> None:
    await streaming(link)
    await until(lambda: bool(link._packets))
    sensor.lose_link()
    await until(lambda: link._lost)
    assert await link.receive(1.0)
    with pytest.raises(LinkLostError):
        await link.receive(1.0)
    with pytest.raises(LinkLostError):
        await link.perform(steps(Read(BATTERY_LEVEL_UUID)))


async def test_a_loss_ends_the_wait_for_a_reply(link: Link, sensor: VirtualSensor) -> None:
    await link.perform(steps(Subscribe(DATA)))
    never = Write(COMMANDS, b"\x00\x01", reply_on=DATA, reply=lambda _d: False, timeout_s=10)
    work = asyncio.create_task(link.perform(steps(never)))
    await until(lambda: link._reply is not None)
    sensor.lose_link()
    with pytest.raises(LinkLostError):
        async with asyncio.timeout(PATIENCE_S):
            await work


async def test_nothing_is_taken_once_closing_began(link: Link, sensor: VirtualSensor) -> None:
    await streaming(link)
    await until(lambda: bool(link._packets))
    await link.close()
    assert not sensor.is_connected
    assert not link._packets
    characteristic = next(iter(link._characteristics()), None)
    link._on_notification(characteristic, bytearray(b"late"))  # type: ignore[arg-type]
    assert not link._packets


async def test_close_after_a_loss_still_disconnects(
    link: Link, sensor: VirtualSensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    disconnect = link.client.disconnect

    async def spy() -> None:
        calls.append("disconnect")
        await disconnect()

    monkeypatch.setattr(link.client, "disconnect", spy)
    sensor.lose_link()
    await until(lambda: link._lost)
    await link.close()
    assert calls == ["disconnect"]


async def test_an_absent_sensor_does_not_connect(
    world: VirtualWorld, radio: Radio, sensor: VirtualSensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ble, "CONNECT_TIMEOUT_S", 0.3)
    sighting = await sight(radio)
    sensor.out_of_range()
    with pytest.raises(RadioError, match="did not connect"):
        await radio.connect(sighting, world.clock)
    sensor.back_in_range()
    link = await radio.connect(await sight(radio), world.clock)
    await link.close()


class _Broken(BaseBleakScanner):
    error: Exception

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(None, None)

    async def start(self) -> None:
        raise self.error

    async def stop(self) -> None:
        raise AssertionError("never started")


NO_RADIO = BleakBluetoothNotAvailableError("off", BleakBluetoothNotAvailableReason.POWERED_OFF)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NO_RADIO, NoAdapterError),
        (FileNotFoundError(2, "No such file"), NoAdapterError),
        (BleakError("device C4:F1:00:00:00:01 is busy"), RadioError),
    ],
)
async def test_no_scan_without_an_adapter(error: Exception, kind: type[RadioError]) -> None:
    backend = type("Backend", (_Broken,), {"error": error})
    with pytest.raises(kind) as caught:
        await Radio(scanner_backend=backend).find(lambda _s: True, 1.0)
    assert "C4:F1" not in str(caught.value)
    assert caught.value.advice in str(caught.value)
