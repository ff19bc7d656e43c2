"""Exposure and diary tables (CSV text) as observations; every refusal names line and column."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from analytics.exposure.association.observations import HOURS, Exposures, Pain

DATE: Final = "date"
TIME: Final = "time"
WORN: Final = "worn_min"
PAIN: Final = "pain"
SEVERITY: Final = "severity"
SYMPTOM: Final = "symptom"
SITE: Final = "site"
DIARY_COLUMNS: Final = (DATE, TIME, PAIN, SEVERITY, SYMPTOM, SITE, "side", "note")
MISSING: Final = frozenset({"", "na", "nan", "null", "none", "-"})
DELIMITERS: Final = ",;\t"
MAX_DAYS: Final = 3660
"""Ten years: a wrong year in a date is a mistake, no data of one person."""
MAX_ROWS: Final = MAX_DAYS * HOURS * 2
DAY_MIN: Final = 25 * 60
HOUR_MIN: Final = 120
"""The hour that comes twice when clocks go back counts as one."""
WORST_PAIN: Final = 10


class TableError(ValueError):
    """A table that cannot be used; one sentence with line, column and what to do."""


@dataclass(frozen=True, slots=True)
class ExposureTable:
    """What an exposure table says."""

    exposures: Exposures
    hourly: bool
    wear_stated: bool
    """False: every day and hour with a value counts as worn throughout"""
    in_utc: bool
    """times are UTC and nobody said where the person's days are counted"""


@dataclass(frozen=True, slots=True)
class PainTable:
    """What a diary table says."""

    pain: Pain
    timed: bool
    in_utc: bool


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    cells: dict[str, str]


def read_exposures(
    lines: Iterable[str],
    *,
    triggers: Sequence[str] = (),
    zone: ZoneInfo | None = None,
    name: str = "the exposure table",
) -> ExposureTable:
    """Daily (`date`) or hourly (`time`) rows.

    triggers: the columns to use, all but `date`, `time` and `worn_min` when empty. zone: where
    days are counted for times that carry an offset; the offset's own days without it.
    """
    header, rows = _rows(lines, name)
    hourly = _kind(header, name)
    others = [column for column in header if column not in {DATE, TIME, WORN}]
    for trigger in triggers:
        if trigger not in others:
            raise TableError(f"{name}: there is no trigger column {trigger!r}; {_list(others)}")
    chosen = tuple(triggers) or tuple(others)
    if not chosen:
        raise TableError(
            f"{name}: no trigger column; beside {TIME if hourly else DATE} and {WORN} every column"
            " is a trigger, for example slouched_min"
        )
    moments = [_moment(row, hourly, zone, name) for row in rows]
    first, days = _calendar([day for day, _ in moments], name)
    shape = (days, HOURS) if hourly else (days, 1)
    amount = np.full((len(chosen), *shape), np.nan)
    worn = np.full(shape, np.nan)
    seen: dict[tuple[int, int, str], int] = {}
    stated = WORN in header
    for row, (day, hour) in zip(rows, moments, strict=True):
        at = ((day - first).days, int(hour) if hourly else 0)
        text = row.cells[TIME if hourly else DATE]
        # The hour that comes twice when clocks go back differs in its offset.
        key = (*at, text if hourly else "")
        if key in seen:
            raise TableError(
                f"{name}, line {row.line}: {text} stands in line {seen[key]} already;"
                " use one row for each"
            )
        seen[key] = row.line
        minutes = _number(row, WORN, name) if stated else 60.0 if hourly else 24 * 60.0
        limit = HOUR_MIN if hourly else DAY_MIN
        if not (math.isnan(minutes) or 0 <= minutes <= limit):
            raise TableError(
                f"{name}, line {row.line}, column {WORN}: {minutes:g} is not 0..{limit} minutes"
            )
        worn[at] = _plus(worn[at], minutes)
        for t, trigger in enumerate(chosen):
            value = _number(row, trigger, name)
            if stated and not minutes > 0:
                value = math.nan
            amount[(t, *at)] = _plus(amount[(t, *at)], value)
    exposures = (
        Exposures.from_hours(first, chosen, amount, worn)
        if hourly
        else Exposures(first, chosen, amount[..., 0], worn[..., 0])
    )
    return ExposureTable(exposures, hourly, stated, _in_utc(rows, hourly, zone))


def read_pain(
    lines: Iterable[str],
    first_day: date,
    *,
    symptom: str = PAIN,
    site: str | None = None,
    zone: ZoneInfo | None = None,
    name: str = "the diary table",
) -> PainTable:
    """Daily (`date`) or timed (`time`) rows with `pain`, or with `severity` of a `symptom`."""
    header, rows = _rows(lines, name)
    timed = _kind(header, name)
    unknown = [column for column in header if column not in DIARY_COLUMNS]
    if unknown:
        raise TableError(
            f"{name}: column {unknown[0]!r} is not known; known are {', '.join(DIARY_COLUMNS)}"
        )
    value_column = PAIN if PAIN in header else SEVERITY
    if value_column not in header:
        raise TableError(f"{name}: there is no column {PAIN} (0..10), nor {SEVERITY}")
    if PAIN in header and SEVERITY in header:
        raise TableError(f"{name}: {PAIN} and {SEVERITY} are both there; leave one of them out")
    if site is not None and SITE not in header:
        raise TableError(f"{name}: there is no column {SITE} to choose {site!r} from")
    found: list[tuple[date, float, float]] = []
    for row in rows:
        if SYMPTOM in header and row.cells[SYMPTOM].lower() not in {symptom, ""}:
            continue
        if site is not None and row.cells[SITE].lower() != site:
            continue
        day, hour = _moment(row, timed, zone, name)
        value = _number(row, value_column, name)
        if math.isnan(value):
            continue
        if not 0 <= value <= WORST_PAIN:
            raise TableError(
                f"{name}, line {row.line}, column {value_column}: {value:g} is not 0..{WORST_PAIN}"
            )
        found.append((day, hour, value))
    if not found:
        raise TableError(
            f"{name}: no row has a value for {symptom}" + (f" at {site}" if site else "")
        )
    _calendar([day for day, _, _ in found], name)
    found.sort(key=lambda entry: entry[:2])
    day_index = np.array([(day - first_day).days for day, _, _ in found], np.int64)
    hour_of_day = np.array([hour for _, hour, _ in found]) if timed else np.full(len(found), np.nan)
    pain = Pain(day_index, hour_of_day, np.array([value for _, _, value in found]))
    return PainTable(pain, timed, _in_utc(rows, timed, zone))


def check_clocks(exposure: ExposureTable, diary: PainTable) -> None:
    """Raise TableError when hours of the two tables cannot be laid beside each other."""
    if exposure.hourly and diary.timed and exposure.in_utc != diary.in_utc:
        raise TableError(
            "one table has times in UTC and the other local times; say where the person's days are"
            " counted with --time-zone"
        )


def _in_utc(rows: Sequence[_Row], timed: bool, zone: ZoneInfo | None) -> bool:
    return (
        timed
        and zone is None
        and all(datetime.fromisoformat(row.cells[TIME]).tzinfo is UTC for row in rows)
    )


def _rows(lines: Iterable[str], name: str) -> tuple[list[str], list[_Row]]:
    text = iter(lines)
    first = next(text, "").removeprefix("\ufeff")
    delimiter = max(DELIMITERS, key=first.count)
    try:
        header = next(csv.reader([first], delimiter=delimiter), [])
        header = [column.strip().lower() for column in header]
        if not any(header):
            raise TableError(f"{name}: the first line must name the columns; it is empty")
        for column in header:
            if not column or header.count(column) > 1:
                raise TableError(
                    f"{name}: column {column!r} is there twice"
                    if column
                    else f"{name}: column {header.index('') + 1} has no name"
                )
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        rows: list[_Row] = []
        for cells in reader:
            line = reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise TableError(
                    f"{name}, line {line}: {len(cells)} cells where the first line names"
                    f" {len(header)} columns"
                )
            if len(rows) >= MAX_ROWS:
                raise TableError(f"{name}: more than {MAX_ROWS} rows; that is more than ten years")
            rows.append(
                _Row(line, dict(zip(header, (cell.strip() for cell in cells), strict=True)))
            )
    except csv.Error as error:
        raise TableError(f"{name}: not a CSV table ({error})") from error
    if not rows:
        raise TableError(f"{name}: there are no rows below the column names")
    return header, rows


def _kind(header: Sequence[str], name: str) -> bool:
    """Whether rows are told by `time` rather than by `date`."""
    if (TIME in header) == (DATE in header):
        raise TableError(
            f"{name}: needs one column {DATE} (2026-03-02) or {TIME} (2026-03-02T14:00:00+01:00)"
            + (", not both" if TIME in header else f"; it has {', '.join(header)[:200]}")
        )
    return TIME in header


def _moment(row: _Row, timed: bool, zone: ZoneInfo | None, name: str) -> tuple[date, float]:
    """Local day and hour of day."""
    column = TIME if timed else DATE
    text = row.cells[column]
    try:
        if not timed:
            return date.fromisoformat(text), math.nan
        moment = datetime.fromisoformat(text)
        if "T" not in text and " " not in text:
            raise ValueError("a date only")
    except ValueError as error:
        example = "2026-03-02T14:00:00+01:00" if timed else "2026-03-02"
        raise TableError(
            f"{name}, line {row.line}, column {column}: {text[:40]!r} is not like {example}"
        ) from error
    if zone is not None and moment.tzinfo is not None:
        moment = moment.astimezone(zone)
    return moment.date(), moment.hour + moment.minute / 60 + moment.second / 3600


def _calendar(days: Sequence[date], name: str) -> tuple[date, int]:
    first, count = min(days), (max(days) - min(days)).days + 1
    if count > MAX_DAYS:
        raise TableError(f"{name}: from {first} to {max(days)} are {count} days; check the years")
    return first, count


def _number(row: _Row, column: str, name: str) -> float:
    text = row.cells[column]
    if text.lower() in MISSING:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        raise TableError(
            f"{name}, line {row.line}, column {column}: {text[:40]!r} is no number; leave the cell"
            " empty where nothing is known"
        )
    return value


def _plus(one: float, other: float) -> float:
    return other if math.isnan(one) else one if math.isnan(other) else one + other


def _list(columns: Sequence[str]) -> str:
    return f"there are {', '.join(columns)[:200]}" if columns else "there is none at all"
