"""MetaMotion: which chip it has, what is read back, and packets that come without a stamp."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_profiles.base import (
    Advertisement,
    ConfigurationError,
    Quantity,
    SampleBlock,
    StreamRequest,
    Write,
)
from firmware_profiles.metamotion import MetaMotion
from firmware_profiles.metamotion_packets import PacketPairing
from firmware_profiles.metamotion_registers import NOTIFY_UUID, SERVICE_UUID

VECTORS = json.loads((Path(__file__).parent / "vectors_metamotion.json").read_text())
STAMPED = next(v for v in VECTORS if v["name"] == "start_stamped_bmi160")["answers"]
PACKED = next(v for v in VECTORS if v["name"] == "start_packed_bmi270")["answers"]
ACCEL, GYRO = Quantity.ACCEL, Quantity.GYRO


def start(sensor: Any, rate_hz: float = 50.0) -> Any:
    return sensor.run(MetaMotion().configure(StreamRequest(rate_hz=rate_hz), 23))


def packet(quantity: Quantity, number: int) -> SampleBlock:
    rows = np.full((3, 3), number, dtype=np.float32)
    return SampleBlock(3, None, 1e7, {quantity: rows}, {quantity: 1.0})


def pairs(blocks: list[SampleBlock]) -> list[tuple[int, int | None]]:
    found: list[tuple[int, int | None]] = []
    for block in blocks:
        gyro = block.values.get(GYRO)
        accel = block.values[ACCEL]
        found.append((int(accel[0, 0]), None if gyro is None else int(gyro[0, 0])))
    return found


def test_the_service_is_the_match_not_the_name() -> None:
    assert MetaMotion().matches(Advertisement("left hip", (SERVICE_UUID,)))
    assert not MetaMotion().matches(Advertisement("MetaWear"))


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"0380": "0380"}, "has no accelerometer"),
        ({"1380": "1380"}, "has no gyroscope"),
        ({"0380": "03800301"}, r"accelerometer \(implementation 3\) is unknown"),
        ({"0383": "03832803"}, "keeps '2803' as rate and range of its accel"),
        ({"1383": "1383"}, "keeps '' as rate and range of its gyro"),
        ({"09020304ffa0113103": "0902"}, "cannot stamp"),
    ],
)
def test_what_keeps_it_from_starting(answer: dict[str, str], problem: str, scripted: Any) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        start(scripted({**STAMPED, **answer}))
    assert caught.value.advice


def test_silence_says_what_to_do(scripted: Any) -> None:
    with pytest.raises(ConfigurationError, match="does not answer 0380"):
        start(scripted({"read": ""}))


def test_stop_ends_idle(scripted: Any) -> None:
    sensor = scripted({})
    sensor.subscribed = {NOTIFY_UUID: "notify"}
    sensor.run(MetaMotion().stop())
    assert sensor.writes[:4] == ["030100", "03020001", "130100", "13020001"]
    assert "0908" in sensor.writes
    assert sensor.subscribed == {}


def test_stamped_streams_come_out_together(scripted: Any) -> None:
    decoder = start(scripted(STAMPED))
    events = []
    for tick in (1000, 1014, 1027):
        for processor in (0, 1):
            data = struct.pack("<BBBI3h", 9, 3, processor, tick, 4096, 0, 0)
            events += decoder.decode(NOTIFY_UUID, data)
    assert len(events) == 3
    assert all(set(block.values) == {ACCEL, GYRO} for block in events)
    assert [block.device_t0_ns for block in events] == [
        round(tick * 1464843.75) for tick in (1000, 1014, 1027)
    ]
    assert events[0].values[ACCEL][0, 0] == pytest.approx(9.80665)


def test_packed_packets_come_out_together_and_without_time(scripted: Any) -> None:
    decoder = start(scripted(PACKED | {"0383": "0383a802", "1383": "13832800"}), 100.0)
    assert decoder.decode(NOTIFY_UUID, b"\x03\x05" + bytes(18)) == []
    (block,) = decoder.decode(NOTIFY_UUID, b"\x13\x05" + bytes(18))
    assert (block.n, block.device_t0_ns, block.device_dt_ns) == (3, None, 1e7)
    assert set(block.values) == set(block.lsb) == {ACCEL, GYRO}


def test_packets_in_turn_or_swapped_are_paired_by_number() -> None:
    pairing, out = PacketPairing(), []
    for number in range(50):
        order = (ACCEL, GYRO) if number % 3 else (GYRO, ACCEL)
        for quantity in order:
            out += pairing.add(packet(quantity, number))
    assert pairs(out) == [(number, number) for number in range(50)]


def lose(*lost: tuple[Quantity, int]) -> list[SampleBlock]:
    pairing, out = PacketPairing(), []
    for number in range(50):
        for quantity in (ACCEL, GYRO):
            if (quantity, number) not in lost:
                out += pairing.add(packet(quantity, number))
    return out


def test_a_lost_packet_of_rotation_is_made_up_for_soon() -> None:
    found = pairs(lose((GYRO, 10)))
    assert all(accel == gyro for accel, gyro in found if accel < 10 or accel > 16)
    assert [accel for accel, _ in found] == list(range(50))
    assert sum(gyro is None for _, gyro in found) == 1


def test_a_lost_packet_of_acceleration_leaves_the_two_one_packet_apart() -> None:
    found = pairs(lose((ACCEL, 10)))
    assert {accel - gyro for accel, gyro in found if gyro is not None} == {0, 1}


def test_rotation_that_stays_ahead_tells_of_lost_acceleration() -> None:
    out = lose((ACCEL, 10), (ACCEL, 11))
    assert sum(block.lost_before for block in out) == 3
    assert pairs(out)[-1][0] == 49


@pytest.mark.parametrize(
    "config",
    [
        {"chip": "BMI088"},
        {"range_g": 3},
        {"range_dps": "x"},
        {"rate_hz": 0},
        {"processor_id": "a"},
        {"loggers": 3},
        {"loggers": {"x": "y"}},
    ],
)
def test_unusable_config_is_refused(config: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        MetaMotion().decoder(config)


def test_the_motor_runs_as_in_the_vendors_test() -> None:
    """SDK test_haptic: full strength for 5 s."""
    (step,) = MetaMotion().vibrate(5000)
    assert isinstance(step, Write)
    assert step.data.hex(" ") == "08 01 f8 88 13 00"
    (longest,) = MetaMotion().vibrate(10**6)
    assert isinstance(longest, Write)
    assert longest.data[3:5] == b"\xff\xff"
