"""One SQLite file, opened by several processes and threads at once."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from analytics.store.base import StoreError

BUSY_TIMEOUT_S = 30.0
"""Longer than any transaction of ours: a writer waits for its turn rather than failing."""


class Database:
    """Connections to one SQLite file: one per thread, WAL, foreign keys on, commits on disk.

    SQLite lets one writer and any number of readers work at the same time in WAL mode, whichever
    process they are in; a connection of its own lets every thread read without waiting.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connections: dict[threading.Thread, sqlite3.Connection] = {}
        self._lock = threading.Lock()
        self._closed = False
        with self._errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = self._connection()
            connection.execute("PRAGMA journal_mode=WAL")

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection; raises StoreError instead of sqlite3's errors."""
        with self._errors():
            yield self._connection()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, durable when the block ends; inside another one it joins that one."""
        with self._errors():
            connection = self._connection()
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.commit()
            except BaseException:
                connection.rollback()
                raise

    def forget_deleted(self) -> None:
        """Overwrite what the write-ahead log still holds of deleted rows.

        Rows are overwritten in the file itself when they are deleted (secure_delete); a reader
        that is busy at this moment only delays the log's end to the next checkpoint.
        """
        with self._errors():
            self._connection().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def close(self) -> None:
        """Close every thread's connection; the threads must have finished their queries."""
        with self._lock:
            self._closed = True
            for connection in self._connections.values():
                connection.close()
            self._connections.clear()

    def _connection(self) -> sqlite3.Connection:
        thread = threading.current_thread()
        connection = self._connections.get(thread)
        if connection is None:
            connection = self._open()
            with self._lock:
                if self._closed:
                    connection.close()
                    raise sqlite3.ProgrammingError("the database is closed")
                for ended in [t for t in self._connections if not t.is_alive()]:
                    self._connections.pop(ended).close()
                self._connections[thread] = connection
        return connection

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA foreign_keys=ON")
        # NORMAL would let a power cut undo a commit that an agent has already been told of.
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")
        return connection

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"database {self.path.name}: {error}",
                f"check that {self.path.parent} is writable, that its disk has room, "
                "and that the file is a SQLite database",
            ) from error


@contextmanager
def only_one(path: Path, what: str) -> Iterator[None]:
    """Hold `path` as a lock between processes; StoreError when another process holds it.

    An open exclusive transaction is a lock that works on every system and ends with the process,
    however it ends.
    """
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            raise StoreError(
                f"another {what} works on {path.parent}", f"stop it before you start this {what}"
            ) from error
        yield
    finally:
        connection.close()
