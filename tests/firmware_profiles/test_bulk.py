"""Many packets at once give what they give one by one, whatever happens to them on the way."""

from __future__ import annotations

import re
from random import Random
from typing import Any

import numpy as np
import pytest

from firmware_profiles.base import BulkDecoder, DecodeError, Event, SampleBlock, SampleRun
from firmware_profiles.bulk import LONGEST_RUN, SHORTEST_RUN, decode_all, decode_columns
from firmware_profiles.registry import PROFILES
from firmware_profiles.toml_profile import load_profile
from sensor_agent.virtual.encoders import ENCODERS
from tests.firmware_profiles.fuzz_bulk import (
    CASES,
    DOCS,
    PER_FRAME,
    Case,
    check_same,
    in_pieces,
    one_by_one,
    spoilt,
)
from tests.firmware_profiles.streams import packets


@pytest.mark.parametrize("case", list(CASES.values()), ids=list(CASES))
@pytest.mark.parametrize("seed", [1, 2])
def test_same_results_for_any_packets_in_any_pieces(case: Case, seed: int) -> None:
    rng = Random(seed)
    alone, encoder = case.stream()
    together, _ = case.stream()
    stream = spoilt(packets(encoder, case.frames, seed), rng)
    expected = one_by_one(alone, stream)
    assert sum(isinstance(found, SampleBlock) for _, found in expected) > 50
    check_same(in_pieces(together, stream, rng), expected)


@pytest.mark.parametrize("case", list(CASES.values()), ids=list(CASES))
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
