"""Recordings on disk: what is written is read back, and bad files give one clear sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analytics.recording import METADATA_KEY, Recording, RecordingError, read_recording
from analytics.recording import write_recording as write


def recording(n: int = 100, **changes: object) -> Recording:
    rng = np.random.default_rng(1)
    accel = rng.normal((0, 0, 9.75), 0.1, (n, 3))
    base = Recording(
        recording_id="r1",
        t_s=np.arange(n) / 50.0,
        accel=accel.astype(np.float32).astype(float),
        gyro=rng.normal(0, 0.1, (n, 3)).astype(np.float32).astype(float),
        rate_hz=50.0,
        placement="T12",
        axes={"up": "+z", "forward": None, "left": "-x"},
        upright_reference=(0.0, 1.0),
        reference_posture="sitting",
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    before = recording(extras={"thigh_accel": np.ones((100, 3)), "thigh_gyro": np.zeros((100, 3))})
    write(tmp_path / "a.parquet", before)
    after = read_recording(tmp_path / "a.parquet")
    assert np.array_equal(after.t_s, before.t_s)
    assert np.array_equal(after.accel, before.accel)
    assert after.gyro is not None
    assert before.gyro is not None
    assert np.array_equal(after.gyro, before.gyro)
    assert set(after.extras) == {"thigh_accel", "thigh_gyro"}
    for name in ("recording_id", "rate_hz", "placement", "axes", "upright_reference"):
        assert getattr(after, name) == getattr(before, name)
    assert after.reference_posture == "sitting"
    assert not list(tmp_path.glob(".*"))


def test_a_csv_has_no_metadata_and_is_read_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "walk.csv"
    path.write_text("time_s,accel_x,accel_y,accel_z\n0,0,0,9.8\n0.02,0,,9.8\n0.04,0,0,9.8\n")
    found = read_recording(path)
    assert found.recording_id == "walk"
    assert found.rate_hz == pytest.approx(50.0)
    assert found.placement is None
    assert found.gyro is None
    assert np.isnan(found.accel[1, 1])


def _table(**columns: object) -> pa.Table:
    base = {
        "time_s": np.arange(4.0),
        "accel_x": np.zeros(4),
        "accel_y": np.zeros(4),
        "accel_z": np.full(4, 9.8),
    }
    merged = {**base, **columns}
    return pa.table({name: value for name, value in merged.items() if value is not None})


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"accel_y": None}, "no column accel_y"),
        ({"time_s": np.array([0.0, 2.0, 1.0, 3.0])}, "does not increase at row 2"),
        ({"time_s": np.array([0.0, np.nan, 1.0, 3.0])}, "missing in row 1"),
        ({"accel_z": np.full(4, 1.0)}, "looks like g"),
        ({"accel_z": np.full(4, 1000.0)}, "looks like mg"),
        ({"accel_z": np.full(4, 100.0)}, "check the unit"),
        ({"accel_z": np.full(4, np.nan)}, "no valid sample"),
        ({"accel_z": ["a", "b", "c", "d"]}, "not numbers"),
        ({f"gyro_{a}": np.full(4, 120.0) for a in "xyz"}, "looks like deg/s"),
    ],
)
def test_bad_columns_are_refused(tmp_path: Path, columns: dict[str, object], expected: str) -> None:
    pq.write_table(_table(**columns), tmp_path / "bad.parquet")
    with pytest.raises(RecordingError, match=expected):
        read_recording(tmp_path / "bad.parquet")


@pytest.mark.parametrize(
    "meta",
    [
        "[]",
        "{",
        '{"rate_hz": "fast"}',
        '{"rate_hz": -1}',
        '{"axes": {"up": "up"}}',
        '{"axes": ["+x"]}',
        '{"upright_reference": [3]}',
        '{"upright_reference": [3, 1]}',
        '{"placement": 7}',
    ],
)
def test_bad_metadata_is_refused(tmp_path: Path, meta: str) -> None:
    table = _table().replace_schema_metadata({METADATA_KEY: meta.encode()})
    pq.write_table(table, tmp_path / "bad.parquet")
    with pytest.raises(RecordingError, match=r"write it anew|correct the metadata"):
        read_recording(tmp_path / "bad.parquet")


@pytest.mark.parametrize("name", ["none.parquet", "none.csv", "a.txt", "junk.parquet", "empty.csv"])
def test_bad_files_are_refused(tmp_path: Path, name: str) -> None:
    if not name.startswith("none"):
        (tmp_path / name).write_bytes(b"" if name == "empty.csv" else b"PAR1 junk")
    with pytest.raises(RecordingError, match=name):
        read_recording(tmp_path / name)


def test_one_sample_is_nothing_to_analyse(tmp_path: Path) -> None:
    pq.write_table(_table().slice(0, 1), tmp_path / "one.parquet")
    with pytest.raises(RecordingError, match="holds 1 sample"):
        read_recording(tmp_path / "one.parquet")


@pytest.mark.corpus
def test_a_corpus_recording_keeps_its_metadata(shared_dir: Path) -> None:
    found = read_recording(shared_dir / "corpus/recordings/HAPT/hapt_u01_e01.parquet")
    assert found.placement == "waist"
    assert found.upright_reference == (15.98, 23.98)
    assert found.axes["up"] == "+x"
    assert json.loads(json.dumps(dict(found.meta)))["set"] == "HAPT"
