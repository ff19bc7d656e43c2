"""Virtual sensors in a process of their own, and a Bluetooth adapter that other processes reach.

The sensors outlive the agent, as real ones do. Every agent process gets a virtual controller of its
own over HCI on TCP; when the process ends, however it ends, the controller leaves the air and its
links break. Sample i of a sensor carries its number: x = i % 4096, y = i // 4096, in milli-g.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from bumble import hci
from bumble.device import Device, DeviceConfiguration
from bumble.host import Host
from bumble.transport.common import StreamPacketSource
from bumble.transport.tcp_client import open_tcp_client_transport
from numpy.typing import NDArray

from sensor_agent.ble import Radio
from sensor_agent.clock import ScaledClock
from sensor_agent.virtual.bleak_backend import bind_backend

MILLI_G = 9.80665e-3
WRAP = 4096
SUPERVISION_S = 0.5


@dataclass(frozen=True, slots=True)
class Timebase:
    """The one clock of all processes of a run (Linux has one monotonic clock)."""

    speed: float
    real0_ns: int
    utc0_ns: int
    slow_s: float = 0.0
    """So long it runs as any clock does: connecting many sensors is the same work at any speed."""

    def clock(self) -> ScaledClock:
        clock = _LateScaledClock(self) if self.slow_s else ScaledClock(self.speed, self.utc0_ns)
        clock._real0_ns = self.real0_ns
        return clock


class _LateScaledClock(ScaledClock):
    """Runs faster from a moment on that was agreed beforehand."""

    def __init__(self, base: Timebase) -> None:
        super().__init__(base.speed, base.utc0_ns)
        self._slow_ns = round(base.slow_s * 1e9)

    def monotonic_ns(self) -> int:
        real_ns = time.monotonic_ns() - self._real0_ns
        beyond_ns = max(0, real_ns - self._slow_ns)
        return real_ns + round(beyond_ns * (self.speed - 1))

    async def sleep(self, seconds: float) -> None:
        slow_s = max(0, self._slow_ns - self.monotonic_ns()) * 1e-9
        await asyncio.sleep(min(seconds, slow_s) + max(0.0, seconds - slow_s) / self.speed)


@dataclass(frozen=True, slots=True)
class SensorPlan:
    """One virtual sensor: its profile, its rate and the last word of its name."""

    profile: str
    rate_hz: float
    serial: str
    drift_ppm: float = 0.0


@dataclass(frozen=True, slots=True)
class Truth:
    """What one sensor did: numbers of all samples given to a listening central, in order, and how
    often the agent told it to stop."""

    sent: NDArray[np.int64]
    is_streaming: bool


def numbers(accel_mps2: NDArray[np.floating]) -> NDArray[np.int64]:
    """Sample numbers out of (n, 3) accelerations."""
    counts = np.rint(accel_mps2[:, :2] / MILLI_G).astype(np.int64)
    found: NDArray[np.int64] = counts[:, 0] + WRAP * counts[:, 1]
    return found


def run_air(
    plans: tuple[SensorPlan, ...], timebase: Timebase, hours: float, pipe: Connection
) -> None:
    """Entry point of the process: serves until told to end, then answers with the truth."""
    logging.getLogger("bumble").setLevel(logging.CRITICAL)
    asyncio.run(_run_air(plans, timebase, hours, pipe))


async def _run_air(
    plans: tuple[SensorPlan, ...], timebase: Timebase, hours: float, pipe: Connection
) -> None:
    from sensor_agent.virtual.motion import Motion
    from sensor_agent.virtual.playback import Conditions
    from sensor_agent.virtual.world import VirtualWorld

    async with VirtualWorld(timebase.clock(), supervision_timeout_s=SUPERVISION_S) as world:
        sensors = []
        for plan in plans:
            i = np.arange(round(plan.rate_hz * 3600 * hours))
            accel = MILLI_G * np.stack([i % WRAP, i // WRAP, np.zeros_like(i)], 1)
            motion = Motion(plan.rate_hz, accel, np.zeros_like(accel))
            conditions = Conditions(drift_ppm=plan.drift_ppm)
            made = await world.add_sensor(
                plan.profile, motion, name_suffix=plan.serial, conditions=conditions
            )
            sensors.append(made)
        server = await asyncio.get_running_loop().create_server(
            lambda: _Adapter(world), "127.0.0.1", 0
        )
        pipe.send(server.sockets[0].getsockname()[1])
        while (command := await asyncio.to_thread(pipe.recv)) != "end":
            pipe.send(_answer(sensors, command))
        server.close()


def _answer(sensors: list[Any], command: tuple[str, int]) -> object:
    what, number = command
    sensor = sensors[number]
    match what:
        case "truth":
            rows = [numbers(frame.values["accel"]) for frame in sensor.sent]
            sent = np.concatenate(rows) if rows else np.empty(0, np.int64)
            return Truth(sent, sensor.encoder.stream is not None)
        case "count":
            return sum(len(frame.device_t_ns) for frame in sensor.sent)
        case "lose":
            sensor.lose_link()
        case "reboot":
            sensor.reboot()
        case "twice":
            sensor.duplicates = 1
    return None


class _Adapter(asyncio.Protocol):
    """One agent process's controller."""

    def __init__(self, world: Any) -> None:
        from sensor_agent.virtual.radio import VirtualController

        self._air = world.air
        self._controller = VirtualController("adapter", link=self._air)
        self._source = StreamPacketSource()
        self._source.set_packet_sink(self._controller)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)

        class Sink:
            def on_packet(self, packet: bytes) -> None:
                transport.write(packet)

        self._controller.host = Sink()

    def data_received(self, data: bytes) -> None:
        self._source.data_received(data)

    def connection_lost(self, _error: Exception | None) -> None:
        self._air.drop_links(self._controller)
        self._air.remove_controller(self._controller)


@asynccontextmanager
async def adapter(port: int) -> AsyncIterator[Radio]:
    """The agent's side: a radio over the air of another process."""
    transport = await open_tcp_client_transport(f"127.0.0.1:{port}")
    config = DeviceConfiguration(name="adapter", address=hci.Address("C0:00:00:00:00:02"))
    central = Device(config=config, host=Host(transport.source, transport.sink))
    await central.power_on()
    scanner, client = bind_backend(central)
    try:
        yield Radio(scanner_backend=scanner, client_backend=client)
    finally:
        await transport.close()
