"""The agent's work for 20 sensors at 100 Hz: decode, clock, batches, outbox on disk.

The radio is left out: what BlueZ and D-Bus cost is not ours. Packets are those of the virtual
Polar H10 (36 samples) and arrive as they would in 30 s.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from firmware_profiles.base import SampleBlock
from firmware_profiles.registry import profile
from sensor_agent.batcher import Batcher
from sensor_agent.clock import SystemClock
from sensor_agent.device_clock import DeviceClock, HostUtc
from sensor_agent.outbox import Outbox
from tests.bench.budget import Budget
from wire.batch import Batch
from wire.ids import new_session

SENSORS, RATE_HZ, SECONDS = 20, 100, 30
FRAME = 36
DATA_UUID = "fb005c82-02e7-f387-1cad-8acd2d8df0c8"


def frames() -> Iterator[tuple[int, bytes]]:
    """(arrival in ns, notification) of one H10 at 100 Hz, int16 milli-g."""
    rng = np.random.default_rng(4)
    for last in range(FRAME, RATE_HZ * SECONDS, FRAME):
        stamp_ns = last * 10**9 // RATE_HZ
        counts = rng.integers(-2000, 2000, (FRAME, 3)).astype("<i2")
        payload = b"\x02" + (10**18 + stamp_ns).to_bytes(8, "little") + b"\x01" + counts.tobytes()
        yield stamp_ns, payload


def measure() -> list[Budget]:
    packets = list(frames())
    clock = SystemClock()
    start_ns = clock.monotonic_ns()
    decoders = [profile("polar_h10").decoder({"rate_hz": RATE_HZ}) for _ in range(SENSORS)]
    batchers = [Batcher(new_session(), DeviceClock(HostUtc(clock))) for _ in range(SENSORS)]
    with tempfile.TemporaryDirectory() as folder:
        outbox = Outbox(Path(folder) / "outbox.db", "bench")
        begun_s, samples = time.process_time(), 0
        for arrival_ns, payload in packets:
            due: list[tuple[str, Batch]] = []
            for number, (decoder, batcher) in enumerate(zip(decoders, batchers, strict=True)):
                for event in decoder.decode(DATA_UUID, payload):
                    if isinstance(event, SampleBlock):
                        samples += event.n
                        made = batcher.add(event, start_ns + arrival_ns)
                        due += [(f"s{number}", batch) for batch in made]
            if due:
                outbox.append(due, clock.utc_ns())
        spent_s = time.process_time() - begun_s
        stored = outbox.batch_count()
        outbox.close()
    assert samples == SENSORS * len(packets) * FRAME
    assert stored > 0.9 * SENSORS * (SECONDS - 3)
    share = 100 * spent_s / SECONDS
    note = "decode to disk, without radio and MQTT"
    return [Budget("agent: 20 sensors at 100 Hz", share, 20, "% of a core", note=note)]
