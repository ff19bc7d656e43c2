"""Rows that REDCap's import takes, and the data dictionary that goes with them."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

from analytics.export import dictionary
from analytics.export.bundle import Export, Request
from analytics.export.formats import named
from analytics.store.embedded import EmbeddedStore
from tests.analytics.export.stored import DAY, HOUR


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_row_for_every_day_of_everybody(store: EmbeddedStore, tmp_path: Path) -> None:
    longer = replace(DAY, end_ns=DAY.end_ns + 24 * HOUR)
    people = [longer, replace(DAY, wearer="w2", name="other")]
    options = {"event": "baseline_arm_1"}
    request = Request(people, named("redcap"), frozenset({"results"}), options)
    Export(store, request, about={}).write(tmp_path / "out")
    rows = rows_of(tmp_path / "out/records.csv")
    assert [(row["record_id"], row["redcap_repeat_instance"], row["tl_date"]) for row in rows] == [
        ("w1", "1", "2026-03-02"),
        ("w1", "2", "2026-03-03"),
        ("other", "1", "2026-03-02"),
    ]
    assert rows[0]["redcap_event_name"] == "baseline_arm_1"
    assert rows[0]["redcap_repeat_instrument"] == "trunkline_day"
    assert (rows[0]["tl_worn_min"], rows[0]["tl_lateral_bend_count"]) == ("2", "1")
    assert rows[0]["tl_squat_count"] == "0"
    assert rows[1]["tl_worn_min"] == rows[2]["tl_squat_count"] == ""  # not known is not zero


def test_the_dictionary_has_every_field(store: EmbeddedStore, tmp_path: Path) -> None:
    request = Request([DAY], named("redcap"), frozenset({"results"}))
    Export(store, request, about={}).write(tmp_path / "out")
    fields = rows_of(tmp_path / "out/data_dictionary.csv")
    names = [field["Variable / Field Name"] for field in fields]
    assert names == ["record_id", *(f"tl_{column.name}" for column in dictionary.DAYS.columns)]
    assert all(re.fullmatch("[a-z][a-z0-9_]{0,99}", name) for name in names)
    assert len(fields[0]) == 18
    assert {field["Form Name"] for field in fields} == {"trunkline_day"}
    header = rows_of(tmp_path / "out/records.csv")[0].keys()
    assert set(header) - set(names) == {"redcap_repeat_instrument", "redcap_repeat_instance"}
