"""A sensor out of range keeps its samples; back again, the agent fetches what is missing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from firmware_profiles.base import StreamRequest
from sensor_agent.agent import Agent, AgentConfig
from sensor_agent.ble import Radio
from sensor_agent.broker import BrokerConfig
from sensor_agent.session import SensorConfig
from sensor_agent.state import State
from sensor_agent.virtual.encoders.movella_dot import MovellaDotEncoder
from sensor_agent.virtual.motion import Motion
from sensor_agent.virtual.peripheral import VirtualSensor
from sensor_agent.virtual.world import VirtualWorld
from tests.analytics.ingest.agent_side import ingest, server_account
from tests.e2e.play import DEVICE
from tests.patient_clock import PatientClock
from tests.sensor_agent.broker_side import until
from tests.servers import PATIENCE_S, Mosquitto, mosquitto
from trunkline.cli import main
from wire.batch import Flag
from wire.messages import AgentState, Placement

pytestmark = pytest.mark.mosquitto

SPEED = 30.0
UTC0_NS = 1_750_000_000_000_000_000
DAY = "2025-06-15"
RATE_HZ = 20.0
AWAY_SAMPLES = round(60 * RATE_HZ)
"""A minute out of range."""
SHORT = 200


@dataclass
class Stage:
    """A wearer with a DOT, an agent that backfills, and the server's side."""

    sensor: VirtualSensor
    encoder: MovellaDotEncoder
    agent: Agent
    clinic: Clinic
    store: EmbeddedStore
    data_dir: Path
    stamps_ns: list[int]
    """Device time of every sample that the sensor has taken, sent or not."""
    accel: list[NDArray[np.float32]]
    states: list[str]
    """The agent's states, as they were told."""

    @property
    def session(self) -> Any:
        return self.agent.sessions["trunk"]

    async def away(self, samples: int) -> None:
        """Out of range for so many samples, and back in the stream."""
        streams = self.session.counters.streams
        self.sensor.out_of_range()
        await until(lambda: self.session.state is not State.STREAMING)
        count = len(self.stamps_ns)
        await until(lambda: len(self.stamps_ns) >= count + samples)
        self.sensor.back_in_range()
        await until(lambda: self.session.counters.streams > streams)

    async def streams_for(self, samples: int) -> None:
        counters = self.session.batcher.counters
        goal = counters.samples + samples
        await until(lambda: counters.samples >= goal)


@pytest.fixture
def broker(mosquitto_bin: Path, tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(mosquitto_bin, tmp_path / "broker", ("w1",)) as running:
        yield running


@asynccontextmanager
async def stage(broker: Mosquitto, folder: Path, *, backfill: bool = True) -> AsyncIterator[Stage]:
    """Runs; at the end the agent is stopped and everything is in the store."""
    clinic = Clinic(folder / "data" / "clinic.db")
    store = EmbeddedStore(folder / "data" / "samples.db")
    clinic.add_wearer("w1", "UTC")
    password = broker.password_file("w1").read_text()
    config = AgentConfig(
        wearer="w1",
        broker=BrokerConfig(port=broker.port, user="w1", password=password),
        outbox_path=folder / "outbox.db",
        sensors=(
            SensorConfig(
                "trunk",
                Placement.T12,
                "movella_dot",
                DEVICE,
                request=StreamRequest(rate_hz=RATE_HZ),
                backfill=backfill,
            ),
        ),
        silence_s=8 * SPEED,
    )
    t = np.arange(round(RATE_HZ * 600))[:, None] / RATE_HZ
    phase = 2 * np.pi * t * np.array([0.3, 0.5, 0.7])
    motion = Motion(RATE_HZ, 9 * np.sin(phase), 2 * np.cos(phase))
    clock = PatientClock(SPEED, UTC0_NS)
    with ingest(server_account(broker), store, clinic, folder / "data"):
        async with VirtualWorld(clock, supervision_timeout_s=0.3) as world:
            sensor = await world.add_sensor("movella_dot", motion)
            encoder = sensor.encoder
            assert isinstance(encoder, MovellaDotEncoder)
            radio = Radio(
                scanner_backend=world.scanner_backend, client_backend=world.client_backend
            )
            agent = Agent(config, clock, radio)
            made = Stage(sensor, encoder, agent, clinic, store, folder / "data", [], [], [])
            _watch(made)
            stop = asyncio.Event()
            task = asyncio.create_task(agent.run(stop, agent.drained))
            try:
                yield made
            finally:
                stop.set()
                async with asyncio.timeout(PATIENCE_S):
                    await task
                await until(
                    lambda: all(
                        status.state == "stopped"
                        for status in clinic.session_statuses("w1", "trunk").values()
                    )
                )
    store.close()
    clinic.close()


def _watch(made: Stage) -> None:
    encode, tell = made.encoder.encode, made.agent.uplink.set_agent_state

    def note_samples(stamps_ns: Any, accel: Any, gyro: Any) -> Any:
        frame = encode(stamps_ns, accel, gyro)
        made.stamps_ns += stamps_ns.tolist()
        made.accel += list(frame.values["accel"])
        return frame

    def note_state(state: AgentState) -> None:
        made.states.append(state)
        tell(state)

    made.encoder.encode = note_samples  # type: ignore[method-assign]
    made.agent.uplink.set_agent_state = note_state  # type: ignore[method-assign]


def audit(data_dir: Path) -> tuple[int, dict[str, Any]]:
    arguments = ["audit", "--data-dir", str(data_dir), "--day", DAY, "--json"]
    result = CliRunner().invoke(main, arguments)
    (found,) = json.loads(result.output)
    return result.exit_code, found


async def test_a_minute_out_of_range_is_fetched(broker: Mosquitto, tmp_path: Path) -> None:
    async with stage(broker, tmp_path) as made:
        await made.streams_for(400)
        await made.away(AWAY_SAMPLES)
        await made.streams_for(200)
        booted_ns = made.sensor._playback._boot_ns - made.sensor._playback._clock_start_ns
        recorded = [len(file) for file in made.encoder.files]
    assert len(recorded) == 1  # its memory was cleared after the read-out, and it records again
    assert made.encoder.files == []

    store = EmbeddedStore(made.data_dir / "samples.db")
    samples = store.read_samples("w1", "trunk", 0, 2**62)
    batches = store.read_batches("w1", "trunk", 0, 2**62)
    store.close()
    # every sample that the sensor took, once and in order; some may be in the air at the end
    n = len(samples)
    assert len(made.stamps_ns) - 10 <= n <= len(made.stamps_ns)
    np.testing.assert_allclose(samples.values["accel"], np.array(made.accel)[:n], rtol=3e-7)
    assert np.all(np.diff(samples.t_ns) > 0)
    off_ns = samples.t_ns - (np.array(made.stamps_ns)[:n] + booted_ns + UTC0_NS)

    backfilled = [batch for batch in batches if batch.flags & Flag.BACKFILL]
    assert sum(batch.n for batch in backfilled) >= AWAY_SAMPLES
    first, last = batches.index(backfilled[0]), batches.index(backfilled[-1])
    assert backfilled == batches[first : last + 1]
    assert all(batch.lost == 0 for batch in backfilled)
    # its time is that of the stream before, and as good as the batches say
    begins = sum(batch.n for batch in batches[:first])
    ends = begins + sum(batch.n for batch in backfilled)
    assert np.ptp(off_ns[begins - 1 : ends]) < 10_000_000
    assert np.abs(off_ns[begins:ends]).max() <= max(batch.clock_err_ns for batch in backfilled)
    assert batches[last + 1].flags & Flag.NEW_LINK
    assert made.states == [
        AgentState.INIT,
        AgentState.READY,
        AgentState.SLEEPING,
        AgentState.READY,
    ]

    code, found = audit(made.data_dir)
    assert code == 0
    assert found["stored"] == n
    assert found["backfilled"] == sum(batch.n for batch in backfilled)
    # while its memory was read out it measured nothing; the agent knows of no more
    read_out_s = (batches[last + 1].t0_ns - (batches[last].t0_ns + batches[last].n * 5e7)) / 1e9
    assert found["missing"]["disconnected"] == pytest.approx(read_out_s * RATE_HZ, abs=2)
    assert sum(found["missing"].values()) == found["missing"]["disconnected"]


async def test_recordings_of_others_are_kept(broker: Mosquitto, tmp_path: Path) -> None:
    async with stage(broker, tmp_path) as made:
        made.encoder.files = [[b"somebody's"]]
        await made.streams_for(200)
        await made.away(SHORT)
        await made.streams_for(100)
    assert made.encoder.files[0] == [b"somebody's"]
    _, found = audit(made.data_dir)
    assert found["backfilled"] >= SHORT


async def test_a_sensor_that_does_not_measure_while_it_records_goes_on_without(
    broker: Mosquitto, tmp_path: Path
) -> None:
    async with stage(broker, tmp_path) as made:
        made.encoder.refuses_to_measure_while_recording = True
        await made.streams_for(200)
        assert not made.session.memory.is_recording
        await made.away(SHORT)
        await made.streams_for(100)
    code, found = audit(made.data_dir)
    assert (code, found["backfilled"]) == (0, 0)
    assert found["missing"]["disconnected"] >= SHORT
    assert AgentState.SLEEPING not in made.states


async def test_nothing_is_recorded_unless_it_is_wished(broker: Mosquitto, tmp_path: Path) -> None:
    async with stage(broker, tmp_path, backfill=False) as made:
        await made.streams_for(100)
        assert made.encoder.files == []
