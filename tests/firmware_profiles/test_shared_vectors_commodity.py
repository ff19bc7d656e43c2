"""The vector files of the protocol sheets for the families of WitMotion, Nordic, TI and SensorStim.

Every vector of these files is either checked here or named with the reason why it does not apply.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_profiles.base import DecodeError, Event, Note, Quantity, SampleBlock
from firmware_profiles.capture2go_decoder import Capture2GoDecoder
from firmware_profiles.registry import PROFILES, profile

pytestmark = pytest.mark.corpus

Vector = dict[str, Any]
G = 9.80665
WIT_NOTIFY = "0000ffe4-0000-1000-8000-00805f9a34fb"
WIT_WRITE = "0000ffe9-0000-1000-8000-00805f9a34fb"

C2G = "8003000{}-e629-4c98-9324-aa7fc0c66de7"
THINGY = "ef68{}-9b35-4933-9b10-52ffa9740042"

FILES = ("witmotion_ble5", "nordic_thingy52", "misc_imus", "capture2go")
NOT_APPLICABLE = {
    "bluest_acc_only_after_wrap": "there is no profile of ST's BlueST boards",
}


def events_of(name: str, characteristic: str, vector: Vector) -> list[Event]:
    decoder = profile(name).decoder(vector["config"])
    return decoder.decode(characteristic, bytes.fromhex(vector["hex"]))


def the_block(events: list[Event]) -> SampleBlock:
    (block,) = [event for event in events if isinstance(event, SampleBlock)]
    return block


def the_note(events: list[Event], topic: str) -> dict[str, object]:
    (note,) = [event for event in events if isinstance(event, Note) and event.topic == topic]
    return dict(note.values)


def close(
    block: SampleBlock, quantity: Quantity, expected: list[float], scale: float, tolerance: float
) -> None:
    np.testing.assert_allclose(
        block.values[quantity][0], np.array(expected) * scale, rtol=1e-6, atol=tolerance * scale
    )


def check_wit_frame(vector: Vector, _vectors: dict[str, Vector]) -> None:
    expected, tolerance = vector["expected"], vector.get("tolerance", 1e-4)
    events = events_of("witmotion_ble5", WIT_NOTIFY, vector)
    block = the_block(events)
    assert the_note(events, "angles")["angle_deg"] == [pytest.approx(expected["angle_deg"])]
    close(block, Quantity.ACCEL, expected["acc_g"], G, tolerance)
    close(block, Quantity.GYRO, expected["gyro_dps"], np.pi / 180, tolerance)
    if "iso" in expected:
        assert block.device_t0_ns is not None
        stamp = np.datetime64(block.device_t0_ns, "ns")
        assert stamp == np.datetime64(expected["iso"])


def check_current_time(vector: Vector, _vectors: dict[str, Vector]) -> None:
    for name in PROFILES:
        (note,) = events_of(name, vector["config"]["characteristic"], vector)
        assert note == Note("reading", vector["expected"])


def check_wit_stream(vector: Vector, _vectors: dict[str, Vector]) -> None:
    expected = vector["expected"]
    events = events_of("witmotion_ble5", WIT_NOTIFY, vector)
    block = the_block(events)
    assert block.n == expected["n_frames"]
    if "acc_z_g" in expected:
        np.testing.assert_allclose(block.values[Quantity.ACCEL][:, 2] / G, expected["acc_z_g"])
    else:
        assert the_note(events, "skipped")["skipped_bytes"] == expected["skipped_bytes"]


def check_wit_too_short(vector: Vector, _vectors: dict[str, Vector]) -> None:
    with pytest.raises(DecodeError):
        events_of("witmotion_ble5", WIT_NOTIFY, vector)


def check_wit_register(vector: Vector, _vectors: dict[str, Vector]) -> None:
    note = the_note(events_of("witmotion_ble5", WIT_NOTIFY, vector), "register")
    assert note["register"] == vector["config"]["register"]
    for key in vector["expected"].keys() - {"doc_unit"}:
        assert note[key] == pytest.approx(vector["expected"][key])


def check_wit_command(vector: Vector, _vectors: dict[str, Vector]) -> None:
    note = the_note(events_of("witmotion_ble5", WIT_WRITE, vector), "command")
    assert note["name"] != "unknown"
    assert {key: note[key] for key in vector["expected"]} == vector["expected"]


def check_thingy_raw(vector: Vector, _vectors: dict[str, Vector]) -> None:
    expected, tolerance = vector["expected"], vector["expected"].get("tolerance", 1e-6)
    block = the_block(events_of("thingy52", THINGY.format("0406"), vector))
    checked = 0
    for key, quantity, scale in (
        ("acc_g", Quantity.ACCEL, G),
        ("gyro_dps", Quantity.GYRO, np.pi / 180),
        ("mag_uT", Quantity.MAG, 1.0),
        ("raw_acc", Quantity.ACCEL, G / 1024),
        ("raw_gyro", Quantity.GYRO, np.pi / 180 / 32),
        ("raw_mag", Quantity.MAG, 1 / 16),
    ):
        if key in expected:
            close(block, quantity, expected[key], scale, tolerance)
            checked += 1
    assert checked == len(block.values)


def check_thingy_reading(vector: Vector, _vectors: dict[str, Vector]) -> None:
    (event,) = events_of("thingy52", THINGY.format(vector["config"]["characteristic"][4:]), vector)
    assert isinstance(event, Note)
    tolerance = vector["expected"].get("tolerance", vector.get("tolerance", 1e-9))
    for key in vector["expected"].keys() - {"tolerance"}:
        assert event.values[key] == pytest.approx(vector["expected"][key], abs=tolerance)


def check_thingy_command(vector: Vector, _vectors: dict[str, Vector]) -> None:
    (event,) = events_of("thingy52", THINGY.format("0401"), vector)
    assert isinstance(event, Note)
    assert event.values == {"name": "motion_configuration", **vector["expected"]}


def check_c2g_command(vector: Vector, _vectors: dict[str, Vector]) -> None:
    values = the_note(events_of("capture2go", C2G.format(2), vector), "command")
    assert values["name"] == vector["name"].removeprefix("cmd_").replace(
        "stop_real_time", "stop_real_time_streaming"
    )
    assert {key: values[key] for key in vector["expected"]} == vector["expected"]


def check_c2g_status(vector: Vector, _vectors: dict[str, Vector]) -> None:
    values = the_note(events_of("capture2go", C2G.format(3), vector), "status")
    assert {key: values[key] for key in vector["expected"]} == vector["expected"]


def check_c2g_split(vector: Vector, vectors: dict[str, Vector]) -> None:
    decoder = profile("capture2go").decoder(vector["config"])
    first, second = (vectors[f"ble_notification_split_{part}"] for part in (1, 2))
    assert decoder.decode(C2G.format(3), bytes.fromhex(first["hex"])) == []
    events = decoder.decode(C2G.format(3), bytes.fromhex(second["hex"]))
    assert the_block(events).n == 8
    assert the_note(events, "orientation")["header"] == second["expected"]["header"]


def check_c2g_real_time(vector: Vector, _vectors: dict[str, Vector]) -> None:
    expected = vector["expected"]
    decoder = profile("capture2go").decoder(vector["config"])
    assert isinstance(decoder, Capture2GoDecoder)
    events = decoder.decode(C2G.format(3), bytes.fromhex(vector["hex"]))
    block, values = the_block(events), the_note(events, "orientation")
    close(block, Quantity.GYRO, expected["gyro_rad_s"], 1.0, expected["tolerance"])
    close(block, Quantity.ACCEL, expected["acc_m_s2"], 1.0, expected["tolerance"])
    assert values["error_flags"] == expected["errorFlags"]
    assert values["header"] == expected["header"]
    assert decoder.stream.held == expected["stream_bytes_after"]


CHECKS: dict[str, Callable[[Vector, dict[str, Vector]], None]] = {
    "mag_register_response": check_wit_register,
    "quat_register_response": check_wit_register,
    "temp_register_response": check_wit_register,
    "cmd_unlock": check_wit_command,
    "cmd_save": check_wit_command,
    "cmd_rate_10hz": check_wit_command,
    "cmd_read_mag": check_wit_command,
    "cmd_read_temp": check_wit_command,
    "cmd_read_battery": check_wit_command,
    "cmd_acc_calibrate": check_wit_command,
    "imu_5561_full_scale": check_wit_frame,
    "imu_5561_upright_trunk": check_wit_frame,
    "imu_5561_28byte_rtc_record": check_wit_frame,
    "two_frames_one_notification": check_wit_stream,
    "resync_after_garbage": check_wit_stream,
    "wt901ble68_capture_0_truncated": check_wit_too_short,
    "wt901ble68_capture_1_truncated": check_wit_too_short,
    "wt901ble68_capture_2_truncated": check_wit_too_short,
    "wt901ble68_capture_3_truncated": check_wit_too_short,
    "wt901ble68_capture_5_truncated": check_wit_too_short,
    "raw_acc_flat_on_table": check_thingy_raw,
    "raw_motion_full": check_thingy_raw,
    "raw_motion_integer_layout": check_thingy_raw,
    "standard_current_time": check_current_time,
    "quaternion": check_thingy_reading,
    "euler": check_thingy_reading,
    "gravity": check_thingy_reading,
    "gravity_1_2_9p8": check_thingy_reading,
    "heading_1_degree": check_thingy_reading,
    "heading_90_degree": check_thingy_reading,
    "steps_100_in_10s": check_thingy_reading,
    "cmd_motion_config_200hz": check_thingy_command,
    "cmd_start_streaming": check_c2g_command,
    "cmd_stop_recording": check_c2g_command,
    "cmd_get_status": check_c2g_command,
    "cmd_stop_real_time": check_c2g_command,
    "ble_notification_split_1": check_c2g_split,
    "ble_notification_split_2": check_c2g_split,
    "ble_notification_one_realtime_plus_stream": check_c2g_real_time,
    "status_charging": check_c2g_status,
}


@pytest.fixture(scope="module")
def vectors(shared_dir: Path) -> dict[str, Vector]:
    folder = shared_dir / "protocols" / "vectors"
    found: dict[str, Vector] = {}
    for name in FILES:
        found |= {v["name"]: v for v in json.loads((folder / f"{name}.json").read_text())}
    return found


@pytest.mark.parametrize("name", CHECKS)
def test_vector(name: str, vectors: dict[str, Vector]) -> None:
    CHECKS[name](vectors[name], vectors)


def test_every_vector_is_checked_or_explained(vectors: dict[str, Vector]) -> None:
    assert vectors.keys() == CHECKS.keys() | NOT_APPLICABLE.keys()
    assert not CHECKS.keys() & NOT_APPLICABLE.keys()
