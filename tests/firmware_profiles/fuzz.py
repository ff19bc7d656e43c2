"""A long fuzz of every decoder: `python -m tests.firmware_profiles.fuzz --packets 1000000`.

Damaged and invented packets go into decoders made from the vectors' configurations. Whatever the
bytes, a decoder may give sound events or raise DecodeError, and it must still work afterwards.
The same seed always gives the same packets. Exit code 1 when something else came out.
"""

from __future__ import annotations

import argparse
import json
import re
import struct
import sys
import time
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from firmware_profiles.base import (
    BATTERY_LEVEL_UUID,
    BatteryLevel,
    DecodeError,
    Note,
    Profile,
    SampleBlock,
    StreamEnded,
)
from firmware_profiles.registry import PROFILES
from firmware_profiles.toml_profile import load_profile

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs" / "add-your-sensor.md"
SESSION_PACKETS = 100
"""So many packets go into one decoder before the next one is made."""
MAX_BYTES = 512
Packet = tuple[str, bytes]


@dataclass(frozen=True)
class Target:
    """A profile, and what its vectors teach: configurations and packets in their order."""

    profile: Profile
    configs: list[Mapping[str, object]]
    sequences: list[list[Packet]]

    @property
    def characteristics(self) -> list[str]:
        return sorted({uuid for sequence in self.sequences for uuid, _ in sequence})


@dataclass
class Outcome:
    """What the packets of one profile led to."""

    packets: int = 0
    refused: int = 0
    blocks: int = 0
    findings: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Where it went wrong -> how often, and the packets since the decoder was made."""

    def found(self, error: Exception, config: Mapping[str, object], history: list[Packet]) -> None:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}: {error}"
        count, first = self.findings.get(where, (0, ""))
        if not count:
            packets = " ".join(f"{uuid[:8]}:{data.hex()}" for uuid, data in history[-5:])
            first = f"config {dict(config)}, last packets {packets}"
        self.findings[where] = (count + 1, first)


def targets() -> dict[str, Target]:
    """Every built-in profile and the sensor that docs/add-your-sensor.md describes."""
    out = {}
    for name, profile in PROFILES.items():
        vectors = json.loads((HERE / f"vectors_{name}.json").read_text())
        streams = [vector for vector in vectors if vector["kind"] != "command"]
        configs = {json.dumps(vector["config"], sort_keys=True) for vector in streams}
        out[name] = Target(
            profile,
            [json.loads(text) for text in sorted(configs)],
            [
                [(p["characteristic"], bytes.fromhex(p["hex"])) for p in vector["packets"]]
                for vector in streams
            ],
        )
    (text,) = re.findall(r"```toml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    own = load_profile(text)
    packets = [
        [(own.spec.packet.characteristic, packet) for packet in vector.packets]
        for vector in own.spec.vectors
    ]
    rates: list[Mapping[str, object]] = [{"rate_hz": rate_hz} for rate_hz in own.spec.rates]
    out[f"toml:{own.info.id}"] = Target(own, rates, packets)
    return out


# --- packets ---------------------------------------------------------------------------------


def truncated(rng: Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def extended(rng: Random, data: bytes) -> bytes:
    return data + rng.randbytes(rng.choice((1, 2, 4, 6, 20, 200)))


def flipped(rng: Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 8)) if out else 0):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def overwritten(rng: Random, data: bytes) -> bytes:
    """A field with a value from the edge of its range."""
    edge = rng.choice(
        (b"\0", b"\xff", b"\x7f", b"\x80", b"\xff" * 4, b"\0" * 4, b"\xff" * 8, b"\0\0\xc0\x7f")
    )
    at = rng.randrange(len(data) + 1)
    return (data[:at] + edge + data[at + len(edge) :])[: max(len(data), 1)]


def spliced(rng: Random, data: bytes) -> bytes:
    """A part of the packet cut out or said twice."""
    low, high = sorted((rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)))
    return data[:low] + data[high:] if rng.random() < 0.5 else data[:high] + data[low:]


MUTATIONS: Sequence[Callable[[Random, bytes], bytes]] = (
    truncated,
    extended,
    flipped,
    flipped,
    overwritten,
    spliced,
)


def resealed(data: bytes) -> bytes:
    """A Capture2Go package whose checksum and length fit again, so that damage gets further in."""
    at = data[:1] in {b"\xff", b"\xfe", b"\xfd"}
    body = data[at + 6 :]
    if len(body) < 2:
        return data
    return data[:at] + struct.pack("<BIB", 2, zlib.crc32(body), min(len(body) - 2, 255)) + body


RESEAL: Mapping[str, Callable[[bytes], bytes]] = {"capture2go": resealed}


def session(rng: Random, target: Target) -> Iterator[Packet]:
    """SESSION_PACKETS packets: sequences of the vectors, whole, damaged, reordered, repeated, and
    bytes that mean nothing."""
    uuids = [*target.characteristics, BATTERY_LEVEL_UUID]
    reseal = RESEAL.get(target.profile.info.id)
    left = SESSION_PACKETS
    while left > 0:
        sequence = list(rng.choice(target.sequences))
        dice = rng.random()
        if dice < 0.1:
            sequence = [(rng.choice(uuids), rng.randbytes(rng.randrange(rng.choice((24, 260)))))]
        elif dice < 0.3:
            rng.shuffle(sequence)
        elif dice < 0.4:
            sequence *= rng.randrange(2, 5)
        for uuid, whole in sequence[:left]:
            data = whole
            if rng.random() < 0.7:
                for _ in range(rng.choice((1, 1, 2, 4))):
                    data = rng.choice(MUTATIONS)(rng, data)[:MAX_BYTES]
                if reseal and rng.random() < 0.7:
                    data = reseal(data)
            yield (rng.choice(uuids) if rng.random() < 0.02 else uuid), data
        left -= len(sequence)


# --- what may come out -----------------------------------------------------------------------


def check(event: object) -> None:
    """Raises AssertionError for an event that nobody could use."""
    if isinstance(event, Note):
        json.dumps(dict(event.values), allow_nan=False)
        return
    if isinstance(event, BatteryLevel):
        assert 0 <= event.percent <= 100, "battery out of 0..100 %"
        return
    if isinstance(event, StreamEnded):
        return
    assert isinstance(event, SampleBlock), "no event"
    assert event.n >= 1 and event.values, "a block without samples"  # noqa: PT018
    assert 0 < event.device_dt_ns < float("inf"), "a step that is no time"
    assert event.lost_before >= 0, "a negative loss"
    for quantity, rows in event.values.items():
        assert rows.shape == (event.n, 3), "a wrong shape"
        assert rows.dtype == np.float32, "a wrong type"
        assert np.isfinite(rows).all(), "a value that is not finite"
        assert event.lsb.get(quantity, 1.0) > 0, "a step of no size"


def run(name: str, target: Target, packets: int, seed: int) -> Outcome:
    """Feed so many packets, in sessions of one decoder each."""
    rng, outcome = Random(f"{seed} {name}"), Outcome()
    while outcome.packets < packets:
        config = rng.choice(target.configs)
        decoder = target.profile.decoder(config)
        history: list[Packet] = []
        for packet in session(rng, target):
            history.append(packet)
            outcome.packets += 1
            try:
                for event in decoder.decode(*packet):
                    outcome.blocks += isinstance(event, SampleBlock)
                    check(event)
            except DecodeError:
                outcome.refused += 1
            except Exception as error:
                outcome.found(error, config, history)
        try:
            events = decoder.decode(BATTERY_LEVEL_UUID, b"\x2a")
            assert events == [BatteryLevel(42)], "deaf after the session"
        except Exception as error:
            outcome.found(error, config, history)
    return outcome


def main(arguments: Sequence[str] | None = None) -> int:
    known: dict[str, Any] = targets()
    parser = argparse.ArgumentParser(prog="python -m tests.firmware_profiles.fuzz")
    parser.add_argument("--packets", type=int, default=100_000, help="per profile")
    parser.add_argument("--profile", choices=sorted(known), help="only this one")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    warnings.simplefilter("error")
    bad = 0
    for name in [options.profile] if options.profile else known:
        began = time.monotonic()
        outcome = run(name, known[name], options.packets, options.seed)
        print(
            f"{name:20} {outcome.packets:>9} packets, {outcome.refused:>9} refused, "
            f"{outcome.blocks:>9} blocks, {len(outcome.findings)} findings, "
            f"{time.monotonic() - began:.0f} s",
            flush=True,
        )
        for where, (count, first) in outcome.findings.items():
            print(f"  {count} times {where}\n    {first[:2000]}")
        bad += len(outcome.findings)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
