"""`trunkline profiles`: list, show, decode, docs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from firmware_profiles.registry import PROFILES
from trunkline.cli import main

MOVESENSE = "34800002-7185-4D5D-B431-630E7050E8F0"
POLAR = "fb005c82-02e7-f387-1cad-8acd2d8df0c8"
VECTORS = Path(__file__).parents[1] / "firmware_profiles"


def run(*args: str) -> Result:
    return CliRunner().invoke(main, ["profiles", *args])


def packets(name: str, vector: str) -> list[str]:
    table = json.loads((VECTORS / f"vectors_{name}.json").read_text())
    return [p["hex"] for v in table if v["name"] == vector for p in v["packets"]]


def test_list_names_every_profile_and_its_verification() -> None:
    result = run()
    assert result.exit_code == 0
    for name, profile in PROFILES.items():
        (line,) = [line for line in result.output.splitlines() if line.startswith(name)]
        assert profile.info.label in line
        assert ("not verified" in line) is not profile.info.bench_verified


def test_list_as_json() -> None:
    listed = json.loads(run("--json").output)
    assert {info["id"] for info in listed} == set(PROFILES)
    assert all(info["quantities"] and info["rates_hz"] for info in listed)


@pytest.mark.parametrize("name", PROFILES)
def test_show(name: str) -> None:
    info = PROFILES[name].info
    shown = run("show", name)
    assert shown.exit_code == 0
    assert info.placement_advice in shown.output
    assert all(quirk in shown.output for quirk in info.quirks)
    assert json.loads(run("show", name, "--json").output)["requires_mtu"] == info.requires_mtu


def test_show_tells_what_refusals_mean() -> None:
    shown = run("show", "polar_h10").output
    assert "6  already in this state: it is stopped and started again" in shown
    told = json.loads(run("show", "movesense", "--json").output)["refusals"]
    assert {"code", "meaning", "advice"} == told[0].keys()
    assert {refusal["code"] for refusal in told} >= {"404", "429", "503"}
    assert "not told: what was set is read back" in run("show", "witmotion_ble5").output


def test_decode_prints_samples_in_si_with_device_time() -> None:
    (packet,) = packets("movesense", "imu6_52")
    result = run("decode", "movesense", "--characteristic", MOVESENSE, "--hex", packet)
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0] == "packet 0: 4 samples"
    assert " ".join(lines[1].split()) == (
        "1000000000 ns accel 0.5 -0.25 9.75 m/s2 gyro 0.0261799 -0.0523599 0.01309 rad/s"
    )


def test_decode_as_json_keeps_what_the_packets_say_of_loss() -> None:
    args = ["decode", "polar_h10", "--characteristic", POLAR, "--config", '{"rate_hz": 200}']
    for packet in packets("polar_h10", "true_rate_then_one_frame_lost"):
        args += ["--hex", packet]
    events = json.loads(run(*args, "--json").output)["events"]
    assert [event["lost_before"] for event in events] == [0, 0, 36]
    assert events[0]["units"] == {"accel": "m/s2"}
    assert len(events[1]["device_t_ns"]) == len(events[1]["values"]["accel"]) == 36
    assert events[1]["device_t_ns"][-1] == 599616000179000000


def test_decode_battery_by_short_uuid() -> None:
    result = run("decode", "polar_h10", "--characteristic", "2A19", "--hex", "57")
    assert (result.exit_code, result.output) == (0, "packet 0: battery 87 %\n")


@pytest.mark.parametrize(
    ("name", "characteristic", "packet", "said"),
    [
        ("witmotion_ble5", "ffe9", "ffaa030600", "command: name set_rate"),
        ("thingy52", "ef680409", "00005a00", "reading: heading_deg 90.0"),
        ("sensortag_cc2650", "f000aa83", "0a", "command: name movement_period, period_ms 100"),
        ("capture2go", "80030002", "023d7f658c005001", "command: name start_streaming"),
    ],
)
def test_decode_commands_and_other_readings(
    name: str, characteristic: str, packet: str, said: str
) -> None:
    result = run("decode", name, "--characteristic", characteristic, "--hex", packet)
    assert result.exit_code == 0
    assert result.output.startswith(f"packet 0: {said}")


def test_decode_says_when_a_packet_is_only_a_part() -> None:
    args = ["decode", "movesense", "--characteristic", MOVESENSE]
    args += ["--config", '{"path": "/Meas/IMU6/104"}']
    for packet in packets("movesense", "imu6_104_two_parts"):
        args += ["--hex", packet]
    lines = run(*args).output.splitlines()
    assert lines[0].startswith("packet 0: no event")
    assert lines[1] == "packet 1: 8 samples"


def test_decode_error_is_printed_and_the_rest_decoded() -> None:
    (good,) = packets("movesense", "imu6_52")
    result = run(
        "decode", "movesense", "--characteristic", MOVESENSE, "--hex", good[:60], "--hex", good
    )
    assert result.exit_code == 1
    assert "packet 0: error: body has" in result.output
    assert "packet 1: 4 samples" in result.output
    assert result.output.endswith("Error: 1 of 2 packets could not be decoded\n")


@pytest.mark.parametrize(
    "args",
    [
        ("show", "xsens"),
        ("decode", "xsens", "--characteristic", "2a19", "--hex", "57"),
        ("decode", "movesense", "--characteristic", "battery", "--hex", "57"),
        ("decode", "movesense", "--characteristic", "2a19", "--hex", "5"),
        ("decode", "movesense", "--characteristic", "2a19"),
        ("decode", "movesense", "--characteristic", "2a19", "--hex", "57", "--config", "[]"),
        ("decode", "movesense", "--characteristic", "2a19", "--hex", "57", "--config", "{"),
        (
            "decode",
            "movesense",
            "--characteristic",
            "2a19",
            "--hex",
            "57",
            "--config",
            '{"path": "/"}',
        ),
    ],
)
def test_wrong_use_is_a_usage_error(args: tuple[str, ...]) -> None:
    result = run(*args)
    assert result.exit_code == 2
    assert "Error:" in result.output
    assert "Traceback" not in result.output


def test_docs_are_written(tmp_path: Path) -> None:
    target = tmp_path / "sensors.md"
    assert run("docs", "--out", str(target)).exit_code == 0
    assert target.read_text() == run("docs").output
    assert run("docs", "--out", str(tmp_path / "no" / "x.md")).exit_code == 1


@pytest.mark.parametrize("name", [(), ("show",), ("decode",), ("docs",)])
def test_help_has_an_example(name: tuple[str, ...]) -> None:
    assert "Example: trunkline profiles" in run(*name, "--help").output


@pytest.mark.parametrize(
    ("name", "characteristic", "data"),
    [
        ("movella_dot", "15173001", "5a00"),
        ("movella_dot", "3001", "5a00"),
        ("movella_dot", "15173001-0000-1000-8000-00805f9b34fb", "5a00"),
        ("witmotion_ble5", "ffe9", "ffaa030600"),
        ("witmotion_ble5", "0000ffe9-0000-1000-8000-00805f9b34fb", "ffaa030600"),
        ("thingy52", "EF680409", "00000100"),
        ("polar_h10", "fb005c81", "f001020000"),
        ("metamotion", "326a9001", "13010101"),
        ("capture2go", "80030002", "023d7f658c005001"),
        ("sensortag_cc2650", "aa83", "0a"),
        ("movesense", "34800001", "0263"),
        ("movesense", "2a37", "0048"),
    ],
)
def test_short_uuids_are_the_sensors_own(name: str, characteristic: str, data: str) -> None:
    result = run("decode", name, "--characteristic", characteristic, "--hex", data)
    assert result.exit_code == 0, result.output
