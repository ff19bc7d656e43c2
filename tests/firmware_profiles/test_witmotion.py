"""WitMotion: recognising it, setting it, cutting frames out of its byte stream."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_profiles.base import (
    Advertisement,
    ConfigurationError,
    DecodeError,
    Note,
    SampleBlock,
)
from firmware_profiles.base import StreamRequest as Request
from firmware_profiles.witmotion import WitMotion
from firmware_profiles.witmotion_frames import NOTIFY_UUID, WRITE_UUID, find_reply
from firmware_profiles.witmotion_registers import battery_percent

SERVICE = "0000ffe5-0000-1000-8000-00805f9a34fb"


def frame(first: int, length: int = 20) -> bytes:
    """A live frame whose first count is `first`."""
    return struct.pack("<BB9h", 0x55, 0x61, first, *range(8)) + bytes(length - 20)


def reply(register: int, value: int) -> str:
    return struct.pack("<BBH8h", 0x55, 0x71, register, value, *[0] * 7).hex()


def answers(rates: list[int], bandwidths: list[int]) -> dict[str, Any]:
    return {
        "ffaa272e00": reply(0x2E, 1),
        "ffaa270300": [reply(3, code) for code in rates],
        "ffaa271f00": [reply(0x1F, code) for code in bandwidths],
    }


@pytest.mark.parametrize(
    ("name", "uuids", "expected"),
    [
        ("WT901BLE67", (), True),
        ("WT901SDCL-BT50", (), True),
        ("BWT901BLE5.0", (), True),
        ("WT9011DCL-BT50", (), True),
        ("WTSDCL", (SERVICE,), True),
        ("WTVB01-BT50", (SERVICE,), False),
        ("WTVB02", (), False),
        ("WT-watch", (), False),
        ("BLE-UART", (SERVICE,), False),
        (None, (SERVICE,), False),
    ],
)
def test_match_leaves_out_the_vibration_sensors(
    name: str | None, uuids: tuple[str, ...], expected: bool
) -> None:
    assert WitMotion().matches(Advertisement(name, uuids)) is expected


def test_setting_that_never_sticks_is_refused(scripted: Any) -> None:
    sensor = scripted(answers([6] * 4, [4] * 4))
    with pytest.raises(ConfigurationError, match="register 03 stays 06, 09 was asked"):
        sensor.run(WitMotion().configure(Request(rate_hz=100.0), 23))
    assert sensor.writes.count("ffaa6988b5") == 3


def test_silence_says_what_to_do(scripted: Any) -> None:
    with pytest.raises(ConfigurationError, match="does not answer") as caught:
        scripted({}).run(WitMotion().configure(Request(), 23))
    assert "off and on" in caught.value.advice


def test_firmware_is_good_to_know_and_no_more(scripted: Any) -> None:
    table = answers([8], [5])
    del table["ffaa272e00"]
    decoder = scripted(table).run(WitMotion().configure(Request(rate_hz=50.0), 23))
    assert decoder.settings.firmware is None


def test_stop_unsubscribes(scripted: Any) -> None:
    sensor = scripted({})
    sensor.subscribed = {NOTIFY_UUID: "notify"}
    sensor.run(WitMotion().stop())
    assert (sensor.writes, sensor.subscribed) == ([], {})


def test_reply_is_found_beside_live_frames() -> None:
    data = frame(1) + bytes.fromhex(reply(0x2E, 77)) + frame(2)
    found = find_reply(data, 0x2E)
    assert found is not None
    assert found.raw[0] == 77
    assert find_reply(data, 0x03) is None
    assert find_reply(data[:30], 0x2E) is None


@pytest.mark.parametrize(("volts", "percent"), [(4.2, 100), (3.96, 90), (3.75, 30), (3.4, 0)])
def test_battery_table(volts: float, percent: int) -> None:
    assert battery_percent(volts) == percent


@pytest.mark.parametrize("length", [20, 28])
@settings(max_examples=300, deadline=None, database=None)
@given(st.integers(1, 30), st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_any_cutting_of_the_stream_gives_every_frame(length: int, n: int, cuts: list[int]) -> None:
    stream = b"".join(frame(index, length) for index in range(n))
    decoder = WitMotion().decoder({"frame_bytes": length})
    first_counts: list[float] = []
    at = 0
    for size in [*cuts, len(stream)]:
        piece, at = stream[at : at + size], at + size
        if not piece:
            break
        for event in decoder.decode(NOTIFY_UUID, piece):
            if isinstance(event, SampleBlock):
                first_counts += [row[0] for row in next(iter(event.values.values()))]
    accel_lsb = 16 * 9.80665 / 32768
    np.testing.assert_allclose(np.array(first_counts) / accel_lsb, np.arange(n), atol=1e-3)


def test_a_lone_fragment_is_refused_while_the_length_is_not_known() -> None:
    decoder = WitMotion().decoder({})
    with pytest.raises(DecodeError):
        decoder.decode(NOTIFY_UUID, frame(1)[:16])
    assert isinstance(decoder.decode(NOTIFY_UUID, frame(2))[0], SampleBlock)


def test_commands_are_told_and_other_characteristics_refused() -> None:
    decoder = WitMotion().decoder({})
    (event,) = decoder.decode(WRITE_UUID, bytes.fromhex("ffaa010700"))
    assert event == Note("command", {"name": "calibrate_magnetometer", "register": 1, "value": 7})
    with pytest.raises(DecodeError):
        decoder.decode("0000180d-0000-1000-8000-00805f9b34fb", frame(1))


@pytest.mark.parametrize(
    "config", [{"rate_hz": 0}, {"frame_bytes": 24}, {"mag_type": "x"}, {"model": "WTVB01-BT50"}]
)
def test_unusable_config_is_refused(config: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        WitMotion().decoder(config)
