"""HDF5: one file for every local day of a subject, with its samples and its result tables.

    /raw/<sensor>/time_utc (n,) int64, accel (n, 3), gyro (n, 3), mag (n, 3) float32
    /results/<table>/<column> (rows,)

The unit and the meaning of every data set stand in its attributes; what stands for a missing value
in `missing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analytics.export import dictionary
from analytics.export.dictionary import Column, Table
from analytics.export.formats import Options
from analytics.export.piece import Piece, Progress, Written
from analytics.export.source import RawPart, Source
from analytics.export.subject import Subject
from analytics.exposure.days import Day

ROWS_AT_ONCE: Final = 65_536
_PACKED: Final = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
_LOWEST: Final = {"int32": -(2**31), "timestamp": -(2**63)}


def plan(source: Source, _options: Options) -> Sequence[Piece]:
    """A piece for every day of a subject."""
    pieces = []
    for subject in source.subjects:
        raw = source.raw_by_date(subject)
        for day, start_ns, end_ns in subject.days():
            date = source.date_of(subject, day)
            parts = raw.get(date, [])
            if not parts and not source.wants_results:
                continue
            work_ns = (end_ns - start_ns) * (len(parts) + int(source.wants_results))
            write = _Day(source, subject, day, start_ns, end_ns, parts, date).write
            pieces.append(Piece(f"{subject.name} {date}", work_ns, write))
    return pieces


@dataclass(frozen=True, slots=True)
class _Day:
    source: Source
    subject: Subject
    day: Day
    start_ns: int
    end_ns: int
    parts: Sequence[RawPart]
    date: str

    def write(self, folder: Path, progress: Progress) -> Sequence[Written]:
        name = f"{self.subject.name}/{self.date}.h5"
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = 0
        with h5py.File(path, "w") as file:
            file.attrs["schema"] = dictionary.VERSION
            file.attrs["subject"] = self.subject.name
            file.attrs["date"] = self.date
            file.attrs["time_zone"] = self.subject.zone.key
            for part in self.parts:
                rows += _write_raw(file, self.source, part, progress)
            if self.source.wants_results:
                tables = self.source.day_tables(self.subject, self.day, self.start_ns, self.end_ns)
                for table, found in tables:
                    _write_table(file.require_group(f"results/{table.name}"), table, found)
                    rows += len(found)
                progress(self.end_ns - self.start_ns)
        if not rows:
            path.unlink()
            return []
        return [Written(name, rows)]


def _write_raw(file: Any, source: Source, part: RawPart, progress: Progress) -> int:
    """Samples of one sensor, appended an hour at a time; returns how many."""
    sets: dict[str, Any] = {}
    rows = 0
    about = part.subject.about(part.sensor)
    for samples in source.samples(part, progress):
        group = file.require_group(f"raw/{part.sensor}")
        columns: Mapping[str, NDArray[Any]] = {"time_utc": samples.t_ns, **samples.values}
        for name in columns.keys() - sets.keys():
            sets[name] = _empty(group, name, columns[name])
        for name, data in sets.items():
            data.resize(rows + len(samples), axis=0)
            if name in columns:  # else what it is filled with: no sample
                data[rows:] = columns[name]
        rows += len(samples)
    if rows:
        for key in ("profile", "placement", "rate_hz", "firmware"):
            if (value := getattr(about, key)) is not None:
                file[f"raw/{part.sensor}"].attrs[key] = value
    return rows


def _empty(group: Any, name: str, like: NDArray[Any]) -> Any:
    column = dictionary.RAW.column(name if name == "time_utc" else f"{name}_x")
    made = group.create_dataset(
        name,
        shape=(0, *like.shape[1:]),
        maxshape=(None, *like.shape[1:]),
        dtype=like.dtype,
        chunks=(ROWS_AT_ONCE, *like.shape[1:]),
        fillvalue=np.nan if like.dtype.kind == "f" else None,
        **_PACKED,
    )
    made.attrs["unit"] = column.unit
    made.attrs["meaning"] = column.meaning.removesuffix(", x axis of the sensor")
    if like.ndim == 2:
        made.attrs["columns"] = ["x", "y", "z"]
    return made


def _write_table(group: Any, table: Table, rows: pa.Table) -> None:
    group.attrs["row"] = table.row
    for column in table.columns:
        values, missing = _plain(column, rows[column.name])
        packed = _PACKED if len(values) and values.dtype != object else {}
        made = group.create_dataset(column.name, data=values, **packed)
        made.attrs["unit"] = column.unit
        made.attrs["meaning"] = column.meaning
        if missing is not None:
            made.attrs["missing"] = missing


def _plain(column: Column, values: pa.ChunkedArray) -> tuple[NDArray[Any], Any]:
    """(rows,) as HDF5 can hold it, and what a missing value is in it; None: none can be."""
    match column.type:
        case "string":
            texts = np.array(pc.fill_null(values, "").to_pylist(), object)
            return texts.astype(h5py.string_dtype()), ""
        case "date":
            texts = np.array([day.isoformat() for day in values.to_pylist()], object)
            return texts.astype(h5py.string_dtype()), ""
        case "float32":
            return values.to_numpy().astype(np.float32), np.float32(np.nan)
        case "bool":
            return pc.fill_null(values.cast(pa.int8()), -1).to_numpy(), np.int8(-1)
        case kind:
            whole = pa.int64() if kind == "timestamp" else pa.int32()
            lowest = pa.scalar(_LOWEST[kind], whole)
            plain: NDArray[Any] = pc.fill_null(values.cast(whole), lowest).to_numpy()
            return plain, plain.dtype.type(_LOWEST[kind])
