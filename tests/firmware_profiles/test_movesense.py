"""Movesense: parts, stamps, steps, and what happens when the sensor refuses or is silent."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest

from firmware_profiles.base import (
    ConfigurationError,
    DecodeError,
    Quantity,
    SampleBlock,
    StreamRequest,
)
from firmware_profiles.movesense import Movesense
from firmware_profiles.movesense_gsp import DATA_UUID, GspDecoder

HELLO_OK = "0101" + b"\x0112345\0Sensor\0dfu\0gsp app\x002.3.1\0".hex()
STEP_MPS2 = 0.244e-3 * 9.807


def packets(ms: int, rate: int = 52, accel: Any = None, gyro: Any = None) -> list[bytes]:
    n = round(rate / 13)
    arrays = [np.zeros((n, 3)) if rows is None else rows for rows in (accel, gyro)]
    body = struct.pack("<I", ms % 2**32) + b"".join(
        np.asarray(rows, dtype="<f4").tobytes() for rows in arrays
    )
    return [
        bytes((2 if at == 0 else 3, 99)) + body[at : at + 150] for at in range(0, len(body), 150)
    ]


def feed(decoder: GspDecoder, parts: list[bytes]) -> list[SampleBlock]:
    events = [event for part in parts for event in decoder.decode(DATA_UUID, part)]
    assert all(isinstance(event, SampleBlock) for event in events)
    return events  # type: ignore[return-value]


def decoder_at(rate: int, **kwargs: Any) -> GspDecoder:
    return GspDecoder(f"/Meas/IMU6/{rate}", 99, **kwargs)


@pytest.mark.parametrize("rate", [13, 26, 52, 104, 208, 416, 833, 1666])
def test_any_rate_is_put_together_from_its_parts(rate: int) -> None:
    n = round(rate / 13)
    accel = np.arange(3 * n).reshape(n, 3) * 0.125
    (block,) = feed(decoder_at(rate), packets(7, rate, accel))
    assert block.n == n
    assert block.device_t0_ns == 7_000_000
    np.testing.assert_array_equal(block.values[Quantity.ACCEL], accel.astype(np.float32))


def test_lost_part_drops_the_packet_and_the_stamps_show_it() -> None:
    decoder = decoder_at(104)
    first, second, third = packets(0, 104), packets(77, 104), packets(154, 104)
    assert len(feed(decoder, first)) == 1
    assert feed(decoder, second[:1]) == []
    (block,) = feed(decoder, third)
    assert (block.device_t0_ns, block.lost_before) == (154_000_000, 8)


def test_lost_first_part_is_an_error_and_the_next_packet_is_good() -> None:
    decoder = decoder_at(104)
    feed(decoder, packets(0, 104))
    with pytest.raises(DecodeError, match="without its first part"):
        feed(decoder, packets(77, 104)[1:])
    (block,) = feed(decoder, packets(154, 104))
    assert block.lost_before == 8


def test_parts_of_two_packets_are_not_mixed() -> None:
    decoder = decoder_at(208)  # 388 bytes: 150 + 150 + 88
    one, other = packets(0, 208), packets(77, 208)
    with pytest.raises(DecodeError, match="body has"):
        feed(decoder, [one[0], one[1], other[1]])
    assert len(feed(decoder, packets(154, 208))) == 1


@pytest.mark.parametrize("samples", [1, 2, 3, 5])
def test_another_number_of_samples_is_refused_not_guessed(samples: int) -> None:
    (full,) = packets(0, 52)
    data = full[:6] + bytes(24 * samples)
    with pytest.raises(DecodeError, match="100 were expected"):
        decoder_at(52).decode(DATA_UUID, data)


def test_kind_4_continues_as_kind_3_does() -> None:
    parts = packets(0, 208)
    parts[2] = b"\x04" + parts[2][1:]
    assert len(feed(decoder_at(208), parts)) == 1


def test_jitter_of_stamps_is_no_loss() -> None:
    decoder = decoder_at(52)
    rng = np.random.default_rng(3)
    exact_ms = np.arange(2000) * 4000 / 52 * 1.02  # the true rate is 2 % low
    blocks = [
        feed(decoder, packets(round(ms) + int(rng.integers(-1, 2)) + 1))[0] for ms in exact_ms
    ]
    assert sum(block.lost_before for block in blocks) == 0
    assert not any(block.restarted for block in blocks)


@pytest.mark.parametrize("missing", [1, 2, 10, 100])
def test_lost_packets_are_counted(missing: int) -> None:
    decoder = decoder_at(52)
    feed(decoder, packets(1000))
    (block,) = feed(decoder, packets(1000 + round((missing + 1) * 4000 / 52)))
    assert block.lost_before == 4 * missing


def test_wrap_is_undone_and_time_goes_on() -> None:
    decoder = decoder_at(52)
    stamps = [2**32 - 77, 2**32, 2**32 + 77, 2**32 + 154]
    blocks = [feed(decoder, packets(ms))[0] for ms in stamps]
    assert [block.device_t0_ns for block in blocks] == [ms * 1_000_000 for ms in stamps]
    assert [block.lost_before for block in blocks] == [0, 0, 0, 0]


def test_two_wraps() -> None:
    decoder = decoder_at(52)
    times = []
    for half_hours in range(0, 2 * 24 * 110):  # 110 days
        (block,) = feed(decoder, packets(half_hours * 1_800_000))
        assert not block.restarted
        times.append(block.device_t0_ns)
    assert times == [half_hours * 1_800_000_000_000 for half_hours in range(len(times))]


@pytest.mark.parametrize("uptime_ms", [10_000, 2**31, 2**32 - 10 * 3_600_000])
def test_restart_is_told_and_counts_anew(uptime_ms: int) -> None:
    decoder = decoder_at(52)
    feed(decoder, packets(uptime_ms))
    (block,) = feed(decoder, packets(500))
    assert (block.restarted, block.device_t0_ns, block.lost_before) == (True, 500_000_000, 0)
    (block,) = feed(decoder, packets(577))
    assert (block.restarted, block.lost_before) == (False, 0)


def test_repeated_packet_gives_the_same_block_and_changes_nothing() -> None:
    decoder = decoder_at(52)
    first = feed(decoder, packets(1000))[0]
    feed(decoder, packets(1077))
    again = feed(decoder, packets(1000))[0]
    assert again.device_t0_ns == first.device_t0_ns
    assert not again.restarted
    (block,) = feed(decoder, packets(1154))
    assert block.lost_before == 0


def test_steps_are_claimed_when_every_value_is_a_whole_number_of_them() -> None:
    counts = np.array([[456, -1854, 3627], [1, 0, -32768], [32767, 2, 3], [4, 5, 6]])
    (block,) = feed(decoder_at(52), packets(0, 52, counts * STEP_MPS2, counts * 0.07))
    assert block.lsb[Quantity.ACCEL] == pytest.approx(STEP_MPS2)
    assert block.lsb[Quantity.GYRO] == pytest.approx(np.radians(0.07))
    back = (counts * block.lsb[Quantity.ACCEL]).astype(np.float32)
    np.testing.assert_allclose(back, block.values[Quantity.ACCEL], rtol=3e-7)


def test_steps_are_not_claimed_for_other_values() -> None:
    rows = np.full((4, 3), 1.2345678)
    (block,) = feed(decoder_at(52), packets(0, 52, rows, rows))
    assert dict(block.lsb) == {}


def test_a_finer_step_stays() -> None:
    decoder = decoder_at(52)
    fine = np.full((4, 3), 3 * STEP_MPS2 / 2)
    coarse = np.full((4, 3), 4 * STEP_MPS2)
    steps = [
        feed(decoder, packets(77 * i, 52, rows))[0].lsb[Quantity.ACCEL]
        for i, rows in enumerate((coarse, fine, coarse))
    ]
    assert steps == pytest.approx([STEP_MPS2, STEP_MPS2 / 2, STEP_MPS2 / 2])


def test_first_packet_is_dropped_only_at_high_rates(scripted: Any) -> None:
    for rate, expected in ((52, 1), (104, 1), (208, 0), (416, 0)):
        sensor = scripted({"0001": HELLO_OK, subscribe(rate): "0163c800"})
        decoder = sensor.run(Movesense().configure(StreamRequest(rate_hz=rate), 185))
        assert len(feed(decoder, packets(0, rate))) == expected
        (block,) = feed(decoder, packets(77, rate))
        assert block.lost_before == 0


def subscribe(rate: int) -> str:
    return "0163" + f"/Meas/IMU6/{rate}".encode().hex()


@pytest.mark.parametrize(
    ("wanted", "rate"), [(10, 13), (50, 52), (60, 52), (100, 104), (5000, 1666)]
)
def test_nearest_rate_is_taken(wanted: float, rate: int, scripted: Any) -> None:
    sensor = scripted({"0001": HELLO_OK, subscribe(rate): "0163ca00"})
    decoder = sensor.run(Movesense().configure(StreamRequest(rate_hz=wanted), 161))
    assert decoder.settings.rate_hz == rate
    assert decoder.settings.firmware == "gsp app 2.3.1"
    assert decoder.settings.accel_range_g is None


def test_small_mtu_is_refused_before_anything_is_sent(scripted: Any) -> None:
    sensor = scripted({})
    with pytest.raises(ConfigurationError, match="160 bytes"):
        sensor.run(Movesense().configure(StreamRequest(), 160))
    assert sensor.writes == []


@pytest.mark.parametrize("utc_answer", ["01029401", None])
def test_refused_or_unanswered_clock_setting_does_not_stop_the_stream(
    utc_answer: str | None, scripted: Any
) -> None:
    put_utc = "0802" + (1).to_bytes(8, "little").hex()
    answers = {"0001": HELLO_OK, subscribe(52): "0163c800"}
    if utc_answer:
        answers[put_utc] = utc_answer
    sensor = scripted(answers)
    decoder = sensor.run(Movesense().configure(StreamRequest(host_utc_us=1), 185))
    assert decoder.settings.rate_hz == 52
    assert put_utc in sensor.writes


@pytest.mark.parametrize(
    ("status", "advice"),
    [(404, "another rate"), (429, "battery out"), (503, "wait"), (499, "battery out")],
)
def test_refusal_says_what_to_do(status: int, advice: str, scripted: Any) -> None:
    answer = struct.pack("<BBH", 1, 99, status).hex()
    sensor = scripted({"0001": HELLO_OK, subscribe(52): answer})
    with pytest.raises(ConfigurationError, match=str(status)) as caught:
        sensor.run(Movesense().configure(StreamRequest(), 185))
    assert advice in caught.value.advice


def test_silence_says_what_to_do(scripted: Any) -> None:
    with pytest.raises(ConfigurationError, match="does not answer command 0") as caught:
        scripted({}).run(Movesense().configure(StreamRequest(), 185))
    assert "firmware" in caught.value.advice


@pytest.mark.parametrize("answers", [{"0263": "0163c800"}, {"0263": "01639401"}, {}])
def test_stop_unsubscribes_whatever_the_sensor_says(answers: dict[str, str], scripted: Any) -> None:
    sensor = scripted(answers)
    sensor.subscribed[DATA_UUID] = "notify"
    sensor.run(Movesense().stop())
    assert sensor.writes == ["0263"]
    assert sensor.subscribed == {}


@pytest.mark.parametrize(
    "config",
    [{"path": "/Meas/Mood"}, {"path": "/Meas/IMU6/50"}, {"reference": 256}, {"reference": "x"}],
)
def test_unusable_config_is_refused(config: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        Movesense().decoder(config)
