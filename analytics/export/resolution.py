"""Coarser than it was measured: means of samples, and minutes of the timeline. Never unasked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analytics.export import dictionary

NS_PER_S = 1_000_000_000
MINUTE_NS = 60 * NS_PER_S


def means(tables: Iterable[pa.Table], rate_hz: int) -> Iterator[pa.Table]:
    """Rows of `raw`, in order of time and in pieces of any length, as rows of `raw_means`: pieces
    of 1 / rate_hz s that begin at whole seconds (rate_hz divides a second into whole ns)."""
    step_ns, rest = NS_PER_S // rate_hz, None
    for found in tables:
        rows = found if rest is None else pa.concat_tables([rest, found], promote_options="default")
        piece = _ns(rows) // step_ns
        whole = int(np.searchsorted(piece, piece[-1])) if len(piece) else 0
        rest = rows.slice(whole)  # the last piece may go on in the next table
        if whole:
            yield _means(rows.slice(0, whole), piece[:whole] * step_ns)
    if rest is not None and len(rest):
        yield _means(rest, _ns(rest) // step_ns * step_ns)


def _means(rows: pa.Table, begins_ns: NDArray[np.int64]) -> pa.Table:
    first = np.flatnonzero(np.diff(begins_ns, prepend=begins_ns[0] - 1))
    table = dictionary.means_of(dictionary.quantities_in(rows.column_names))
    columns: list[Any] = [begins_ns[first], np.diff(first, append=len(begins_ns))]
    for name in table.schema().names[2:]:
        values = rows[name].to_numpy().astype(np.float64)
        known = ~np.isnan(values)
        count = np.add.reduceat(known, first, dtype=np.int64)
        total = np.add.reduceat(np.where(known, values, 0.0), first)
        columns.append(np.where(count > 0, total / np.maximum(count, 1), np.nan))
    return _table(columns, table)


def minutes(seconds: pa.Table) -> pa.Table:
    """Rows of `timeline` as rows of `minutes`."""
    table = dictionary.MINUTES
    begins_ns = _ns(seconds) // MINUTE_NS * MINUTE_NS
    if not len(begins_ns):
        return table.schema().empty_table()
    first = np.flatnonzero(np.diff(begins_ns, prepend=begins_ns[0] - 1))
    names, code = np.unique(
        np.asarray(seconds["posture"].to_pylist(), dtype=object).astype(str), return_inverse=True
    )
    of = np.repeat(np.arange(len(first)), np.diff(first, append=len(begins_ns)))
    counts = np.zeros((len(first), len(names)), np.int64)
    np.add.at(counts, (of, code), 1)
    counts[:, names == "None"] = 0
    posture = np.where(counts.any(axis=1), names[counts.argmax(axis=1)], None)

    def seconds_of(name: str, value: bool | None = None) -> NDArray[np.int64]:
        said = [x is not None if value is None else x is value for x in seconds[name].to_pylist()]
        return np.add.reduceat(np.array(said), first, dtype=np.int64)

    lean = seconds["trunk_flexion_deg"].to_numpy().astype(np.float64)
    known = ~np.isnan(lean)
    count = np.add.reduceat(known, first, dtype=np.int64)
    total = np.add.reduceat(np.where(known, lean, 0.0), first)
    return _table(
        [
            begins_ns[first],
            posture,
            np.where(count > 0, total / np.maximum(count, 1), np.nan),
            seconds_of("worn", True),
            seconds_of("slouched", True),
            seconds_of("slouched"),
        ],
        table,
    )


def _ns(rows: pa.Table) -> NDArray[np.int64]:
    found: NDArray[np.int64] = rows[0].cast(pa.int64()).to_numpy()
    return found


def _table(columns: list[Any], table: dictionary.Table) -> pa.Table:
    schema = table.schema()
    return pa.table(
        [
            pa.array(column, field.type, from_pandas=True)
            for column, field in zip(columns, schema, strict=True)
        ],
        schema=schema,
    )
