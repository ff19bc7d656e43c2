"""Virtual sensors over real GATT -> agent -> outbox -> mosquitto -> the server's side.

Every sample exactly once, with its value, at its time; whatever was lost is on record.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from sensor_agent.agent import Agent, AgentConfig, AgentReport
from sensor_agent.ble import Radio
from sensor_agent.broker import BrokerConfig
from sensor_agent.session import SensorConfig
from sensor_agent.state import State
from sensor_agent.virtual.encoders.metamotion import MetaMotionEncoder
from sensor_agent.virtual.motion import Motion
from sensor_agent.virtual.peripheral import VirtualSensor
from sensor_agent.virtual.playback import Conditions
from sensor_agent.virtual.world import VirtualWorld
from tests.patient_clock import PatientClock
from tests.sensor_agent.broker_side import Ingest, until
from tests.servers import PATIENCE_S, Mosquitto
from tests.trunkline.conftest import MqttClient
from wire.batch import Batch, Flag
from wire.messages import AgentState, AgentStatus, Alert, Birth, Mark, Placement, Status
from wire.topics import Kind

pytestmark = pytest.mark.mosquitto

SPEED = 10.0
UTC0_NS = 1_750_000_000_000_000_000
TOLERANCE_NS = 20_000_000


def motion(rate_hz: float, seconds: float) -> Motion:
    t = np.arange(round(rate_hz * seconds)) / rate_hz
    phase = 2 * np.pi * t[:, None] * np.array([0.3, 0.5, 0.7])
    return Motion(rate_hz, 9.0 * np.sin(phase), 2.0 * np.cos(phase))


@pytest_asyncio.fixture
async def world() -> AsyncIterator[VirtualWorld]:
    async with VirtualWorld(PatientClock(SPEED, UTC0_NS), supervision_timeout_s=0.3) as made:
        yield made


@dataclasses.dataclass
class Bench:
    """What one test needs at hand."""

    world: VirtualWorld
    agent: Agent
    stop: asyncio.Event
    task: asyncio.Task[AgentReport]

    def state(self, sensor: str) -> State:
        return self.agent.sessions[sensor].state


@asynccontextmanager
async def agent_running(
    world: VirtualWorld,
    broker: Mosquitto,
    outbox: Path,
    *sensors: SensorConfig,
    drain_s: float = PATIENCE_S,
) -> AsyncIterator[Bench]:
    config = AgentConfig(
        wearer="w1",
        broker=BrokerConfig(
            port=broker.port, user="w1", password=broker.password_file("w1").read_text().strip()
        ),
        outbox_path=outbox,
        sensors=sensors,
        silence_s=8 * SPEED,  # a machine under test may be late, and late counts SPEED times
    )
    radio = Radio(scanner_backend=world.scanner_backend, client_backend=world.client_backend)
    agent = Agent(config, world.clock, radio)
    agent.uplink.connection.first_wait_s = 0.2
    stop = asyncio.Event()

    async def drain() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(drain_s):
                await agent.drained()

    task = asyncio.create_task(agent.run(stop, drain))
    try:
        yield Bench(world, agent, stop, task)
    finally:
        stop.set()
        async with asyncio.timeout(drain_s + PATIENCE_S):
            await task


def trunk(**changes: object) -> SensorConfig:
    fields = {
        "sensor": "trunk",
        "placement": Placement.T12,
        "profile": "movesense",
        "device": "00000001",
    }
    return SensorConfig(**fields, **changes)  # type: ignore[arg-type]


def received(batches: list[Batch], quantity: str = "accel") -> tuple[np.ndarray, np.ndarray]:
    """(UTC stamps, values) of all samples in order."""
    return (
        np.concatenate([b.t_ns for b in batches]),
        np.concatenate([b.channels[quantity].si() for b in batches]),
    )


def sent(sensor: VirtualSensor, quantity: str = "accel") -> tuple[np.ndarray, np.ndarray]:
    """(device stamps, values) of all samples in order."""
    return (
        np.concatenate([f.device_t_ns for f in sensor.sent]),
        np.concatenate([f.values[quantity] for f in sensor.sent]),
    )


def assert_same(
    sensor: VirtualSensor,
    batches: list[Batch],
    device_to_utc: Callable[[np.ndarray], np.ndarray],
    lost_in_the_air: bool = False,
) -> None:
    """Everything sent arrived once, in order, equal within float32, and at its time; or else it
    is missing in one piece, where the gap is on record."""
    device_ns, values = sent(sensor)
    true_ns = device_to_utc(device_ns)
    utc_ns, got = received(batches)
    assert np.all(np.diff(utc_ns) > 0)
    which = np.arange(len(true_ns))
    if lost_in_the_air:
        (gap,) = [b for b in batches if b.flags & Flag.GAP_BEFORE]
        before = int(np.sum(utc_ns < gap.t0_ns))
        which = np.r_[:before, len(true_ns) - (len(utc_ns) - before) : len(true_ns)]
    assert len(got) == len(which)
    np.testing.assert_allclose(got, values[which], rtol=3e-7, atol=1e-6)
    settled = utc_ns > utc_ns[0] + 5e9
    # a busy machine's lateness counts SPEED times; then the batch says how sure it is
    told_ns = np.repeat([b.clock_err_ns for b in batches], [b.n for b in batches])
    late = np.abs(utc_ns - true_ns[which]) > np.maximum(TOLERANCE_NS, told_ns)
    assert not late[settled].any()


def power_on(world: VirtualWorld, sensor: VirtualSensor) -> Callable[[np.ndarray], np.ndarray]:
    """Device stamps -> true UTC for a clock that was started now."""
    booted_ns = sensor._playback._boot_ns
    shown_ns = sensor._playback._clock_start_ns
    pace = 1 + 1e-6 * sensor._conditions.drift_ppm
    return lambda device_ns: (
        np.rint((device_ns - shown_ns) / pace).astype(np.int64) + booted_ns + UTC0_NS
    )


def error_ns(
    sensor: VirtualSensor, batches: list[Batch], device_to_utc: Callable[[np.ndarray], np.ndarray]
) -> Callable[[np.ndarray], np.ndarray]:
    """UTC -> by how much the stamps around it are late."""
    utc_ns, true_ns = received(batches)[0], device_to_utc(sent(sensor)[0])
    return lambda t_ns: np.interp(t_ns - UTC0_NS, utc_ns - UTC0_NS, utc_ns - true_ns)


async def test_two_sensors_of_a_wearer_are_aligned(broker: Mosquitto, tmp_path: Path) -> None:
    """Their clocks drift apart by 160 ppm, and their packets have 4 and 36 samples. Slowly enough
    that a busy machine's lateness is no more than that of a radio."""
    fast, slow = Conditions(drift_ppm=80.0), Conditions(drift_ppm=-80.0)
    async with VirtualWorld(PatientClock(3.0, UTC0_NS), supervision_timeout_s=2.0) as world:
        chest = await world.add_sensor("movesense", motion(52.0, 24), conditions=fast)
        thigh = await world.add_sensor("polar_h10", motion(50.0, 24), conditions=slow)
        chest_utc, thigh_utc = power_on(world, chest), power_on(world, thigh)
        other = SensorConfig("thigh", Placement.THIGH_LEFT, "polar_h10", "00000002")
        with Ingest(broker) as ingest:
            async with agent_running(world, broker, tmp_path / "outbox.db", trunk(), other):
                async with asyncio.timeout(PATIENCE_S):
                    await chest.finished.wait()
                    await thigh.finished.wait()
            chest_late = error_ns(chest, ingest.batches("trunk"), chest_utc)
            thigh_late = error_ns(thigh, ingest.batches("thigh"), thigh_utc)
            both_ns = received(ingest.batches("thigh"))[0][500:]
    assert len(both_ns) > 300
    assert np.abs(chest_late(both_ns) - thigh_late(both_ns)).max() < TOLERANCE_NS


async def test_two_sensors_arrive_whole(
    world: VirtualWorld, broker: Mosquitto, tmp_path: Path
) -> None:
    chest = await world.add_sensor("movesense", motion(52.0, 25))
    thigh = await world.add_sensor("polar_h10", motion(50.0, 25))
    chest_utc, thigh_utc = power_on(world, chest), power_on(world, thigh)
    with Ingest(broker) as ingest:
        async with agent_running(
            world,
            broker,
            tmp_path / "outbox.db",
            trunk(axes={"up": "+x"}),
            SensorConfig("thigh", Placement.THIGH_LEFT, "polar_h10", "00000002"),
        ) as bench:
            async with asyncio.timeout(PATIENCE_S):
                await chest.finished.wait()
                await thigh.finished.wait()
        report = bench.task.result()
        assert report.waiting_batches == 0
        assert report.lost_samples == 0
        assert_same(chest, ingest.batches("trunk"), chest_utc)
        assert_same(thigh, ingest.batches("thigh"), thigh_utc)
        _, gyro = received(ingest.batches("trunk"), "gyro")
        np.testing.assert_allclose(gyro, sent(chest, "gyro")[1], rtol=3e-7, atol=1e-6)
        births = [Birth.load(payload) for payload in ingest.of(Kind.BIRTH)]
        assert {(b.profile, b.placement) for b in births} == {
            ("movesense", "T12"),
            ("polar_h10", "thigh_left"),
        }
        assert next(b.axes for b in births if b.profile == "movesense") == {"up": "+x"}
        states = [AgentStatus.load(payload).state for payload in ingest.of(Kind.AGENT_STATE)]
        assert states == [AgentState.INIT, AgentState.READY, AgentState.DISCONNECTED]
        statuses = [Status.load(payload) for payload in ingest.of(Kind.STATUS)]
        assert statuses[-1].state == "stopped"
        assert {s.battery_pct for s in statuses} >= {87}
        assert sum(b.lost for b in ingest.batches("trunk")) == 0
        assert not any(b.flags for b in ingest.batches("trunk"))


@pytest.mark.parametrize("how", ["lost", "range", "stall"])
async def test_a_lost_link_comes_back_and_the_loss_is_on_record(
    world: VirtualWorld, broker: Mosquitto, tmp_path: Path, how: str
) -> None:
    sensor = await world.add_sensor("movesense", motion(52.0, 30))
    to_utc = power_on(world, sensor)
    with Ingest(broker) as ingest:
        async with agent_running(world, broker, tmp_path / "o.db", trunk()) as bench:
            session = bench.agent.sessions["trunk"]
            if how == "stall":
                session._silence_ns = 10 * 10**9
            await until(lambda: session.batcher.counters.samples > 250)
            if how == "lost":
                sensor.lose_link()
            elif how == "range":
                sensor.out_of_range()
            else:
                sensor.stall()
            await until(lambda: session.state is not State.STREAMING)
            sensor.back_in_range()
            await sensor.resume(burst=False)
            async with asyncio.timeout(PATIENCE_S):
                await sensor.finished.wait()
        batches = ingest.batches("trunk")
        assert_same(sensor, batches, to_utc, lost_in_the_air=True)
        (gap,) = [b for b in batches if b.flags & Flag.GAP_BEFORE]
        assert gap.flags == Flag.GAP_BEFORE | Flag.NEW_LINK
        missing = np.diff(received(batches)[0]).max() / (1e9 / 52) - 1
        assert gap.lost == pytest.approx(missing, abs=1.0)
        status = Status.load(ingest.of(Kind.STATUS)[-1])
        assert (status.reconnects, status.lost_samples) == (1, gap.lost)
        assert status.batches == len(batches)


async def test_a_reboot_begins_a_new_clock(
    world: VirtualWorld, broker: Mosquitto, tmp_path: Path
) -> None:
    sensor = await world.add_sensor("movesense", motion(52.0, 30))
    with Ingest(broker) as ingest:
        async with agent_running(world, broker, tmp_path / "o.db", trunk()) as bench:
            counters = bench.agent.sessions["trunk"].batcher.counters
            await until(lambda: counters.samples > 300)
            sensor.reboot()
            async with asyncio.timeout(PATIENCE_S):
                await sensor.finished.wait()
        batches = ingest.batches("trunk")
        utc_ns, got = received(batches)
        # at most a few packets were in the air when the power went
        assert len(sent(sensor)[1]) - 20 <= len(got) <= len(sent(sensor)[1])
        assert np.all(np.diff(utc_ns) > 0)
        assert sum(bool(b.flags & Flag.CLOCK_RESET) for b in batches) == 1


async def test_packets_delivered_twice_are_counted_once(
    world: VirtualWorld, broker: Mosquitto, tmp_path: Path
) -> None:
    sensor = await world.add_sensor("movesense", motion(52.0, 15))
    sensor.duplicates = 1
    to_utc = power_on(world, sensor)
    with Ingest(broker) as ingest:
        async with agent_running(world, broker, tmp_path / "o.db", trunk()):
            async with asyncio.timeout(PATIENCE_S):
                await sensor.finished.wait()
        assert_same(sensor, ingest.batches("trunk"), to_utc)
        assert Status.load(ingest.of(Kind.STATUS)[-1]).duplicate_packets == len(sensor.sent)


async def test_a_broker_killed_meanwhile_loses_nothing(
    world: VirtualWorld, broker: Mosquitto, tmp_path: Path
) -> None:
    sensor = await world.add_sensor("movesense", motion(52.0, 30))
    to_utc = power_on(world, sensor)
    with Ingest(broker) as ingest:
        async with agent_running(world, broker, tmp_path / "o.db", trunk()) as bench:
            counters = bench.agent.sessions["trunk"].batcher.counters
            await until(lambda: counters.samples > 300)
            broker.kill(wipe=True)
            await until(lambda: counters.samples > 900)
            broker.start()
            async with asyncio.timeout(PATIENCE_S):
                await sensor.finished.wait()
        assert bench.task.result().waiting_batches == 0
        assert_same(sensor, ingest.batches("trunk"), to_utc)


async def test_what_an_agent_could_not_deliver_its_successor_does(
    world: VirtualWorld, broker: Mosquitto, tmp_path: Path
) -> None:
    sensor = await world.add_sensor("movesense", motion(52.0, 20))
    to_utc = power_on(world, sensor)
    outbox = tmp_path / "o.db"
    broker.kill()
    async with agent_running(world, broker, outbox, trunk(), drain_s=0) as bench:
        bench.agent.mark(Mark(at_ns=UTC0_NS, kind="note"))
        async with asyncio.timeout(PATIENCE_S):
            await sensor.finished.wait()
    assert bench.task.result().waiting_batches >= 18
    broker.start()
    with Ingest(broker) as ingest:
        async with agent_running(world, broker, outbox) as bench:
            await until(lambda: bench.agent.outbox.batch_count() == 0)
        assert_same(sensor, ingest.batches("trunk"), to_utc)
        (birth,) = {Birth.load(payload).session for payload in ingest.of(Kind.BIRTH)}
        assert birth == ingest.batches("trunk")[0].session
        assert [Mark.load(payload).kind for payload in ingest.of(Kind.MARK)] == ["note"]


async def test_stop_leaves_the_sensor_idle(
    world: VirtualWorld, broker: Mosquitto, tmp_path: Path
) -> None:
    sensor = await world.add_sensor("movesense", motion(52.0, 600))
    async with agent_running(world, broker, tmp_path / "o.db", trunk(), drain_s=0) as bench:
        await until(lambda: bench.state("trunk") is State.STREAMING)
    assert sensor.encoder.stream is None
    assert not sensor.is_connected


async def test_an_alert_is_felt_once_and_not_late(
    world: VirtualWorld, broker: Mosquitto, tmp_path: Path
) -> None:
    sensor = await world.add_sensor("metamotion", motion(50.0, 120))
    config = SensorConfig("trunk", Placement.T12, "metamotion", sensor.name)
    server = MqttClient(broker.port, "server", broker.password_file("server").read_text().strip())
    encoder = sensor.encoder
    assert isinstance(encoder, MetaMotionEncoder)

    def give(number: int, *, late_s: float = 0.0, vibrate_ms: int = 400) -> None:
        at_ns = world.clock.utc_ns() - round(late_s * 1e9)
        alert = Alert(number, at_ns, "slouch", "Sit up or stand?", vibrate_ms)
        server.publish("trunkline/v1/w1/alert", alert.dump())

    async with agent_running(world, broker, tmp_path / "o.db", config, drain_s=0) as bench:
        await until(lambda: bench.state("trunk") is State.STREAMING and len(sensor.sent) > 5)
        give(6, late_s=3600.0)
        give(7, vibrate_ms=0)
        give(8, vibrate_ms=300)
        await until(lambda: encoder.pulses_ms == [300])
        give(8)
        server.publish("trunkline/v1/w1/alert", b"nonsense")
        give(9)
        await until(lambda: len(encoder.pulses_ms) > 1)
        assert bench.state("trunk") is State.STREAMING
    assert encoder.pulses_ms == [300, 400]
    server.close()
