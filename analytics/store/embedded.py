"""The embedded store: one SQLite file, nothing to install.

A batch is one row with the counts as the sensor gave them: a one-second row costs a tenth of what
fifty sample rows would, in space and in time, and the conversion to SI is one multiplication for
a whole day when it is read. Rows are clustered by (sensor, t0), so that a day of one wearer is one
sequential read however many wearers were written side by side.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.store.assemble import chunk_bounds, clip, join
from analytics.store.base import (
    MAX_RESULT_NS,
    BatchRecord,
    Provenance,
    Result,
    Samples,
    SensorSpan,
    StoredBatch,
    StoreError,
    check_results,
)
from analytics.store.database import Database
from wire.batch import UNITS, Batch
from wire.ids import session_bytes, session_text

FILE_NAME = "samples.db"
"""Name of the embedded store inside a data directory."""
SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE sensor (
    id INTEGER PRIMARY KEY,
    wearer TEXT NOT NULL,
    sensor TEXT NOT NULL,
    longest_ns INTEGER NOT NULL,
    UNIQUE (wearer, sensor)
) STRICT;
CREATE TABLE layout (id INTEGER PRIMARY KEY, channels TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE batch (
    sensor_id INTEGER NOT NULL REFERENCES sensor ON DELETE CASCADE,
    t0_ns INTEGER NOT NULL,
    dt_ns INTEGER NOT NULL,
    n INTEGER NOT NULL,
    layout_id INTEGER NOT NULL REFERENCES layout,
    session BLOB NOT NULL,
    seq INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    rx_ns INTEGER NOT NULL,
    clock_err_ns INTEGER NOT NULL,
    accel BLOB,
    gyro BLOB,
    mag BLOB,
    PRIMARY KEY (sensor_id, t0_ns)
) STRICT, WITHOUT ROWID;
CREATE TABLE result (
    id INTEGER PRIMARY KEY,
    wearer TEXT NOT NULL,
    kind TEXT NOT NULL,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    body TEXT NOT NULL,
    algorithm_version TEXT NOT NULL,
    params_hash TEXT NOT NULL
) STRICT;
CREATE INDEX result_time ON result (wearer, start_ns, kind);
CREATE INDEX result_kind ON result (wearer, kind, start_ns, end_ns);
"""

_QUANTITIES = tuple(UNITS)
_INSERT = """
INSERT INTO batch (sensor_id, t0_ns, dt_ns, n, layout_id, session, seq, lost, flags, rx_ns,
    clock_err_ns, accel, gyro, mag) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET dt_ns = excluded.dt_ns, n = excluded.n, layout_id = excluded.layout_id,
    session = excluded.session, seq = excluded.seq, lost = excluded.lost, flags = excluded.flags,
    rx_ns = excluded.rx_ns, clock_err_ns = excluded.clock_err_ns, accel = excluded.accel,
    gyro = excluded.gyro, mag = excluded.mag
WHERE excluded.n > n
"""


class EmbeddedStore:
    """A `Store` in one SQLite file; open it in as many processes and threads as needed."""

    def __init__(self, path: Path) -> None:
        self._db = Database(path)
        self._layout_ids: dict[str, int] = {}
        self._layouts: dict[int, dict[str, tuple[str, float]]] = {}
        try:
            with self._db.read() as connection:
                version = _schema_version(connection)
            if version == 0:
                self._create()
            elif version > SCHEMA_VERSION:
                raise StoreError(
                    f"database {path.name} has schema {version}, this Trunkline knows up to "
                    f"{SCHEMA_VERSION}",
                    "install the newer Trunkline again",
                )
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file; the threads that use this object must be done."""
        self._db.close()

    # --- samples ---------------------------------------------------------------------------

    def write_batches(self, items: Sequence[StoredBatch]) -> None:
        """See `Store.write_batches`: one transaction, on disk when this returns."""
        with self._db.transaction() as connection:
            longest: dict[tuple[str, str], int] = {}
            for item in items:
                key = (item.wearer, item.sensor)
                longest[key] = max(longest.get(key, 0), item.batch.n * item.batch.dt_ns)
            ids = {key: _sensor_id(connection, *key, span) for key, span in longest.items()}
            connection.executemany(
                _INSERT,
                [
                    self._row(connection, ids[item.wearer, item.sensor], item.batch)
                    for item in items
                ],
            )

    def read_samples(self, wearer: str, sensor: str, start_ns: int, end_ns: int) -> Samples:
        """See `Store.read_samples`."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT t0_ns, dt_ns, n, layout_id, accel, gyro, mag"
                " FROM sensor CROSS JOIN batch ON sensor_id = id"
                " WHERE wearer = ? AND sensor = ? AND t0_ns > ? - longest_ns AND t0_ns < ?"
                " ORDER BY t0_ns",
                (wearer, sensor, start_ns, end_ns),
            ).fetchall()
            parts = [
                self._samples(connection, layout_id, list(run))
                for layout_id, run in groupby(rows, key=itemgetter(3))
            ]
        return clip(join(parts), start_ns, end_ns)

    def iter_samples(
        self, wearer: str, sensor: str, start_ns: int, end_ns: int, chunk_ns: int
    ) -> Iterator[Samples]:
        """See `Store.iter_samples`."""
        for span in self.sensors(wearer):
            if span.sensor != sensor:
                continue
            for low, high in chunk_bounds(start_ns, end_ns, chunk_ns, span.first_ns, span.last_ns):
                samples = self.read_samples(wearer, sensor, low, high)
                if len(samples):
                    yield samples

    def sensors(self, wearer: str) -> list[SensorSpan]:
        """See `Store.sensors`."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT sensor,"
                " (SELECT min(t0_ns) FROM batch WHERE sensor_id = sensor.id),"
                " (SELECT max(t0_ns + (n - 1) * dt_ns) FROM batch WHERE sensor_id = sensor.id"
                "  AND t0_ns >= (SELECT max(t0_ns) FROM batch WHERE sensor_id = sensor.id)"
                "  - longest_ns)"
                " FROM sensor WHERE wearer = ? ORDER BY sensor",
                (wearer,),
            ).fetchall()
        return [SensorSpan(*row) for row in rows]

    def read_batches(
        self, wearer: str, sensor: str, start_ns: int, end_ns: int
    ) -> list[BatchRecord]:
        """See `Store.read_batches`."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT t0_ns, dt_ns, n, session, seq, lost, flags, rx_ns, clock_err_ns"
                " FROM sensor CROSS JOIN batch ON sensor_id = id"
                " WHERE wearer = ? AND sensor = ? AND t0_ns >= ? AND t0_ns < ? ORDER BY t0_ns",
                (wearer, sensor, start_ns, end_ns),
            ).fetchall()
        return [
            BatchRecord(t0_ns, dt_ns, n, session_text(session), *how)
            for t0_ns, dt_ns, n, session, *how in rows
        ]

    # --- results ---------------------------------------------------------------------------

    def write_results(
        self,
        wearer: str,
        start_ns: int,
        end_ns: int,
        results: Sequence[Result],
        provenance: Provenance,
    ) -> None:
        """See `Store.write_results`: one transaction."""
        check_results(start_ns, end_ns, results)
        with self._db.transaction() as connection:
            connection.execute(
                "DELETE FROM result WHERE wearer = ? AND start_ns >= ? AND start_ns < ?",
                (wearer, start_ns, end_ns),
            )
            connection.executemany(
                "INSERT INTO result (wearer, kind, start_ns, end_ns, body, algorithm_version,"
                " params_hash) VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        wearer,
                        result.kind,
                        result.start_ns,
                        result.end_ns,
                        json.dumps(dict(result.body), separators=(",", ":"), allow_nan=False),
                        provenance.algorithm_version,
                        provenance.params_hash,
                    )
                    for result in results
                ],
            )

    def read_results(self, wearer: str, kind: str, start_ns: int, end_ns: int) -> list[Result]:
        """See `Store.read_results`."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT kind, start_ns, end_ns, body FROM result WHERE wearer = ? AND kind = ?"
                " AND start_ns > ? AND start_ns < ? AND end_ns > ? ORDER BY start_ns, id",
                (wearer, kind, start_ns - MAX_RESULT_NS - 1, end_ns, start_ns),
            ).fetchall()
        # One document instead of thousands: most of a day's reading would be the calls.
        bodies = json.loads(f"[{','.join(row[3] for row in rows)}]")
        return [
            Result(row[0], row[1], row[2], body) for row, body in zip(rows, bodies, strict=True)
        ]

    def provenances(self, wearer: str, start_ns: int, end_ns: int) -> list[Provenance]:
        """See `Store.provenances`."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT DISTINCT algorithm_version, params_hash FROM result"
                " WHERE wearer = ? AND start_ns >= ? AND start_ns < ?",
                (wearer, start_ns, end_ns),
            ).fetchall()
        return sorted(Provenance(*row) for row in rows)

    def erase(self, wearer: str) -> None:
        """See `Store.erase`: the rows are overwritten, also in the write-ahead log."""
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM sensor WHERE wearer = ?", (wearer,))
            connection.execute("DELETE FROM result WHERE wearer = ?", (wearer,))
        self._db.forget_deleted()

    # --- rows and arrays -------------------------------------------------------------------

    def _create(self) -> None:
        with self._db.transaction() as connection:
            if _schema_version(connection) == 0:  # another process may have been first
                for statement in _SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _row(
        self, connection: sqlite3.Connection, sensor_id: int, batch: Batch
    ) -> tuple[object, ...]:
        layout = json.dumps(
            {
                name: [channel.raw.dtype.newbyteorder("<").str, channel.scale]
                for name, channel in batch.channels.items()
            },
            sort_keys=True,
        )
        return (
            sensor_id,
            batch.t0_ns,
            batch.dt_ns,
            batch.n,
            self._layout_id(connection, layout),
            session_bytes(batch.session),
            batch.seq,
            batch.lost,
            int(batch.flags),
            batch.rx_ns,
            batch.clock_err_ns,
            *(
                _little_endian(batch.channels[name].raw) if name in batch.channels else None
                for name in _QUANTITIES
            ),
        )

    def _layout_id(self, connection: sqlite3.Connection, layout: str) -> int:
        if layout not in self._layout_ids:
            connection.execute(
                "INSERT INTO layout (channels) VALUES (?) ON CONFLICT DO NOTHING", (layout,)
            )
            row = connection.execute("SELECT id FROM layout WHERE channels = ?", (layout,))
            self._layout_ids[layout] = int(row.fetchone()[0])
        return self._layout_ids[layout]

    def _samples(
        self, connection: sqlite3.Connection, layout_id: int, rows: list[tuple[Any, ...]]
    ) -> Samples:
        if layout_id not in self._layouts:
            row = connection.execute("SELECT channels FROM layout WHERE id = ?", (layout_id,))
            self._layouts[layout_id] = json.loads(row.fetchone()[0])
        t0_ns, dt_ns, n, _, *blobs = zip(*rows, strict=True)
        values = {}
        for name, column in zip(_QUANTITIES, blobs, strict=True):
            if name in self._layouts[layout_id]:
                dtype, scale = self._layouts[layout_id][name]
                values[name] = _si(np.frombuffer(b"".join(column), np.dtype(dtype)), scale)
        return Samples(_times(np.array(t0_ns), np.array(dt_ns), np.array(n)), values)


def _schema_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _sensor_id(connection: sqlite3.Connection, wearer: str, sensor: str, longest_ns: int) -> int:
    row = connection.execute(
        "SELECT id, longest_ns FROM sensor WHERE wearer = ? AND sensor = ?", (wearer, sensor)
    ).fetchone()
    if row is None or row[1] < longest_ns:
        row = connection.execute(
            "INSERT INTO sensor (wearer, sensor, longest_ns) VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET longest_ns = excluded.longest_ns RETURNING id",
            (wearer, sensor, longest_ns),
        ).fetchone()
    return int(row[0])


def _little_endian(raw: NDArray[Any]) -> bytes:
    return raw.astype(raw.dtype.newbyteorder("<"), copy=False).tobytes()


def _times(
    t0_ns: NDArray[np.int64], dt_ns: NDArray[np.int64], n: NDArray[np.int64]
) -> NDArray[np.int64]:
    """(sum(n),) time stamps of batches laid end to end."""
    index = np.arange(int(n.sum())) - np.repeat(np.cumsum(n) - n, n)
    return np.repeat(t0_ns, n) + np.repeat(dt_ns, n) * index


def _si(raw: NDArray[Any], scale: float) -> NDArray[np.float32]:
    """(n, 3) float32, the same numbers as `Channel.si`; NaN for anything infinite."""
    if raw.dtype.kind != "f":
        # The product is computed in float64 block by block: no float64 copy of a whole day.
        out = np.empty(raw.size, np.float32)
        np.multiply(raw, scale, out=out, dtype=np.float64, casting="same_kind")
        return out.reshape(-1, 3)
    out = raw.astype(np.float32) if scale == 1.0 else (raw * np.float64(scale)).astype(np.float32)
    out[~np.isfinite(out)] = np.nan
    return out.reshape(-1, 3)
