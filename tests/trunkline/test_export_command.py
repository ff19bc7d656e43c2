"""`trunkline export` from outside."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from analytics.store.base import Provenance
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from analytics.store.records import DiaryEntry
from tests.analytics.export.stored import DAY_NS, HOUR, S, batches, results
from trunkline.cli import main


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    store, clinic = EmbeddedStore(folder / "samples.db"), Clinic(folder / "clinic.db")
    store.write_batches(batches("back", DAY_NS + 8 * HOUR, 20, ("accel", "gyro")))
    store.write_results("w1", DAY_NS, DAY_NS + 24 * HOUR, results(), Provenance("1.0", "abc"))
    clinic.add_wearer("w1", "Europe/Berlin")
    clinic.add_diary(
        DiaryEntry("w1", DAY_NS + 9 * HOUR, "pain", "groin", "left", 3, DAY_NS + 9 * HOUR, "cli")
    )
    store.close()
    clinic.close()
    return folder


def run(data_dir: Path, *arguments: str, **changed: str) -> tuple[int, str]:
    options = {"wearer": "w1", "from": "2026-03-02", "to": "2026-03-02", **changed}
    given = [word for name, value in options.items() for word in (f"--{name}", value)]
    result = CliRunner().invoke(
        main, ["export", *given, *arguments, "--data-dir", str(data_dir)], catch_exceptions=False
    )
    return result.exit_code, result.output


def test_a_local_day_is_exported(data_dir: Path, tmp_path: Path) -> None:
    code, output = run(data_dir, "--json", out=str(tmp_path / "x"))
    assert code == 0, output
    said = json.loads(output)
    assert (tmp_path / "x/manifest.json").is_file()
    (subject,) = said["subjects"]
    assert subject["from_utc"] == "2026-03-01T23:00:00.000000000Z"
    assert subject["to_utc"] == "2026-03-02T23:00:00.000000000Z"
    assert said["rows"]["w1/raw_back/2026-03-02.parquet"] == 1000
    assert said["rows"]["w1/timeline.parquet"] == 120
    assert said["rows"]["w1/symptoms.parquet"] == said["rows"]["w1/days.parquet"] == 1
    assert (said["store"], subject["computed_by"][0]["params_hash"]) == ("embedded", "abc")
    assert pq.read_table(tmp_path / "x/w1/raw_back").num_rows == 1000


def test_instants_are_exact_and_need_a_zone(data_dir: Path, tmp_path: Path) -> None:
    times = {"from": "2026-03-02T07:00:01Z", "to": "2026-03-02T08:00:02.02+01:00"}
    code, output = run(data_dir, "--json", "--what", "raw", out=str(tmp_path / "x"), **times)
    assert code == 0, output
    table = pq.read_table(tmp_path / "x/w1/raw_back")
    assert table["time_utc"][0].value == DAY_NS + 8 * HOUR + S
    assert table.num_rows == 51
    code, output = run(data_dir, out=str(tmp_path / "y"), **{"from": "2026-03-02T08:00"})
    assert code == 2
    assert "no zone" in output


def test_csv_and_pseudonym(data_dir: Path, tmp_path: Path) -> None:
    code, output = run(
        data_dir, "--format", "csv", "--pseudonym", "subject-7", out=str(tmp_path / "x")
    )
    assert code == 0, output
    (told,) = json.loads((tmp_path / "x" / "provenance.json").read_text())["subjects"]
    assert told["subject"] == "subject-7"
    assert (tmp_path / "x/subject-7/timeline.csv").read_text().startswith("time_utc,posture,")


def test_a_cohort_by_key_is_warned_of_when_it_is_small(data_dir: Path, tmp_path: Path) -> None:
    key = tmp_path / "export.key"
    key.write_text("k" * 64)
    more = ("--wearer", "w1", "--key-file", str(key), "--shift-dates")
    code, output = run(data_dir, *more, out=str(tmp_path / "x"))
    assert code == 0, output
    assert "k = 1 of 5" in output
    (folder,) = (path for path in (tmp_path / "x").iterdir() if path.is_dir())
    assert folder.name.startswith("s")
    assert folder.name != "w1"
    checked = CliRunner().invoke(main, ["export", "--check", "--out", str(tmp_path / "x")])
    assert (checked.exit_code, checked.output) == (0, "as it was written\n")
    (folder / "days.parquet").write_bytes(b"")
    checked = CliRunner().invoke(main, ["export", "--check", "--out", str(tmp_path / "x")])
    assert checked.exit_code == 1
    assert f"{folder.name}/days.parquet has changed" in checked.output


def test_a_short_or_missing_key_is_refused(data_dir: Path, tmp_path: Path) -> None:
    key = tmp_path / "export.key"
    for text in (None, "short"):
        if text:
            key.write_text(text)
        code, output = run(data_dir, "--key-file", str(key), out=str(tmp_path / "x"))
        assert (code, "token_hex(32)" in output) == (2, True)
    assert run(data_dir, "--shift-dates", out=str(tmp_path / "x"))[0] == 2


def test_the_export_is_on_record(data_dir: Path, tmp_path: Path) -> None:
    run(data_dir, out=str(tmp_path / "x"))
    clinic = Clinic(data_dir / "clinic.db")
    entry = clinic.audit_entries("w1")[0]
    clinic.close()
    assert (entry.action, entry.detail) == ("export", "parquet raw,results 2026-03-02 2026-03-02")


@pytest.mark.parametrize(
    ("changed", "code", "text"),
    [
        ({"wearer": "nobody"}, 1, "trunkline wearer add"),
        ({"from": "March"}, 2, "2026-03-02"),
        ({"from": "9999-12-31", "to": "9999-12-31"}, 2, "2026-03-02"),
        ({"to": "2026-03-01"}, 2, "not after"),
        ({"what": "raw,everything"}, 2, "raw,results"),
        ({"pseudonym": "Jane Doe"}, 2, "a-z"),
        ({"format": "xls"}, 2, "parquet"),
    ],
)
def test_bad_input_is_one_sentence(
    data_dir: Path, tmp_path: Path, changed: dict[str, str], code: int, text: str
) -> None:
    got, output = run(data_dir, **{"out": str(tmp_path / "x"), **changed})
    assert (got, text in output) == (code, True), output
    assert not (tmp_path / "x").exists()


def test_a_format_is_not_asked_for_what_it_cannot_hold(data_dir: Path, tmp_path: Path) -> None:
    code, output = run(data_dir, "--format", "redcap", "--what", "raw", out=str(tmp_path / "x"))
    assert (code, "redcap holds no raw data" in output) == (1, True)
    code, output = run(data_dir, "--option", "compression=best", out=str(tmp_path / "x"))
    assert (code, "zstd, snappy, none" in output) == (1, True)


def test_an_earlier_export_is_replaced_only_by_force(data_dir: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "x")
    assert run(data_dir, out=out)[0] == 0
    code, output = run(data_dir, out=out)
    assert code == 1
    assert "--force" in output
    assert run(data_dir, "--force", "--what", "raw", out=out)[0] == 0
    assert not (tmp_path / "x/w1/timeline.parquet").exists()


def test_a_mistyped_data_folder_is_not_made(tmp_path: Path) -> None:
    code, output = run(tmp_path / "dta", out=str(tmp_path / "x"))
    assert (code, "--data-dir" in output) == (1, True)
    assert not list(tmp_path.iterdir())


def test_help_has_an_example() -> None:
    result = CliRunner().invoke(main, ["export", "--help"])
    assert "Example: trunkline export" in result.output
