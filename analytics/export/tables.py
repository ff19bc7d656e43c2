"""Results, diary entries and samples as Arrow tables in the columns of the data dictionary."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analytics.export import dictionary
from analytics.export.dictionary import Table
from analytics.exposure.days import Day
from analytics.exposure.summary import DayExposure, Exposure
from analytics.store.base import Result, Samples
from analytics.store.records import DiaryEntry

NS_PER_S = 1_000_000_000


def raw_table(samples: Samples, table: Table) -> pa.Table:
    """Samples in the columns of `table`, NaN and quantities that are not there as null."""
    columns: list[Any] = [samples.t_ns]
    for name in table.schema().names[1:]:
        quantity, axis = name.rsplit("_", 1)
        values = samples.values.get(quantity)
        columns.append(
            pa.nulls(len(samples), pa.float32())
            if values is None
            else pa.array(values[:, "xyz".index(axis)], pa.float32(), from_pandas=True)
        )
    return pa.table(_as_arrays(columns, table), schema=table.schema())


def conformed(rows: pa.Table, table: Table) -> pa.Table:
    """The same rows with every column of `table`, null in those that were not there."""
    schema = table.schema()
    if rows.column_names == schema.names:
        return rows
    columns = [
        rows[field.name] if field.name in rows.column_names else pa.nulls(len(rows), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def timeline_table(minutes: Sequence[Result], start_ns: int, end_ns: int) -> pa.Table:
    """One row per second in [start_ns, end_ns) that `timeline` results speak of.

    Where two results speak of the same second, the one that knows a posture stays.
    """
    table = dictionary.TIMELINE
    t_ns = _seconds(minutes)
    columns = [t_ns] + [
        list(chain.from_iterable(_entries(minute, name) for minute in minutes))
        for name in table.schema().names[1:]
    ]
    whole = pa.table(_as_arrays(columns, table), schema=table.schema())
    known = np.asarray(pc.is_valid(whole["posture"]))
    order = np.lexsort((known, t_ns))
    last_of_second = np.append(np.diff(t_ns[order]) > 0, True)[: len(order)]
    rows = order[last_of_second]
    inside = (t_ns[rows] >= start_ns) & (t_ns[rows] < end_ns)
    return whole.take(rows[inside])


def items_table(items: Iterable[Result], table: Table) -> pa.Table:
    """One row per result; columns other than the times are entries of its body, or null."""
    rows = [
        {"start_utc": item.start_ns, "end_utc": item.end_ns}
        | {name: item.body.get(name) for name in table.schema().names}
        | {"start_utc": item.start_ns, "end_utc": item.end_ns}
        for item in items
    ]
    return _from_rows(rows, table)


def extra_sensors_table(days: Iterable[Result]) -> pa.Table:
    """One row per figure of each day."""
    rows = [
        {**sign, "start_utc": day.start_ns, "end_utc": day.end_ns}
        for day in days
        for sign in day.body["signs"]
    ]
    return _from_rows(rows, dictionary.EXTRA_SENSORS)


def steps_table(bouts: Iterable[Result]) -> pa.Table:
    """One row per step of the walking bouts."""
    rows = [
        {"time_utc": bout.start_ns + round(step_s * NS_PER_S), "bout_start_utc": bout.start_ns}
        for bout in bouts
        for step_s in bout.body.get("step_times_s") or ()
    ]
    return _from_rows(rows, dictionary.STEPS)


def symptoms_table(entries: Iterable[DiaryEntry]) -> pa.Table:
    """One row per diary entry."""
    rows = [
        {
            "time_utc": entry.at_ns,
            "symptom": entry.symptom,
            "site": entry.site,
            "side": entry.side,
            "severity": entry.severity,
            "entered_utc": entry.entered_ns,
            "source": entry.source,
        }
        for entry in entries
    ]
    return _from_rows(rows, dictionary.SYMPTOMS)


def days_table(days: Iterable[tuple[Day, DayExposure]]) -> pa.Table:
    """One row per local day."""
    return _from_rows([_day_row(day, summary) for day, summary in days], dictionary.DAYS)


def hours_table(summary: DayExposure) -> pa.Table:
    """One row per hour of a day that has any data."""
    exposures = (hour.exposure for hour in summary.hours)
    rows = [_figures(exposure) for exposure in exposures if exposure.worn_min is not None]
    return _from_rows(rows, dictionary.HOURS)


def short(value: float) -> float:
    """A float32 without the digits that it does not have."""
    return float(f"{value:.6g}")


def iso_text(times: pa.Array) -> pa.StringArray:
    """timestamp[ns, UTC] (n,) as ISO 8601 with nine decimals.

    Ten times faster than Arrow's own formatting: whole seconds are formatted once each.
    """
    n = len(times)
    if n == 0 or times.null_count:
        text = pc.strftime(times, format="%Y-%m-%dT%H:%M:%SZ")
        return text
    t_ns: NDArray[np.int64] = np.asarray(times.cast(pa.int64()))
    seconds, fraction = np.divmod(t_ns, 1_000_000_000)
    distinct, which = np.unique(seconds, return_inverse=True)
    heads = np.datetime_as_string(distinct.astype("datetime64[s]")).astype("S19")
    text = np.empty((n, 30), np.uint8)
    text[:, :19] = heads.view(np.uint8).reshape(-1, 19)[which]
    text[:, 19], text[:, 29] = ord("."), ord("Z")
    for place in range(28, 19, -1):
        fraction, digit = np.divmod(fraction, 10)
        text[:, place] = digit + ord("0")
    offsets = np.arange(0, 30 * (n + 1), 30, dtype=np.int32)
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(text))


def _day_row(day: Day, summary: DayExposure) -> dict[str, Any]:
    return {
        "date": day.date,
        "longest_sitting_min": summary.longest_sitting_min,
        **_figures(summary.exposure),
        "start_utc": day.start_ns,
        "end_utc": day.end_ns,
    }


def _figures(exposure: Exposure) -> dict[str, Any]:
    slouched = exposure.slouched_min
    band = {} if slouched is None else dataclasses.asdict(slouched)
    return {
        "start_utc": exposure.start_ns,
        "end_utc": exposure.end_ns,
        "worn_min": exposure.worn_min,
        **{f"{word}_min": minutes for word, minutes in (exposure.posture_min or {}).items()},
        "slouch_known_min": exposure.slouch_known_min,
        "slouched_min": band.get("mid"),
        "slouched_min_low": band.get("low"),
        "slouched_min_high": band.get("high"),
        "slouch_episodes": exposure.slouch_episodes,
        "walking_bouts": exposure.walking_bouts,
        "prolonged_bouts": exposure.prolonged_bouts,
        **{f"{kind}_count": count for kind, count in exposure.movements.items()},
    }


def _entries(minute: Result, name: str) -> Sequence[Any]:
    """Values of one column; none at all where the computation did not make that column."""
    entries: Sequence[Any] = minute.body.get(name, [None] * len(minute.body["posture"]))
    return entries


def _seconds(minutes: Sequence[Result]) -> NDArray[np.int64]:
    if not minutes:
        return np.empty(0, np.int64)
    return np.concatenate(
        [
            minute.start_ns
            + np.arange(len(minute.body["posture"]), dtype=np.int64)
            * (int(minute.body.get("step_s", 1)) * NS_PER_S)
            for minute in minutes
        ]
    )


def _from_rows(rows: list[dict[str, Any]], table: Table) -> pa.Table:
    columns = [[row.get(name) for row in rows] for name in table.schema().names]
    return pa.table(_as_arrays(columns, table), schema=table.schema())


def _as_arrays(columns: Sequence[Any], table: Table) -> list[pa.Array]:
    """Columns as Arrow arrays; NaN becomes null: a missing number must not look like one."""
    return [
        column if isinstance(column, pa.Array) else pa.array(column, field.type, from_pandas=True)
        for column, field in zip(columns, table.schema(), strict=True)
    ]
