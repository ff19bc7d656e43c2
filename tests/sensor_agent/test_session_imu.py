"""Sessions with sensors of several streams: found, again after a lost link, and left idle."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from sensor_agent import session as session_module
from sensor_agent.ble import Radio
from sensor_agent.device_clock import HostUtc
from sensor_agent.session import SensorConfig, SensorSession
from sensor_agent.state import State
from sensor_agent.virtual.motion import Motion
from sensor_agent.virtual.world import VirtualWorld
from tests.patient_clock import PatientClock
from tests.sensor_agent.broker_side import until
from tests.servers import PATIENCE_S
from wire.batch import Batch, Flag
from wire.messages import Birth, Placement

SPEED = 8.0


@pytest.fixture
def sway() -> Motion:
    t = np.arange(50 * 300) / 50
    phase = 2 * np.pi * t[:, None] * np.array([0.3, 0.5, 0.7])
    return Motion(50.0, 9.0 * np.sin(phase), 2.0 * np.cos(phase))


async def test_units_of_one_name_are_not_taken_for_each_other(
    sway: Motion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "SCAN_S", 0.4)
    own, others = "C4:F1:00:00:00:01", "C4:F1:00:00:00:02"
    async with VirtualWorld(PatientClock(SPEED), supervision_timeout_s=0.2) as world:
        sensor, second = [
            await world.add_sensor("movella_dot", sway, name_suffix="A") for _ in range(2)
        ]
        assert sensor.name == second.name
        session = SensorSession(
            SensorConfig("trunk", Placement.T12, "movella_dot", own),
            [Radio(scanner_backend=world.scanner_backend, client_backend=world.client_backend)],
            world.clock,
            HostUtc(world.clock),
            claimed={others},
            silence_s=60.0,
            emit=lambda _sensor, _made: None,
            announce=lambda _sensor, _birth: None,
            changed=lambda: None,
        )
        task = asyncio.create_task(session.run())
        await until(lambda: session.state is State.STREAMING)
        assert sensor.is_connected
        sensor.out_of_range()
        await until(lambda: "not in range" in str(session.problem))
        assert not second.is_connected
        sensor.back_in_range()
        await until(lambda: session.state is State.STREAMING)
        assert sensor.is_connected
        assert not second.is_connected
        task.cancel()
        await asyncio.wait([task], timeout=PATIENCE_S)


@pytest.mark.parametrize("name", ["polar_verity", "movella_dot", "metamotion"])
async def test_both_quantities_before_and_after_a_lost_link(
    name: str, sway: Motion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "SCAN_S", 0.4)
    batches: list[Batch] = []
    births: list[Birth] = []
    async with VirtualWorld(PatientClock(SPEED), supervision_timeout_s=0.2) as world:
        sensor = await world.add_sensor(name, sway)
        session = SensorSession(
            SensorConfig("trunk", Placement.T12),
            [Radio(scanner_backend=world.scanner_backend, client_backend=world.client_backend)],
            world.clock,
            HostUtc(world.clock),
            claimed=set(),
            silence_s=60.0,
            emit=lambda _sensor, made: batches.extend(made),
            announce=lambda _sensor, birth: births.append(birth),
            changed=lambda: None,
        )
        task = asyncio.create_task(session.run())
        try:
            await until(lambda: len(batches) > 3)
            sensor.lose_link()
            await until(lambda: session.state is not State.STREAMING)
            before = len(batches)
            await until(lambda: len(batches) > before + 3)
        finally:
            task.cancel()
            await asyncio.wait([task], timeout=PATIENCE_S)
        assert sensor.encoder.stream is None, "it is left idle"
    assert births[0].profile == name
    assert births[0].quantities == ["accel", "gyro"]
    assert session.counters.undecodable_packets == 0
    assert sum("gyro" in batch.channels for batch in batches) >= len(batches) - 1
    stamps = np.concatenate([batch.t_ns for batch in batches])
    assert np.all(np.diff(stamps) > 0)
    assert any(batch.flags & Flag.GAP_BEFORE for batch in batches[before:])
