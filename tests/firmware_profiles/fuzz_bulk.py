"""A long comparison: `python -m tests.firmware_profiles.fuzz_bulk --packets 1000000`.

Live streams of every virtual sensor, spoilt, are decoded packet by packet and many at once; both
have to say the same. The same seed always gives the same packets.
"""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from random import Random

import numpy as np

from firmware_profiles.base import (
    BATTERY_LEVEL_UUID,
    DecodeError,
    Decoder,
    Event,
    Profile,
    SampleBlock,
)
from firmware_profiles.bulk import decode_all
from firmware_profiles.registry import PROFILES
from firmware_profiles.toml_profile import load_profile
from sensor_agent.virtual.encoders import ENCODERS
from sensor_agent.virtual.encoders.base import Encoder
from sensor_agent.virtual.encoders.generic import GenericEncoder
from tests.firmware_profiles.streams import Packet, connect, packets

DOCS = Path(__file__).parents[2] / "docs" / "add-your-sensor.md"
PER_FRAME = {"polar_verity"}
"""Frames differ in length: they are never taken together."""
Found = tuple[int, Event | DecodeError]


@dataclass(frozen=True)
class Case:
    """A sensor at a rate."""

    profile: Profile
    encoder: Callable[[str], Encoder]
    rate_hz: float

    @property
    def frames(self) -> int:
        return 40 if self.profile.info.id in PER_FRAME else 240

    def stream(self) -> tuple[Decoder, Encoder]:
        encoder = self.encoder("0001")
        return connect(self.profile, encoder, rate_hz=self.rate_hz), encoder


def cases() -> Iterator[tuple[str, Case]]:
    (text,) = re.findall(r"```toml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    unstamped = text.replace("u32 stamp", "u32 skip").replace("u8 counter", "u8 skip")
    unstamped = re.sub(r"\[(stamp|counter)\]\n(\w+ = .*\n)+", "", unstamped)
    unstamped = re.sub(r"(t0_ns|lost) = .*\n", "", unstamped)
    for made in (text, unstamped):
        own = load_profile(made)
        kind = "toml" if own.spec.packet.stamp else "toml_unstamped"
        yield kind, Case(own, lambda name, spec=own.spec: GenericEncoder(spec, name), 50)
    rates = {"movesense": (13, 52, 104, 416), "metamotion": (25, 50, 100)}
    for name, profile in PROFILES.items():
        for rate_hz in rates.get(name, (100,)):
            yield f"{name}-{rate_hz}", Case(profile, ENCODERS[name], rate_hz)


CASES = dict(cases())


def one_by_one(decoder: Decoder, stream: list[Packet]) -> list[Found]:
    out: list[Found] = []
    for place, (characteristic, data) in enumerate(stream):
        try:
            out += [(place, event) for event in decoder.decode(characteristic, data)]
        except DecodeError as error:
            out.append((place, error))
    return out


def in_pieces(decoder: Decoder, stream: list[Packet], rng: Random) -> list[Found]:
    out: list[Found] = []
    at = 0
    while at < len(stream):
        size = rng.choice((1, 7, 40, 100, 1000))
        out += [(at + k, found) for k, found in decode_all(decoder, stream[at : at + size])]
        at += size
    return out


def check_same(found: list[Found], expected: list[Found]) -> None:
    assert [place for place, _ in found] == [place for place, _ in expected]
    for (_, one), (_, other) in zip(found, expected, strict=True):
        assert type(one) is type(other)
        if isinstance(one, SampleBlock):
            for field in fields(one):
                left, right = getattr(one, field.name), getattr(other, field.name)
                if field.name == "values":
                    assert left.keys() == right.keys()
                    assert all(np.array_equal(left[q], right[q]) for q in left)
                    assert all(rows.dtype == np.float32 for rows in left.values())
                else:
                    assert left == right, field.name
        elif isinstance(one, DecodeError):
            assert str(one) == str(other)
        else:
            assert one == other


def spoilt(stream: list[Packet], rng: Random) -> list[Packet]:
    """The stream after a hard life: losses, duplicates, other orders, damage, other packets."""
    out: list[Packet] = []
    for characteristic, data in stream:
        dice = rng.random()
        if dice < 0.01:
            continue
        out.append((characteristic, data))
        if dice > 0.99:
            damaged = bytearray(data)
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
            out[-1] = (characteristic, bytes(damaged))
        elif dice > 0.985:
            out[-1] = (characteristic, data[: rng.randrange(len(data))])
        elif dice > 0.98:
            out += out[-rng.randrange(1, 5) :]
        elif dice > 0.975:
            out[-2:] = out[-2:][::-1]
        elif dice > 0.97:
            out.append((BATTERY_LEVEL_UUID, bytes((rng.randrange(120),))))
        elif dice > 0.967:
            out.append((characteristic, rng.randbytes(rng.randrange(40))))
    if rng.random() < 0.5:  # everything from before once more: the clock goes back
        out += out[: len(out) // 3]
    return out


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.firmware_profiles.fuzz_bulk")
    parser.add_argument("--packets", type=int, default=100_000, help="per sensor and rate")
    parser.add_argument("--case", choices=sorted(CASES), help="only this one")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    warnings.simplefilter("error")
    for name in [options.case] if options.case else CASES:
        case, rng = CASES[name], Random(f"{options.seed} {name}")
        plain = packets(case.stream()[1], case.frames, options.seed)
        done = blocks = 0
        while done < options.packets:
            stream = spoilt(plain, rng)
            expected = one_by_one(case.stream()[0], stream)
            check_same(in_pieces(case.stream()[0], stream, rng), expected)
            done += len(stream)
            blocks += sum(isinstance(found, SampleBlock) for _, found in expected)
        print(f"{name:20} {done:>9} packets, {blocks:>9} blocks, all the same", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
