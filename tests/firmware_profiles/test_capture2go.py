"""Capture2Go: byte stream, answers cut in two, refusals, live filter, orientation."""

from __future__ import annotations

import math
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_profiles.base import (
    ConfigurationError,
    DecodeError,
    Note,
    SampleBlock,
    StreamRequest,
    Write,
)
from firmware_profiles.capture2go import Capture2Go
from firmware_profiles.capture2go_decoder import RX_UUID, TX_UUID
from firmware_profiles.capture2go_packages import PackageStream, build, quaternion

T = 1_795_500_304 * 10**9


def framed(header: int, payload: bytes = b"") -> bytes:
    body = struct.pack("<H", header) + payload
    return struct.pack("<BIB", 2, zlib.crc32(body), len(payload)) + body


def packed(time_ns: int, mode: int = 3) -> bytes:
    return framed(0x230 | mode, struct.pack("<q48hQhB", time_ns, *range(48), 0, 0, 0))


def answers(mode: int = 3, **changes: bytes) -> dict[str, str]:
    wanted = struct.pack("<q8BHBQ3B", 0, 0, 0, mode, 0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 1)
    found = {
        "clear": (framed(0x158), framed(0x159)),
        "info": (framed(0x70), framed(0x71, bytes(47))),
        "measure": (framed(0x120, wanted), framed(0x122, wanted)),
        "start": (framed(0x150), framed(0x151)),
    }
    return {
        command.hex(): (b"\xff" + changes.get(name, answer)).hex()
        for name, (command, answer) in found.items()
    }


@settings(max_examples=300, deadline=None, database=None)
@given(st.integers(1, 12), st.lists(st.integers(1, 200), min_size=1, max_size=30))
def test_any_cutting_of_the_stream_gives_every_package(n: int, cuts: list[int]) -> None:
    stream = b"".join(packed(T + i * 160_000_000) for i in range(n))
    decoder = Capture2Go().decoder({})
    times: list[int | None] = []
    at = 0
    for size in [*cuts, len(stream)]:
        piece, at = stream[at : at + size], at + size
        if piece:
            for event in decoder.decode(TX_UUID, b"\xff" + piece):
                if isinstance(event, SampleBlock):
                    assert event.lost_before == 0
                    times.append(event.device_t0_ns)
    assert times == [T + i * 160_000_000 for i in range(n)]
    assert decoder.stream.held == 0


@settings(max_examples=300, deadline=None, database=None)
@given(st.binary(max_size=300))
def test_stream_recovers_from_any_garbage(garbage: bytes) -> None:
    stream = PackageStream()
    stream.feed(garbage)
    found = [package for _ in range(4) for package in stream.feed(packed(T))]
    assert len(found) >= 2, "at most one longest package is held back"


def test_answer_may_be_cut_in_two() -> None:
    steps = Capture2Go().configure(StreamRequest(), 41)
    next(steps)
    write = steps.send(None)
    assert isinstance(write, Write)
    assert write.data == framed(0x158)
    assert write.reply is not None
    answer = packed(T)[50:] + framed(0x159)
    assert not write.reply(b"\xff" + answer[:-5])
    assert not write.reply(b"\x10")
    assert write.reply(b"\xff" + answer[-5:])
    step = steps.send(b"\xff" + answer[-5:])
    assert isinstance(step, Write)
    assert step.data == framed(0x70)


def test_silence_and_another_mode_are_refused(scripted: Any) -> None:
    with pytest.raises(ConfigurationError, match="does not answer command 0158"):
        scripted({}).run(Capture2Go().configure(StreamRequest(), 247))
    other = framed(0x122, bytes(30))
    with pytest.raises(ConfigurationError, match="measures as 0000"):
        scripted(answers(measure=other)).run(Capture2Go().configure(StreamRequest(), 247))


def test_small_mtu_is_refused_before_anything_is_sent(scripted: Any) -> None:
    sensor = scripted({})
    with pytest.raises(ConfigurationError, match="40 bytes"):
        sensor.run(Capture2Go().configure(StreamRequest(), 40))
    assert sensor.subscribed == {}


@pytest.mark.parametrize("table", [{framed(0x152).hex(): "ff" + framed(0x153).hex()}, {}])
def test_stop_always_ends_idle(table: dict[str, str], scripted: Any) -> None:
    sensor = scripted(table)
    sensor.subscribed = {TX_UUID: "notify"}
    sensor.run(Capture2Go().stop())
    assert (sensor.writes, sensor.subscribed) == ([framed(0x152).hex()], {})


def test_live_decoder_takes_only_what_was_started(scripted: Any) -> None:
    decoder = scripted(answers()).run(Capture2Go().configure(StreamRequest(), 247))
    assert decoder.decode(TX_UUID, b"\xff" + packed(T, mode=2)) == []
    (block,) = decoder.decode(TX_UUID, b"\xff" + packed(T))
    assert isinstance(block, SampleBlock)


@pytest.mark.parametrize("largest", range(4))
def test_quaternion(largest: int) -> None:
    wxyz = np.full(4, -0.3)
    wxyz[largest] = math.sqrt(1 - 3 * 0.09)
    word = 1 << 62 | largest << 60
    for place, offset in enumerate((1, 2, 3)):
        part = wxyz[(largest + offset) % 4]
        word |= round((part + math.sqrt(0.5)) * 0xFFFFF / math.sqrt(2)) << 20 * (2 - place)
    found, rest, disturbed = quaternion(word)
    np.testing.assert_allclose(found, wxyz, atol=2e-6)
    assert (rest, disturbed) == (True, False)


def test_package_is_built_as_the_document_says() -> None:
    assert build(0x150).hex() == framed(0x150).hex()
    (note,) = Capture2Go().decoder({}).decode(RX_UUID, build(0x500))
    assert isinstance(note, Note)
    assert note.values["name"] == "list_files"


def test_unusable_config_and_foreign_characteristic_are_refused() -> None:
    for config in ({"rate_hz": "x"}, {"rate_hz": 0}, {"rate_hz": "nan"}):
        with pytest.raises(ConfigurationError):
            Capture2Go().decoder(config)
    with pytest.raises(DecodeError, match="characteristic"):
        Capture2Go().decoder({}).decode("0000180d-0000-1000-8000-00805f9b34fb", b"\xff")
