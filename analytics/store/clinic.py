"""The clinic database: people and what is said about them. Always SQLite, always beside us.

Samples and results live in a `Store`; this file is small and relational. Ingest, worker,
dashboard and command line open it at the same time, each with as many threads as it likes.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from analytics.store.alerts import Alerts
from analytics.store.arrivals import Arrivals
from analytics.store.asked import Asked
from analytics.store.calibrations import Calibrations
from analytics.store.clinical import Clinical
from analytics.store.database import Database
from analytics.store.deliveries import Deliveries
from analytics.store.ledger import Ledger
from analytics.store.log_ins import LogIns
from analytics.store.migrations import bring_to_head
from analytics.store.people import People
from analytics.store.reported import Reported
from analytics.store.share import ALL, Share

FILE_NAME = "clinic.db"
"""Name of the clinic database inside a data directory."""
EXPORTS = "exports"
"""Folder inside a data directory with the files of exports, `<id>.zip`."""
EXPORT_KEY = "export.key"
"""File inside a data directory that makes the names of exports that do not use the wearers' own."""

RECOVERY = (
    "stop Trunkline, keep a copy of the file, and put your last backup of it in its place (see "
    "Damage in docs/storage.md)"
)


class Clinic(
    People,
    LogIns,
    Asked,
    Reported,
    Ledger,
    Arrivals,
    Deliveries,
    Alerts,
    Calibrations,
    Clinical,
):
    """One clinic database file, made or migrated on open.

    Methods raise StoreError when the file cannot be used, ClinicError for a request that the
    records do not allow.
    """

    def __init__(self, path: Path, share: Share = ALL) -> None:
        """`share`: which wearers the lists of everybody are about; one by one all are there."""
        self._share = share
        self._db = Database(path, RECOVERY)
        try:
            with self._db.read() as connection:
                bring_to_head(path, connection)
        except BaseException:
            self._db.close()
            raise

    @property
    def folder(self) -> Path:
        """The data directory that holds the file."""
        return self._db.path.parent

    def close(self) -> None:
        """Close the file; the threads that use this object must be done."""
        self._db.close()

    def copy_to(self, path: Path) -> None:
        """A consistent copy for a backup, made while everybody works on."""
        self._db.copy_to(path)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make several calls of this thread one: all or nothing, one write to disk."""
        with self._db.transaction():
            yield

    def erase(self, wearer: str, by: str) -> None:
        """Remove everything about `wearer`: settings, log-in, sensors, calibrations, diary,
        watermarks, dead letters, audit rows, and every export that has data of them. The audit
        keeps that `by` erased the pseudonym.

        Erasing a wearer that is not there changes nothing but the audit.
        """
        with self._db.transaction() as connection:
            made_of = "SELECT job FROM export_job_wearer WHERE wearer = ?"
            jobs = [row[0] for row in connection.execute(made_of, (wearer,))]
            connection.executemany("DELETE FROM export_job WHERE id = ?", [(j,) for j in jobs])
            connection.execute(
                "INSERT INTO erasing (wearer, user)"
                " SELECT ?1, NULL UNION ALL SELECT NULL, name FROM user WHERE wearer = ?1",
                (wearer,),
            )
            connection.execute(
                "DELETE FROM audit WHERE wearer = ?1 OR user IN (SELECT user FROM erasing)",
                (wearer,),
            )
            connection.execute("DELETE FROM dead_letter WHERE wearer = ?", (wearer,))
            connection.execute("DELETE FROM wearer WHERE wearer = ?", (wearer,))
            connection.execute("DELETE FROM erasing")
            connection.execute(
                "INSERT INTO audit (at_ns, user, action, wearer, detail) VALUES (?, ?, ?, ?, ?)",
                (time.time_ns(), by, "erase", wearer, ""),
            )
        for job in jobs:
            remove_files(self.folder / EXPORTS, job)
        self._db.forget_deleted()


def remove_files(folder: Path, job: str) -> None:
    """Delete what an export has left on disk, finished or not."""
    for path in folder.glob(f"{job}.*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
