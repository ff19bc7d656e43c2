"""What is exported is what is stored: read back and compared."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections import Counter
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
from analytics.export.bundle import Export, Request
from analytics.export.formats import PARTS, named
from analytics.export.pseudonym import Naming
from analytics.export.source import moved
from analytics.export.subject import Subject
from analytics.store.archive import Archive
from analytics.store.archived import ArchivedStore
from analytics.store.archiving import archive_days
from analytics.store.base import Provenance, Result, StoreError
from analytics.store.embedded import EmbeddedStore
from tests.analytics.export.stored import DAY, DAY_NS, HOUR, S, batches, diary, minute

ABOUT = {"software_version": "0", "store": "embedded", "created_at": "2026-03-03T00:00:00Z"}
EIGHT = DAY_NS + 8 * HOUR


def export_of(
    store: EmbeddedStore,
    subject: Subject = DAY,
    form: str = "parquet",
    parts: tuple[str, ...] = PARTS,
) -> Export:
    return Export(store, Request([subject], named(form), frozenset(parts)), about=ABOUT)


def run(
    store: EmbeddedStore,
    out: Path,
    subject: Subject = DAY,
    form: str = "parquet",
    parts: tuple[str, ...] = PARTS,
) -> dict[str, Any]:
    return export_of(store, subject, form, parts).write(out)


def rows(path: Path) -> list[dict[str, Any]]:
    table = pq.read_table(path)
    times = [f.name for f in table.schema if pa.types.is_timestamp(f.type)]
    for name in times:
        at = table.column_names.index(name)
        table = table.set_column(at, name, table[name].cast(pa.int64()))
    found: list[dict[str, Any]] = table.to_pylist()
    return found


def read_parquet(folder: Path, name: str) -> pa.Table:
    """A table, or no rows where a sensor had none."""
    path = folder / name if name.startswith("raw_") else folder / f"{name}.parquet"
    if not path.exists():
        return dictionary.raw_of({"accel", "gyro"}).schema().empty_table()
    return pq.read_table(path)


def read_csv(path: Path) -> pa.Table:
    types = {
        column.name: dictionary.ARROW_TYPES[column.type]
        for table in dictionary.TABLES
        if path.stem == table.name
        or (path.parent.name.startswith("raw_") and table is dictionary.RAW)
        for column in table.columns
    }
    options = pa.csv.ConvertOptions(column_types=types, strings_can_be_null=True)
    return pa.csv.read_csv(path, convert_options=options)


def test_raw_samples_come_back_exactly(store: EmbeddedStore, tmp_path: Path) -> None:
    run(store, tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "w1" / "raw_back")
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
    back, thigh = (pq.read_table(tmp_path / "out/w1" / f"raw_{s}") for s in ("back", "thigh"))
    assert "mag_x" not in back.column_names
    assert thigh["mag_x"].null_count == 0
    assert thigh["gyro_x"].null_count == len(thigh) == 250


def test_results_come_back_exactly(store: EmbeddedStore, tmp_path: Path) -> None:
    run(store, tmp_path / "out")
    timeline = rows(tmp_path / "out" / "w1" / "timeline.parquet")
    assert [row["time_utc"] for row in timeline] == [EIGHT + i * S for i in range(120)]
    expected = minute(EIGHT).body
    for name in expected.keys() - {"step_s"}:
        got = [row[name] for row in timeline[:60]]
        assert got == pytest.approx([*expected[name]]) if "deg" in name else [*expected[name]]
    assert timeline[1]["slouched"] is None
    assert timeline[2]["slouched"] is False
    assert timeline[0]["trunk_lateral_deg"] is None
    (movement,) = rows(tmp_path / "out" / "w1" / "movements.parquet")
    assert movement == {
        "kind": "lateral_bend",
        "start_utc": EIGHT + 5 * S,
        "end_utc": EIGHT + 8 * S,
        "direction": "left",
        "peak_deg": pytest.approx(21.7),
        "peak_deg_s": None,
        "confidence": None,
    }
    (slouch,) = rows(tmp_path / "out" / "w1" / "slouch_episodes.parquet")
    assert (slouch["minutes_low"], slouch["dose"]) == (9.0, None)
    (bout,) = rows(tmp_path / "out" / "w1" / "walking_bouts.parquet")
    assert (bout["step_count"], bout["step_length_m"], bout["prolonged"]) == (3, None, False)
    steps = [
        row["time_utc"] - EIGHT - 70 * S for row in rows(tmp_path / "out" / "w1" / "steps.parquet")
    ]
    assert steps == [250_000_000, 750_000_000, 1_281_000_000]
    symptoms = rows(tmp_path / "out" / "w1" / "symptoms.parquet")
    assert [row["severity"] for row in symptoms] == [6, None]
    assert symptoms[1]["time_utc"] == DAY_NS + 9 * HOUR + 1


def test_the_day_has_its_figures_and_keeps_what_is_not_known(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    run(store, tmp_path / "out")
    (day,) = rows(tmp_path / "out" / "w1" / "days.parquet")
    assert day["date"] == dt.date(2026, 3, 2)
    assert day["worn_min"] == day["sitting_min"] == 2.0
    assert day["lateral_bend_count"] == 1
    assert day["squat_count"] == 0
    empty = replace(DAY, start_ns=DAY.end_ns, end_ns=DAY.end_ns + 24 * HOUR)
    run(store, tmp_path / "empty", empty)
    (nothing,) = rows(tmp_path / "empty" / "w1" / "days.parquet")
    assert {v for k, v in nothing.items() if k not in {"date", "start_utc", "end_utc"}} == {None}


def test_part_of_a_day_is_no_day(store: EmbeddedStore, tmp_path: Path) -> None:
    run(store, tmp_path / "out", replace(DAY, end_ns=EIGHT + 90 * S))
    assert rows(tmp_path / "out" / "w1" / "days.parquet") == []
    assert len(rows(tmp_path / "out" / "w1" / "timeline.parquet")) == 90


def test_rows_belong_to_the_range_they_begin_in(store: EmbeddedStore, tmp_path: Path) -> None:
    middle = EIGHT + 7 * S
    run(store, tmp_path / "a", replace(DAY, end_ns=middle))
    run(store, tmp_path / "b", replace(DAY, start_ns=middle))
    run(store, tmp_path / "both")
    for name in ("raw_back", "timeline", "movements", "slouch_episodes", "steps", "symptoms"):
        a, b, both = (read_parquet(tmp_path / f / "w1", name) for f in ("a", "b", "both"))
        assert len(a) + len(b) == len(both)
        assert pa.concat_tables([a, b]).equals(both)


def test_csv_says_the_same_as_parquet(store: EmbeddedStore, tmp_path: Path) -> None:
    run(store, tmp_path / "p")
    run(store, tmp_path / "c", form="csv")
    names = {path.relative_to(tmp_path / "p") for path in (tmp_path / "p").rglob("*.parquet")}
    found = {path.relative_to(tmp_path / "c") for path in (tmp_path / "c").rglob("*.csv")}
    assert {name.with_suffix(".csv") for name in names} == found
    raw = {f"w1/raw_{sensor}/2026-03-02.csv" for sensor in ("back", "thigh")}
    assert {*raw, "w1/timeline.csv", "w1/days.csv"} <= {str(name) for name in found}
    for name in names:
        parquet = pq.read_table(tmp_path / "p" / name)
        csv = read_csv((tmp_path / "c" / name).with_suffix(".csv"))
        assert csv.cast(parquet.schema).equals(parquet), name
    lines = (tmp_path / "c/w1/raw_back/2026-03-02.csv").read_bytes().decode("utf-8").splitlines()
    assert lines[0] == "time_utc,accel_x,accel_y,accel_z,gyro_x,gyro_y,gyro_z"
    assert lines[2].startswith("2026-03-02T07:00:00.020000000Z,")
    assert lines[-1].endswith(",,,")


def test_the_export_explains_itself(store: EmbeddedStore, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = run(store, out, replace(DAY, name="subject-7"))
    written = json.loads((out / "provenance.json").read_text())
    assert written == said
    assert written["subjects"] == [
        {
            "subject": "subject-7",
            "from_utc": "2026-03-01T23:00:00.000000000Z",
            "to_utc": "2026-03-02T23:00:00.000000000Z",
            "time_zone": "Europe/Berlin",
            "sensors": [],
            "computed_by": [{"algorithm_version": "1.0", "params_hash": "abc123"}],
        }
    ]
    assert written["created_at"] == ABOUT["created_at"]
    assert written["rows"]["subject-7/raw_back/2026-03-02.parquet"] == 2000
    manifest = json.loads((out / "manifest.json").read_text())["files"]
    files = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert files == {"manifest.json", *(record["file"] for record in manifest)}
    told = json.loads((out / "dictionary.json").read_text())["tables"]
    for record in manifest:
        content = (out / record["file"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (
            record["bytes"],
            record["sha256"],
        )
        if "table" in record:
            table = pq.read_table(out / record["file"])
            columns = [column["name"] for column in told[record["table"]]["columns"]]
            assert [name for name in columns if name in table.column_names] == table.column_names
            assert len(table) == record["rows"] == written["rows"][record["file"]]
    assert b"w1" not in b"".join(p.read_bytes() for p in out.glob("*.json"))


def test_only_what_is_asked_for(store: EmbeddedStore, tmp_path: Path) -> None:
    run(store, tmp_path / "r", parts=("results",))
    run(store, tmp_path / "s", parts=("raw",))
    assert not list((tmp_path / "r/w1").glob("raw_*"))
    assert {path.name for path in (tmp_path / "s/w1").iterdir()} == {"raw_back", "raw_thigh"}


def test_progress_adds_up(store: EmbeddedStore, tmp_path: Path) -> None:
    seen: list[int] = []
    export = export_of(store)
    export.write(tmp_path / "out", progress=seen.append)
    assert sum(seen) == export.work_ns == 3 * 24 * HOUR
    assert min(seen) >= 0


def test_days_follow_the_clock_change(store: EmbeddedStore, tmp_path: Path) -> None:
    zone = ZoneInfo("Europe/Berlin")
    first = int(dt.datetime(2026, 3, 28, tzinfo=zone).timestamp()) * S
    last = int(dt.datetime(2026, 3, 31, tzinfo=zone).timestamp()) * S
    run(store, tmp_path / "out", Subject("w1", "w1", first, last, zone, diary))
    days = rows(tmp_path / "out" / "w1" / "days.parquet")
    assert [(day["end_utc"] - day["start_utc"]) // HOUR for day in days] == [24, 23, 24]


def test_a_second_told_twice_is_exported_once_with_what_is_known(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    halves = [minute(EIGHT, None), minute(EIGHT), minute(EIGHT, None)]
    mixed = [Result("timeline", m.start_ns, m.end_ns, m.body) for m in halves]
    store.write_results("w1", EIGHT, EIGHT + 60 * S, mixed, Provenance("1.0", "abc123"))
    run(store, tmp_path / "out", replace(DAY, end_ns=EIGHT + 60 * S))
    timeline = rows(tmp_path / "out" / "w1" / "timeline.parquet")
    assert [row["time_utc"] for row in timeline] == [EIGHT + i * S for i in range(60)]
    assert {row["posture"] for row in timeline} == {"sitting"}


def test_a_failing_store_leaves_nothing_but_what_the_next_run_goes_on_with(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StoreError("the disk is gone", "plug it in")

    monkeypatch.setattr(store, "read_results", fail)
    with pytest.raises(StoreError, match="plug it in"):
        run(store, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.part", "data"]
    monkeypatch.undo()
    reads = Counter[str]()
    read = store.iter_samples

    def counted(wearer: str, sensor: str, *where: int) -> Any:
        reads[sensor] += 1
        return read(wearer, sensor, *where)

    monkeypatch.setattr(store, "iter_samples", counted)
    run(store, tmp_path / "out")
    assert not reads  # the samples were there
    assert len(pq.read_table(tmp_path / "out/w1/raw_back")) == 2000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out"]


def test_another_request_begins_anew(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "read_results", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(store, tmp_path / "out")
    assert (tmp_path / ".out.part/w1/raw_back").is_dir()
    monkeypatch.undo()
    run(store, tmp_path / "out", replace(DAY, name="other"))
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()} == {"other"}


def test_a_cohort_with_keyed_names_and_moved_dates(store: EmbeddedStore, tmp_path: Path) -> None:
    rename = Naming(key=b"k" * 32, shift_dates=True)
    people = [
        replace(DAY, wearer=wearer, name=rename.name(wearer), shift_ns=rename.shift_ns(wearer))
        for wearer in ("w1", "w2")
    ]
    request = Request(people, named("parquet"), frozenset(PARTS))
    said = Export(store, request, about=ABOUT).write(tmp_path / "out")
    assert [path.name for path in sorted((tmp_path / "out").iterdir()) if path.is_dir()] == sorted(
        person.name for person in people
    )
    assert (said["dates_shifted"], said["smallest_group"]) == (True, 2)
    run(store, tmp_path / "plain")
    folder, shift_ns = tmp_path / "out" / people[0].name, people[0].shift_ns
    assert shift_ns < 0
    assert shift_ns % (7 * 24 * HOUR) == 0
    for name in ("raw_back", "timeline", "movements", "days", "steps", "symptoms"):
        got, plain = read_parquet(folder, name), read_parquet(tmp_path / "plain/w1", name)
        assert moved(plain, shift_ns).equals(got)
        assert not plain.equals(got)
    (file,) = (folder / "raw_back").iterdir()
    date = dt.date(2026, 3, 2) + dt.timedelta(shift_ns / (24 * HOUR))
    assert file.stem == date.isoformat()
    assert date.weekday() == dt.date(2026, 3, 2).weekday()
    assert b'"w1"' not in b"".join(p.read_bytes() for p in (tmp_path / "out").glob("*.json"))


def test_what_only_the_archive_has_is_exported_the_same(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    archive = Archive(tmp_path / "archive")
    end_ns = DAY.end_ns + 2 * 24 * HOUR
    archive_days(store, archive, end_ns, keep_days=0, drop=None)
    archive.set_horizon(end_ns)
    empty = EmbeddedStore(tmp_path / "empty.db")
    archived = ArchivedStore(empty, archive)
    late = replace(DAY, start_ns=EIGHT + 3 * S + 1, end_ns=EIGHT + 2 * HOUR + 10 * S)
    for name, subject in (("all", DAY), ("part", late)):
        request = Request([subject], named("parquet"), frozenset({"raw"}))
        for folder, source in (("s", store), ("a", archived)):
            Export(source, request, about=ABOUT).write(tmp_path / folder / name)
        for sensor in ("raw_back", "raw_thigh"):
            from_store = read_parquet(tmp_path / "s" / name / "w1", sensor)
            assert read_parquet(tmp_path / "a" / name / "w1", sensor).equals(from_store)
    # What came late is in the store and not yet in the archive: then both are read.
    more = batches("back", EIGHT + HOUR, 1, ("accel",))
    empty.write_batches(more)
    store.write_batches(more)
    for folder, source in (("s", store), ("a", archived)):
        request = Request([DAY], named("parquet"), frozenset({"raw"}))
        Export(source, request, about=ABOUT).write(tmp_path / folder / "late")
    got, wanted = (read_parquet(tmp_path / f / "late/w1", "raw_back") for f in ("a", "s"))
    assert got.equals(wanted)
    assert len(got) == 2050
    empty.close()
