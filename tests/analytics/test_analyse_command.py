"""`trunkline analyse`: files in, files out, and every refusal is one clear line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from analytics.detect.parameters import Parameters
from analytics.recording import Recording, write_recording
from tests.analytics.signals import Wearer, played
from trunkline.cli import main

TIMELINE = {
    "time_s",
    "posture",
    "trunk_flexion_deg",
    "trunk_lateral_deg",
    "slouched",
    "worn",
    "probability",
}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["analyse", *map(str, arguments)])


def short(**changes: Any) -> Recording:
    script = Wearer().hold(12).sit_down().hold(10).stand_up().hold(5).walk(15).hold(5).script()
    t_ns, accel, gyro = played(script)
    fields: dict[str, Any] = {
        "recording_id": "short",
        "t_s": t_ns / 1e9,
        "accel": accel,
        "gyro": gyro,
        "rate_hz": 50.0,
        "placement": "T12",
        "axes": {"up": "+z", "forward": "+x", "left": "+y"},
        "upright_reference": (0.0, 10.0),
        "reference_posture": "standing",
    }
    return Recording(**{**fields, **changes})


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "short.parquet"
    write_recording(path, short())
    return path


def strict(path: Path) -> dict[str, Any]:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    document: dict[str, Any] = json.loads(path.read_text(), parse_constant=refuse)
    return document


def test_a_recording_becomes_a_result(recording: Path, tmp_path: Path) -> None:
    done = run(recording, "--out", tmp_path / "r.json")
    assert done.exit_code == 0, done.output
    result = strict(tmp_path / "r.json")
    assert result["schema"] == "trunkline-analysis/1"
    assert result["recording_id"] == "short"
    timeline = result["timeline"]
    assert set(timeline) == TIMELINE
    assert timeline["time_s"][:3] == [0.5, 1.5, 2.5]
    assert {len(column) for column in timeline.values()} == {len(timeline["time_s"])}
    assert timeline["posture"][5] == "standing"
    assert timeline["posture"][18] == "sitting"
    assert [m["kind"] for m in result["movements"]] == ["stand_to_sit", "sit_to_stand"]
    (bout,) = result["walking_bouts"]
    assert bout["step_count"] == len(bout["step_times_s"])
    assert bout["cadence_spm"] == pytest.approx(110, abs=2)
    assert result["quality"]["gap_s"] == 0
    assert result["quality"]["observable"]["slouch"] is True
    assert result["provenance"]["params_hash"] == Parameters().hash()
    assert result["provenance"]["params"] == json.loads(json.dumps(Parameters().to_dict()))
    assert not list(tmp_path.glob(".*"))


def test_a_folder_keeps_its_subfolders(recording: Path, tmp_path: Path) -> None:
    deep = tmp_path / "in" / "set" / "deep"
    deep.mkdir(parents=True)
    for name in ("one", "two"):
        (deep / f"{name}.parquet").write_bytes(recording.read_bytes())
    (deep / "one.truth.json").write_text("{}")
    done = run(tmp_path / "in", "--out-dir", tmp_path / "out", "--jobs", 2)
    assert done.exit_code == 0, done.output
    found = sorted(
        p.relative_to(tmp_path / "out").as_posix() for p in tmp_path.glob("out/**/*.json")
    )
    assert found == ["set/deep/one.json", "set/deep/two.json"]
    assert "2 of 2 recordings analysed" in done.output


def test_a_bad_recording_does_not_stop_the_others(recording: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "good.parquet").write_bytes(recording.read_bytes())
    (folder / "bad.parquet").write_bytes(b"not parquet")
    write_recording(folder / "in_g.parquet", short(accel=short().accel / 9.80665))
    done = run(folder, "--out-dir", tmp_path / "out")
    assert done.exit_code == 1
    assert "1 of 3 recordings analysed" in done.output
    assert "bad.parquet cannot be read" in done.output
    assert "this looks like g, expected m/s2; multiply accel by 9.80665" in done.output
    assert "Traceback" not in done.output
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["good.json"]


def test_a_csv_needs_the_options(tmp_path: Path) -> None:
    source = short()
    assert source.gyro is not None
    columns = np.column_stack((source.t_s, source.accel, source.gyro))
    names = [f"{s}_{a}" for s in ("accel", "gyro") for a in "xyz"]
    np.savetxt(
        tmp_path / "log.csv",
        columns,
        delimiter=",",
        header=",".join(["time_s", *names]),
        comments="",
    )
    bare = run(tmp_path / "log.csv", "--out", tmp_path / "bare.json")
    assert bare.exit_code == 0, bare.output
    result = strict(tmp_path / "bare.json")
    assert result["quality"]["observable"]["slouch"] == "placement"
    told = run(
        tmp_path / "log.csv",
        *("--placement", "T12", "--upright", 0, 10, "--upright-posture", "standing"),
        *("--out", tmp_path / "told.json"),
    )
    assert told.exit_code == 0, told.output
    result = strict(tmp_path / "told.json")
    assert result["timeline"]["posture"][18] == "sitting"
    assert [m["kind"] for m in result["movements"]] == ["stand_to_sit", "sit_to_stand"]


def test_without_a_reference_the_posture_is_unknown(tmp_path: Path) -> None:
    script = Wearer().hold(30).script()
    t_ns, accel, gyro = played(script)
    bare = Recording("bare", t_ns / 1e9, accel, gyro)
    write_recording(tmp_path / "bare.parquet", bare)
    assert run(tmp_path / "bare.parquet", "--out", tmp_path / "r.json").exit_code == 0
    result = strict(tmp_path / "r.json")
    assert set(result["timeline"]["posture"]) == {"unknown"}
    assert set(result["timeline"]["trunk_flexion_deg"]) == {None}
    assert result["quality"]["observable"]["posture"] == "reference"


def test_parameters_can_be_changed(recording: Path, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"walking": {"prolonged_min": 0.1}}')
    done = run(recording, "--out", tmp_path / "r.json", "--params", tmp_path / "p.json")
    assert done.exit_code == 0, done.output
    result = strict(tmp_path / "r.json")
    assert result["walking_bouts"][0]["prolonged"] is True
    assert result["provenance"]["params"]["walking"]["prolonged_min"] == 0.1
    assert result["provenance"]["params_hash"] != Parameters().hash()


def test_the_report_is_one_page_with_the_truth(recording: Path, tmp_path: Path) -> None:
    truth = {"posture": [[0, 12, "standing"]], "movements": [], "walking_bouts": [[29, 44]]}
    recording.with_suffix(".truth.json").write_text(json.dumps(truth))
    done = run(recording, "--out", tmp_path / "r.json", "--report", tmp_path / "r.html")
    assert done.exit_code == 0, done.output
    page = (tmp_path / "r.html").read_text()
    assert "true posture" in page
    assert "stand_to_sit" in page
    assert 'src="http' not in page
    assert "cdn.plot.ly" not in page.split("Plotly.newPlot")[-1]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "either --out or --out-dir"),
        (["--out", "a.json", "--out-dir", "b"], "either --out or --out-dir"),
        (["--out", "a.json", "--jobs", "0"], "0 is not in the range"),
        (["--out", "a.json", "--upright", "3", "1"], "START must be before END"),
        (["--out", "a.json", "--placement", "nose"], "is not one of"),
    ],
)
def test_usage_errors_are_explained(recording: Path, options: list[str], expected: str) -> None:
    done = run(recording, *options)
    assert done.exit_code == 2
    assert expected in done.output


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "Expecting property name"),
        ("[]", "must hold an object"),
        ('{"slouching": {}}', "no parameters called 'slouching'"),
        ('{"slouch": 3}', "must be an object of names and values"),
        ('{"slouch": {"depth": 3}}', "slouch has no parameter 'depth'"),
        ('{"slouch": {"band_deg": "3"}}', "slouch.band_deg must be a number"),
        ('{"slouch": {"max_correction_s": 1.5}}', "must be a whole number"),
    ],
)
def test_bad_parameters_are_explained(
    recording: Path, tmp_path: Path, text: str, expected: str
) -> None:
    (tmp_path / "p.json").write_text(text)
    done = run(recording, "--out", tmp_path / "r.json", "--params", tmp_path / "p.json")
    assert done.exit_code == 2
    assert expected in done.output


def test_a_folder_without_recordings_is_a_usage_error(tmp_path: Path) -> None:
    done = run(tmp_path, "--out-dir", tmp_path / "out")
    assert done.exit_code == 2
    assert "no .parquet or .csv files" in done.output


def test_a_folder_that_cannot_be_written_is_an_error(recording: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run(recording, "--out", tmp_path / "file" / "r.json")
    assert done.exit_code == 1
    assert "check the folder" in done.output


def test_help_has_an_example() -> None:
    done = run("--help")
    assert done.exit_code == 0
    assert "Examples:" in done.output
