"""Any bytes give events or DecodeError, and the decoder stays usable."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware_profiles.base import (
    BATTERY_LEVEL_UUID,
    BatteryLevel,
    ConfigurationError,
    DecodeError,
    Read,
    SampleBlock,
    StreamRequest,
)
from firmware_profiles.registry import PROFILES, profile

MOVESENSE_DATA = "34800002-7185-4d5d-b431-630e7050e8f0"
POLAR_CONTROL = "fb005c81-02e7-f387-1cad-8acd2d8df0c8"
POLAR_DATA = "fb005c82-02e7-f387-1cad-8acd2d8df0c8"
STREAMS = (
    ("movesense", {"path": "/Meas/IMU6/52", "reference": 99}),
    ("movesense", {"path": "/Meas/IMU9/104", "reference": 99}),
    ("polar_h10", {"rate_hz": 200}),
    ("polar_h10", {"stream": "gyro", "factor": 0.5}),
    ("polar_h10", {"stream": "mag", "factor": 1.1}),
)
bulk = settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)

movesense_like = st.builds(
    lambda kind, reference, body: bytes((kind, reference)) + body,
    st.sampled_from((1, 2, 2, 2, 3, 3, 4, 9)),
    st.sampled_from((99, 99, 99, 98)),
    st.one_of(
        st.binary(max_size=220),
        st.sampled_from((16, 100, 146, 150)).flatmap(lambda n: st.binary(min_size=n, max_size=n)),
    ),
)
polar_like = st.builds(
    lambda kind, stamp, form, body: bytes((kind,)) + stamp.to_bytes(8, "little") + form + body,
    st.sampled_from((2, 5, 6, 0, 66)),
    st.one_of(st.integers(0, 2**64 - 1), st.integers(599_616_000 * 10**9, 599_617_000 * 10**9)),
    st.sampled_from([bytes((form,)) for form in (0, 1, 2, 3, 0x80, 0x81, 0x82)]),
    st.one_of(
        st.binary(max_size=235),
        # delta blocks that fit: reference, width, count, enough bytes
        st.builds(
            lambda reference, width, n, rest: reference + bytes((width, n)) + rest,
            st.binary(min_size=6, max_size=16),
            st.integers(0, 40),
            st.integers(0, 40),
            st.binary(max_size=200),
        ),
    ),
)
packets = st.lists(
    st.tuples(
        st.sampled_from(
            (MOVESENSE_DATA, POLAR_DATA, POLAR_CONTROL, BATTERY_LEVEL_UUID, "not-a-uuid")
        ),
        st.binary(max_size=40),
    )
    | st.tuples(st.just(MOVESENSE_DATA), movesense_like)
    | st.tuples(st.just(POLAR_DATA), polar_like),
    min_size=1,
    max_size=6,
)


def check_block(block: SampleBlock) -> None:
    assert block.n >= 1
    assert block.device_dt_ns > 0
    assert block.lost_before >= 0
    assert block.device_t0_ns is not None
    for rows in block.values.values():
        assert rows.shape == (block.n, 3)
        assert rows.dtype == np.float32
        assert np.isfinite(rows).all()


@pytest.mark.parametrize(("name", "config"), STREAMS, ids=lambda value: str(value)[:40])
def test_any_bytes_give_events_or_decode_error(name: str, config: dict[str, Any]) -> None:
    vectors = json.loads((Path(__file__).parent / f"vectors_{name}.json").read_text())
    good = next(v for v in vectors if v["kind"] == "battery")["packets"][0]

    @bulk
    @given(packets)
    def run(sequence: list[tuple[str, bytes]]) -> None:
        decoder = profile(name).decoder(config)
        for characteristic, data in sequence:
            try:
                events = decoder.decode(characteristic, data)
            except DecodeError:
                events = []
            for event in events:
                if isinstance(event, SampleBlock):
                    check_block(event)
        after = decoder.decode(good["characteristic"], bytes.fromhex(good["hex"]))
        assert isinstance(after[0], BatteryLevel)

    run()


@pytest.mark.parametrize("name", PROFILES)
def test_any_answers_give_a_decoder_or_configuration_error(name: str, scripted: Any) -> None:
    @settings(max_examples=300, deadline=None, database=None)
    @given(st.lists(st.binary(max_size=40), min_size=12, max_size=12), st.integers(0, 600))
    def run(answers: list[bytes], mtu: int) -> None:
        sensor = scripted({})
        left = list(answers)

        def answer(step: Any) -> bytes | None:
            if getattr(step, "reply", None) is None:
                return b"\x0f\x05" + left.pop() if isinstance(step, Read) else None
            data = _as_reply(name, step.data, left.pop())
            if not step.reply(data):
                raise TimeoutError
            return data

        sensor._do = answer
        decoder = None
        with suppress(ConfigurationError):
            decoder = sensor.run(profile(name).configure(StreamRequest(host_utc_us=1), mtu))
        assert decoder is None or decoder.settings.rate_hz > 0

    run()


def _as_reply(name: str, command: bytes, noise: bytes) -> bytes:
    """Noise behind a head that is taken for the answer."""
    if name == "movesense":
        return bytes((1, command[1])) + noise
    return bytes((0xF0, *command[:2], 0 if noise[:1] > b"\x20" else 6)) + noise
