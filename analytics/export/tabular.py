"""Parquet and CSV: a folder for every sensor with a file a day, a file for every result table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from analytics.export import dictionary
from analytics.export.ahead import ahead
from analytics.export.formats import Options
from analytics.export.piece import Piece, Progress, Written
from analytics.export.resolution import means
from analytics.export.source import RawPart, Source
from analytics.export.subject import Subject
from analytics.export.tables import conformed, iso_text

PAGE_BYTES: Final = 8 << 20
"""Beyond a column of an hour, which is then one page: a quarter less time."""


class TableWriter(Protocol):
    """Takes the tables of one file piece by piece."""

    def write_table(self, table: pa.Table) -> None:
        """Append rows; the schema is always the one that the writer was opened with."""


def plan(source: Source, options: Options) -> Sequence[Piece]:
    """A piece for every day of a sensor, and one for the results of each subject. CSV is what has
    no compression."""
    files = _Files(options.get("compression"))
    rate_hz = None if options["rate_hz"] == "full" else int(options["rate_hz"])
    pieces = []
    for subject in source.subjects:
        for part in source.raw_parts(subject):
            pieces.append(
                Piece(
                    f"{subject.name} {part.sensor} {part.date}",
                    part.work_ns,
                    _Raw(source, part, files, rate_hz).write,
                )
            )
        if source.wants_results:
            work_ns = subject.end_ns - subject.start_ns
            pieces.append(
                Piece(
                    f"{subject.name} results",
                    work_ns,
                    _Results(source, subject, files, options["resolution"]).write,
                )
            )
    return pieces


@dataclass(frozen=True, slots=True)
class _Files:
    """How tables become files."""

    compression: str | None
    """None: CSV."""

    @property
    def suffix(self) -> str:
        return "csv" if self.compression is None else "parquet"

    @contextmanager
    def open(self, path: Path, schema: pa.Schema) -> Iterator[TableWriter]:
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.compression is None:
            with path.open("wb") as file:
                yield CsvWriter(file, schema)
            return
        # Samples are noise to a general compressor until their bytes are split by significance;
        # even time stamps shrink to nearly nothing as differences.
        with pq.ParquetWriter(
            path,
            schema,
            compression=self.compression,
            # Higher levels take a third more time and gain less than a hundredth.
            compression_level=1 if self.compression == "zstd" else None,
            data_page_size=PAGE_BYTES,
            use_dictionary=[f.name for f in schema if pa.types.is_string(f.type)],
            column_encoding={f.name: e for f in schema if (e := _encoding(f.type))},
        ) as writer:
            yield writer


@dataclass(frozen=True, slots=True)
class _Raw:
    """The samples of one sensor's day; no file when it has none."""

    source: Source
    part: RawPart
    files: _Files
    rate_hz: int | None
    """None: every sample."""

    def write(self, folder: Path, progress: Progress) -> Sequence[Written]:
        name = f"{self.part.subject.name}/raw_{self.part.sensor}/{self.part.date}"
        file, told_ns, quantities = f"{name}.{self.files.suffix}", 0, {"accel", "gyro"}
        while True:
            table, rows = self._table(quantities), 0
            more: set[str] = set()
            with self.files.open(folder / file, table.schema()) as writer:
                for found in ahead(self._tables()):
                    # A quantity that turns up (a magnetometer, in the first hour as a rule) needs
                    # its columns from the first row on: begin again with them.
                    if more := dictionary.quantities_in(found.column_names) - quantities:
                        break
                    writer.write_table(conformed(found, table))
                    rows += len(found)
                    done_ns = found["time_utc"][-1].value - self.part.subject.shift_ns
                    done_ns -= self.part.start_ns
                    progress(max(0, done_ns - told_ns))
                    told_ns = max(told_ns, done_ns)
            if not more:
                break
            quantities |= more
        progress(self.part.work_ns - told_ns)
        if not rows:
            (folder / file).unlink()
            return []
        return [Written(file, rows, table)]

    def _table(self, quantities: set[str]) -> dictionary.Table:
        of = dictionary.raw_of if self.rate_hz is None else dictionary.means_of
        return of(quantities)

    def _tables(self) -> Iterator[pa.Table]:
        tables = self.source.raw_tables(self.part)
        return tables if self.rate_hz is None else means(tables, self.rate_hz)


@dataclass(frozen=True, slots=True)
class _Results:
    """One file per result table, a local day at a time; also those without any row."""

    source: Source
    subject: Subject
    files: _Files
    resolution: str
    """Of dictionary.RESOLUTIONS."""

    def write(self, folder: Path, progress: Progress) -> Sequence[Written]:
        wanted = dictionary.results_at(self.resolution)
        rows = dict.fromkeys(wanted, 0)
        names = {table: f"{self.subject.name}/{table.name}.{self.files.suffix}" for table in wanted}
        with ExitStack() as stack:
            writers = {
                table: stack.enter_context(self.files.open(folder / name, table.schema()))
                for table, name in names.items()
            }
            for day, start_ns, end_ns in self.subject.days():
                day_range = (day, start_ns, end_ns)
                tables = self.source.day_tables(self.subject, *day_range, self.resolution)
                for table, part in tables:
                    writers[table].write_table(part)
                    rows[table] += len(part)
                progress(end_ns - start_ns)
        return [Written(names[table], count, table) for table, count in rows.items()]


def _encoding(kind: pa.DataType) -> str | None:
    if pa.types.is_timestamp(kind):
        return "DELTA_BINARY_PACKED"
    return "BYTE_STREAM_SPLIT" if pa.types.is_floating(kind) else None


class CsvWriter:
    """Writes tables below a header line."""

    def __init__(self, file: Any, schema: pa.Schema) -> None:
        self._file = file
        file.write((",".join(schema.names) + "\n").encode())

    def write_table(self, table: pa.Table) -> None:
        """See `TableWriter`."""
        columns = [
            iso_text(column.combine_chunks()) if pa.types.is_timestamp(column.type) else column
            for column in table.columns
        ]
        options = pa.csv.WriteOptions(include_header=False, quoting_style="needed")
        # "needed" quotes every text; none of ours can hold a separator, a quote or a line break
        # unless a sensor or a later detector says so.
        if not any(_needs_quotes(c) for c in columns if pa.types.is_string(c.type)):
            options = pa.csv.WriteOptions(include_header=False, quoting_style="none")
        pa.csv.write_csv(pa.table(columns, names=table.column_names), self._file, options)


def _needs_quotes(column: pa.ChunkedArray | pa.Array) -> bool:
    return bool(pc.any(pc.match_substring_regex(column, '[",\r\n]'), min_count=0).as_py())
