"""The diary as a CSV table: the form that `trunkline associate` reads."""

from __future__ import annotations

import csv
import datetime as dt
import time
from collections.abc import Iterable, Iterator
from zoneinfo import ZoneInfo

from analytics.store.records import DiaryEntry
from wire.messages import MAX_NOTE, SIDES, SITES, SYMPTOMS

COLUMNS = ("time", "symptom", "site", "side", "severity", "note")
ELSEWHERE = "elsewhere"
"""Accepted for the site `other`."""
MAX_ROWS = 100_000


class DiaryTableError(ValueError):
    """A table that cannot be imported; names the line."""


def rows(entries: Iterable[DiaryEntry], zone: ZoneInfo) -> Iterator[tuple[object, ...]]:
    """Cells in the order of COLUMNS, times as local time with offset."""
    for entry in entries:
        at = dt.datetime.fromtimestamp(entry.at_ns // 10**9, zone)
        cells = (entry.symptom, entry.site, entry.side, entry.severity, entry.note)
        yield (at.isoformat(), *("" if cell is None else cell for cell in cells))


def entries_of(lines: Iterable[str], wearer: str, zone: ZoneInfo, name: str) -> list[DiaryEntry]:
    """Entries of a CSV text with at least `time` and `severity` (or `pain`); all or none.

    A time without offset is local time where the wearer lives.
    """
    reader = csv.DictReader(lines, strict=True, restkey="(more)")
    header = [column.strip().lower() for column in reader.fieldnames or ()]
    reader.fieldnames = header
    unknown = [column for column in header if column not in (*COLUMNS, "pain")]
    if unknown:
        raise DiaryTableError(f"{name}: column {unknown[0]!r} is not known; {_known()}")
    if "time" not in header or ("severity" in header) == ("pain" in header):
        raise DiaryTableError(f"{name}: needs the columns time and severity; {_known()}")
    found: list[DiaryEntry] = []
    try:
        for row in reader:
            if len(found) >= MAX_ROWS:
                raise DiaryTableError(f"{name}: more than {MAX_ROWS} rows; import them in parts")
            found.append(_entry(row, wearer, zone, f"{name}, line {reader.line_num}"))
    except csv.Error as error:
        raise DiaryTableError(f"{name}: not a CSV table ({error})") from error
    if not found:
        raise DiaryTableError(f"{name}: there are no rows below the column names")
    return found


def _entry(row: dict[str, str], wearer: str, zone: ZoneInfo, where: str) -> DiaryEntry:
    if "(more)" in row or None in row.values():
        raise DiaryTableError(f"{where}: the number of cells differs from the first line")
    cells = {column: value.strip() for column, value in row.items()}
    symptom = _word(cells.get("symptom") or "pain", SYMPTOMS, "symptom", where)
    site = cells.get("site", "").lower().replace(ELSEWHERE, "other")
    note = cells.get("note") or None
    if note is not None and len(note) > MAX_NOTE:
        raise DiaryTableError(f"{where}: the note is longer than {MAX_NOTE} characters")
    return DiaryEntry(
        wearer=wearer,
        at_ns=_at_ns(cells["time"], zone, where),
        symptom=symptom,
        site=_word(site, SITES, "site", where) if site else None,
        side=_word(cells["side"], SIDES, "side", where) if cells.get("side") else None,
        severity=_severity(cells.get("severity", cells.get("pain", "")), where),
        entered_ns=time.time_ns(),
        source="cli",
        note=note,
    )


def _at_ns(text: str, zone: ZoneInfo, where: str) -> int:
    try:
        moment = dt.datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        at_ns = round(moment.timestamp()) * 10**9
    except (ValueError, OverflowError) as error:
        raise DiaryTableError(
            f"{where}: {text[:40]!r} is no time; use for example 2026-03-02T08:15:00+01:00"
        ) from error
    if not 0 <= at_ns < 2**62:
        raise DiaryTableError(f"{where}: {text[:40]!r} is out of range")
    return at_ns


def _severity(text: str, where: str) -> int | None:
    if not text:
        return None
    if text not in {str(n) for n in range(11)}:
        raise DiaryTableError(f"{where}: severity {text[:20]!r} is not a whole number 0..10")
    return int(text)


def _word(text: str, words: tuple[str, ...], column: str, where: str) -> str:
    if text.lower() not in words:
        raise DiaryTableError(f"{where}: {column} {text[:20]!r} is none of {', '.join(words)}")
    return text.lower()


def _known() -> str:
    return f"known are {', '.join(COLUMNS)}, and pain in place of severity"
