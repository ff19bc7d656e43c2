"""Lab Streaming Layer: what travels on the broker as LSL streams, one for every sensor.

Every sample keeps its own time: UTC of the wire becomes the LSL clock of this machine. Batches are
a second long, so a stream is that much behind; back-filled batches are left out, because LSL is
live.
"""

from __future__ import annotations

import logging
import time
from typing import Final

import numpy as np
from pylsl import IRREGULAR_RATE, StreamInfo, StreamOutlet, cf_float32, local_clock

from wire.batch import UNITS, Batch, BatchError, Flag
from wire.codec import decode
from wire.topics import Kind, TopicError, parse

logger = logging.getLogger(__name__)

CONTENT: Final = "IMU"
BUFFER_S: Final = 360
"""LSL keeps so many seconds for an inlet that does not read."""
CLOCK_READINGS: Final = 5


class Bridge:
    """Outlets, made when the first batch of a sensor comes. Not thread-safe."""

    def __init__(self) -> None:
        self._outlets: dict[tuple[str, str, tuple[str, ...]], StreamOutlet] = {}

    def take(self, topic: str, payload: bytes) -> int:
        """Pass a message on; returns how many samples. What is no live batch is left out."""
        try:
            found = parse(topic)
            if found.kind is not Kind.IMU or found.sensor is None:
                return 0
            batch = decode(payload)
        except (TopicError, BatchError) as error:
            logger.warning("a message cannot be passed on: %s", error)
            return 0
        if batch.flags & Flag.BACKFILL:
            return 0
        quantities = tuple(sorted(batch.channels))
        key = (found.wearer, found.sensor, quantities)
        if key not in self._outlets:
            self._outlets[key] = _outlet(*key)
            logger.info("stream of sensor %s of %s", found.sensor, found.wearer)
        values = np.hstack([batch.channels[name].si() for name in quantities])
        self._outlets[key].push_chunk(values.astype(np.float32).tolist(), _lsl_times(batch))
        return batch.n

    def close(self) -> None:
        """End the streams."""
        self._outlets.clear()


def _lsl_times(batch: Batch) -> list[float]:
    """When each sample was taken, by the LSL clock of this machine."""
    times: list[float] = (batch.t_ns / 1e9 + ahead_s()).tolist()
    return times


def ahead_s() -> float:
    """LSL clock minus UTC. A busy machine may stop between two readings: the closest ones count."""
    found: list[tuple[float, float]] = []
    for _ in range(CLOCK_READINGS):
        before_s, lsl_s, after_s = time.time(), local_clock(), time.time()
        found.append((abs(after_s - before_s), lsl_s - (before_s + after_s) / 2))
    return min(found)[1]


def _outlet(wearer: str, sensor: str, quantities: tuple[str, ...]) -> StreamOutlet:
    info = StreamInfo(
        name=f"trunkline {wearer} {sensor}",
        type=CONTENT,
        channel_count=3 * len(quantities),
        nominal_srate=IRREGULAR_RATE,
        channel_format=cf_float32,
        source_id=f"trunkline/{wearer}/{sensor}/{'+'.join(quantities)}",
    )
    channels = info.desc().append_child("channels")
    for name in quantities:
        for axis in "xyz":
            channel = channels.append_child("channel")
            channel.append_child_value("label", f"{name}_{axis}")
            channel.append_child_value("unit", UNITS[name])
            channel.append_child_value("type", name)
    return StreamOutlet(info, chunk_size=0, max_buffered=BUFFER_S)
