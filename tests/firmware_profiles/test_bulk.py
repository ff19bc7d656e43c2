"""Many packets at once give what they give one by one, whatever happens to them on the way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from firmware_profiles.base import (
    BATTERY_LEVEL_UUID,
    BulkDecoder,
    DecodeError,
    Decoder,
    Event,
    Profile,
    SampleBlock,
    SampleRun,
)
from firmware_profiles.bulk import LONGEST_RUN, SHORTEST_RUN, decode_all, decode_columns
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


def cases() -> Iterator[Any]:
    (text,) = re.findall(r"```toml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    unstamped = text.replace("u32 stamp", "u32 skip").replace("u8 counter", "u8 skip")
    unstamped = re.sub(r"\[(stamp|counter)\]\n(\w+ = .*\n)+", "", unstamped)
    unstamped = re.sub(r"(t0_ns|lost) = .*\n", "", unstamped)
    for made in (text, unstamped):
        own = load_profile(made)
        kind = "toml" if own.spec.packet.stamp else "toml_unstamped"
        yield pytest.param(
            Case(own, lambda name, spec=own.spec: GenericEncoder(spec, name), 50), id=kind
        )
    rates = {"movesense": (13, 52, 104, 416), "metamotion": (25, 50, 100)}
    for name, profile in PROFILES.items():
        for rate_hz in rates.get(name, (100,)):
            yield pytest.param(Case(profile, ENCODERS[name], rate_hz), id=f"{name}-{rate_hz}")


CASES = list(cases())


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


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", [1, 2])
def test_same_results_for_any_packets_in_any_pieces(case: Case, seed: int) -> None:
    rng = Random(seed)
    alone, encoder = case.stream()
    together, _ = case.stream()
    stream = spoilt(packets(encoder, case.frames, seed), rng)
    expected = one_by_one(alone, stream)
    assert sum(isinstance(found, SampleBlock) for _, found in expected) > 50
    check_same(in_pieces(together, stream, rng), expected)


@pytest.mark.parametrize("case", CASES)
def test_a_plain_stream_is_taken_together(case: Case) -> None:
    decoder, encoder = case.stream()
    stream = packets(encoder, case.frames, 5)
    assert isinstance(decoder, BulkDecoder) is (case.profile.info.id not in PER_FRAME)
    found = [item for _, item in decode_columns(decoder, stream)]
    runs = [item for item in found if isinstance(item, SampleRun)]
    together = sum(run.n * len(run.packet) for run in runs)
    alone = sum(item.n for item in found if isinstance(item, SampleBlock))
    if case.profile.info.id in PER_FRAME:
        assert not runs
    else:
        assert alone <= 4 * SHORTEST_RUN * runs[0].n
        assert together + alone > 200 * runs[0].n
    check_same(list(decode_all(case.stream()[0], stream)), one_by_one(case.stream()[0], stream))


@pytest.mark.parametrize("seed", range(5))
def test_stamps_and_counters_wrap_within_a_run(seed: int) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    own = load_profile(text)
    first = Random(seed).randrange(200)
    stream = [
        (
            own.spec.packet.characteristic,
            b"\xa1"
            + bytes(((200 + k) % 256,))
            + ((2**32 - 20 * first + 20 * k) % 2**32).to_bytes(4, "little")
            + bytes(12),
        )
        for k in range(300)
    ]
    expected = one_by_one(own.decoder({"rate_hz": 50}), stream)
    check_same(list(decode_all(own.decoder({"rate_hz": 50}), stream)), expected)
    times = [block.device_t0_ns for _, block in expected if isinstance(block, SampleBlock)]
    assert np.diff(np.array(times)).tolist() == [20_000_000] * 299


def test_packets_are_decoded_as_the_iterator_is_followed() -> None:
    decoded: list[bytes] = []

    class Slow:
        settings: Any = None

        def decode(self, characteristic: str, data: bytes) -> list[Event]:
            decoded.append(data)
            if data == b"bad":
                raise DecodeError("bad")
            return []

    stream = [("a", b"1"), ("a", b"bad"), ("b", b"2"), ("b", b"3")]
    place, error = next(decode_all(Slow(), stream))
    assert place == 1
    assert isinstance(error, DecodeError)
    assert decoded == [b"1", b"bad"]


def test_a_long_run_is_cut() -> None:
    case = Case(PROFILES["thingy52"], ENCODERS["thingy52"], 100)
    decoder, encoder = case.stream()
    runs = [run for _, run in decode_columns(decoder, packets(encoder, 2 * LONGEST_RUN, 1))]
    assert [len(run.packet) for run in runs if isinstance(run, SampleRun)] == [LONGEST_RUN] * 2
