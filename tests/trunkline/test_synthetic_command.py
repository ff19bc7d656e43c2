"""`trunkline simulate` from outside."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from trunkline.cli import main
from trunkline.synthetic.wearer import simulate


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["simulate", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


def test_writes_recording_and_truth(tmp_path: Path) -> None:
    out, truth = tmp_path / "rec.parquet", tmp_path / "truth.json"
    code, _ = run(
        *("--hours", "0.05", "--story", "demo", "--seed", "3", "--out", str(out)),
        *("--truth", str(truth), "--start-utc", "2026-03-02T07:00:00+01:00"),
    )
    assert code == 0
    table = pq.read_table(out)
    expected = simulate(180.0, seed=3, story="demo")
    assert table.column_names == ["time_s", *(f"{q}_{c}" for q in ("accel", "gyro") for c in "xyz")]
    assert np.array_equal(table["time_s"].to_numpy(), expected.t_s)
    assert np.array_equal(table["accel_y"].to_numpy(), expected.accel[:, 1])
    assert np.array_equal(table["gyro_z"].to_numpy(), expected.gyro[:, 2])
    metadata = json.loads(table.schema.metadata[b"trunkline"])
    assert metadata == {**expected.metadata, "start_utc": "2026-03-02T06:00:00Z"}
    assert json.loads(truth.read_text()) == expected.truth
    assert sorted(p.name for p in tmp_path.iterdir()) == ["rec.parquet", "truth.json"]


def test_json_summary(tmp_path: Path) -> None:
    code, output = run(
        *("--hours", "0.01", "--out", str(tmp_path / "r.parquet")),
        *("--truth", str(tmp_path / "t.json"), "--json", "--placement", "sternum"),
    )
    assert code == 0
    summary = json.loads(output)
    assert summary["samples"] == 1800
    assert summary["metadata"]["placement"] == "sternum"


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (["--start-utc", "yesterday"], 2, "2026-03-02"),
        (["--start-utc", "0001-01-01T00:00:00+05:00"], 2, "2026-03-02"),
        (["--hours", "0.0001"], 2, "1 s"),
        (["--start-utc", "2026-03-02T07:00:00"], 2, "time zone"),
        (["--rate", "0"], 2, "1000 Hz"),
        (["--placement", "wrist_left"], 2, "T12"),
        (["--out", "/nowhere/at/all.parquet"], 1, "another folder"),
    ],
)
def test_bad_input_is_one_sentence(
    tmp_path: Path, options: list[str], code: int, text: str
) -> None:
    given = ["--hours", "0.01", "--truth", str(tmp_path / "t.json")]
    given += ["--out", str(tmp_path / "r.parquet")]
    assert run(*given, *options)[0] == code
    assert text in run(*given, *options)[1]


def test_help_has_an_example() -> None:
    assert "Example: trunkline simulate" in run("--help")[1]
