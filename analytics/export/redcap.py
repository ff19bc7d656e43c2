"""REDCap: the table `days` as a repeating instrument, and the data dictionary that makes it.

Upload data_dictionary.csv in the project's online designer, let the instrument repeat, then import
records.csv. Fields are called `tl_` and the name of the column.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from analytics.export import dictionary
from analytics.export.dictionary import Column
from analytics.export.formats import Options
from analytics.export.piece import Piece, Progress, Written
from analytics.export.source import Source

INSTRUMENT: Final = "trunkline_day"
PREFIX: Final = "tl_"
HEADER: Final = (
    "Variable / Field Name",
    "Form Name",
    "Section Header",
    "Field Type",
    "Field Label",
    "Choices, Calculations, OR Slider Labels",
    "Field Note",
    "Text Validation Type OR Show Slider Number",
    "Text Validation Min",
    "Text Validation Max",
    "Identifier?",
    "Branching Logic (Show field only if...)",
    "Required Field?",
    "Custom Alignment",
    "Question Number (surveys only)",
    "Matrix Group Name",
    "Matrix Ranking?",
    "Field Annotation",
)
"""Columns of REDCap's data dictionary (Vanderbilt University, REDCap 7 and newer)."""
VALIDATION: Final = {"date": "date_ymd", "float32": "number", "int32": "integer"}


def plan(source: Source, options: Options) -> Sequence[Piece]:
    """One piece: an import is one file."""
    work_ns = sum(subject.end_ns - subject.start_ns for subject in source.subjects)
    return [Piece("records", work_ns, _Records(source, options["event"]).write)]


@dataclass(frozen=True, slots=True)
class _Records:
    source: Source
    event: str

    def write(self, folder: Path, progress: Progress) -> Sequence[Written]:
        _write(folder / "data_dictionary.csv", HEADER, _fields())
        event = ("redcap_event_name",) if self.event else ()
        header = (
            "record_id",
            *event,
            "redcap_repeat_instrument",
            "redcap_repeat_instance",
            *(PREFIX + column.name for column in dictionary.DAYS.columns),
        )
        with (folder / "records.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            rows = 0
            for row in self._rows(progress):
                writer.writerow(row)
                rows += 1
        return [Written("records.csv", rows, dictionary.DAYS), Written("data_dictionary.csv")]

    def _rows(self, progress: Progress) -> Iterable[Sequence[Any]]:
        event = (self.event,) if self.event else ()
        for subject in self.source.subjects:
            instance = 0
            for day, start_ns, end_ns in subject.days():
                for table, found in self.source.day_tables(subject, day, start_ns, end_ns):
                    if table is not dictionary.DAYS:
                        continue
                    for row in found.to_pylist():
                        instance += 1
                        cells = [_cell(row[column.name], column) for column in table.columns]
                        yield (subject.name, *event, INSTRUMENT, instance, *cells)
                progress(end_ns - start_ns)


def _fields() -> Iterable[Sequence[str]]:
    yield _field("record_id", "Subject", "", "pseudonym of the wearer")
    for column in dictionary.DAYS.columns:
        unit = f" ({column.unit})" if column.unit else ""
        note = "" if column.missing == "never" else f"Empty: {column.missing}"
        label = f"{column.meaning}{unit}"
        yield _field(PREFIX + column.name, label, VALIDATION.get(column.type, ""), note)


def _field(name: str, label: str, validation: str, note: str) -> Sequence[str]:
    said = {
        "Variable / Field Name": name,
        "Form Name": INSTRUMENT,
        "Field Type": "text",
        "Field Label": label,
        "Field Note": note,
        "Text Validation Type OR Show Slider Number": validation,
        "Field Annotation": "@READONLY" if name.startswith(PREFIX) else "",
    }
    return [said.get(column, "") for column in HEADER]


def _cell(value: Any, column: Column) -> Any:
    match column.type:
        case _ if value is None:
            return ""
        case "timestamp":
            return value.isoformat(timespec="seconds").replace("+00:00", "Z")
        case "date":
            return value.isoformat()
        case "float32":
            return f"{value:.6g}"
    return value


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
