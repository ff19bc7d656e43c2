"""Samples per second of one core that the decoders make of notifications.

Each profile decodes what its virtual twin sends: as the agent does after a burst, in a replay or
from a capture (many packets at once), and packet by packet.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from firmware_profiles.base import Decoder, Profile, SampleBlock, SampleRun
from firmware_profiles.bulk import decode_columns
from firmware_profiles.polar_decoder import PmdDecoder
from firmware_profiles.polar_verity import VerityDecoder
from firmware_profiles.registry import profile
from firmware_profiles.toml_profile import load_profile
from sensor_agent.virtual.encoders import ENCODERS
from sensor_agent.virtual.encoders.base import Encoder
from sensor_agent.virtual.encoders.generic import GenericEncoder
from tests.bench.budget import Budget
from tests.firmware_profiles.streams import Packet, connect

DOCS = Path(__file__).parents[2] / "docs" / "add-your-sensor.md"
PACKETS = 8192
REPEAT = 3
"""The best of so many counts: other programs of the machine only make it slower."""
RATES_HZ = (
    ("capture2go", 100),
    ("metamotion", 50),
    ("metamotion", 100),
    ("movella_dot", 60),
    ("movesense", 52),
    ("movesense", 416),
    ("polar_h10", 100),
    ("sensortag_cc2650", 10),
    ("thingy52", 100),
    ("witmotion_ble5", 100),
)


def walking(t_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(m/s2, rad/s) of a trunk that walks, with the noise of a sensor: what deltas are made of."""
    rng = np.random.default_rng(5)
    phase = 2 * np.pi * t_s[:, None] * np.array([1.8, 0.9, 1.8])
    accel = np.array([0.0, 0.0, 9.8]) + np.array([1.5, 1.0, 3.0]) * np.sin(phase)
    gyro = np.array([0.5, 0.4, 0.6]) * np.cos(phase)
    return accel + rng.normal(0, 0.03, accel.shape), gyro + rng.normal(0, 0.005, gyro.shape)


def notified(encoder: Encoder) -> list[Packet]:
    """PACKETS packets of a started encoder."""
    assert encoder.stream is not None
    rate_hz, n = encoder.stream.rate_hz, encoder.stream.samples_per_frame
    out: list[Packet] = []
    for number in range(PACKETS):
        index = number * n + np.arange(n)
        accel, gyro = walking(index / rate_hz)
        t_ns = 10**10 + np.rint(index * 1e9 / rate_hz).astype(np.int64)
        frame = encoder.encode(t_ns, accel, gyro if encoder.measures_rotation else None)
        out += [(push.characteristic, push.data) for push in frame.pushes]
        if len(out) >= PACKETS:
            break
    return out


def many_at_once(decoder: Decoder, packets: list[Packet]) -> int:
    count = 0
    for _, found in decode_columns(decoder, packets):
        if isinstance(found, SampleRun):
            count += found.n * len(found.packet)
        elif isinstance(found, SampleBlock):
            count += found.n
    return count


def one_by_one(decoder: Decoder, packets: list[Packet]) -> int:
    blocks = (event for packet in packets for event in decoder.decode(*packet))
    return sum(block.n for block in blocks if isinstance(block, SampleBlock))


def rate_m_per_s(
    made: Callable[[], Decoder], packets: list[Packet], run: Callable[[Decoder, list[Packet]], int]
) -> float:
    """Best of REPEAT counts, in millions of samples a second of processor time."""
    best = 0.0
    for _ in range(REPEAT):
        decoder = made()
        begun_s = time.process_time()
        count = run(decoder, packets)
        best = max(best, count / (time.process_time() - begun_s))
    return best / 1e6


def streams() -> Iterator[tuple[str, Profile, Callable[[str], Encoder], float]]:
    for name, rate_hz in RATES_HZ:
        yield f"{name} {rate_hz} Hz", profile(name), ENCODERS[name], rate_hz
    (text,) = re.findall(r"```toml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    own = load_profile(text)
    yield "TOML example 100 Hz", own, partial(GenericEncoder, own.spec), 100


def deltas() -> tuple[float, float]:
    """(M samples/s of compressed frames, each stream on its own; M pairs/s put together)."""

    def started() -> tuple[VerityDecoder, Encoder]:
        encoder = ENCODERS["polar_verity"]("0001")
        decoder = connect(profile("polar_verity"), encoder, rate_hz=52)
        assert isinstance(decoder, VerityDecoder)
        return decoder, encoder

    def apart() -> PmdDecoder:
        return started()[0].streams

    packets = notified(started()[1])
    return (
        rate_m_per_s(apart, packets, one_by_one),
        rate_m_per_s(lambda: started()[0], packets, one_by_one),
    )


def measure() -> list[Budget]:
    budgets = []
    for label, found, factory, rate_hz in streams():
        encoder = factory("0001")

        def made(
            found: Profile = found,
            factory: Callable[[str], Encoder] = factory,
            rate_hz: float = rate_hz,
        ) -> Decoder:
            return connect(found, factory("0001"), rate_hz=rate_hz)

        connect(found, encoder, rate_hz=rate_hz)
        packets = notified(encoder)
        together = rate_m_per_s(made, packets, many_at_once)
        alone = rate_m_per_s(made, packets, one_by_one)
        note = f"packet by packet {alone:.3g}"
        budgets.append(Budget(f"decode: {label}", together, 1, "M samples/s", False, note=note))
    frames, pairs = deltas()
    note = f"acceleration and rotation put together: {pairs:.3g} M pairs/s"
    budgets.append(
        Budget("decode: Polar delta frames", frames, 0.3, "M samples/s", False, note=note)
    )
    return budgets
