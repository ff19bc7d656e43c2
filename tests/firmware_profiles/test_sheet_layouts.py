"""Packets composed byte by byte from the protocol sheets, for what no published packet shows: all
payload modes of a DOT, the registers of a MetaMotion, long frames of WitMotion, and the rest."""

from __future__ import annotations

import math
import struct
import zlib
from typing import Any

import numpy as np
import pytest

from firmware_profiles.base import DecodeError, Event, Note, Quantity, SampleBlock
from firmware_profiles.registry import profile

G = 9.80665
DPS = math.pi / 180
DOT = "1517{}-4947-11e9-8646-d663bd873d93"
BOARD = "326a9006-85cb-9195-d9dd-464cfbbae75a"
BOARD_COMMAND = "326a9001-85cb-9195-d9dd-464cfbbae75a"
WIT = "0000ffe4-0000-1000-8000-00805f9a34fb"
THINGY = "ef68{}-9b35-4933-9b10-52ffa9740042"
C2G = "80030003-e629-4c98-9324-aa7fc0c66de7"
TAG = "f000aa81-0451-4000-b000-000000000000"


def events(name: str, config: dict[str, object], uuid: str, data: bytes) -> list[Event]:
    return profile(name).decoder(config).decode(uuid, data)


def block(found: list[Event]) -> SampleBlock:
    (one,) = [event for event in found if isinstance(event, SampleBlock)]
    return one


def note(found: list[Event]) -> dict[str, Any]:
    return dict(next(event.values for event in found if isinstance(event, Note)))


# --- Movella DOT: what each mode has behind its time, as the sheet's table says ------------------

QUAT = (0.5, -0.5, 0.5, 0.5)
EULER = (10.0, -20.0, 170.0)
FREE = (0.25, -0.5, 9.5)
DV = (0.125, 0.0, 0.0625)
ACC = (0.5, 9.75, -1.0)
GYRO = (1.5, -2.25, 30.0)
MAG = (4096, -2048, 1024)
CLIPS = (0b10_0010_0001, 3, 4)  # new magnetometer sample, gyro z, acc x
_FORM = {"q": "4f", "e": "3f", "f": "3f", "d": "4f", "v": "3f", "a": "3f", "g": "3f", "m": "3h"}
_DATA = {"q": QUAT, "e": EULER, "f": FREE, "d": QUAT, "v": DV, "a": ACC, "g": GYRO, "m": MAG}
_NAME = {"q": "quat_wxyz", "e": "euler_deg", "f": "free_acc_mps2", "d": "dq_wxyz", "v": "dv_mps"}
_LONG = {"2002": 63, "2003": 40, "2004": 20}


@pytest.mark.parametrize(
    ("mode", "number", "used", "content"),
    [
        (4, "2004", 16, "e"),
        (5, "2004", 20, "q"),
        (6, "2004", 16, "f"),
        (2, "2003", 36, "qfS"),
        (3, "2003", 32, "qf"),
        (7, "2003", 32, "efS"),
        (16, "2003", 28, "ef"),
        (18, "2003", 38, "dvm"),
        (19, "2003", 32, "dv"),
        (20, "2003", 34, "agm"),
        (21, "2003", 28, "ag"),
        (22, "2003", 40, "efg"),
        (23, "2003", 34, "efm"),
        (24, "2003", 32, "qg"),
        (26, "2002", 44, "qag"),
    ],
)
def test_every_payload_mode_of_a_dot(mode: int, number: str, used: int, content: str) -> None:
    body = struct.pack("<I", 123_456_789)
    for letter in content:
        body += (
            struct.pack("<HBB", *CLIPS)
            if letter == "S"
            else struct.pack(f"<{_FORM[letter]}", *_DATA[letter])
        )
    assert len(body) == used
    for data in (body, body.ljust(_LONG[number], b"\0")):
        found = events("movella_dot", {"mode": mode}, DOT.format(number), data)
        if samples := [event for event in found if isinstance(event, SampleBlock)]:
            assert samples[0].device_t0_ns == 123_456_789_000
            values = samples[0].values
            expected = {"a": ("accel", ACC), "g": ("gyro", np.array(GYRO) * DPS)}
            expected["m"] = ("mag", np.array(MAG) / 4096 * 40)
            assert values.keys() == {expected[k][0] for k in content if k in expected}
            for letter in set(content) & expected.keys():
                quantity, numbers = expected[letter]
                np.testing.assert_allclose(values[Quantity(quantity)][0], numbers, rtol=1e-6)
        if told := {_NAME[k]: list(_DATA[k]) for k in content if k in _NAME}:
            values = note(found)
            assert values["timestamp_us"] == 123_456_789
            assert {name: values[name] for name in told} == told
        if "S" in content:
            values = note(found)
            assert (values["status"], values["clip_acc"], values["clip_gyro"]) == CLIPS
            assert (values["clipped"], values["new_mag"]) == (["acc_x", "gyro_z"], True)
    with pytest.raises(DecodeError):
        events("movella_dot", {"mode": mode}, DOT.format(number), body[:-1])


@pytest.mark.parametrize(
    ("data", "values"),
    [
        ("0102 60 01 9c", {"name": "file info", "file": 1}),
        ("0101 02 fc", {"name": "get state"}),
        ("0105 30 78563412 b6", {"name": "erase", "start_utc": 0x12345678}),
        (
            "0107 40 78563412 ffff a6",
            {"name": "start recording", "start_utc": 0x12345678, "duration_s": None},
        ),
        ("0101 41 bd", {"name": "stop recording"}),
    ],
)
def test_recording_messages_of_a_dot(data: str, values: dict[str, object]) -> None:
    told = note(events("movella_dot", {}, DOT.format("7001"), bytes.fromhex(data)))
    assert told["checksum_ok"] is True
    assert {name: told[name] for name in values} == values


# --- MetaMotion ---------------------------------------------------------------------------------


def counts(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}h", *numbers)


@pytest.mark.parametrize(
    ("chip", "head", "config", "quantity", "unit"),
    [
        ("BMI160", "0304", {"range_g": 2}, "accel", G / 16384),
        ("BMI160", "0304", {"range_g": 16}, "accel", G / 2048),
        ("BMI270", "0304", {"range_g": 4}, "accel", G / 8192),
        ("BMI160", "1305", {"range_dps": 2000}, "gyro", DPS / 16.4),
        ("BMI160", "1305", {"range_dps": 125}, "gyro", DPS / 262.4),
        ("BMI270", "1304", {"range_dps": 250}, "gyro", DPS / 131.2),
        ("BMI160", "1505", {}, "mag", 1 / 16),
    ],
)
def test_single_samples_of_a_board(
    chip: str, head: str, config: dict[str, object], quantity: str, unit: float
) -> None:
    data = bytes.fromhex(head) + counts(100, -32768, 32767)
    found = block(events("metamotion", {"chip": chip, **config}, BOARD, data))
    expected = np.array([100, -32768, 32767]) * unit
    np.testing.assert_allclose(found.values[Quantity(quantity)], [expected], rtol=1e-6)


@pytest.mark.parametrize(
    ("chip", "head", "quantity", "unit"),
    [
        ("BMI160", "031c", "accel", G / 4096),
        ("BMI270", "0305", "accel", G / 4096),
        ("BMI160", "1307", "gyro", DPS / 16.4),
        ("BMI270", "1305", "gyro", DPS / 16.4),
        ("BMI160", "1509", "mag", 1 / 16),
    ],
)
def test_packed_samples_of_a_board_come_oldest_first(
    chip: str, head: str, quantity: str, unit: float
) -> None:
    data = bytes.fromhex(head) + counts(*range(1, 10))
    found = block(events("metamotion", {"chip": chip}, BOARD, data))
    expected = np.arange(1, 10).reshape(3, 3) * unit
    np.testing.assert_allclose(found.values[Quantity(quantity)], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("chip", "data"),
    [
        ("BMI160", bytes.fromhex("1305") + counts(*range(9))),  # packed rotation of a BMI270
        ("BMI270", bytes.fromhex("1305") + counts(1, 2, 3)),  # single rotation of a BMI160
        ("BMI270", bytes.fromhex("031c") + counts(*range(9))),
    ],
)
def test_registers_of_the_other_chip_are_refused(chip: str, data: bytes) -> None:
    with pytest.raises(DecodeError, match="no data packet of this chip"):
        events("metamotion", {"chip": chip}, BOARD, data)


def test_what_the_boards_fusion_gives() -> None:
    corrected = bytes.fromhex("1905") + struct.pack("<3fB", 10.0, -20.0, 0.5, 3)
    found = events("metamotion", {}, BOARD, corrected)
    np.testing.assert_allclose(
        block(found).values[Quantity.GYRO], [np.array([10, -20, 0.5]) * DPS], rtol=1e-6
    )
    assert note(found)["accuracy"] == 3
    quaternion = bytes.fromhex("1907") + struct.pack("<4f", *QUAT)
    assert note(events("metamotion", {}, BOARD, quaternion))["quat_wxyz"] == list(QUAT)
    gravity = bytes.fromhex("1909") + struct.pack("<3f", 0.0, 0.0, G)
    told = note(events("metamotion", {}, BOARD, gravity))
    assert told["gravity_g"] == pytest.approx([0, 0, 1])
    assert told["gravity_mps2"] == pytest.approx([0, 0, G])


def test_ticks_are_48_periods_of_the_boards_crystal_and_wrap() -> None:
    decoder = profile("metamotion").decoder({"chip": "BMI160", "range_g": 2, "rate_hz": 50})
    times = []
    for tick in (2**32 - 7, 7):
        data = bytes.fromhex("090300") + struct.pack("<I", tick) + counts(0, 0, 16384)
        found = block(decoder.decode(BOARD, data))
        np.testing.assert_allclose(found.values[Quantity.ACCEL], [[0, 0, G]], rtol=1e-6)
        assert found.device_t0_ns is not None
        times.append(found.device_t0_ns)
    assert times[1] - times[0] == pytest.approx(14 * 48e9 / 32768, abs=1)


@pytest.mark.parametrize(
    ("uuid", "data", "values"),
    [
        (BOARD_COMMAND, "03032708", {"odr_hz": 50, "range_g": 8}),
        (BOARD_COMMAND, "0303a501", {"odr_hz": 12.5, "range_g": 4}),
        (BOARD_COMMAND, "03032c03", {"odr_hz": 1600, "range_g": 2}),
        (BOARD_COMMAND, "13032601", {"odr_hz": 25, "range_dps": 1000}),
        (BOARD_COMMAND, "13032d03", {"odr_hz": 3200, "range_dps": 250}),
        (BOARD_COMMAND, "130701", {"name": "subscribe"}),
        (BOARD_COMMAND, "150900", {"name": "unsubscribe"}),
        (BOARD_COMMAND, "1504040e", {"name": "repetitions"}),
        (BOARD_COMMAND, "09020304ffa0113103", {"accounts": "time", "of": "accelerometer"}),
        (BOARD_COMMAND, "0b06e803000064000000", {"entries": 1000, "notify_every": 100}),
        (BOARD_COMMAND, "0b1001", {"name": "flush page"}),
        (BOARD_COMMAND, "0b0e", {"name": "confirm page"}),
        (BOARD_COMMAND, "0908", {"name": "remove processors"}),
        (BOARD_COMMAND, "0a05", {"name": "remove events"}),
        (BOARD_COMMAND, "0b0a", {"name": "remove loggers"}),
        (BOARD_COMMAND, "fe01", {"name": "reset"}),
        (BOARD_COMMAND, "11cc", {"name": "battery", "read": True}),
        (BOARD, "0b85e8030000", {"name": "log length", "entries": 1000}),
        (BOARD, "0b0d", {"name": "page done"}),
        (BOARD, "038004 01".replace(" ", ""), {"implementation": 4, "is_present": True}),
        (BOARD, "1380", {"is_present": False, "implementation": None}),
        (BOARD, "090205", {"processor_id": 5}),
    ],
)
def test_messages_of_a_board(uuid: str, data: str, values: dict[str, object]) -> None:
    told = note(events("metamotion", {}, uuid, bytes.fromhex(data)))
    assert {name: told[name] for name in values} == values


def test_logged_rotation_is_put_together_from_two_entries() -> None:
    config = {"chip": "BMI270", "range_dps": 500, "loggers": {"2": "x,y", "3": "z"}}
    entries = [struct.pack("<BIhh", 5 << 5 | logger, 4000, *xy) for logger, xy in ENTRIES]
    found = events("metamotion", config, BOARD, b"\x0b\x07" + b"".join(entries))
    expected = np.array([100, -200, 300]) * DPS / 65.6
    np.testing.assert_allclose(block(found).values[Quantity.GYRO], [expected], rtol=1e-6)
    assert block(found).device_t0_ns == round(4000 * 48e9 / 32768)
    assert (note(found)["reset_uid"], note(found)["tick"]) == (5, 4000)


ENTRIES = ((2, (100, -200)), (3, (300, 0)))


# --- WitMotion: frames of 28 bytes ---------------------------------------------------------------

LIVE = struct.pack("<2B9h", 0x55, 0x61, 2048, -2048, 1, 16384, -16384, 0, 8192, -8192, 16384)


def assert_live(found: SampleBlock, n: int = 1) -> None:
    accel = np.array([2048, -2048, 1]) * 16 / 32768 * G
    gyro = np.array([16384, -16384, 0]) * 2000 / 32768 * DPS
    np.testing.assert_allclose(found.values[Quantity.ACCEL], [accel] * n, rtol=1e-6)
    np.testing.assert_allclose(found.values[Quantity.GYRO], [gyro] * n, rtol=1e-6)


def test_long_frames_with_magnetometer_and_temperature() -> None:
    frame = LIVE + counts(360, -105, 122, 2543)
    found = events("witmotion_ble5", {"model": "WT901BLE68"}, WIT, frame)
    assert_live(block(found))
    told = note(found)
    assert told["raw_mag"] == [[360, -105, 122]]
    assert told["celsius"] == [25.43]
    assert told["angle_deg"] == [[45, -45, 90]]
    assert Quantity.MAG not in block(found).values  # no type was told: no scale is known
    with_type = {"model": "WT901BLE68", "mag_type": 2}
    mag = block(events("witmotion_ble5", with_type, WIT, frame)).values[Quantity.MAG]
    np.testing.assert_allclose(mag, [np.array([360, -105, 122]) * 0.15], rtol=1e-6)
    both = events("witmotion_ble5", {"frame_bytes": 28}, WIT, frame + frame)
    assert_live(block(both), 2)


def test_a_head_inside_a_frame_of_known_length_is_a_value() -> None:
    frame = struct.pack("<2B9h4h", 0x55, 0x61, 0x6155, *range(8), 0x6155, 0x7155, 5, 0x6155)
    found = events("witmotion_ble5", {"frame_bytes": 28}, WIT, frame + frame)
    assert block(found).n == 2
    assert note(found)["raw_mag"] == [[0x6155, 0x7155, 5]] * 2


def test_long_frames_of_a_record_end_in_its_calendar() -> None:
    frame = LIVE + bytes((26, 2, 28, 23, 59, 59)) + (999).to_bytes(2, "little")
    config = {"model": "WT901SDCL-BT50", "medium": "SD file"}
    found = block(events("witmotion_ble5", config, WIT, frame))
    assert_live(found)
    stamp = np.datetime64("2026-02-28T23:59:59.999", "ns")
    assert found.device_t0_ns == int(stamp.astype(np.int64))
    with pytest.raises(DecodeError):
        events("witmotion_ble5", config, WIT, LIVE + bytes((26, 13, 1, 0, 0, 0, 0, 0)))


@pytest.mark.parametrize(
    ("register", "words", "values"),
    [
        (0x3A, (360, 105, -122), {"raw": [360, 105, -122]}),
        (0x40, (-250,), {"celsius": -2.5}),
        (0x51, (32767, 0, -16384, 1), {"quat_wxyz": [32767 / 32768, 0, -0.5, 1 / 32768]}),
        (0x64, (397,), {"volts": 3.97}),
        (0x72, (6,), {"ut_per_count": 1 / 150}),
    ],
)
def test_register_replies(register: int, words: tuple[int, ...], values: dict[str, object]) -> None:
    data = struct.pack("<BBH8h", 0x55, 0x71, register, *words, *[0] * (8 - len(words)))
    found = events("witmotion_ble5", {}, WIT, data)
    told = note(found)
    assert told["register"] == register
    for name, value in values.items():
        assert told[name] == pytest.approx(value)


# --- Capture2Go, Thingy:52, SensorTag ------------------------------------------------------------


def package(header: int, payload: bytes) -> bytes:
    head = header.to_bytes(2, "little")
    crc = zlib.crc32(head + payload).to_bytes(4, "little")
    return b"\x02" + crc + bytes((len(payload),)) + head + payload


@pytest.mark.parametrize("mode", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize(("family", "n", "columns"), [(0x220, 8, 3), (0x230, 8, 2)])
def test_packed_packages_are_arrays_of_eight(mode: int, family: int, n: int, columns: int) -> None:
    numbers = np.arange(columns * n * 3, dtype="<i2")
    payload = struct.pack("<q", -5) + numbers.tobytes() + struct.pack("<QhB", 0, 16384, 0b10011)
    assert len(payload) == {3: 163, 2: 115}[columns]
    found = events("capture2go", {}, C2G, b"\xff" + package(family | mode, payload))
    taken = block(found)
    assert (taken.n, taken.device_t0_ns) == (n, -5)
    assert taken.device_dt_ns == 1e9 / (200, 100, 50, 25, 10, 1)[mode - 1]
    arrays = numbers.reshape(columns, n, 3)
    scales = (2000 * math.pi / (180 * 32768), 16 * 9.81 / 32768, 1 / 16)
    for k, quantity in enumerate((Quantity.GYRO, Quantity.ACCEL, Quantity.MAG)[:columns]):
        np.testing.assert_allclose(taken.values[quantity], arrays[k] * scales[k], rtol=1e-6)
    told = note(found)
    assert told["heading_offset_rad"] == pytest.approx(math.pi / 2)
    assert told["error_flags"] == ["time_gap", "gyr_clipping", "processing_issue"]


def test_a_quaternion_of_a_thingy_and_its_matrix() -> None:
    matrix = struct.pack("<9h", 16384, 0, 0, 0, -16384, 0, 0, 0, 8192)
    told = note(events("thingy52", {}, THINGY.format("0408"), matrix))
    assert told["rotation_matrix"] == [1, 0, 0, 0, -1, 0, 0, 0, 0.5]
    steps = struct.pack("<II", 7, 2**31)
    told = note(events("thingy52", {}, THINGY.format("0405"), steps))
    assert told == {"steps": 7, "time_ms": 2**31}


@pytest.mark.parametrize("range_g", [2, 4, 8, 16])
def test_a_sensortag_sends_rotation_first(range_g: int) -> None:
    data = counts(65, -131, 32767, 1, -1, 32767, 327, -327, 0)
    values = block(events("sensortag_cc2650", {"range_g": range_g}, TAG, data)).values
    gyro = np.array([65, -131, 32767]) * 500 / 65536 * DPS
    accel = np.array([1, -1, 32767]) * range_g / 32768 * G
    mag = np.array([327, -327, 0]) * 4912 / 32760
    for quantity, expected in (("gyro", gyro), ("accel", accel), ("mag", mag)):
        np.testing.assert_allclose(values[Quantity(quantity)], [expected], rtol=1e-6)
