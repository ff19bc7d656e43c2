"""Sessions with the sensors of WitMotion, Nordic, TI and SensorStim: most have no stamps."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from firmware_profiles.base import StreamRequest
from sensor_agent import session as session_module
from sensor_agent.ble import Radio
from sensor_agent.device_clock import HostUtc
from sensor_agent.session import SensorConfig, SensorSession
from sensor_agent.state import State
from sensor_agent.virtual.encoders.witmotion import WitMotionEncoder
from sensor_agent.virtual.motion import Motion
from sensor_agent.virtual.playback import Conditions
from sensor_agent.virtual.world import VirtualWorld
from tests.patient_clock import PatientClock
from tests.sensor_agent.broker_side import until
from tests.servers import PATIENCE_S
from wire.batch import Batch
from wire.messages import Placement

SPEED = 8.0
SECONDS = 20
EARLY_S = 4.0
"""Half a second of a fast clock."""


@pytest.mark.parametrize(
    ("name", "rate_hz", "battery_pct", "rate_error"),
    [
        ("witmotion_ble5", 50.0, 75, 0.0),
        ("thingy52", 50.0, None, 0.01),
        ("sensortag_cc2650", 10.0, None, 0.0),
        ("capture2go", 50.0, 63, 0.0),
    ],
)
async def test_recognised_streamed_and_timed(
    name: str,
    rate_hz: float,
    battery_pct: int | None,
    rate_error: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session_module, "SCAN_S", 0.4)
    if name == "witmotion_ble5":  # is asked again within the recording
        monkeypatch.setattr(session_module, "BATTERY_S", 5.0)
    t = np.arange(round(rate_hz * SECONDS)) / rate_hz
    accel = np.stack([9.0 * np.sin(t), 0 * t, 9.0 * np.cos(t)], 1)
    batches: list[Batch] = []
    births: list[str] = []
    async with VirtualWorld(PatientClock(SPEED)) as world:
        sensor = await world.add_sensor(
            name,
            Motion(rate_hz, accel, np.zeros_like(accel)),
            conditions=Conditions(rate_error=rate_error),
        )
        session = SensorSession(
            SensorConfig("trunk", Placement.T12, request=StreamRequest(rate_hz=rate_hz)),
            [Radio(scanner_backend=world.scanner_backend, client_backend=world.client_backend)],
            world.clock,
            HostUtc(world.clock),
            claimed=set(),
            silence_s=60.0,
            emit=lambda _sensor, made: batches.extend(made),
            announce=lambda _sensor, birth: births.append(birth.profile),
            changed=lambda: None,
        )
        task = asyncio.create_task(session.run())
        await until(lambda: session.status(0, None).battery_pct == (battery_pct or 87))
        if isinstance(sensor.encoder, WitMotionEncoder):  # its charge falls during the stream
            sensor.encoder.set_battery(3.60)
            battery_pct = 10
        await asyncio.wait_for(sensor.finished.wait(), PATIENCE_S)
        sent_ns = np.concatenate([frame.device_t_ns for frame in sensor.sent])
        # one that streams unasked is heard before its last command: that is not of this stream
        early = round(EARLY_S * rate_hz) if name == "witmotion_ble5" else 0
        await until(lambda: session.batcher.counters.samples >= len(sent_ns) - early)
        assert session.state is State.STREAMING
        assert session.status(0, None).battery_pct == (battery_pct or 87)
        task.cancel()
        await asyncio.wait([task], timeout=PATIENCE_S)
    assert births == [name]
    assert session.counters.undecodable_packets == 0
    assert session.batcher.counters.lost_samples == 0
    stamped_ns = np.concatenate([batch.t_ns for batch in batches])
    assert len(sent_ns) - early <= len(stamped_ns) <= len(sent_ns)
    last = sensor.sent[-1].values["accel"][-1]
    np.testing.assert_allclose(batches[-1].channels["accel"].si()[-1], last, rtol=1e-5)
    sent_ns = sent_ns[-len(stamped_ns) :]
    late_ns = (stamped_ns - stamped_ns[0]) - (sent_ns - sent_ns[0])
    # the first seconds are timed at the nominal rate: at 1 % off, 20 s are at most 200 ms
    assert np.abs(late_ns).max() < (0.06 + rate_error * SECONDS) * 1e9
