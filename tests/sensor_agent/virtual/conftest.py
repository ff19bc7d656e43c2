"""A short motion, a world to put virtual sensors in, and a receiver that carries out the steps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from bleak import BleakClient, BleakScanner
from bleak.exc import BleakError

from firmware_profiles.base import (
    Decoder,
    Event,
    Read,
    SampleBlock,
    Step,
    StreamRequest,
    Subscribe,
    Unsubscribe,
    Write,
)
from firmware_profiles.registry import profile
from sensor_agent.virtual.motion import Motion
from sensor_agent.virtual.peripheral import VirtualSensor
from sensor_agent.virtual.playback import Conditions
from sensor_agent.virtual.world import VirtualWorld
from tests.patient_clock import PatientClock
from tests.sensor_agent.broker_side import until
from tests.servers import PATIENCE_S

SPEED = 40.0


@pytest.fixture
def make_motion() -> Callable[[float, float], Motion]:
    """make_motion(rate_hz, seconds): a slow sway that fits every sensor's range."""

    def make(rate_hz: float, seconds: float) -> Motion:
        t = np.arange(round(rate_hz * seconds)) / rate_hz
        phase = 2 * np.pi * t[:, None] * np.array([0.3, 0.5, 0.7])
        return Motion(rate_hz, 9.0 * np.sin(phase), 2.0 * np.cos(phase))

    return make


@pytest_asyncio.fixture
async def world() -> AsyncIterator[VirtualWorld]:
    """A world whose clock runs SPEED times faster and whose radio gives up after 0.3 s."""
    async with VirtualWorld(PatientClock(SPEED), supervision_timeout_s=0.3) as made:
        yield made


class Receiver:
    """The smallest agent: finds a sensor with plain bleak, carries out the profile's steps and
    decodes what comes."""

    def __init__(self, world: VirtualWorld, sensor: VirtualSensor, profile_id: str) -> None:
        self.world, self.sensor, self.profile = world, sensor, profile(profile_id)
        self.events: list[Event] = []
        self.lost = asyncio.Event()
        self.mtu: int | None = None
        self._waiting: list[tuple[Write, asyncio.Future[bytes]]] = []
        self._decoder: Decoder | None = None
        self._early: list[tuple[str, bytes]] = []

    @property
    def blocks(self) -> list[SampleBlock]:
        return [event for event in self.events if isinstance(event, SampleBlock)]

    async def start(self, **request: Any) -> Decoder:
        """Connect and configure; a new decoder, the events of earlier ones stay."""
        self.lost.clear()
        self._decoder = None
        device = await BleakScanner.find_device_by_name(
            self.sensor.name, timeout=PATIENCE_S, backend=self.world.scanner_backend
        )
        assert device is not None
        self.client = BleakClient(
            device,
            disconnected_callback=lambda _client: self.lost.set(),
            backend=self.world.client_backend,
        )
        await self.client.connect()
        mtu = self.client.mtu_size if self.mtu is None else self.mtu
        self._decoder = await self.run(self.profile.configure(StreamRequest(**request), mtu))
        for uuid, data in self._early:
            self.events += self._decoder.decode(uuid, data)
        self._early.clear()
        return self._decoder

    async def stop(self) -> None:
        """Leave the sensor idle and disconnect."""
        with suppress(BleakError):
            await self.run(self.profile.stop())
        await self.client.disconnect()

    async def until(self, condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
        """Poll until it holds."""
        await until(condition, timeout_s)

    async def to_the_end(self) -> None:
        """Receive the whole recording, then stop."""
        await asyncio.wait_for(self.sensor.finished.wait(), PATIENCE_S)
        copies = 1 + self.sensor.duplicates
        await self.until(lambda: len(self.blocks) == copies * len(self.sensor.sent))
        await self.stop()

    async def read_battery(self) -> None:
        """Have the level decoded to an event."""
        uuid = "00002a19-0000-1000-8000-00805f9b34fb"
        assert self._decoder is not None
        self.events += self._decoder.decode(uuid, bytes(await self.client.read_gatt_char(uuid)))

    async def run(self, steps: Generator[Step, bytes | None, Any]) -> Any:
        """Carry the steps out; the generator's return value."""
        try:
            step = next(steps)
            while True:
                step = steps.send(await self._do(step))
        except StopIteration as end:
            return end.value

    async def _do(self, step: Step) -> bytes | None:
        match step:
            case Subscribe():
                await self.client.start_notify(step.characteristic, self._on_data)
            case Unsubscribe():
                await self.client.stop_notify(step.characteristic)
            case Read():
                return bytes(await self.client.read_gatt_char(step.characteristic))
            case Write():
                return await self._write(step)
        return None

    async def _write(self, step: Write) -> bytes | None:
        answer = asyncio.get_running_loop().create_future()
        if step.reply is not None:
            self._waiting.append((step, answer))
        await self.client.write_gatt_char(
            step.characteristic, step.data, response=step.with_response
        )
        return await asyncio.wait_for(answer, step.timeout_s) if step.reply else None

    def _on_data(self, characteristic: Any, data: bytearray) -> None:
        for step, answer in self._waiting:
            if characteristic.uuid == step.reply_on and step.reply and step.reply(bytes(data)):
                self._waiting.remove((step, answer))
                answer.set_result(bytes(data))
                return
        if self._decoder is None:
            self._early.append((characteristic.uuid, bytes(data)))
        else:
            self.events += self._decoder.decode(characteristic.uuid, bytes(data))


@pytest.fixture(scope="session")
def link_to() -> type[Receiver]:
    """link_to(world, sensor, profile_id)"""
    return Receiver


Streaming = tuple[VirtualSensor, Receiver]


@pytest.fixture
def add(world: VirtualWorld, make_motion: Callable[[float, float], Motion]) -> Callable[..., Any]:
    """sensor, link = await add(profile_id, rate_hz, seconds, **conditions): not yet connected."""

    async def make(profile_id: str, rate_hz: float, seconds: float, **conditions: Any) -> Streaming:
        motion = make_motion(rate_hz, seconds)
        sensor = await world.add_sensor(profile_id, motion, conditions=Conditions(**conditions))
        return sensor, Receiver(world, sensor, profile_id)

    return make
