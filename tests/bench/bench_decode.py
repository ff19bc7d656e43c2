"""Samples per second of one core that the decoders make of notifications."""

from __future__ import annotations

import time

import numpy as np

from firmware_profiles.base import SampleBlock
from firmware_profiles.registry import profile
from tests.bench.bench_agent import DATA_UUID, frames
from tests.bench.budget import Budget

MOVESENSE_DATA = "34800002-7185-4d5d-b431-630e7050e8f0"
STEPS = np.array([0.000244 * 9.807, 0.07], np.float32).reshape(2, 1, 1)
"""m/s2 and deg/s per count, as in published captures."""
REPEAT = 40


def h10_per_s() -> float:
    packets = [payload for _, payload in frames()]
    count, begun_s = 0, time.process_time()
    for _ in range(REPEAT):
        decoder = profile("polar_h10").decoder({"rate_hz": 100})
        for payload in packets:
            for event in decoder.decode(DATA_UUID, payload):
                if isinstance(event, SampleBlock):
                    count += event.n
    return count / (time.process_time() - begun_s)


def movesense_per_s(rate_hz: int) -> float:
    """Six axes; a packet holds rate / 13 samples, in parts of 150 bytes."""
    per_packet = rate_hz // 13
    rng = np.random.default_rng(5)
    decoder = profile("movesense").decoder({"path": f"/Meas/IMU6/{rate_hz}", "reference": 99})
    packets = []
    for number in range(2000):
        counts = rng.integers(-30_000, 30_000, (2, per_packet, 3)).astype(np.float32)
        values = counts * STEPS
        stamp = round(1000 * number * per_packet / rate_hz).to_bytes(4, "little")
        body = stamp + values.astype("<f4").tobytes()
        kinds = [2] + [3] * (len(body) // 150)
        parts = [body[i : i + 150] for i in range(0, len(body), 150)]
        packets += [bytes((kind, 99)) + part for kind, part in zip(kinds, parts, strict=False)]
    count, begun_s = 0, time.process_time()
    for payload in packets:
        for event in decoder.decode(MOVESENSE_DATA, payload):
            if isinstance(event, SampleBlock):
                count += event.n
    spent_s = time.process_time() - begun_s
    assert count == 2000 * per_packet
    return count / spent_s


def measure() -> list[Budget]:
    return [
        Budget("decode: Polar H10, raw frames", h10_per_s() / 1e6, 1, "M samples/s", False),
        Budget(
            "decode: Movesense 416 Hz, six axes",
            movesense_per_s(416) / 1e6,
            1,
            "M samples/s",
            False,
        ),
        Budget(
            "decode: Movesense 52 Hz, six axes",
            movesense_per_s(52) / 1e6,
            1,
            "M samples/s",
            False,
            note="4 samples a packet: the cost is per packet",
        ),
    ]
