"""What goes wrong at the edges: one clear line, an exit code, nothing half-written."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from tests.servers import PATIENCE_S, influxd, mosquitto
from trunkline.cli import main

RATE_HZ = 50.0
N = 3000
METADATA = {
    "recording_id": "bad",
    "placement": "waist",
    "rate_hz": RATE_HZ,
    "upright_reference": [1, 10],
    "reference_posture": "standing",
    "axes": {"up": "+x", "forward": None, "left": None},
}


def trunkline(*arguments: object, timeout: float = PATIENCE_S) -> tuple[int, str, str]:
    """Exit code, output and error output of a command."""
    done = subprocess.run(
        [sys.executable, "-m", "trunkline", *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    return done.returncode, done.stdout, done.stderr


def columns() -> dict[str, np.ndarray]:
    noise = np.random.default_rng(0).normal(0, 0.05, (3, N))
    return {
        "time_s": np.arange(N) / RATE_HZ,
        "accel_x": 9.81 + noise[0],
        "accel_y": noise[1],
        "accel_z": noise[2],
    }


def write(path: Path, data: dict[str, np.ndarray], *, with_metadata: bool = True) -> Path:
    table = pa.table(data)
    if with_metadata:
        table = table.replace_schema_metadata({"trunkline": json.dumps(METADATA)})
    pq.write_table(table, path)
    return path


def damaged(change: Callable[[dict[str, np.ndarray]], None]) -> dict[str, np.ndarray]:
    data = columns()
    change(data)
    return data


def some_nan(data: dict[str, np.ndarray]) -> None:
    data["accel_y"][500:1000] = np.nan


def a_gap(data: dict[str, np.ndarray]) -> None:
    data["time_s"][1500:] += 600


def all_nan(data: dict[str, np.ndarray]) -> None:
    data["accel_y"][:] = np.nan


def in_g(data: dict[str, np.ndarray]) -> None:
    for axis in "xyz":
        data[f"accel_{axis}"] /= 9.81


def unordered(data: dict[str, np.ndarray]) -> None:
    data["time_s"][100:200] = data["time_s"][100:200][::-1]


def no_axis(data: dict[str, np.ndarray]) -> None:
    del data["accel_z"]


def empty(data: dict[str, np.ndarray]) -> None:
    for name in data:
        data[name] = data[name][:0]


def here(*arguments: object) -> tuple[int, str, str]:
    """The same in this process, which has imported everything."""
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize("change", [some_nan, a_gap])
def test_missing_samples_are_a_gap_in_the_result(
    tmp_path: Path, change: Callable[[dict[str, np.ndarray]], None]
) -> None:
    source, result = write(tmp_path / "r.parquet", damaged(change)), tmp_path / "r.json"
    code, _, error = here("analyse", source, "--out", result)
    assert code == 0, error
    found = json.loads(result.read_text())
    wanted_s = 10 if change is some_nan else 600
    assert found["quality"]["gap_s"] == pytest.approx(wanted_s, abs=3)
    inside = [
        word
        for at, word in zip(found["timeline"]["time_s"], found["timeline"]["posture"], strict=True)
        if 12 < at < 18
    ]
    if change is some_nan:
        assert set(inside) == {"unknown"}


def test_without_metadata_what_cannot_be_known_is_unknown(tmp_path: Path) -> None:
    source = write(tmp_path / "r.parquet", columns(), with_metadata=False)
    code, _, error = here("analyse", source, "--out", tmp_path / "r.json")
    assert code == 0, error
    found = json.loads((tmp_path / "r.json").read_text())
    assert set(found["timeline"]["posture"]) == {"unknown"}
    assert found["quality"]["observable"]["slouch"] is not True


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (all_nan, "no valid sample"),
        (in_g, "looks like g"),
        (unordered, "does not increase"),
        (no_axis, "accel_z"),
        (empty, "no valid sample"),
    ],
)
def test_an_unusable_recording_is_one_line_and_no_result(
    tmp_path: Path, change: Callable[[dict[str, np.ndarray]], None], words: str
) -> None:
    source = write(tmp_path / "r.parquet", damaged(change))
    code, output, error = here("analyse", source, "--out", tmp_path / "r.json")
    assert code == 1
    assert words in error
    assert (output, error.count("\n")) == ("", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["r.parquet"]


def test_an_unknown_sensor_is_a_usage_error(tmp_path: Path) -> None:
    sensor = ("--wearer", "a", "--sensor", "sundial", "--placement", "T12")
    code, _, error = here("agent", *sensor, "--outbox", tmp_path / "outbox.db")
    assert code == 2
    assert "sundial" in error
    assert "movesense" in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.mosquitto
def test_a_broker_that_refuses_loses_nothing(tmp_path: Path, mosquitto_bin: Path) -> None:
    (tmp_path / "wrong").write_text("wrong")
    source = write(tmp_path / "r.parquet", columns())
    with mosquitto(mosquitto_bin, tmp_path / "broker", ("a",)) as broker:
        address = ("--broker", f"127.0.0.1:{broker.port}")
        wrong = (*address, "--password-file", tmp_path / "wrong")
        play = ("replay", source, "--wearer", "a", "--profile", "polar_h10", "--speed", 20)
        keep = ("--outbox", tmp_path / "outbox.db", "--timeout", 2)
        code, _, error = trunkline(*play, *keep, *wrong)
        assert code == 1
        assert error.count("refused the log-in") == 1
        assert "batches were not committed" in error

        store = ("--data-dir", tmp_path / "data")
        assert here("wearer", "add", "a", "--time-zone", "UTC", *store)[0] == 0
        password = ("--password-file", broker.password_file("server"))
        ingest = subprocess.Popen(
            [sys.executable, "-m", "trunkline", "ingest", "--user", "server"]
            + [str(part) for part in (*address, *password, *store)]
        )
        try:
            right = (*address, "--password-file", broker.password_file("a"))
            code, _, error = trunkline(*play, *keep[:2], "--timeout", PATIENCE_S, *right)
            assert code == 0, error  # with it went what the first attempt had left in the outbox
        finally:
            ingest.terminate()
            ingest.wait(PATIENCE_S)
    out = tmp_path / "out"
    days = ("--from", "2020-01-01", "--to", "2100-01-01", "--what", "raw", "--format", "parquet")
    code, _, error = here("export", "--wearer", "a", *days, "--out", out, *store)
    assert code == 0, error
    files = sorted(out.glob("a/raw_trunk/*.parquet"))
    rows = sum(pq.ParquetFile(file).metadata.num_rows for file in files)
    assert rows >= 2 * N  # both runs, up to the last frame filled up at the end


@pytest.mark.influxdb
def test_an_influxdb_with_a_wrong_token_is_said_at_start(tmp_path: Path, influxd_bin: Path) -> None:
    (tmp_path / "wrong").write_text("wrong")
    with influxd(influxd_bin, tmp_path / "influx") as server:
        store = ("--data-dir", tmp_path / "data", "--store", "influx", "--influx-url", server.url)
        wrong = ("--influx-token-file", tmp_path / "wrong")
        for command in ("ingest", "worker"):
            code, output, error = trunkline(command, *store, *wrong)
            assert code == 1
            assert "refused the log-in" in error
            assert (output, error.count("\n")) == ("", 1)
