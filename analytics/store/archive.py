"""The archive: one Parquet file for a sensor's UTC day, `<wearer>/<date>/<sensor>.parquet`.

Samples in SI with their unit in the metadata of each column, beside them
`<sensor>.batches.parquet` with how the batches came. Any Parquet reader can use it without us. A
file appears whole or not at all, and is read back and compared before it takes its name.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from analytics.store.assemble import clip, join
from analytics.store.base import BatchRecord, Samples, SensorSpan, StoreError
from wire.batch import UNITS
from wire.ids import check_sensor, check_wearer

FOLDER: Final = "archive"
"""Name of the archive inside a data directory."""
SCHEMA: Final = "trunkline-archive/1"
DAY_NS: Final = 86_400 * 1_000_000_000
ROWS_AT_ONCE: Final = 200_000
"""Of a row group: about an hour at 50 Hz, so that an hour is read without its day."""
_KEY: Final = b"trunkline"
_HORIZON: Final = "horizon.json"


@dataclass(frozen=True, slots=True)
class ArchivedDay:
    """What a file says of itself."""

    samples: int
    first_ns: int
    last_ns: int
    checksum: str
    """`checksum` of the samples in it"""
    batches: str
    """`checksum_of_batches` of the batches behind them"""


class Archive:
    """A folder of day files. Methods raise StoreError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    # --- write -----------------------------------------------------------------------------

    def write_day(
        self,
        wearer: str,
        sensor: str,
        day: date,
        samples: Samples,
        batches: Sequence[BatchRecord],
        *,
        about: Mapping[str, Any],
    ) -> ArchivedDay:
        """Replace a day's files. `about` is told in the metadata: where the samples come from."""
        path = self._path(wearer, sensor, day)
        told = ArchivedDay(
            samples=len(samples),
            first_ns=int(samples.t_ns[0]),
            last_ns=int(samples.t_ns[-1]),
            checksum=checksum(samples),
            batches=checksum_of_batches(batches),
        )
        meta = {
            "schema": SCHEMA,
            "wearer": wearer,
            "sensor": sensor,
            "day_utc": day.isoformat(),
            **asdict(told),
            **about,
        }
        with _errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path.with_suffix(".batches.parquet"), _batch_table(batches), meta, {})
            _replace(path, _sample_table(samples), meta, told=asdict(told))
        return told

    def set_horizon(self, start_ns: int) -> None:
        """From here on the store is complete by itself; what lies before is in the archive as
        well, or only there. The horizon never moves back."""
        path = self.folder / _HORIZON
        with _errors(path):
            if start_ns > self.horizon_ns():
                self.folder.mkdir(parents=True, exist_ok=True)
                fresh = path.with_suffix(".new")
                fresh.write_text(json.dumps({"store_is_complete_from_ns": start_ns}))
                fresh.replace(path)

    def erase(self, wearer: str) -> None:
        """Remove a wearer's folder."""
        folder = self._folder(wearer)
        with _errors(folder):
            if folder.exists():
                shutil.rmtree(folder)

    # --- read ------------------------------------------------------------------------------

    def horizon_ns(self) -> int:
        """Before this the archive has to be looked at; 0: the store has everything."""
        path = self.folder / _HORIZON
        try:
            return int(json.loads(path.read_text())["store_is_complete_from_ns"])
        except FileNotFoundError:
            return 0
        except (OSError, ValueError, KeyError) as error:
            raise _damaged(path, error) from error

    def wearers(self) -> list[str]:
        """Everybody who has a folder."""
        if not self.folder.is_dir():
            return []
        return sorted(path.name for path in self.folder.iterdir() if path.is_dir())

    def days(self, wearer: str) -> list[tuple[date, str]]:
        """(day, sensor) of every file of a wearer, sorted."""
        return sorted(
            (date.fromisoformat(path.parent.name), path.name.removesuffix(".parquet"))
            for path in self._folder(wearer).glob("*/*.parquet")
            if not path.name.endswith(".batches.parquet")
        )

    def told(self, wearer: str, sensor: str, day: date) -> ArchivedDay | None:
        """What the file of a day says of itself; None when there is no file."""
        path = self._path(wearer, sensor, day)
        if not path.exists():
            return None
        with _errors(path):
            meta = json.loads(pq.read_metadata(path).metadata[_KEY])
            return ArchivedDay(**{field.name: meta[field.name] for field in fields(ArchivedDay)})

    def spans(self, wearer: str) -> list[SensorSpan]:
        """Sensors of a wearer in the archive, sorted."""
        by_sensor: dict[str, list[date]] = {}
        for day, sensor in self.days(wearer):
            by_sensor.setdefault(sensor, []).append(day)
        spans = []
        for sensor, days in sorted(by_sensor.items()):
            first, last = (self.told(wearer, sensor, days[k]) for k in (0, -1))
            if first is not None and last is not None:
                spans.append(SensorSpan(sensor, first.first_ns, last.last_ns))
        return spans

    def read_samples(self, wearer: str, sensor: str, start_ns: int, end_ns: int) -> Samples:
        """Samples with start_ns <= t < end_ns."""
        parts = []
        for path in self._paths(wearer, sensor, start_ns, end_ns):
            with _errors(path):
                table = pq.read_table(
                    path,
                    filters=[("time", ">=", _stamp(start_ns)), ("time", "<", _stamp(end_ns))],
                )
                parts.append(_samples(table))
        return clip(join(parts), start_ns, end_ns)

    def tables(self, wearer: str, sensor: str, start_ns: int, end_ns: int) -> Iterator[pa.Table]:
        """The same samples as they lie in the files: `time`, and `<quantity>_<axis>` with null
        where there is none, a row group at a time."""
        for path in self._paths(wearer, sensor, start_ns, end_ns):
            with _errors(path), pq.ParquetFile(path, memory_map=True) as file:
                for group in range(file.num_row_groups):
                    rows = file.read_row_group(group)
                    t_ns = rows["time"].combine_chunks().cast(pa.int64()).to_numpy()
                    low, high = np.searchsorted(t_ns, [start_ns, end_ns])
                    if low < high:
                        yield rows.slice(low, high - low)

    def read_batches(
        self, wearer: str, sensor: str, start_ns: int, end_ns: int
    ) -> list[BatchRecord]:
        """How the batches with start_ns <= t0 < end_ns came, sorted by t0."""
        found = {
            record.t0_ns: record
            for day, name in self.days(wearer)
            if name == sensor and start_ns - DAY_NS < day_start_ns(day) < end_ns
            for record in self.batches_behind(wearer, sensor, day)
        }
        return [found[t0_ns] for t0_ns in sorted(found) if start_ns <= t0_ns < end_ns]

    def batches_behind(self, wearer: str, sensor: str, day: date) -> list[BatchRecord]:
        """The batches that a day's samples came in; the first may begin before midnight."""
        path = self._path(wearer, sensor, day).with_suffix(".batches.parquet")
        if not path.exists():
            return []
        with _errors(path):
            return [BatchRecord(**row) for row in pq.read_table(path).to_pylist()]

    def check(self, wearer: str, sensor: str, day: date) -> str | None:
        """What is wrong with a day's file; None: nothing."""
        told = self.told(wearer, sensor, day)
        start_ns = day_start_ns(day)
        samples = self.read_samples(wearer, sensor, start_ns, start_ns + DAY_NS)
        if told is None or checksum(samples) != told.checksum:
            return f"{day}/{sensor}.parquet: its samples are not those that were written"
        return None

    def _paths(self, wearer: str, sensor: str, start_ns: int, end_ns: int) -> Iterator[Path]:
        for day, name in self.days(wearer):
            first_ns = day_start_ns(day)
            if name == sensor and first_ns < end_ns and first_ns + DAY_NS > start_ns:
                yield self._path(wearer, sensor, day)

    def _folder(self, wearer: str) -> Path:
        """Ids are checked: they become part of a path."""
        return self.folder / check_wearer(wearer)

    def _path(self, wearer: str, sensor: str, day: date) -> Path:
        return self._folder(wearer) / day.isoformat() / f"{check_sensor(sensor)}.parquet"


def day_of(t_ns: int) -> date:
    """The UTC day of a time."""
    return date(1970, 1, 1) + timedelta(days=t_ns // DAY_NS)


def day_start_ns(day: date) -> int:
    """Midnight UTC at which a day begins."""
    return (day - date(1970, 1, 1)).days * DAY_NS


def checksum(samples: Samples) -> str:
    """SHA-256 over time stamps and values, whatever store they come from."""
    digest = hashlib.sha256(np.ascontiguousarray(samples.t_ns, "<i8").tobytes())
    for name, column in sorted(samples.values.items()):
        # One bit pattern for "no sample", wherever it comes from.
        plain = np.where(np.isnan(column), np.float32(np.nan), column).astype("<f4")
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(plain).tobytes())
    return digest.hexdigest()


def checksum_of_batches(batches: Sequence[BatchRecord]) -> str:
    """SHA-256 over how batches came."""
    rows = [list(asdict(record).values()) for record in batches]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _replace(path: Path, table: pa.Table, meta: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    """Write beside, read back, compare, sync, rename."""
    made = {"written_utc": datetime.now(UTC).isoformat(timespec="seconds")}
    schema_meta = {**(table.schema.metadata or {}), _KEY: json.dumps({**meta, **made}).encode()}
    table = table.replace_schema_metadata(schema_meta)
    fresh = path.with_name(path.name + ".new")
    split = [f.name for f in table.schema if pa.types.is_floating(f.type)]
    deltas = [f.name for f in table.schema if f.name not in split and f.name != "session"]
    try:
        pq.write_table(
            table,
            fresh,
            compression="zstd",
            row_group_size=ROWS_AT_ONCE,
            use_dictionary=["session"] if "session" in table.column_names else False,
            column_encoding=dict.fromkeys(split, "BYTE_STREAM_SPLIT")
            | dict.fromkeys(deltas, "DELTA_BINARY_PACKED"),
        )
        back = pq.read_table(fresh)
        same = checksum(_samples(back)) == told["checksum"] if told else back.equals(table)
        if not same:
            raise OSError("what is read back is not what was written")
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _stamp(t_ns: int) -> pa.Scalar:
    return pa.scalar(min(max(t_ns, 0), 2**63 - 1), pa.timestamp("ns", tz="UTC"))


def _sample_table(samples: Samples) -> pa.Table:
    columns: list[pa.Array] = [pa.array(samples.t_ns).cast(pa.timestamp("ns", tz="UTC"))]
    schema = [pa.field("time", columns[0].type, False, {"unit": "ns since 1970-01-01 UTC"})]
    for name, values in sorted(samples.values.items()):
        for axis, letter in enumerate("xyz"):
            column = np.ascontiguousarray(values[:, axis])
            columns.append(pa.array(column, mask=np.isnan(column)))
            schema.append(pa.field(f"{name}_{letter}", pa.float32(), True, {"unit": UNITS[name]}))
    return pa.table(columns, schema=pa.schema(schema))


def _samples(table: pa.Table) -> Samples:
    t_ns = table["time"].combine_chunks().cast(pa.int64()).to_numpy()
    values = {}
    for name in UNITS:
        if f"{name}_x" in table.column_names:
            axes = [table[f"{name}_{letter}"].to_numpy() for letter in "xyz"]
            values[name] = np.stack(axes, axis=1).astype(np.float32, copy=False)
    return join([Samples(t_ns, values)])


def _batch_table(batches: Sequence[BatchRecord]) -> pa.Table:
    columns = {
        field.name: pa.array(
            [getattr(record, field.name) for record in batches],
            pa.string() if field.name == "session" else pa.int64(),
        )
        for field in fields(BatchRecord)
    }
    return pa.table(columns)


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise _damaged(path, error) from error
        raise StoreError(
            f"archive {path.name}: {error.strerror or error}",
            f"check that {path.parent} is writable and that its disk has room",
        ) from error
    except (pa.ArrowException, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> StoreError:
    where = "/".join(path.parts[-2:])
    return StoreError(
        f"archive file {where} is damaged ({' '.join(str(error).split())[:100]})",
        "put the file from your backup in its place",
    )
