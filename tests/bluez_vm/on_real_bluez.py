"""The unmodified agent on a real kernel, bluetoothd and D-Bus, for two minutes with faults.

`make test-bluez` runs this file; the plain test run does not collect it. The virtual sensors and
their radio are here, the agent is a process in a virtual machine, broker, ingest and store are
processes on this machine, and the store is what is asked at the end: every sample once, or missing
where the link was lost and then on record.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paho.mqtt import subscribe

from analytics.store.base import BatchRecord, Samples
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from sensor_agent.virtual.peripheral import VirtualSensor
from sensor_agent.virtual.radio import SUPERVISION_TIMEOUT_S
from sensor_agent.virtual.world import VirtualWorld
from tests.bluez_vm import numbered
from tests.bluez_vm.image import Image, build
from tests.bluez_vm.link import adapter
from tests.bluez_vm.machine import HOST, Machine, booted
from tests.servers import Mosquitto, mosquitto, stop
from wire.batch import Flag
from wire.topics import Kind, sensor_topic

WEARER = "p-001"
STREAM_S = 120.0
FAULTS_S = (20.0, 45.0, 70.0)
"""When the link is broken, counted from the first sample."""
BURST_S = 100.0
STALL_S = 4.0
"""Below the agent's five seconds of silence: the link stays, and all of it comes at once."""
AGENT_START_S = 240.0
"""Python and numpy in an emulated processor: half a minute on a quiet machine."""
RECONNECT_S = 60.0
IN_THE_AIR_S = SUPERVISION_TIMEOUT_S + 2.0
"""Samples that may be under way when the link breaks: out of range, all until the time-out; and
what comes between a new subscription and bluetoothd's answer to it."""


@dataclass(frozen=True, slots=True)
class Worn:
    """A sensor of the scenario."""

    sensor: str
    profile: str
    rate_hz: float
    placement: str


@dataclass(slots=True)
class Outcome:
    """What a run showed; printed for docs/testing.md."""

    boot_s: float = 0.0
    dropped_by_bluetoothd: int = 0
    """Packets for which there was no room in the agent's sockets, about 200 packets each."""
    stream_s: float = 0.0
    asked_to_stop_at: dict[str, int] = field(default_factory=dict)
    """Number of the last sample sent when the agent got SIGTERM; a slow machine takes seconds."""
    sensors: dict[str, dict[str, object]] = field(default_factory=dict)
    fds: dict[str, list[int]] = field(default_factory=dict)
    statuses: dict[str, dict[str, Any]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return build(tmp_path_factory.mktemp("image"))


@contextmanager
def ingesting(folder: Path, broker: Mosquitto) -> Iterator[EmbeddedStore]:
    """A real ingest process over an embedded store."""
    data_dir = folder / "data"
    clinic = Clinic(data_dir / "clinic.db")
    clinic.add_wearer(WEARER, "UTC")
    clinic.close()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "trunkline", "ingest", "--data-dir", str(data_dir)),
            *("--broker", f"127.0.0.1:{broker.port}", "--user", "server"),
            *("--password-file", str(broker.password_file("server"))),
        ]
    )
    store = EmbeddedStore(data_dir / "samples.db")
    try:
        yield store
        assert process.poll() is None, f"ingest ended with code {process.returncode}"
    finally:
        stop(process)
        store.close()


@asynccontextmanager
async def agent_running(
    machine: Machine, broker: Mosquitto, sensors: dict[Worn, VirtualSensor]
) -> AsyncIterator[int]:
    """`trunkline agent` in the machine; yields its process id."""
    secret = broker.password_file(WEARER).read_text().strip()
    await machine.run(f"echo {secret} >/tmp/secret")
    worn: list[str] = []
    for one, sensor in sensors.items():
        name = sensor.name.rpartition(" ")[2]
        worn += ["--sensor", f"{one.sensor}={one.profile}@{name}", "--placement", one.placement]
    argv = [
        *(str(Path(sys.prefix) / "bin" / "trunkline"), "agent", "--wearer", WEARER, *worn),
        *("--rate-hz", f"{next(iter(sensors)).rate_hz:g}", "--outbox", "/tmp/outbox.db"),
        *("--broker", f"{HOST}:{broker.port}", "--user", WEARER, "--password-file", "/tmp/secret"),
    ]
    pid = await machine.spawn(argv, "/tmp/agent.log")
    try:
        yield pid
    finally:
        print(await machine.run("cat /tmp/agent.log /tmp/bluetoothd.log; dmesg | tail -20"))


def last_status(broker: Mosquitto, sensor: str) -> dict[str, Any]:
    """What the agent said last about a sensor."""
    message = subscribe.simple(
        sensor_topic(WEARER, sensor, Kind.STATUS),
        hostname="127.0.0.1",
        port=broker.port,
        auth={"username": "server", "password": broker.password_file("server").read_text().strip()},
    )
    status: dict[str, Any] = json.loads(message.payload)
    return status


async def until(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"not within {timeout_s:g} s: {what}") from None


# --- faults ---------------------------------------------------------------------------------------


async def lose_link(sensor: VirtualSensor) -> None:
    """Interference: both ends time out at once."""
    sensor.lose_link()


async def walk_away(sensor: VirtualSensor) -> None:
    """Out of range for longer than the supervision timeout."""
    sensor.out_of_range()
    await until(lambda: not sensor.is_connected, 10, "the supervision timeout")
    await asyncio.sleep(3)
    sensor.back_in_range()


async def hang_up(sensor: VirtualSensor) -> None:
    """The sensor itself ends the connection."""
    await sensor.hang_up()


FAULTS = (lose_link, walk_away, hang_up)


async def sleep_until(monotonic_s: float) -> None:
    await asyncio.sleep(max(0.0, monotonic_s - time.monotonic()))


# --- what the store holds -------------------------------------------------------------------------


def assert_recorded(samples: Samples, batches: list[BatchRecord]) -> list[numbered.Hole]:
    """Every sample once and in order, every hole on record with its size; the holes."""
    found = numbered.holes(samples)
    by_start = {batch.t0_ns: batch for batch in batches}
    for hole in found:
        batch = by_start.get(hole.next_ns)
        assert batch is not None, f"{hole} is within a batch"
        assert batch.flags & Flag.GAP_BEFORE, f"{hole} is not on record"
        assert abs(batch.lost - hole.count) <= 1, f"{hole} is on record as {batch.lost}"
    starts = {hole.next_ns for hole in found}
    invented = [b for b in batches if b.lost and b.t0_ns not in starts]
    assert not invented, f"on record but not lost: {invented}"
    return found


def describe(
    one: Worn, sensor: VirtualSensor, samples: Samples, holes: list[numbered.Hole]
) -> dict[str, object]:
    sent = numbered.numbers_sent(sensor.sent)
    got = numbered.numbers(samples.values["accel"])
    lost = np.setdiff1d(sent[sent < got[-1]], got)
    return {
        "profile": one.profile,
        "rate_hz": one.rate_hz,
        "sent": len(sent),
        "stored": len(got),
        "twice": len(got) - len(np.unique(got)),
        "lost_in_the_air": len(lost),
        "not_sent_while_apart": sum(hole.count for hole in holes) - len(lost),
        "holes": [hole.count for hole in holes],
    }


def check(worn: dict[Worn, VirtualSensor], store: EmbeddedStore, outcome: Outcome) -> None:
    for one, sensor in worn.items():
        samples = store.read_samples(WEARER, one.sensor, 0, 2**62)
        batches = store.read_batches(WEARER, one.sensor, 0, 2**62)
        holes = assert_recorded(samples, batches)
        outcome.sensors[one.sensor] = describe(one, sensor, samples, holes)
        assert len(holes) <= len(FAULTS), (
            f"{holes}: more than the breaks; bluetoothd dropped {outcome.dropped_by_bluetoothd} "
            "packets because the agent did not take them (too slow a machine when not 0)"
        )
        sent = numbered.numbers_sent(sensor.sent)
        got = numbered.numbers(samples.values["accel"])
        assert np.all(np.isin(got, sent)), "samples that were never sent"
        assert got[0] == sent[0], "the beginning is missing"
        lost = np.setdiff1d(sent, got)
        under_way = IN_THE_AIR_S * one.rate_hz
        for hole in holes:
            inside = lost[(lost >= hole.first) & (lost < hole.first + hole.count)]
            assert len(inside) <= under_way, f"{hole}: more than was under way"
        at_the_end = int(np.sum((lost > got[-1]) & (lost <= outcome.asked_to_stop_at[one.sensor])))
        assert at_the_end <= under_way, f"{at_the_end} samples missing before the stop"
        assert sensor.encoder.stream is None, "the sensor was not told to stop"
        status = outcome.statuses[one.sensor]
        assert status["duplicate_packets"] == status["dropped_packets"] == 0
        assert abs(status["lost_samples"] - sum(hole.count for hole in holes)) <= len(holes)
    for name, counts in outcome.fds.items():
        assert max(counts[1:]) <= counts[0], f"{name} keeps descriptors open: {counts}"


@dataclass(slots=True)
class Rig:
    """Everything that runs during a scenario."""

    machine: Machine
    agent: int
    """Process id in the machine."""
    sensors: dict[Worn, VirtualSensor]
    outcome: Outcome

    async def count_fds(self) -> None:
        """Note how many descriptors agent and bluetoothd hold."""
        daemon = await self.machine.pid_of("bluetoothd")
        for name, pid in (("agent", self.agent), ("bluetoothd", daemon)):
            self.outcome.fds.setdefault(name, []).append(await self.machine.fd_count(pid))

    def new_samples(self) -> Callable[[], bool]:
        """Whether every sensor has sent since this call."""
        before = {sensor: len(sensor.sent) for sensor in self.sensors.values()}
        return lambda: all(len(sensor.sent) > n + 5 for sensor, n in before.items())


@asynccontextmanager
async def rig(
    worn: list[Worn], image: Image, folder: Path, mosquitto_bin: Path
) -> AsyncIterator[Rig]:
    """Stream from the first samples on; at the end SIGTERM, then the store is compared."""
    outcome = Outcome()
    async with AsyncExitStack() as stack:
        stack.callback(lambda: print(json.dumps(asdict(outcome), indent=1)))
        broker = stack.enter_context(mosquitto(mosquitto_bin, folder / "broker", (WEARER,)))
        store = stack.enter_context(ingesting(folder, broker))
        world = await stack.enter_async_context(VirtualWorld())
        sensors = {
            one: await world.add_sensor(one.profile, numbered.motion(one.rate_hz, 900))
            for one in worn
        }
        port = await stack.enter_async_context(adapter(world.air, 0))
        began = time.monotonic()
        machine = await stack.enter_async_context(booted(image, folder, [port]))
        outcome.boot_s = round(time.monotonic() - began, 1)
        async with agent_running(machine, broker, sensors) as agent:
            running = Rig(machine, agent, sensors, outcome)
            await until(running.new_samples(), AGENT_START_S, "the first samples")
            began = time.monotonic()
            yield running
            outcome.stream_s = round(time.monotonic() - began, 1)
            for one, sensor in sensors.items():
                last = numbered.numbers_sent(sensor.sent[-1:])[-1]
                outcome.asked_to_stop_at[one.sensor] = int(last)
            await machine.run(f"kill -TERM {agent}")
            async with asyncio.timeout(60):
                while await machine.is_running(agent):
                    await asyncio.sleep(0.5)
            dropped = "grep -c 'notify_io_cb.*unavailable' /tmp/bluetoothd.log || true"
            outcome.dropped_by_bluetoothd = int(await machine.run(dropped))
        outcome.statuses = {one.sensor: last_status(broker, one.sensor) for one in worn}
        check(sensors, store, outcome)


TRUNK = Worn("trunk", "movesense", 104.0, "T12")
THIGH = Worn("thigh", "polar_h10", 100.0, "thigh_left")


async def test_two_minutes_with_broken_links(
    image: Image, tmp_path: Path, mosquitto_bin: Path
) -> None:
    async with rig([TRUNK, THIGH], image, tmp_path, mosquitto_bin) as running:
        everyone = list(running.sensors.values())
        began = time.monotonic()
        for due_s, fault in zip(FAULTS_S, FAULTS, strict=True):
            await sleep_until(began + due_s - 2)
            await running.count_fds()
            await asyncio.gather(*(fault(sensor) for sensor in everyone))
            await until(running.new_samples(), RECONNECT_S, f"samples after {fault.__name__}")
        await sleep_until(began + BURST_S)
        for sensor in everyone:
            sensor.stall()
        await asyncio.sleep(STALL_S)
        await asyncio.gather(*(sensor.resume() for sensor in everyone))
        await sleep_until(began + STREAM_S)
        await running.count_fds()


async def test_bluetoothd_killed_and_the_adapter_switched_off(
    image: Image, tmp_path: Path, mosquitto_bin: Path
) -> None:
    async with rig([TRUNK], image, tmp_path, mosquitto_bin) as running:
        machine = running.machine
        await asyncio.sleep(10)
        await running.count_fds()
        await machine.run("kill -KILL $(pidof bluetoothd)")
        await asyncio.sleep(3)
        await machine.spawn(["/usr/libexec/bluetooth/bluetoothd", "--nodetach"], "/tmp/again.log")
        await until(running.new_samples(), RECONNECT_S, "samples after bluetoothd was killed")
        await asyncio.sleep(10)
        await machine.run("bluetoothctl power off")
        await asyncio.sleep(8)
        assert "switched off; switch it on" in await machine.run("cat /tmp/agent.log")
        await machine.run("bluetoothctl power on")
        await until(running.new_samples(), RECONNECT_S, "samples after the adapter was off")
        await asyncio.sleep(10)
        await running.count_fds()
