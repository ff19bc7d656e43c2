"""What is exported is what is stored: read back and compared."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from analytics.export import dictionary
from analytics.export.bundle import Selection, export, work_ns
from analytics.export.files import Format
from analytics.store.base import Provenance, Result, StoreError
from analytics.store.embedded import EmbeddedStore
from tests.analytics.export.stored import DAY_NS, HOUR, S, diary, minute

ABOUT = {"software_version": "0", "store": "embedded", "created_at": "2026-03-03T00:00:00Z"}
DAY = Selection("w1", DAY_NS, DAY_NS + 24 * HOUR, ZoneInfo("Europe/Berlin"))
EIGHT = DAY_NS + 8 * HOUR


def run(store: EmbeddedStore, out: Path, chosen: Selection = DAY, **more: Any) -> dict[str, Any]:
    return export(
        store, diary, chosen, out, more.pop("file_format", Format.PARQUET), about=ABOUT, **more
    )


def rows(path: Path) -> list[dict[str, Any]]:
    table = pq.read_table(path)
    times = [f.name for f in table.schema if pa.types.is_timestamp(f.type)]
    for name in times:
        at = table.column_names.index(name)
        table = table.set_column(at, name, table[name].cast(pa.int64()))
    found: list[dict[str, Any]] = table.to_pylist()
    return found


def read_csv(path: Path) -> pa.Table:
    types = {
        column.name: dictionary.ARROW_TYPES[column.type]
        for table in dictionary.TABLES
        if path.stem == table.name or (path.stem.startswith("raw_") and table is dictionary.RAW)
        for column in table.columns
    }
    options = pa.csv.ConvertOptions(column_types=types, strings_can_be_null=True)
    return pa.csv.read_csv(path, convert_options=options)


def test_raw_samples_come_back_exactly(store: EmbeddedStore, tmp_path: Path) -> None:
    run(store, tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "raw_back.parquet")
    stored = store.read_samples("w1", "back", DAY.start_ns, DAY.end_ns)
    assert np.array_equal(table["time_utc"].cast(pa.int64()).to_numpy(), stored.t_ns)
    for name, quantity in stored.values.items():
        for axis in range(3):
            column = table[f"{name}_{'xyz'[axis]}"].to_numpy()
            assert np.array_equal(column, quantity[:, axis], equal_nan=True)
    assert table["gyro_x"].null_count == 1000  # the second hour has no gyroscope: null, not NaN
    assert table["accel_x"].null_count == 0
    assert table.schema.field("time_utc").type == pa.timestamp("ns", tz="UTC")
    assert table.schema.field("accel_x").metadata[b"unit"] == b"m/s2"


def test_a_magnetometer_gets_its_columns_and_a_missing_gyroscope_is_null(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    run(store, tmp_path / "out")
    back, thigh = (pq.read_table(tmp_path / "out" / f"raw_{s}.parquet") for s in ("back", "thigh"))
    assert "mag_x" not in back.column_names
    assert thigh["mag_x"].null_count == 0
    assert thigh["gyro_x"].null_count == len(thigh) == 250


def test_results_come_back_exactly(store: EmbeddedStore, tmp_path: Path) -> None:
    run(store, tmp_path / "out")
    timeline = rows(tmp_path / "out" / "timeline.parquet")
    assert [row["time_utc"] for row in timeline] == [EIGHT + i * S for i in range(120)]
    expected = minute(EIGHT).body
    for name in expected.keys() - {"step_s"}:
        got = [row[name] for row in timeline[:60]]
        assert got == pytest.approx([*expected[name]]) if "deg" in name else [*expected[name]]
    assert timeline[1]["slouched"] is None
    assert timeline[2]["slouched"] is False
    assert timeline[0]["trunk_lateral_deg"] is None
    (movement,) = rows(tmp_path / "out" / "movements.parquet")
    assert movement == {
        "kind": "lateral_bend",
        "start_utc": EIGHT + 5 * S,
        "end_utc": EIGHT + 8 * S,
        "direction": "left",
        "peak_deg": pytest.approx(21.7),
        "peak_deg_s": None,
        "confidence": None,
    }
    (slouch,) = rows(tmp_path / "out" / "slouch_episodes.parquet")
    assert (slouch["minutes_low"], slouch["dose"]) == (9.0, None)
    (bout,) = rows(tmp_path / "out" / "walking_bouts.parquet")
    assert (bout["step_count"], bout["step_length_m"], bout["prolonged"]) == (3, None, False)
    steps = [row["time_utc"] - EIGHT - 70 * S for row in rows(tmp_path / "out" / "steps.parquet")]
    assert steps == [250_000_000, 750_000_000, 1_281_000_000]
    symptoms = rows(tmp_path / "out" / "symptoms.parquet")
    assert [row["severity"] for row in symptoms] == [6, None]
    assert symptoms[1]["time_utc"] == DAY_NS + 9 * HOUR + 1


def test_the_day_has_its_figures_and_keeps_what_is_not_known(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    run(store, tmp_path / "out")
    (day,) = rows(tmp_path / "out" / "days.parquet")
    assert day["date"] == dt.date(2026, 3, 2)
    assert day["worn_min"] == day["sitting_min"] == 2.0
    assert day["lateral_bend_count"] == 1
    assert day["squat_count"] == 0
    empty = replace(DAY, start_ns=DAY.end_ns, end_ns=DAY.end_ns + 24 * HOUR)
    run(store, tmp_path / "empty", empty)
    (nothing,) = rows(tmp_path / "empty" / "days.parquet")
    assert {v for k, v in nothing.items() if k not in {"date", "start_utc", "end_utc"}} == {None}


def test_part_of_a_day_is_no_day(store: EmbeddedStore, tmp_path: Path) -> None:
    run(store, tmp_path / "out", replace(DAY, end_ns=EIGHT + 90 * S))
    assert rows(tmp_path / "out" / "days.parquet") == []
    assert len(rows(tmp_path / "out" / "timeline.parquet")) == 90


def test_rows_belong_to_the_range_they_begin_in(store: EmbeddedStore, tmp_path: Path) -> None:
    middle = EIGHT + 7 * S
    run(store, tmp_path / "a", replace(DAY, end_ns=middle))
    run(store, tmp_path / "b", replace(DAY, start_ns=middle))
    run(store, tmp_path / "both")
    for name in ("raw_back", "timeline", "movements", "slouch_episodes", "steps", "symptoms"):
        a, b, both = (pq.read_table(tmp_path / f / f"{name}.parquet") for f in ("a", "b", "both"))
        assert len(a) + len(b) == len(both)
        assert pa.concat_tables([a, b]).equals(both)


def test_csv_says_the_same_as_parquet(store: EmbeddedStore, tmp_path: Path) -> None:
    run(store, tmp_path / "p")
    run(store, tmp_path / "c", file_format=Format.CSV)
    names = {path.stem for path in (tmp_path / "p").glob("*.parquet")}
    assert names == {path.stem for path in (tmp_path / "c").glob("*.csv")}
    assert {"raw_back", "raw_thigh", "timeline", "days"} <= names
    for name in names:
        parquet = pq.read_table(tmp_path / "p" / f"{name}.parquet")
        csv = read_csv(tmp_path / "c" / f"{name}.csv")
        assert csv.cast(parquet.schema).equals(parquet), name
    lines = (tmp_path / "c" / "raw_back.csv").read_bytes().decode("utf-8").splitlines()
    assert lines[0] == "time_utc,accel_x,accel_y,accel_z,gyro_x,gyro_y,gyro_z"
    assert lines[2].startswith("2026-03-02T07:00:00.020000000Z,")
    assert lines[-1].endswith(",,,")


def test_the_export_explains_itself(store: EmbeddedStore, tmp_path: Path) -> None:
    said = run(store, tmp_path / "out", replace(DAY, pseudonym="subject-7"))
    written = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert written == said
    assert written["wearer"] == "subject-7"
    assert written["from_utc"] == "2026-03-01T23:00:00.000000000Z"
    assert written["computed_by"] == [{"algorithm_version": "1.0", "params_hash": "abc123"}]
    assert written["created_at"] == ABOUT["created_at"]
    assert written["rows"]["raw_back.parquet"] == 2000
    told = json.loads((tmp_path / "out" / "dictionary.json").read_text())["files"]
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {*told, "provenance.json", "dictionary.json"}
    for name, about in told.items():
        table = pq.read_table(tmp_path / "out" / name)
        assert table.column_names == [column["name"] for column in about["columns"]]
        assert len(table) == written["rows"][name]
    assert b"w1" not in b"".join(p.read_bytes() for p in (tmp_path / "out").glob("*.json"))


def test_only_what_is_asked_for(store: EmbeddedStore, tmp_path: Path) -> None:
    run(store, tmp_path / "r", replace(DAY, raw=False))
    run(store, tmp_path / "s", replace(DAY, results=False))
    assert not list((tmp_path / "r").glob("raw_*"))
    names = {path.name for path in (tmp_path / "s").iterdir()}
    assert names == {
        "raw_back.parquet", "raw_thigh.parquet", "dictionary.json", "provenance.json"
    }  # fmt: skip


def test_progress_adds_up(store: EmbeddedStore, tmp_path: Path) -> None:
    seen: list[int] = []
    run(store, tmp_path / "out", progress=seen.append)
    assert sum(seen) == work_ns(store, DAY) == 3 * 24 * HOUR
    assert min(seen) >= 0


def test_days_follow_the_clock_change(store: EmbeddedStore, tmp_path: Path) -> None:
    zone = ZoneInfo("Europe/Berlin")
    first = int(dt.datetime(2026, 3, 28, tzinfo=zone).timestamp()) * S
    last = int(dt.datetime(2026, 3, 31, tzinfo=zone).timestamp()) * S
    run(store, tmp_path / "out", Selection("w1", first, last, zone))
    days = rows(tmp_path / "out" / "days.parquet")
    assert [(day["end_utc"] - day["start_utc"]) // HOUR for day in days] == [24, 23, 24]


def test_a_second_told_twice_is_exported_once_with_what_is_known(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    halves = [minute(EIGHT, None), minute(EIGHT), minute(EIGHT, None)]
    mixed = [Result("timeline", m.start_ns, m.end_ns, m.body) for m in halves]
    store.write_results("w1", EIGHT, EIGHT + 60 * S, mixed, Provenance("1.0", "abc123"))
    run(store, tmp_path / "out", replace(DAY, end_ns=EIGHT + 60 * S))
    timeline = rows(tmp_path / "out" / "timeline.parquet")
    assert [row["time_utc"] for row in timeline] == [EIGHT + i * S for i in range(60)]
    assert {row["posture"] for row in timeline} == {"sitting"}


def test_a_failing_store_leaves_nothing(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StoreError("the disk is gone", "plug it in")

    monkeypatch.setattr(store, "read_results", fail)
    with pytest.raises(StoreError, match="plug it in"):
        run(store, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
