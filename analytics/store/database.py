"""One SQLite file, opened by several processes and threads at once."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from analytics.store.base import StoreError

CHECKED_BYTES = 256 << 20
"""A file up to this size is checked when it is opened: a fraction of a second. A larger one would
keep every start waiting; `trunkline store check` and the nightly job go through it."""
BUSY_TIMEOUT_S = 30.0
"""Longer than any transaction of ours: a writer waits for its turn rather than failing."""
CLOSE_WAIT_S = 10.0
"""How long closing waits for the queries of other threads. What is still at work then keeps its
connection, which ends with the process: to close it under a query would end the process at once."""
SHRINK_PAGES = 2000
"""Given back to the disk at once: 8 MB, some tens of milliseconds."""
_MALFORMED = "malformed"
"""What SQLite says of a file whose pages do not fit together."""


@dataclass(frozen=True)
class _Own:
    """The connection of one thread, and the lock that it holds while it uses it."""

    connection: sqlite3.Connection
    used: threading.RLock = field(default_factory=threading.RLock)


class Database:
    """Connections to one SQLite file: one per thread, WAL, foreign keys on, commits on disk.

    SQLite lets one writer and any number of readers work at the same time in WAL mode, whichever
    process they are in; a connection of its own lets every thread read without waiting.
    """

    def __init__(self, path: Path, recovery: str) -> None:
        """`recovery`: what to do when the file is damaged; part of the error then."""
        self.path = path
        self._recovery = recovery
        self._connections: dict[threading.Thread, _Own] = {}
        self._lock = threading.Lock()
        self._closed = False
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        with self._errors():
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.read() as connection:
            # Before the first table: a file that shrinks when its content does.
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            connection.execute("PRAGMA journal_mode=WAL")
            if self.path.stat().st_size <= CHECKED_BYTES:
                self._refuse_damage(connection)

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection; raises StoreError instead of sqlite3's errors."""
        with self._errors(), self._own() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Several reads of one and the same state of the file."""
        with self.read() as connection:
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.rollback()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, durable when the block ends; inside another one it joins that one."""
        with self.read() as connection:
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

    def copy_to(self, path: Path) -> None:
        """A copy of one state of the file, beside whoever reads and writes meanwhile.

        In one go: a copy in steps would begin anew with every commit of another process.
        """
        with self.read() as connection:
            target = sqlite3.connect(path, isolation_level=None)
            try:
                connection.backup(target)
                # Alone in its file: nothing of it waits in a log.
                target.execute("PRAGMA journal_mode=DELETE")
                found = [row[0] for row in target.execute("PRAGMA quick_check(1)")]
            finally:
                target.close()
        if found != ["ok"]:
            raise self.damaged(found[0])

    def forget_deleted(self) -> None:
        """Overwrite what the write-ahead log still holds of deleted rows.

        Rows are overwritten in the file itself when they are deleted (secure_delete); a reader
        that is busy at this moment only delays the log's end to the next checkpoint.
        """
        with self.read() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def shrink(self) -> None:
        """Give the room of deleted rows back to the disk, a little at a time: every step is a
        transaction of its own, and nobody waits for longer than a step."""
        while True:
            with self.transaction() as connection:
                free = connection.execute("PRAGMA freelist_count").fetchone()[0]
                if free == 0 or connection.execute("PRAGMA auto_vacuum").fetchone()[0] != 2:
                    break
                # Row by row: each step of the statement frees one page.
                connection.execute(f"PRAGMA incremental_vacuum({SHRINK_PAGES})").fetchall()
        self.forget_deleted()

    def close(self) -> None:
        """Close every thread's connection once its query is done; later queries are refused."""
        ends_s = time.monotonic() + CLOSE_WAIT_S
        with self._lock:
            self._closed = True
            owned = list(self._connections.values())
            self._connections.clear()
        for own in owned:
            if own.used.acquire(timeout=max(0.0, ends_s - time.monotonic())):
                own.connection.close()
                own.used.release()

    @contextmanager
    def _own(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection, which nobody closes meanwhile."""
        thread = threading.current_thread()
        own = self._connections.get(thread)
        if own is None:
            own = _Own(self._open())
            with self._lock:
                if not self._closed:
                    for ended in [t for t in self._connections if not t.is_alive()]:
                        self._connections.pop(ended).connection.close()
                    self._connections[thread] = own
        with own.used:
            if self._closed:
                own.connection.close()
                raise sqlite3.ProgrammingError("the database is closed")
            yield own.connection

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA foreign_keys=ON")
        # NORMAL would let a power cut undo a commit that an agent has already been told of.
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")
        return connection

    def _refuse_damage(self, connection: sqlite3.Connection) -> None:
        found = [row[0] for row in connection.execute("PRAGMA quick_check(1)")]
        if found != ["ok"]:
            raise sqlite3.DatabaseError(f"{_MALFORMED}: {found[0]}")

    def damaged(self, detail: str) -> StoreError:
        """The error for a file whose content cannot be right."""
        return StoreError(
            f"database {self.path.name} is damaged ({' '.join(detail.split())[:120]})",
            self._recovery,
        )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except sqlite3.DatabaseError as error:
            if any(words in str(error) for words in (_MALFORMED, "not a database")):
                raise self.damaged(str(error)) from error
            raise self._unusable(error) from error
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> StoreError:
        return StoreError(
            f"database {self.path.name}: {error}",
            f"check that {self.path.parent} is writable, that its disk has room, "
            "and that the file is a SQLite database",
        )


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
