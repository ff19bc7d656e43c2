"""Polar H10: control point, the sequence that starts a stream, and sample times."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest

from firmware_profiles.base import (
    ConfigurationError,
    DecodeError,
    SampleBlock,
    StreamEnded,
    StreamRequest,
)
from firmware_profiles.polar_decoder import PmdDecoder
from firmware_profiles.polar_h10 import PolarH10
from firmware_profiles.polar_pmd import (
    CONTROL_UUID,
    DATA_UUID,
    Measurement,
    Setting,
    factor_of,
    offers,
    parse_response,
    parse_settings,
)

SETTINGS = bytes.fromhex("00041900320064 00c800 01011000 0203020004000800")
OFFER = {"read": "0f0500", "0102": "f001020000" + SETTINGS.hex()}
EPOCH_2019_NS = 599_616_000 * 10**9


def start(rate: int, range_g: int) -> str:
    return "0202" + struct.pack("<BBHBBHBBH", 0, 1, rate, 1, 1, 16, 2, 1, range_g).hex()


def configure(scripted: Any, answers: dict[str, Any], **request: float) -> tuple[Any, PmdDecoder]:
    sensor = scripted({**OFFER, **answers})
    return sensor, sensor.run(PolarH10().configure(StreamRequest(**request), 247))


def frame(stamp_ns: int, n: int = 36) -> bytes:
    return struct.pack("<BQB", 2, stamp_ns, 1) + bytes(6 * n)


def place(decoder: PmdDecoder, stamp_ns: int, n: int = 36) -> SampleBlock:
    (block,) = decoder.decode(DATA_UUID, frame(stamp_ns, n))
    assert isinstance(block, SampleBlock)
    return block


# --- starting ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate_hz", "range_g", "sent"),
    [(50.0, 8.0, (50, 8)), (52.0, 16.0, (50, 8)), (1000.0, 1.0, (200, 2)), (1.0, 4.0, (25, 4))],
)
def test_nearest_settings_are_sent_all_of_them(
    rate_hz: float, range_g: float, sent: tuple[int, int], scripted: Any
) -> None:
    sensor, decoder = configure(
        scripted, {start(*sent): "f002020000"}, rate_hz=rate_hz, accel_range_g=range_g
    )
    assert sensor.subscribed == {CONTROL_UUID: "indicate", DATA_UUID: "notify"}
    assert sensor.writes == ["0102", start(*sent)]
    assert (decoder.settings.rate_hz, decoder.settings.accel_range_g) == sent


def test_settings_of_another_sensor_are_sent_back_in_its_order(scripted: Any) -> None:
    verity = "00013400 01011000 020108000401 03".replace(" ", "")
    sensor, _ = configure(
        scripted,
        {"0102": "f001020000" + verity, "0202" + verity: "f002020000"},
        rate_hz=52.0,
    )
    assert sensor.writes[-1] == "0202" + verity


def test_stream_left_over_from_before_is_stopped_and_started_anew(scripted: Any) -> None:
    answers = {start(50, 8): ["f0020206", "f002020000"], "0302": "f003020000"}
    sensor, decoder = configure(scripted, answers)
    assert sensor.writes == ["0102", start(50, 8), "0302", start(50, 8)]
    assert decoder.settings.rate_hz == 50


def test_stream_that_cannot_be_stopped_is_reported(scripted: Any) -> None:
    answers = {start(50, 8): ["f0020206", "f0020206"], "0302": "f0030206"}
    with pytest.raises(ConfigurationError, match="status 6"):
        configure(scripted, answers)


def test_factor_of_the_start_answer_is_used(scripted: Any) -> None:
    factor = b"\x05\x01" + struct.pack("<f", 0.5)
    _, decoder = configure(scripted, {start(50, 8): "f002020000" + factor.hex()})
    data = struct.pack("<BQB3h", 2, 10**9, 1, 1000, 0, -1000)
    (block,) = decoder.decode(DATA_UUID, data)
    assert isinstance(block, SampleBlock)
    np.testing.assert_allclose(next(iter(block.values.values())), [[4.903325, 0, -4.903325]])


@pytest.mark.parametrize("value", [float("nan"), 0.0, -1.0, float("inf")])
def test_senseless_factor_is_refused(value: float, scripted: Any) -> None:
    factor = b"\x05\x01" + struct.pack("<f", value)
    with pytest.raises(ConfigurationError, match="factor"):
        configure(scripted, {start(50, 8): "f002020000" + factor.hex()})


@pytest.mark.parametrize(("status", "advice"), [(10, "MTU"), (13, "charger"), (200, "update")])
def test_refusal_says_what_to_do(status: int, advice: str, scripted: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"status {status}") as caught:
        configure(scripted, {start(50, 8): bytes((0xF0, 2, 2, status)).hex()})
    assert advice in caught.value.advice


@pytest.mark.parametrize("features", ["", "0f", "0f0100", "000400"])
def test_unit_without_acceleration_is_refused(features: str, scripted: Any) -> None:
    with pytest.raises(ConfigurationError, match="does not offer acceleration"):
        configure(scripted, {"read": features})


@pytest.mark.parametrize("settings", ["", "0000", "ff01", "0002 3200"])
def test_senseless_settings_are_refused(settings: str, scripted: Any) -> None:
    with pytest.raises(ConfigurationError):
        configure(scripted, {"0102": "f001020000" + settings.replace(" ", "")})


def test_silence_says_what_to_do(scripted: Any) -> None:
    sensor = scripted({"read": "0f0500"})
    with pytest.raises(ConfigurationError, match="does not answer") as caught:
        sensor.run(PolarH10().configure(StreamRequest(), 247))
    assert "contacts" in caught.value.advice


def test_small_mtu_is_refused_before_anything_is_sent(scripted: Any) -> None:
    sensor = scripted({})
    with pytest.raises(ConfigurationError, match="231 bytes"):
        sensor.run(PolarH10().configure(StreamRequest(), 231))
    assert sensor.subscribed == {}


@pytest.mark.parametrize("answers", [{"0302": "f003020000"}, {"0302": "f0030206"}, {}])
def test_stop_always_ends_idle(answers: dict[str, str], scripted: Any) -> None:
    sensor = scripted(answers)
    sensor.subscribed = {CONTROL_UUID: "indicate", DATA_UUID: "notify"}
    sensor.run(PolarH10().stop())
    assert sensor.writes == ["0302"]
    assert sensor.subscribed == {}


# --- times -------------------------------------------------------------------------------------


def test_first_frame_walks_back_by_the_nominal_rate() -> None:
    block = place(PolarH10().decoder({"rate_hz": 200}), EPOCH_2019_NS)
    assert block.device_t0_ns == EPOCH_2019_NS - 35 * 5_000_000
    assert block.device_dt_ns == 5e6


def test_later_frames_lie_between_the_stamps_of_two_frames() -> None:
    decoder = PolarH10().decoder({"rate_hz": 200})
    place(decoder, EPOCH_2019_NS)
    block = place(decoder, EPOCH_2019_NS + 36 * 4_900_000)
    assert block.device_t0_ns == EPOCH_2019_NS + 4_900_000
    assert block.device_dt_ns == 4.9e6
    assert block.lost_before == 0


@pytest.mark.parametrize("rate_error", [-0.03, -0.015, 0.0, 0.015, 0.03])
@pytest.mark.parametrize("missing", [1, 2, 50])
def test_lost_frames_are_counted_at_the_true_rate(rate_error: float, missing: int) -> None:
    decoder = PolarH10().decoder({"rate_hz": 200})
    frame_ns = round(36 * 5e6 / (1 + rate_error))
    for index in range(3):
        place(decoder, EPOCH_2019_NS + index * frame_ns)
    block = place(decoder, EPOCH_2019_NS + (3 + missing) * frame_ns)
    assert block.lost_before == 36 * missing
    assert block.device_dt_ns == pytest.approx(frame_ns / 36)
    expected_ns = EPOCH_2019_NS + (2 + missing) * frame_ns + round(frame_ns / 36)
    assert block.device_t0_ns is not None
    assert abs(block.device_t0_ns - expected_ns) <= 1
    assert place(decoder, EPOCH_2019_NS + (4 + missing) * frame_ns).lost_before == 0


def test_frames_of_uneven_size_are_no_loss() -> None:
    decoder = PolarH10().decoder({"rate_hz": 52})
    stamp_ns = EPOCH_2019_NS
    for n in (60, 57, 71, 5, 64, 1, 71):
        stamp_ns += round(n * 1e9 / 52.7)
        assert place(decoder, stamp_ns, n).lost_before == 0


def test_odd_step_does_not_spoil_the_rate() -> None:
    decoder = PolarH10().decoder({"rate_hz": 200})
    place(decoder, EPOCH_2019_NS)
    place(decoder, EPOCH_2019_NS + 1_000_000)  # 36 samples in a millisecond
    assert place(decoder, EPOCH_2019_NS + 181_000_000).lost_before == 0


def test_restart_after_power_loss() -> None:
    decoder = PolarH10().decoder({"rate_hz": 200})
    place(decoder, EPOCH_2019_NS + 10**14)
    block = place(decoder, EPOCH_2019_NS + 10**9)
    assert (block.restarted, block.lost_before) == (True, 0)
    assert block.device_t0_ns == EPOCH_2019_NS + 10**9 - 175_000_000
    assert not place(decoder, EPOCH_2019_NS + 10**9 + 180_000_000).restarted


def test_repeated_frame_gives_the_same_times_and_changes_nothing() -> None:
    decoder = PolarH10().decoder({"rate_hz": 200})
    place(decoder, EPOCH_2019_NS)
    first = place(decoder, EPOCH_2019_NS + 180_000_000)
    again = place(decoder, EPOCH_2019_NS + 180_000_000)
    assert (again.device_t0_ns, again.restarted) == (first.device_t0_ns, False)
    assert place(decoder, EPOCH_2019_NS + 360_000_000).lost_before == 0


# --- control point -----------------------------------------------------------------------------


@pytest.mark.parametrize(("data", "ended"), [("0102", True), ("010002", True), ("0100", False)])
def test_end_by_the_sensor(data: str, ended: bool) -> None:
    events = PolarH10().decoder({}).decode(CONTROL_UUID, bytes.fromhex(data))
    assert [isinstance(event, StreamEnded) for event in events] == [ended]


def test_foreign_characteristic_is_refused() -> None:
    with pytest.raises(DecodeError):
        PolarH10().decoder({}).decode("0000180d-0000-1000-8000-00805f9b34fb", b"\x00")


def test_settings_and_features() -> None:
    assert parse_settings(SETTINGS) == {
        Setting.RATE_HZ: (25, 50, 100, 200),
        Setting.RESOLUTION_BITS: (16,),
        Setting.RANGE: (2, 4, 8),
    }
    assert factor_of(parse_settings(SETTINGS)) == 1.0
    assert offers(bytes.fromhex("0f0500"), Measurement.ACC)
    assert not offers(bytes.fromhex("0f0500"), Measurement.GYRO)
    assert offers(bytes.fromhex("0f6600"), Measurement.GYRO)


def test_refusal_may_end_after_the_status() -> None:
    assert parse_response(bytes.fromhex("f001060700")).status == 7
    assert parse_response(bytes.fromhex("f0010607")).parameters == b""
    with pytest.raises(DecodeError):
        parse_response(bytes.fromhex("f00106"))


@pytest.mark.parametrize(
    "config",
    [
        {"stream": "ppg"},
        {"rate_hz": 0},
        {"factor": "x"},
        {"previous_timestamp_ns": 1.5},
        {"rate_hz": "nan"},
    ],
)
def test_unusable_config_is_refused(config: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        PolarH10().decoder(config)
