"""The vector files of the protocol sheets: captured packets and values published by others.

Every vector of a family that has a profile is either checked here or named with the reason why
it does not apply.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from firmware_profiles.base import DecodeError, Note, Quantity, SampleBlock, StreamRequest, Write
from firmware_profiles.movesense import Movesense
from firmware_profiles.movesense_gsp import COMMANDS_UUID as GSP_COMMANDS
from firmware_profiles.movesense_gsp import DATA_UUID as GSP_DATA
from firmware_profiles.polar_decoder import StampedStream
from firmware_profiles.polar_h10 import PolarH10
from firmware_profiles.polar_pmd import DATA_UUID as PMD_DATA
from firmware_profiles.polar_pmd import build_settings, parse_response, parse_settings

pytestmark = pytest.mark.corpus

Vector = dict[str, Any]
DPS = np.pi / 180
MILLI_G = 9.80665e-3
GAUSS_UT = 100.0

NOT_APPLICABLE = {
    "gsp_imu9_104_part1_of_2": "checked together with part 2",
}


def rows(values: list[list[float]], scale: float = 1.0) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64) * scale


def close(block: SampleBlock, quantity: Quantity, expected: NDArray[np.float64]) -> None:
    np.testing.assert_allclose(block.values[quantity], expected, rtol=1e-6, atol=1e-7)


# --- Movesense ---------------------------------------------------------------------------------


def gsp_block(vector: Vector, *before: Vector) -> SampleBlock:
    decoder = Movesense().decoder(vector["config"])
    events = []
    for item in (*before, vector):
        events += decoder.decode(GSP_DATA, bytes.fromhex(item["hex"]))
    (block,) = events
    assert isinstance(block, SampleBlock)
    assert block.device_t0_ns == vector["expected"]["timestamp_ms"] * 1_000_000
    assert block.n == vector["expected"].get("n_samples", 4)
    return block


def check_gsp(vector: Vector, vectors: dict[str, Vector]) -> None:
    parts = [vectors["gsp_imu9_104_part1_of_2"]] if vector["name"].endswith("part2_of_2") else []
    block = gsp_block(vector, *parts)
    expected = vector["expected"]
    checked = 0
    for quantity, scale, keys in (
        (Quantity.ACCEL, 1.0, ("acc", "acc_m_s2")),
        (Quantity.GYRO, DPS, ("gyro", "gyro_deg_s")),
        (Quantity.MAG, 1.0, ("magn", "magn_uT")),
    ):
        for key in keys:
            if key in expected:
                values = expected[key]
                table = values["xyz"] if isinstance(values, dict) else values
                close(block, quantity, rows(table, scale))
                checked += 1
    if "acc_z0_m_s2" in expected:
        accel = block.values[Quantity.ACCEL]
        assert accel[0, 2] == pytest.approx(expected["acc_z0_m_s2"], abs=expected["tolerance"])
        assert np.abs(accel[:, :2]).max() < expected["abs_acc_xy_lt"]
        checked += 1
    assert checked
    assert not parts or block.device_dt_ns == pytest.approx(expected["sample_period_ms"] * 1e6)


def check_gsp_steps(vector: Vector, _vectors: dict[str, Vector]) -> None:
    """Real units send whole multiples of the steps that the decoder claims."""
    block = gsp_block(vector)
    claimed = set(block.lsb)
    assert claimed == set(block.values) - {Quantity.MAG}
    for quantity, step in block.lsb.items():
        counts = block.values[quantity].astype(np.float64) / step
        np.testing.assert_allclose(counts, np.rint(counts), atol=1e-3)


def check_gsp_status(vector: Vector, _vectors: dict[str, Vector]) -> None:
    data, expected = bytes.fromhex(vector["hex"]), vector["expected"]
    (event,) = Movesense().decoder(vector["config"]).decode(GSP_DATA, data)
    assert isinstance(event, Note)
    assert event.values["response_code"] == expected["response_code"]
    assert event.values["reference"] == expected["reference"]
    assert event.values["status"] == expected["http_status"]
    step = gsp_writes()[-1]
    assert step.reply is not None
    assert step.reply(data)


def check_gsp_note(vector: Vector, _vectors: dict[str, Vector]) -> None:
    expected, config = dict(vector["expected"]), vector["config"]
    uuid = GSP_COMMANDS if config.get("kind") == "command" else GSP_DATA
    (event,) = Movesense().decoder(config).decode(uuid, bytes.fromhex(vector["hex"]))
    assert isinstance(event, Note)
    tolerance = expected.pop("tolerance", 0)
    units = {"ranges": "ranges_g", "magn_ranges_uT": "magn_ranges_ut"}
    for key in ("range_unit", "utc_iso"):
        expected.pop(key, None)
    for key, value in expected.items():
        found = event.values[units.get(key, key)]
        assert found == (pytest.approx(value, abs=tolerance) if tolerance else value)


def gsp_writes(**request: float) -> list[Write]:
    """The write steps that the profile yields to a sensor that agrees."""
    steps = Movesense().configure(StreamRequest(**request), 185)  # type: ignore[arg-type]
    writes, step = [], next(steps)
    try:
        while True:
            answer = None
            if isinstance(step, Write):
                writes.append(step)
                answer = bytes((1, step.data[1], 200, 0))
            step = steps.send(answer)
    except StopIteration:
        return writes


def check_gsp_subscribe(vector: Vector, vectors: dict[str, Vector]) -> None:
    check_gsp_note(vector, vectors)
    (write,) = [write for write in gsp_writes(rate_hz=104) if write.data[0] == 1]
    assert write.data == bytes.fromhex(vector["hex"]).replace(b"IMU9", b"IMU6")


def check_gsp_unsubscribe(vector: Vector, vectors: dict[str, Vector]) -> None:
    check_gsp_note(vector, vectors)
    step = next(Movesense().stop())
    assert isinstance(step, Write)
    assert step.data == bytes.fromhex(vector["hex"])


def check_gsp_utc(vector: Vector, vectors: dict[str, Vector]) -> None:
    check_gsp_note(vector, vectors)
    (write,) = [w for w in gsp_writes(host_utc_us=vector["expected"]["utc_us"]) if w.data[0] == 8]
    published = bytes.fromhex(vector["hex"])
    assert (write.data[0], write.data[2:]) == (published[0], published[2:])


# --- Polar -------------------------------------------------------------------------------------


def pmd_block(vector: Vector) -> SampleBlock:
    decoder = PolarH10().decoder(vector["config"])
    block, *notes = decoder.decode(PMD_DATA, bytes.fromhex(vector["hex"]))
    status = vector["expected"].get("calibration_status")
    assert notes == ([] if status is None else [Note("reading", {"calibration": status})])
    assert isinstance(block, SampleBlock)
    last_ns = vector["expected"].get("last_timestamp_ns")
    if last_ns is not None:
        assert block.device_t0_ns is not None
        assert block.device_t0_ns + round((block.n - 1) * block.device_dt_ns) == last_ns
    return block


def check_acc_g(vector: Vector, _vectors: dict[str, Vector]) -> None:
    block, expected = pmd_block(vector), vector["expected"]
    assert block.n == expected["n_samples"]
    assert block.device_t0_ns == expected["first_timestamp_ns"]
    accel = block.values[Quantity.ACCEL]
    factor = vector["config"]["factor"]
    close(block, Quantity.ACCEL, rows(vector["also_derived"]["all_raw"], factor * 9.80665))
    milli_g = np.trunc(accel[:2] / np.float32(MILLI_G))
    assert milli_g.tolist() == [expected["sample_0"], expected["sample_1"]]
    assert np.abs(accel).max() <= expected["all_abs_le_mG"] * MILLI_G


def check_acc_milli_g(vector: Vector, _vectors: dict[str, Vector]) -> None:
    block, expected = pmd_block(vector), vector["expected"]
    close(block, Quantity.ACCEL, rows(expected.get("samples") or expected["raw_samples"], MILLI_G))
    if "timestamps_ns" in expected:
        assert block.device_t0_ns == expected["timestamps_ns"][0]


def check_gyro(vector: Vector, _vectors: dict[str, Vector]) -> None:
    close(pmd_block(vector), Quantity.GYRO, rows(vector["expected"]["samples"], DPS))


def check_mag(vector: Vector, _vectors: dict[str, Vector]) -> None:
    block = pmd_block(vector)
    np.testing.assert_allclose(
        block.values[Quantity.MAG],
        rows(vector["expected"]["samples"], GAUSS_UT),
        atol=vector.get("tolerance", 1e-6) * GAUSS_UT,
    )


def check_settings(vector: Vector, _vectors: dict[str, Vector]) -> None:
    found = parse_settings(bytes.fromhex(vector["hex"]))
    names = {"sample_rate": 0, "resolution": 1, "range": 2, "channels": 4}
    assert found == {names[key]: tuple(v) for key, v in vector["expected"].items()}


def check_response(vector: Vector, _vectors: dict[str, Vector]) -> None:
    found, expected = parse_response(bytes.fromhex(vector["hex"])), vector["expected"]
    assert (found.opcode, found.measurement) == (expected["opcode"], expected["type"])
    assert found.status == expected["status"]
    assert found.parameters.hex() == expected.get("parameters_hex", "")


def check_times(vector: Vector, _vectors: dict[str, Vector]) -> None:
    config, expected = vector["config"], vector["expected"]["timestamps_ns"]
    stream = StampedStream(config["rate_hz"], last_ns=config["previous_timestamp_ns"])
    t0_ns, step_ns, lost, restarted = stream.place(
        config["frame_timestamp_ns"], config["n_samples"]
    )
    times = t0_ns + np.arange(config["n_samples"]) * step_ns
    np.testing.assert_allclose(times, expected, rtol=0, atol=1)
    (note,) = PolarH10().decoder(config).decode(PMD_DATA, b"")
    assert note == Note("reading", {"timestamps_ns": expected})
    assert (lost, restarted) == (0, False)


def check_reference(vector: Vector, _vectors: dict[str, Vector]) -> None:
    (note,) = PolarH10().decoder(vector["config"]).decode(PMD_DATA, bytes.fromhex(vector["hex"]))
    assert note == Note("reading", {"values": [vector["expected"]["values"]]})


def check_start_command(vector: Vector, _vectors: dict[str, Vector]) -> None:
    published = bytes.fromhex(vector["hex"])
    assert published[:2] == b"\x02\x02"
    offered = parse_settings(published[2:])
    assert build_settings({kind: values[0] for kind, values in offered.items()}) == published[2:]


def check_stop_command(vector: Vector, _vectors: dict[str, Vector]) -> None:
    step = next(PolarH10().stop())
    assert isinstance(step, Write)
    assert step.data == bytes.fromhex(vector["hex"])


CHECKS: dict[str, Callable[[Vector, dict[str, Vector]], None]] = {
    "gsp_payload_meas_acc_52": check_gsp,
    "gsp_payload_meas_gyro_52": check_gsp,
    "gsp_payload_meas_imu6_52": check_gsp,
    "gsp_payload_meas_imu9_52": check_gsp,
    "gsp_notification_imu9_52": check_gsp,
    "imu9_52_flash_capture_published_checks": check_gsp,
    "imu9_52_flash_capture_full": check_gsp,
    "gsp_imu9_104_part2_of_2": check_gsp,
    "cmd_response_status_ok": check_gsp_status,
    "cmd_response_status_not_found": check_gsp_status,
    "cmd_subscribe_imu9_104": check_gsp_subscribe,
    "cmd_unsubscribe": check_gsp_unsubscribe,
    "cmd_put_utc": check_gsp_utc,
    "cmd_fetch_log_1": check_gsp_note,
    "gsp_payload_ecg_200_mv": check_gsp_note,
    "hr_flash_capture": check_gsp_note,
    "time_detailed_capture": check_gsp_note,
    "get_accInfo": check_gsp_note,
    "get_imuInfo": check_gsp_note,
    "log_chunk": check_gsp_note,
    "reference_sample_signed16": check_reference,
    "acc_compressed_type0_factor": check_acc_g,
    "acc_compressed_type1_two_samples": check_acc_milli_g,
    "acc_raw_type0_int8": check_acc_milli_g,
    "acc_raw_type2_int24": check_acc_milli_g,
    "gyro_compressed_type0": check_gyro,
    "gyro_compressed_type1_float_factor_1.0": check_gyro,
    "gyro_compressed_type1_float_factor_0.5": check_gyro,
    "mag_compressed_type0": check_mag,
    "mag_compressed_type1_factor_1.1": check_mag,
    "settings_tlv_gyro": check_settings,
    "cp_response_success": check_response,
    "cp_response_invalid_resolution": check_response,
    "timestamps_prev100_n3": check_times,
    "timestamps_prev0_n1": check_times,
    "cmd_verity_start_acc_52hz_8g": check_start_command,
    "cmd_stop_acc": check_stop_command,
}
CAPTURES = (
    "gsp_payload_meas_acc_52",
    "gsp_payload_meas_gyro_52",
    "gsp_payload_meas_imu6_52",
    "imu9_52_flash_capture_full",
)


@pytest.fixture(scope="module")
def vectors(shared_dir: Path) -> dict[str, Vector]:
    folder = shared_dir / "protocols" / "vectors"
    found: dict[str, Vector] = {}
    for name in ("movesense", "polar_h10_verity"):
        found |= {v["name"]: v for v in json.loads((folder / f"{name}.json").read_text())}
    return found


@pytest.mark.parametrize("name", CHECKS)
def test_vector(name: str, vectors: dict[str, Vector]) -> None:
    CHECKS[name](vectors[name], vectors)


@pytest.mark.parametrize("name", CAPTURES)
def test_steps_of_real_units(name: str, vectors: dict[str, Vector]) -> None:
    check_gsp_steps(vectors[name], vectors)


def test_every_vector_is_checked_or_explained(vectors: dict[str, Vector]) -> None:
    assert vectors.keys() == CHECKS.keys() | NOT_APPLICABLE.keys()
    assert not CHECKS.keys() & NOT_APPLICABLE.keys()


def test_second_part_alone_is_refused(vectors: dict[str, Vector]) -> None:
    vector = vectors["gsp_imu9_104_part2_of_2"]
    with pytest.raises(DecodeError):
        Movesense().decoder(vector["config"]).decode(GSP_DATA, bytes.fromhex(vector["hex"]))
