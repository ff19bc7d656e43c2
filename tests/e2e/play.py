"""Plays a recording through a virtual sensor and the ordinary agent, and keeps what was sent."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analytics.recording import Recording
from firmware_profiles.base import StreamRequest
from sensor_agent.agent import Agent, AgentConfig
from sensor_agent.ble import Radio
from sensor_agent.broker import BrokerConfig
from sensor_agent.clock import ScaledClock
from sensor_agent.session import SensorConfig
from sensor_agent.virtual.playback import Conditions
from sensor_agent.virtual.world import VirtualWorld
from tests.servers import PATIENCE_S, Mosquitto
from trunkline.commands.replay import motion_of
from wire.messages import Mark, Placement

SENSOR = "trunk"
DEVICE = "C4:F1:00:00:00:01"
"""The first sensor of a virtual world: without a name the agent looks around for a while, whether
there are others."""


@dataclass(frozen=True)
class Played:
    """What the sensor sent: (n,) UTC ns by the clock of the test, and SI values (n, 3)."""

    t_ns: NDArray[np.int64]
    values: dict[str, NDArray[np.float32]]
    lost_samples: int


def play(
    recording: Recording,
    profile: str,
    *,
    wearer: str,
    broker: Mosquitto,
    outbox: Path,
    clock: ScaledClock,
) -> Played:
    """Play from the beginning to the end and wait until the store has everything."""
    config = AgentConfig(
        wearer=wearer,
        broker=BrokerConfig(
            port=broker.port, user=wearer, password=broker.password_file(wearer).read_text()
        ),
        outbox_path=outbox,
        sensors=(
            SensorConfig(
                SENSOR,
                Placement(recording.placement),
                profile=profile,
                device=DEVICE,
                axes={name: axis for name, axis in recording.axes.items() if axis},
                request=StreamRequest(rate_hz=recording.rate_hz),
            ),
        ),
        silence_s=10 * clock.speed,
    )
    with ThreadPoolExecutor(1) as thread:  # the test's own thread runs the browser's loop
        return thread.submit(asyncio.run, _play(recording, profile, config, clock)).result()


async def _play(
    recording: Recording, profile: str, config: AgentConfig, clock: ScaledClock
) -> Played:
    async with VirtualWorld(clock) as world:
        sensor = await world.add_sensor(profile, motion_of(recording), conditions=Conditions())
        radio = Radio(scanner_backend=world.scanner_backend, client_backend=world.client_backend)
        agent = Agent(config, clock, radio)
        stop = asyncio.Event()
        run = asyncio.create_task(agent.run(stop, agent.drained))
        async with asyncio.timeout(5 * PATIENCE_S):
            await sensor.finished.wait()
            assert sensor.origin_ns is not None
            t0_ns = sensor.origin_ns + clock.utc_ns() - clock.monotonic_ns()
            assert recording.upright_reference is not None
            begin, end = (t0_ns + round(1e9 * s) for s in recording.upright_reference)
            agent.mark(
                Mark(
                    begin, "upright", sensor=SENSOR, end_ns=end, posture=recording.reference_posture
                )
            )
            stop.set()
            report = await run
    assert report.waiting_batches == 0
    device_ns = np.concatenate([frame.device_t_ns for frame in sensor.sent])
    names = sensor.sent[0].values.keys()
    return Played(
        t_ns=device_ns - device_ns[0] + t0_ns,
        values={name: np.concatenate([f.values[name] for f in sensor.sent]) for name in names},
        lost_samples=report.lost_samples,
    )
