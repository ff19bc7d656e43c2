"""The vector files of the protocol sheets for Movella DOT and MetaMotion.

Every vector of these files is either checked here or named with the reason why it does not apply.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_profiles.base import BatteryLevel, Event, Note, Quantity, SampleBlock, Write
from firmware_profiles.metamotion import MetaMotion
from firmware_profiles.metamotion_registers import COMMAND_UUID, NOTIFY_UUID
from firmware_profiles.movella_dot import MovellaDot
from firmware_profiles.movella_dot_notes import dot_uuid

pytestmark = pytest.mark.corpus

Vector = dict[str, Any]
G = 9.80665
DPS = np.pi / 180
NOT_APPLICABLE: dict[str, str] = {}
SI = {"g": (Quantity.ACCEL, G), "deg/s": (Quantity.GYRO, DPS), "uT": (Quantity.MAG, 1.0)}


def dot_events(vector: Vector) -> list[Event]:
    config = vector["config"]
    numbers = config.get("characteristic", config.get("target")).split("/")
    found = [
        MovellaDot().decoder(config).decode(dot_uuid(number[4:]), bytes.fromhex(vector["hex"]))
        for number in numbers
    ]
    assert all(events == found[0] for events in found)
    return found[0]


def metamotion_events(vector: Vector) -> list[Event]:
    uuid = COMMAND_UUID if vector["config"].get("kind") == "command" else NOTIFY_UUID
    return MetaMotion().decoder(vector["config"]).decode(uuid, bytes.fromhex(vector["hex"]))


def note(events: list[Event]) -> dict[str, Any]:
    return dict(next(event.values for event in events if isinstance(event, Note)))


def block(events: list[Event]) -> SampleBlock:
    (found,) = [event for event in events if isinstance(event, SampleBlock)]
    return found


def check_dot_values(vector: Vector) -> None:
    events, expected = dot_events(vector), vector["expected"]
    values = note(events)
    for key in expected.keys() - {"acc_m_s2", "gyro_dps"}:
        np.testing.assert_allclose(values[key], expected[key])
    if "acc_m_s2" in expected:
        samples = block(events)
        assert samples.device_t0_ns == expected["timestamp_us"] * 1000
        np.testing.assert_allclose(samples.values[Quantity.ACCEL][0], expected["acc_m_s2"])
        gyro = np.array(expected["gyro_dps"]) * DPS
        np.testing.assert_allclose(samples.values[Quantity.GYRO][0], gyro, rtol=1e-6)


def check_dot_step(vector: Vector) -> None:
    first, second = [event for event in dot_events(vector) if isinstance(event, Note)]
    expected = vector["expected"]
    step_us = expected.get("delta_us", expected.get("unwrapped_delta_us"))
    times = [event.values["device_t_ns"] for event in (first, second)]
    assert times[1] - times[0] == step_us * 1000  # type: ignore[operator]


def check_dot_note(vector: Vector) -> None:
    values, expected = note(dot_events(vector)), dict(vector["expected"])
    expected.pop("target", None)
    assert {key: values[key] for key in expected} == expected


def check_dot_battery(vector: Vector) -> None:
    events = dot_events(vector)
    assert events[0] == BatteryLevel(vector["expected"]["percent"])
    assert note(events)["charging"] is vector["expected"]["charging"]


def check_samples(vector: Vector) -> None:
    expected = vector["expected"]
    quantity, si = SI[expected["unit"]]
    np.testing.assert_allclose(
        block(metamotion_events(vector)).values[quantity],
        np.atleast_2d(expected["value"]) * si,
        rtol=1e-6,
        atol=expected.get("tolerance", 1e-6) * si,
    )


def check_estimate(vector: Vector) -> None:
    expected, values = vector["expected"], note(metamotion_events(vector))
    key = "linear_acc_g" if expected["unit"] == "g" else "euler_heading_pitch_roll_yaw_deg"
    np.testing.assert_allclose(values[key], expected["value"], atol=expected["tolerance"])


def check_accounter(vector: Vector) -> None:
    events = metamotion_events(vector)
    assert note(events)["count"] == vector["expected"]["count"]
    accel = block(events).values[Quantity.ACCEL][0]
    np.testing.assert_allclose(accel, np.array(vector["also_derived"]["acc_g"]) * G, rtol=1e-6)


def check_log(vector: Vector) -> None:
    check_samples(vector)
    values, expected = note(metamotion_events(vector)), vector["also_derived"]
    assert {key: values[key] for key in expected} == expected


def check_metamotion_note(vector: Vector) -> None:
    events, expected = metamotion_events(vector), dict(vector["expected"])
    if "percent" in expected:
        assert events[0] == BatteryLevel(expected.pop("percent"))
    values = note(events)
    assert values["name"] != "unknown" if "name" in values else values
    assert {key: values[key] for key in expected} == expected


DOT_CHECKS: dict[str, Callable[[Vector], None]] = {
    "free_acc_timestamp_step": check_dot_step,
    "timestamp_rollover": check_dot_step,
    "mode5_orientation_quat": check_dot_values,
    "mode4_orientation_euler": check_dot_values,
    "mode26_custom5": check_dot_values,
    "cmd_stop_mode6": check_dot_note,
    "cmd_start_mode21": check_dot_note,
    "cmd_identify": check_dot_note,
    "cmd_set_output_rate_60hz": check_dot_note,
    "battery_notification": check_dot_battery,
    "msg_checksum_sync_ack": check_dot_note,
    "msg_start_recording_30min": check_dot_note,
    "msg_select_export_data": check_dot_note,
    "msg_ack_start_recording": check_dot_note,
    "msg_ack_stop_recording": check_dot_note,
    "msg_ack_request_file_info": check_dot_note,
    "msg_ack_select_export_data": check_dot_note,
    "msg_ack_request_file_data": check_dot_note,
}
METAMOTION_CHECKS: dict[str, Callable[[Vector], None]] = {
    "acc_single_bmi160_4g": check_samples,
    "acc_packed3_bmi160_8g": check_samples,
    "acc_packed3_bmi270_8g": check_samples,
    "gyro_single_bmi160_500dps": check_samples,
    "gyro_packed3_bmi160_1000dps": check_samples,
    "mag_single_bmm150": check_samples,
    "fusion_corrected_acc": check_samples,
    "fusion_corrected_mag": check_samples,
    "fusion_euler": check_estimate,
    "fusion_linear_acc": check_estimate,
    "accounter_count": check_accounter,
    "log_acc_8g_entry0": check_log,
    "battery": check_metamotion_note,
    "mac_address": check_metamotion_note,
    "time_reference_response": check_metamotion_note,
    "cmd_bmi160_acc_200hz_8g": check_metamotion_note,
    "cmd_bmi160_acc_100hz_16g": check_metamotion_note,
    "cmd_bmi270_acc_200hz_8g": check_metamotion_note,
    "cmd_bmi270_acc_100hz_16g": check_metamotion_note,
    "cmd_acc_enable": check_metamotion_note,
    "cmd_acc_disable": check_metamotion_note,
    "cmd_acc_subscribe": check_metamotion_note,
    "cmd_acc_unsubscribe": check_metamotion_note,
    "cmd_gyro_50hz_125dps": check_metamotion_note,
    "cmd_gyro_200hz_2000dps": check_metamotion_note,
    "cmd_gyro_start": check_metamotion_note,
    "cmd_gyro_stop": check_metamotion_note,
    "cmd_mag_preset_regular_2": check_metamotion_note,
    "cmd_accounter_time_create": check_metamotion_note,
    "cmd_accounter_count_create": check_metamotion_note,
    "cmd_log_clear": check_metamotion_note,
    "gyro_single_bmi270_500dps": check_samples,
    "gyro_packed3_bmi270_2000dps": check_samples,
    "acc_single_bmi270_16g_gravity": check_samples,
}
FILES = {"movella_dot": DOT_CHECKS, "mbientlab_metamotion": METAMOTION_CHECKS}
ALL = [(file, name) for file, checks in FILES.items() for name in checks]


@pytest.fixture(scope="module")
def vectors(shared_dir: Path) -> dict[tuple[str, str], Vector]:
    folder = shared_dir / "protocols" / "vectors"
    return {
        (file, vector["name"]): vector
        for file in FILES
        for vector in json.loads((folder / f"{file}.json").read_text())
    }


@pytest.mark.parametrize(("file", "name"), ALL)
def test_vector(file: str, name: str, vectors: dict[tuple[str, str], Vector]) -> None:
    FILES[file][name](vectors[file, name])


def test_every_vector_is_checked_or_explained(vectors: dict[tuple[str, str], Vector]) -> None:
    assert {name for _, name in vectors} == {name for _, name in ALL} | NOT_APPLICABLE.keys()


def test_commands_of_the_profile_are_published_ones(
    vectors: dict[tuple[str, str], Vector],
) -> None:
    """What the profile writes to stop is what the vendor's tests write."""
    published = {
        vector["hex"] for vector in vectors.values() if vector["config"].get("kind") == "command"
    }
    written = {step.data.hex() for step in MetaMotion().stop() if isinstance(step, Write)}
    assert {"130100", "03020001"} <= written & published
    written = {step.data.hex() for step in MovellaDot().stop() if isinstance(step, Write)}
    assert written == {"010015"}
