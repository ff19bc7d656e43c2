"""The embedded store: one SQLite file, nothing to install.

A batch is one row with the counts as the sensor gave them: a one-second row costs a tenth of what
fifty sample rows would, in space and in time, and the conversion to SI is one multiplication for
a whole day when it is read. Rows are clustered by (sensor, t0), so that a day of one wearer is one
sequential read however many wearers were written side by side. Compaction turns the rows of ten
minutes into one compressed block; what is read stays the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.store.assemble import chunk_bounds, clip, join
from analytics.store.base import BatchRecord, Samples, SensorSpan, StoredBatch
from analytics.store.block import Run
from analytics.store.compaction import Progress, compact
from analytics.store.database import Database
from analytics.store.embedded_batches import Batches
from analytics.store.embedded_results import ResultRows
from analytics.store.embedded_schema import bring_to_head
from analytics.store.integrity import problems
from wire.ids import session_text

FILE_NAME = "samples.db"
"""Name of the embedded store inside a data directory."""
RECOVERY = (
    "stop Trunkline and save what can be read with: trunkline store recover (see Damage in "
    "docs/storage.md)"
)


class EmbeddedStore(ResultRows):
    """A `Store` in one SQLite file; open it in as many processes and threads as needed."""

    def __init__(self, path: Path) -> None:
        self._db = Database(path, RECOVERY)
        self._batches = Batches(self._db.damaged)
        try:
            bring_to_head(self._db)
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file; the threads that use this object must be done."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `Store.transaction`."""
        with self._db.transaction():
            yield

    def copy_to(self, path: Path) -> None:
        """A consistent copy for a backup, made while everybody works on."""
        self._db.copy_to(path)

    # --- samples ---------------------------------------------------------------------------

    def write_batches(self, items: Sequence[StoredBatch]) -> None:
        """See `Store.write_batches`: one transaction, on disk when this returns."""
        with self._db.transaction() as connection:
            self._batches.insert(connection, items)

    def read_samples(self, wearer: str, sensor: str, start_ns: int, end_ns: int) -> Samples:
        """See `Store.read_samples`."""
        with self._db.snapshot() as connection:
            known = connection.execute(
                "SELECT id, longest_ns FROM sensor WHERE wearer = ? AND sensor = ?",
                (wearer, sensor),
            ).fetchone()
            if known is None:
                return join([])
            runs = self._batches.runs(connection, known[0], start_ns - known[1], end_ns)
        return clip(join([_samples(run) for run in runs]), start_ns, end_ns)

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
        with self._db.snapshot() as connection:
            rows = connection.execute(_SPANS, (wearer,)).fetchall()
        return [SensorSpan(*row) for row in rows if row[1] is not None]

    def read_batches(
        self, wearer: str, sensor: str, start_ns: int, end_ns: int
    ) -> list[BatchRecord]:
        """See `Store.read_batches`."""
        with self._db.snapshot() as connection:
            known = connection.execute(
                "SELECT id FROM sensor WHERE wearer = ? AND sensor = ?", (wearer, sensor)
            ).fetchone()
            rows = (
                [] if known is None else self._batches.rows(connection, known[0], start_ns, end_ns)
            )
        return [
            BatchRecord(
                t0_ns=row.t0_ns,
                dt_ns=row.dt_ns,
                n=row.n,
                session=session_text(row.session),
                seq=row.seq,
                lost=row.lost,
                flags=row.flags,
                rx_ns=row.rx_ns,
                clock_err_ns=row.clock_err_ns,
            )
            for row in rows
        ]

    # --- housekeeping ----------------------------------------------------------------------

    def wearers(self) -> list[str]:
        """See `Store.wearers`."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT wearer FROM sensor UNION SELECT wearer FROM result ORDER BY wearer"
            ).fetchall()
        return [row[0] for row in rows]

    def erase(self, wearer: str) -> None:
        """See `Store.erase`: the rows are overwritten, also in the write-ahead log."""
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM sensor WHERE wearer = ?", (wearer,))
            connection.execute("DELETE FROM result WHERE wearer = ?", (wearer,))
        self._db.forget_deleted()

    def drop_samples(self, wearer: str, sensor: str, before_ns: int, batches: int) -> None:
        """Remove the batches and blocks whose every sample lies before `before_ns`; nothing when
        other than `batches` begin there: one came since they were counted and archived."""
        with self._db.transaction() as connection:
            known = connection.execute(
                "SELECT id, (SELECT count(*) FROM batch WHERE sensor_id = id AND t0_ns < ?1)"
                " + (SELECT ifnull(sum(batches), 0) FROM block WHERE sensor_id = sensor.id"
                " AND start_ns < ?1) FROM sensor WHERE wearer = ?2 AND sensor = ?3",
                (before_ns, wearer, sensor),
            ).fetchone()
            if known is None or known[1] != batches:
                return
            connection.execute(
                "DELETE FROM batch WHERE sensor_id = ?2 AND t0_ns < ?1"
                " AND t0_ns + (n - 1) * dt_ns < ?1",
                (before_ns, known[0]),
            )
            connection.execute(
                "DELETE FROM block WHERE sensor_id = ?2 AND last_ns < ?1", (before_ns, known[0])
            )

    def compact(self, before_ns: int, progress: Progress = lambda _done, _all: None) -> int:
        """Compress what began before `before_ns`; returns how many blocks were written. May be
        ended at any moment, and run beside everybody else."""
        return compact(self._db, self._batches, before_ns, progress)

    def check(self, progress: Progress = lambda _done, _all: None) -> list[str]:
        """Look at every page, block and row; what is wrong, one line each."""
        return problems(self._db, self._batches, progress)


_SPANS = """
WITH span AS (
    SELECT sensor,
        (SELECT min(t0_ns) FROM batch WHERE sensor_id = sensor.id) AS loose_first,
        (SELECT max(t0_ns + (n - 1) * dt_ns) FROM batch WHERE sensor_id = sensor.id
            AND t0_ns >= (SELECT max(t0_ns) FROM batch WHERE sensor_id = sensor.id)
            - longest_ns) AS loose_last,
        (SELECT min(start_ns) FROM block WHERE sensor_id = sensor.id
            AND cell = (SELECT min(cell) FROM block WHERE sensor_id = sensor.id)) AS block_first,
        (SELECT max(last_ns) FROM block WHERE sensor_id = sensor.id
            AND cell >= (SELECT max(cell) FROM block WHERE sensor_id = sensor.id)
            - longest_ns / 600000000000 - 1) AS block_last
    FROM sensor WHERE wearer = ?
)
SELECT sensor, min(ifnull(loose_first, block_first), ifnull(block_first, loose_first)),
    max(ifnull(loose_last, block_last), ifnull(block_last, loose_last))
FROM span ORDER BY sensor
"""


def _samples(run: Run) -> Samples:
    values = {
        name: _si(counts, run.layout.channels[name][1]) for name, counts in run.counts.items()
    }
    return Samples(_times(run.t0_ns, run.dt_ns, run.n), values)


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
        np.multiply(raw.ravel(), scale, out=out, dtype=np.float64, casting="same_kind")
        return out.reshape(-1, 3)
    out = raw.astype(np.float32) if scale == 1.0 else (raw * np.float64(scale)).astype(np.float32)
    out[~np.isfinite(out)] = np.nan
    return out.reshape(-1, 3)
