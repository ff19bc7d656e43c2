"""What a Movesense says beside motion, from the documented layouts, worked out by hand."""

from __future__ import annotations

import struct

import pytest

from firmware_profiles.base import BatteryLevel, DecodeError, Event, Note
from firmware_profiles.movesense import Movesense
from firmware_profiles.movesense_gsp import COMMANDS_UUID, DATA_UUID


def events(path: str, data: bytes, uuid: str = DATA_UUID, **config: object) -> list[Event]:
    return Movesense().decoder({"path": path, **config}).decode(uuid, data)


def values(path: str, data: bytes, **config: object) -> dict[str, object]:
    (note,) = events(path, data, **config)
    assert isinstance(note, Note)
    return dict(note.values)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\0\1", {"name": "hello"}),
        (b"\1\x63/Meas/IMU6/52\0", {"name": "subscribe", "path": "/Meas/IMU6/52"}),
        (b"\4\x07/Time/Detailed", {"name": "get", "path": "/Time/Detailed"}),
        (b"\5\2", {"name": "clear_logbook"}),
        (b"\6\2/Meas/Acc/52\0/Time/Detailed", {"paths": ["/Meas/Acc/52", "/Time/Detailed"]}),
        (b"\7\2\5", {"name": "put_systemmode", "mode": 5}),
        (b"\x09\2\3", {"name": "put_datalogger_state", "state": 3}),
    ],
)
def test_commands(data: bytes, expected: dict[str, object]) -> None:
    (note,) = events("/Meas/IMU6/52", data, COMMANDS_UUID)
    assert isinstance(note, Note)
    assert note.topic == "command"
    assert {key: note.values[key] for key in expected} == expected
    assert note.values["reference"] == data[1]


@pytest.mark.parametrize("data", [b"", b"\1", b"\x63\1", b"\2\1x", b"\7\2", b"\3\1\0\0"])
def test_what_is_no_command_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        events("/Meas/IMU6/52", data, COMMANDS_UUID)


def test_hello_has_no_status() -> None:
    texts = b"234\0Movesense\0000000\0app\0001.0\0"
    assert values("/Meas/IMU6/52", b"\1\5\1" + texts) == {
        "response_code": 1,
        "reference": 5,
        "protocol_version": 1,
        "serial": "234",
        "product": "Movesense",
        "dfu_address": "0000",
        "app_name": "app",
        "app_version": "1.0",
    }


@pytest.mark.parametrize(
    ("raw", "status"), [("ca00", 202), ("ad01", 429), ("01fb", 507), ("f701", 503), ("ac01", 428)]
)
def test_status_in_either_order(raw: str, status: int) -> None:
    found = values("/Meas/IMU6/52", b"\1\5" + bytes.fromhex(raw))
    assert found["status"] == status
    assert found["ok"] is (status == 202)


def test_an_answer_carries_what_was_asked_for() -> None:
    body = struct.pack("<Q3I", 10**15, 5000, 1024, 20)
    answer, told = events("/Time/Detailed", b"\1\5\xc8\0" + body)
    assert isinstance(answer, Note)
    assert answer.values["status"] == 200
    assert told == Note(
        "reading",
        {"utc_us": 10**15, "relative_time": 5000, "tick_rate": 1024, "accuracy": 20},
    )


def test_energy_is_a_battery_level() -> None:
    assert events("/System/Energy/Level", b"\x2a") == [BatteryLevel(42)]
    assert events("/System/Energy/Level", b"\1\5\xc8\0\x2a")[1] == BatteryLevel(42)


def test_temperature_in_either_order() -> None:
    kelvin, stamp = struct.pack("<f", 300.0), (7000).to_bytes(4, "little")
    for body in (kelvin + stamp, stamp + kelvin):
        found = values("/Meas/Temp", body)
        assert (found["timestamp_ms"], found["kelvin"]) == (7000, 300.0)
    with pytest.raises(DecodeError):
        values("/Meas/Temp", bytes(8))


def test_electrocardiogram_as_integers_and_as_floats() -> None:
    stamp = (1000).to_bytes(4, "little")
    counts = values("/Meas/ECG/200/mV", stamp + struct.pack("<16h", *range(16)), reference=None)
    assert counts == {"timestamp_ms": 1000, "unit": "uV", "samples": list(range(16))}
    floats = values("/Meas/ECG/200/mV", stamp + struct.pack("<16f", *range(16)))
    assert (floats["unit"], floats["samples"]) == ("mV", [float(k) for k in range(16)])
    framed = values(
        "/Meas/ECG/200/mV", b"\2\x07" + stamp + struct.pack("<16h", *range(16)), reference=7
    )
    assert framed["samples"] == list(range(16))


def test_measuring_ranges() -> None:
    rates = b"\2" + struct.pack("<2H", 13, 26)
    assert values("/Meas/Gyro/Info", rates + b"\2" + struct.pack("<2H", 245, 500)) == {
        "sample_rates_hz": [13, 26],
        "ranges_dps": [245, 500],
    }
    with pytest.raises(DecodeError):
        values("/Meas/Acc/Info", rates + b"\4\2\4")


def test_log_pieces_and_their_end() -> None:
    path = "/Meas/IMU6/52"
    told = {"offset": 256, "data_hex": "dead"}
    assert values(path, b"\2\5\0\1\0\0\xde\xad", kind="log_chunk") == told
    assert values(path, b"\0\1\0\0\xde\xad", kind="log_chunk_body") == told
    assert values(path, b"\2\5", kind="log_chunk") == {"end": True}


def test_a_body_alone_has_as_many_samples_as_it_holds() -> None:
    body = (1000).to_bytes(4, "little") + struct.pack("<9f", *range(9))
    (block,) = events("/Meas/Acc/52", body)
    assert (block.n, block.device_t0_ns) == (3, 10**9)  # type: ignore[union-attr]
    for damaged in (body[:-1], body + b"\0"):
        with pytest.raises(DecodeError):
            events("/Meas/Acc/52", damaged, strip="no header")
