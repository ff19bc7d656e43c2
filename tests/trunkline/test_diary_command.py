"""`trunkline diary` and `trunkline exposure`: from the command line to the tables."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result

from analytics.exposure.days import Day
from analytics.extra_sensors import KIND, place_of
from analytics.store.base import Result as StoredResult
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from tests.analytics.dashboard.synthetic import PROVENANCE, fill_day
from trunkline.cli import main

Run = Callable[..., Result]
AT = "2026-03-02T08:15:00+01:00"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    clinic = Clinic(tmp_path / "clinic.db")
    clinic.add_wearer("p-001", "Europe/Berlin")
    clinic.close()

    def run(*arguments: object) -> Result:
        words = [str(word) for word in arguments]
        return CliRunner().invoke(main, [*words, "--data-dir", str(tmp_path)])

    return run


def entries(run: Run) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(
        run("diary", "list", "--wearer", "p-001", "--json").output
    )
    return found


def test_an_entry_is_added_changed_and_deleted_on_record(run: Run, tmp_path: Path) -> None:
    answer = run(
        "diary", "add", "--wearer", "p-001", "--severity", 6, "--site", "groin", "--side", "left",
        "--note", "after the train", "--at", AT,
    )  # fmt: skip
    assert answer.output == "entry 1 added\n"
    (entry,) = entries(run)
    assert (entry["symptom"], entry["severity"], entry["note"]) == ("pain", 6, "after the train")
    again = run(
        "diary", "add", "--wearer", "p-001", "--site", "groin", "--side", "left", "--at", AT
    )
    assert (again.exit_code, "already" in again.output) == (1, True)
    assert run("diary", "edit", "--wearer", "p-001", 1, "--severity", 4, "--site", "none",
               "--note", "none").exit_code == 0  # fmt: skip
    (entry,) = entries(run)
    assert (entry["severity"], entry["site"], entry["side"], entry["note"]) == (
        4,
        None,
        "left",
        None,
    )
    assert run("diary", "delete", "--wearer", "p-001", 1).exit_code == 0
    assert entries(run) == []
    clinic = Clinic(tmp_path / "clinic.db")
    said = [(e.action, e.detail) for e in clinic.audit_entries("p-001") if "list" not in e.action]
    clinic.close()
    assert said[::-1][:2] == [
        ("diary add", "entry 1"),
        ("diary edit", "entry 1: site groin -> None, severity 6 -> 4, note"),
    ]
    assert said[0][0] == "diary delete"
    assert said[0][1].endswith("pain None left 4")


def test_what_is_listed_can_be_imported_again(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "diary.csv"
    file.write_text(
        "time,symptom,site,side,severity,note\n"
        '2026-03-02T08:15,pain,elsewhere,,3,"a, b"\n2026-03-02T09:00:00Z,numbness,groin,both,,\n'
    )
    assert run("diary", "import", "--wearer", "p-001", file).output.startswith("2 entries added")
    listed = run("diary", "list", "--wearer", "p-001", "--csv").output
    table = list(csv.DictReader(io.StringIO(listed)))
    assert table[0] == {
        "time": "2026-03-02T08:15:00+01:00", "symptom": "pain", "site": "other", "side": "",
        "severity": "3", "note": "a, b",
    }  # fmt: skip
    assert table[1]["time"] == "2026-03-02T10:00:00+01:00"
    file.write_text(listed)
    again = run("diary", "import", "--wearer", "p-001", file)
    assert again.output == "0 entries added, 2 were there already\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("when,severity\n", "column 'when' is not known"),
        ("time,side\n", "needs the columns time and severity"),
        ("time,severity\n", "no rows"),
        ("time,severity\n2026-03-02T08:00Z,2\nyesterday,3\n", "line 3: 'yesterday' is no time"),
        ("time,severity\n2026-03-02T08:00Z,11\n", "line 2: severity '11'"),
        ("time,severity,site\n2026-03-02T08:00Z,1,knee\n", "site 'knee' is none of lumbosacral"),
        ("time,severity\n2026-03-02T08:00Z\n", "line 2: the number of cells"),
        ("time,severity\n2026-03-02T08:00Z,1,2\n", "line 2: the number of cells"),
    ],
)
def test_a_bad_table_adds_nothing(run: Run, tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(text)
    answer = run("diary", "import", "--wearer", "p-001", file)
    assert answer.exit_code == 1
    assert says in answer.output
    assert entries(run) == []


def test_mistakes(run: Run) -> None:
    assert "unknown" in run("diary", "add", "--wearer", "nobody", "--severity", 1).output
    assert run("diary", "add", "--wearer", "p-001", "--severity", 11).exit_code == 2
    assert run("diary", "edit", "--wearer", "p-001", 9).exit_code == 2
    assert "no entry 9" in run("diary", "delete", "--wearer", "p-001", 9).output


@pytest.fixture(scope="module")
def two_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("two_days") / "samples.db"
    store = EmbeddedStore(path)
    first = Day(date(2026, 3, 7), ZoneInfo("Europe/Berlin"))
    for n in (0, 1):
        fill_day(store, "p-001", first.plus(n), n)
    store.close()
    return path


@pytest.mark.parametrize(("by", "count"), [("hour", 48), ("day", 3), ("week", 2)])
def test_exposure_becomes_a_table(
    run: Run, two_days: Path, tmp_path: Path, by: str, count: int
) -> None:
    shutil.copy(two_days, tmp_path / "samples.db")
    out = tmp_path / "exposure.csv"
    answer = run("exposure", "--wearer", "p-001", "--from", "2026-03-07", "--to", "2026-03-09",
                 "--by", by, "--out", out)  # fmt: skip
    assert answer.exit_code == 0, answer.output
    table = list(csv.DictReader(io.StringIO(out.read_text())))
    assert len(table) == count
    assert float(table[0]["slouched_min"]) >= 0
    assert not out.with_name("exposure.csv.partial").exists()
    bad = run("exposure", "--wearer", "p-001", "--from", "2026-03-09", "--to", "2026-03-07",
              "--out", out)  # fmt: skip
    assert bad.exit_code == 2


def test_signs_become_a_table(run: Run, tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "samples.db")
    day = Day(date(2026, 3, 7), ZoneInfo("Europe/Berlin"))
    fill_day(store, "p-001", day, 0)
    body = {"breaths_per_min": 12.0, "posture": "lying_left"}
    breath = StoredResult("respiration", day.start_ns + 1, day.start_ns + 60_000_000_001, body)
    start_ns, _ = place_of(day)
    sign = {"kind": "hip_peak_extension_deg_left", "value": 9.0, "strides": 300}
    extra = StoredResult(KIND, start_ns, day.end_ns, {"signs": [sign], "observable": {}})
    for result in (breath, extra):
        end_ns = result.start_ns + 1
        store.write_results("p-001", result.start_ns, end_ns, [result], PROVENANCE)
    store.close()
    out = tmp_path / "signs.csv"
    options = ("--wearer", "p-001", "--from", "2026-03-07", "--to", "2026-03-08", "--out", out)
    answer = run("exposure", "--signs", *options)
    assert answer.exit_code == 0, answer.output
    one, other = csv.DictReader(io.StringIO(out.read_text()))
    assert (one["date"], one["hip_peak_extension_deg_left"]) == ("2026-03-07", "9.0")
    assert one["breaths_per_min_lying"] == "12.0"
    assert 0.0 < float(one["breaths_per_min_lying_coverage"]) < 0.01
    assert one["arm_swing_deg_left"] == other["breaths_per_min_lying"] == ""
    assert run("exposure", "--signs", "--by", "week", *options).exit_code == 2
