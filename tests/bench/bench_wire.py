"""Bytes of one second of six axes on the wire, all overhead counted."""

from __future__ import annotations

import numpy as np

from tests.bench.budget import Budget
from wire.batch import Batch, Channel
from wire.codec import encode
from wire.ids import new_session
from wire.topics import Kind, sensor_topic

MQTT_BYTES = 1 + 2 + 2 + 2
"""Fixed header, remaining length, topic length, packet id of a QoS 1 PUBLISH."""


def measure() -> list[Budget]:
    rng = np.random.default_rng(1)
    raw = rng.integers(-30_000, 30_000, (50, 3)).astype(np.int16)
    batch = Batch(
        session=new_session(),
        seq=70_000,
        floor_seq=69_990,
        t0_ns=1_800_000_000_000_000_000,
        dt_ns=20_000_000,
        n=50,
        channels={"accel": Channel(raw, 0.0024), "gyro": Channel(raw, 0.0012)},
        rx_ns=1_800_000_001_000_000_000,
        clock_err_ns=4_000_000,
    )
    total = len(encode(batch)) + len(sensor_topic("p-017", "trunk", Kind.IMU)) + MQTT_BYTES
    return [Budget("wire: 6 axes at 50 Hz, all overhead", total / 50, 16, "bytes/sample")]
