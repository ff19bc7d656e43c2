"""Any bytes give events or DecodeError: Polar Verity Sense, Movella DOT, MetaMotion."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_profiles import movella_dot_notes as dot
from firmware_profiles.base import (
    BATTERY_LEVEL_UUID,
    BatteryLevel,
    ConfigurationError,
    DecodeError,
    Note,
    Read,
    SampleBlock,
    StreamEnded,
    StreamRequest,
)
from firmware_profiles.metamotion_registers import COMMAND_UUID, NOTIFY_UUID
from firmware_profiles.polar_pmd import CONTROL_UUID, DATA_UUID
from firmware_profiles.registry import profile

DOT = (
    dot.dot_uuid("2003"),
    dot.dot_uuid("2004"),
    dot.dot_uuid("2002"),
    *dot.NOTES,
    dot.BATTERY_UUID,
)

polar_like = st.builds(
    lambda kind, stamp, form, body: bytes((kind,)) + stamp.to_bytes(8, "little") + form + body,
    st.sampled_from((2, 5, 2, 5, 6, 0)),
    st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 40).map(lambda k: 10**18 + k * 10**8)),
    st.sampled_from([bytes((form,)) for form in (1, 0x80, 0x81, 0x81)]),
    st.one_of(
        st.binary(max_size=235),
        st.builds(
            lambda reference, width, n, rest: reference + bytes((width, n)) + rest,
            st.binary(min_size=6, max_size=12),
            st.integers(0, 33),
            st.integers(0, 40),
            st.binary(max_size=200),
        ),
    ),
)
dot_like = st.one_of(
    st.binary(min_size=40, max_size=40),
    st.binary(min_size=28, max_size=80),
    st.builds(
        lambda time, values: time.to_bytes(4, "little") + np.array(values, "<f4").tobytes(),
        st.integers(0, 2**32 - 1),
        st.lists(st.floats(width=32), min_size=6, max_size=9),
    ),
)
metamotion_like = st.one_of(
    st.builds(
        lambda head, body: bytes.fromhex(head) + body,
        st.sampled_from(
            ("0304", "0305", "031c", "1304", "1305", "1307", "1505", "1509", "118c", "0b84", "118b")
        ),
        st.one_of(st.just(bytes(6)), st.binary(min_size=18, max_size=18), st.binary(max_size=20)),
    ),
    st.builds(
        lambda number, tick, body: (
            b"\x09\x03" + bytes((number,)) + tick.to_bytes(4, "little") + body
        ),
        st.integers(0, 2),
        st.one_of(st.integers(0, 2**32 - 1), st.integers(0, 2000)),
        st.binary(min_size=6, max_size=6),
    ),
    st.builds(
        lambda register, values, rest: (
            bytes((0x19, register)) + np.array(values, "<f4").tobytes() + rest
        ),
        st.integers(3, 11),
        st.lists(st.floats(width=32), min_size=3, max_size=4),
        st.binary(max_size=1),
    ),
    st.lists(st.binary(min_size=9, max_size=9), max_size=3).map(
        lambda entries: b"\x0b\x07" + b"".join(entries)
    ),
)
METAMOTION = (NOTIFY_UUID, COMMAND_UUID)
Stream = tuple[str, dict[str, Any], tuple[str, ...], st.SearchStrategy[bytes]]
STREAMS: list[Stream] = [
    ("polar_verity", {"stream": "imu", "rate_hz": 52}, (DATA_UUID, CONTROL_UUID), polar_like),
    ("polar_verity", {"factor": 0.07}, (DATA_UUID, CONTROL_UUID), polar_like),
    ("movella_dot", {"mode": 21, "rate_hz": 60}, DOT, dot_like),
    ("movella_dot", {"mode": 20}, DOT, dot_like),
    ("movella_dot", {"mode": 2}, DOT, dot_like),
    ("metamotion", {"chip": "BMI160", "rate_hz": 50}, METAMOTION, metamotion_like),
    ("metamotion", {"chip": "BMI270", "loggers": {"0": "x,y"}}, METAMOTION, metamotion_like),
]


def check(event: object) -> None:
    if isinstance(event, Note):
        json.dumps(dict(event.values), allow_nan=False)
        return
    if not isinstance(event, SampleBlock):
        assert isinstance(event, BatteryLevel | StreamEnded)
        return
    assert event.n >= 1
    assert event.device_dt_ns > 0
    assert event.lost_before >= 0
    assert event.values
    for quantity, rows in event.values.items():
        assert rows.shape == (event.n, 3)
        assert rows.dtype == np.float32
        assert np.isfinite(rows).all()
        assert event.lsb.get(quantity, 1.0) > 0


@pytest.mark.parametrize(("name", "config", "uuids", "like"), STREAMS)
def test_any_bytes_give_events_or_decode_error(
    name: str, config: dict[str, Any], uuids: tuple[str, ...], like: st.SearchStrategy[bytes]
) -> None:
    packets = st.lists(
        st.tuples(
            st.sampled_from((*uuids, BATTERY_LEVEL_UUID, "not-a-uuid")), st.binary(max_size=60)
        )
        | st.tuples(st.just(uuids[0]), like),
        min_size=1,
        max_size=8,
    )

    @settings(max_examples=200, deadline=None, database=None)
    @given(packets)
    def run(sequence: list[tuple[str, bytes]]) -> None:
        decoder = profile(name).decoder(config)
        for characteristic, data in sequence:
            with suppress(DecodeError):
                for event in decoder.decode(characteristic, data):
                    check(event)
        assert decoder.decode(BATTERY_LEVEL_UUID, b"\x2a") == [BatteryLevel(42)]

    run()


@pytest.mark.parametrize("name", dict.fromkeys(stream[0] for stream in STREAMS))
def test_any_answers_give_a_decoder_or_configuration_error(name: str, scripted: Any) -> None:
    request = StreamRequest(rate_hz=100.0, host_utc_us=1)

    @settings(max_examples=300, deadline=None, database=None)
    @given(
        st.lists(st.binary(max_size=40), min_size=40, max_size=40),
        st.integers(0, 600),
        st.booleans(),
    )
    def run(noises: list[bytes], mtu: int, honest: bool) -> None:
        sensor = scripted({})
        left, reads = list(noises), {}

        def answer(step: Any) -> bytes | None:
            if isinstance(step, Read):
                noise = b"\x0f\x6e\x02" + left.pop() if name == "polar_verity" else left.pop()
                return reads.get(step.characteristic, noise) if honest else noise
            if hasattr(step, "data"):
                reads[step.characteristic] = step.data
            if getattr(step, "reply", None) is None:
                return None
            head = b"\xf0" if name == "polar_verity" else b""
            told = reads.get(step.characteristic, b"")[2:] if honest else b""
            reads[step.characteristic] = step.data
            data = (
                head + step.data[:2] + (told or left.pop()[: 1 if told == b"" and honest else 40])
            )
            if not step.reply(data):
                raise TimeoutError
            return data

        sensor._do = answer
        decoder = None
        with suppress(ConfigurationError):
            decoder = sensor.run(profile(name).configure(request, mtu))
        assert decoder is None or decoder.settings.rate_hz > 0

    run()
