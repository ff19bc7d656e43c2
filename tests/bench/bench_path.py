"""From the packets of 20 sensors at 100 Hz to the store: the agent's processor time with MQTT, and
how old a sample is when the store has it.

A real broker and the ingest process; only the radio is left out, packets come when they would. The
clock stops when the agent hears that the store has the batch. An H10 sends 36 samples at once, so
that its oldest is .36 s old already.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from analytics.store.clinic import Clinic
from firmware_profiles.base import SampleBlock
from firmware_profiles.bulk import decode_all
from firmware_profiles.registry import profile
from sensor_agent.batcher import Batcher
from sensor_agent.broker import BrokerConfig
from sensor_agent.clock import SystemClock
from sensor_agent.device_clock import SECOND_NS, DeviceClock, HostUtc
from sensor_agent.outbox import Outbox
from sensor_agent.session import COALESCE_S
from sensor_agent.uplink import Uplink
from tests.analytics.ingest.agent_side import ingest_process
from tests.bench.bench_agent import DATA_UUID, FRAME, RATE_HZ, SENSORS, frames
from tests.bench.budget import Budget
from tests.servers import Mosquitto, mosquitto
from wire.batch import Batch
from wire.ids import new_session
from wire.messages import Committed
from wire.topics import Kind, parse

WEARER = "bench"
STAGGER_NS = FRAME * SECOND_NS // RATE_HZ // SENSORS
"""Sensors do not send at the same moment."""
PATIENCE_S = 30.0


class Sensor:
    """One sensor's packets to batches, and which samples each has."""

    def __init__(self, number: int, start_ns: int, utc: HostUtc) -> None:
        self.name, self.session = f"s{number}", new_session()
        self._decoder = profile("polar_h10").decoder({"rate_hz": RATE_HZ})
        self._batcher = Batcher(self.session, DeviceClock(utc))
        self._start_ns = start_ns + number * STAGGER_NS
        self._packets = list(frames())[::-1]
        self._count = 0
        self.taken_ns: dict[int, np.ndarray] = {}
        """Number of a batch -> host time at which its samples were taken."""

    @property
    def is_over(self) -> bool:
        return not self._packets

    def due(self, now_ns: int) -> Iterator[Batch]:
        """Batches that became full by what has arrived until now."""
        arrived = []
        while self._packets and self._start_ns + self._packets[-1][0] <= now_ns:
            arrived.append(self._packets.pop())
        for place, event in decode_all(self._decoder, [(DATA_UUID, data) for _, data in arrived]):
            if isinstance(event, SampleBlock):
                for batch in self._batcher.add(event, self._start_ns + arrived[place][0]):
                    numbers = self._count + np.arange(batch.n)
                    self._count += batch.n
                    self.taken_ns[batch.seq] = self._start_ns + numbers * SECOND_NS // RATE_HZ
                    yield batch


async def _stream(broker: Mosquitto, folder: Path) -> tuple[float, np.ndarray]:
    """(processor seconds a second, age in seconds of every sample when it was stored)."""
    clock, outbox = SystemClock(), Outbox(folder / "outbox.db", WEARER)
    login = BrokerConfig(port=broker.port, user=WEARER, password_file=broker.password_file(WEARER))
    uplink = Uplink(login, outbox, new_session(), clock.utc_ns, SENSORS)
    stored_ns: dict[str, list[tuple[int, int]]] = {}
    hear = uplink.received

    def received(topic: str, payload: bytes) -> None:
        if payload and parse(topic).kind is Kind.COMMITTED:
            word = Committed.load(payload)
            stored_ns.setdefault(word.session, []).append((word.seq, clock.monotonic_ns()))
        hear(topic, payload)

    uplink.received = received  # type: ignore[method-assign]
    task = asyncio.create_task(uplink.run())
    await asyncio.sleep(1.0)
    utc, start_ns, begun_s = HostUtc(clock), clock.monotonic_ns(), time.process_time()
    sensors = [Sensor(number, start_ns, utc) for number in range(SENSORS)]
    while not all(sensor.is_over for sensor in sensors):
        now_ns = clock.monotonic_ns()
        made = [(sensor.name, batch) for sensor in sensors for batch in sensor.due(now_ns)]
        if made:
            await asyncio.to_thread(outbox.append, made, clock.utc_ns())
            uplink.appended()
        await asyncio.sleep(COALESCE_S)
    took_s = (clock.monotonic_ns() - start_ns) / SECOND_NS
    share = (time.process_time() - begun_s) / took_s
    async with asyncio.timeout(PATIENCE_S):
        while outbox.batch_count():
            await asyncio.sleep(0.05)
    uplink.close()
    await task
    outbox.close()
    return share, np.concatenate([_ages_s(s, stored_ns[s.session]) for s in sensors])


def _ages_s(sensor: Sensor, stored: list[tuple[int, int]]) -> np.ndarray:
    """The first batch is left out: it waits for the fit of the clock."""
    ages = [
        next(at_ns for known, at_ns in stored if known >= seq) - taken_ns
        for seq, taken_ns in sensor.taken_ns.items()
        if seq > 2
    ]
    return np.concatenate(ages) / SECOND_NS


def measure() -> list[Budget]:
    binary = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if binary is None:
        print("mosquitto is not installed: the way to the store is not measured")
        return []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clinic = Clinic(folder / "data" / "clinic.db")
        clinic.add_wearer(WEARER, "UTC")
        clinic.close()
        with mosquitto(Path(binary), folder / "broker", (WEARER,)) as broker:
            process = ingest_process(broker, folder / "data")
            try:
                share, ages_s = asyncio.run(_stream(broker, folder))
            finally:
                process.terminate()
                process.communicate()
    half, most, worst = np.percentile(ages_s, [50, 95, 99])
    note = f"p50 {half:.2f}, p99 {worst:.2f}; batches of a second, embedded store"
    return [
        Budget("agent with MQTT: 20 sensors at 100 Hz", 100 * share, 20, "% of a core"),
        Budget("sensor -> store: age of a sample, p95", float(most), 2, "s", note=note),
    ]
