"""Any bytes give events or DecodeError: families of WitMotion, Nordic, TI and SensorStim."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_profiles.base import (
    BATTERY_LEVEL_UUID,
    BatteryLevel,
    ConfigurationError,
    DecodeError,
    Note,
    Read,
    SampleBlock,
    StreamRequest,
)
from firmware_profiles.registry import profile

WIT = ("0000ffe4-0000-1000-8000-00805f9a34fb", "0000ffe9-0000-1000-8000-00805f9a34fb")

THINGY = tuple(
    f"ef68{short}-9b35-4933-9b10-52ffa9740042"
    for short in ("0406", "0401", "0404", "0405", "0407", "0408", "0409", "040a", "0107")
)
TAG = tuple(f"f000{short}-0451-4000-b000-000000000000" for short in ("aa81", "aa82", "aa83"))

exact_sizes = st.sampled_from((1, 2, 4, 8, 9, 12, 16, 18)).flatmap(
    lambda n: st.binary(min_size=n, max_size=n)
)
wit_like = st.lists(
    st.builds(
        lambda head, body: head + body,
        st.sampled_from((b"\x55\x61", b"\x55\x71", b"\x55", b"\x61\x55", b"")),
        st.one_of(st.binary(max_size=30), st.binary(min_size=18, max_size=18)),
    ),
    max_size=5,
).map(b"".join)
C2G = tuple(f"8003000{part}-e629-4c98-9324-aa7fc0c66de7" for part in (3, 2))


def framed(header: int, payload: bytes) -> bytes:
    body = struct.pack("<H", header) + payload
    return struct.pack("<BIB", 2, zlib.crc32(body), len(payload)) + body


c2g_like = st.builds(
    lambda first, pieces: first + b"".join(pieces),
    st.sampled_from((b"\xff", b"\xff", b"\xfe", b"\xfd", b"")),
    st.lists(
        st.binary(max_size=20)
        | st.builds(
            framed,
            st.sampled_from(
                (
                    0x233,
                    0x221,
                    0x247,
                    0x255,
                    0x273,
                    0x283,
                    0x201,
                    0x71,
                    0x122,
                    0x171,
                    0x172,
                    0xFFFF,
                    9,
                )
            ),
            st.sampled_from((228, 163, 115, 47, 37, 32, 31, 19, 30, 8, 3, 0)).flatmap(
                lambda n: st.binary(min_size=n, max_size=n)
            ),
        ),
        max_size=3,
    ),
)
STREAMS: list[tuple[str, dict[str, Any], tuple[str, ...], st.SearchStrategy[bytes]]] = [
    ("witmotion_ble5", {}, WIT, wit_like),
    ("witmotion_ble5", {"frame_bytes": 28, "model": "WT901SDCL-BT50"}, WIT, wit_like),
    ("thingy52", {}, THINGY, exact_sizes),
    ("sensortag_cc2650", {}, TAG, exact_sizes),
    ("capture2go", {}, C2G, c2g_like),
]


def check(event: object) -> None:
    if not isinstance(event, SampleBlock):
        assert isinstance(event, Note | BatteryLevel)
        return
    assert event.n >= 1
    assert event.device_dt_ns > 0
    assert event.lost_before >= 0
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
            st.sampled_from((*uuids, uuids[0], BATTERY_LEVEL_UUID, "not-a-uuid")),
            st.binary(max_size=60),
        )
        | st.tuples(st.sampled_from(uuids), like),
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


def _wit_reply(command: bytes, noise: bytes) -> bytes:
    return b"\x55\x71" + command[3:5] + noise[:16].ljust(16, b"\0")


def _c2g_reply(command: bytes, noise: bytes) -> bytes:
    header = int.from_bytes(command[6:8], "little")
    step = 2 if header == 0x120 else 1
    payload = command[8:] if noise[:1] < b"\x80" else noise
    if noise[:1] > b"\xe0":
        return b"\xff" + framed(0xFFFF, noise[:1] + command[6:8])
    return b"\xff" + framed(header + step, payload)


REPLIES: dict[str, Callable[[bytes, bytes], bytes]] = {
    "witmotion_ble5": _wit_reply,
    "thingy52": lambda _command, noise: noise,
    "sensortag_cc2650": lambda _command, noise: noise,
    "capture2go": _c2g_reply,
}


@pytest.mark.parametrize("name", REPLIES)
def test_any_answers_give_a_decoder_or_configuration_error(name: str, scripted: Any) -> None:
    @settings(max_examples=300, deadline=None, database=None)
    @given(st.lists(st.binary(max_size=40), min_size=20, max_size=20), st.integers(0, 600))
    def run(noises: list[bytes], mtu: int) -> None:
        sensor = scripted({})
        left = list(noises)

        def answer(step: Any) -> bytes | None:
            if isinstance(step, Read):
                noise = left.pop()
                return noise[:9] if len(noise) % 2 else b"\x7f\x02"
            if getattr(step, "reply", None) is None:
                return None
            data = REPLIES[name](step.data, left.pop())
            if not step.reply(data):
                raise TimeoutError
            return data

        sensor._do = answer
        decoder = None
        with suppress(ConfigurationError):
            decoder = sensor.run(profile(name).configure(StreamRequest(host_utc_us=1), mtu))
        assert decoder is None or decoder.settings.rate_hz > 0

    run()
