"""The outbox's SQLite file: opened, migrated, rescued; what its errors mean to people.

A disk that is full must not keep delivered data from being deleted: SQLite needs room to delete as
well. A reserve of RESERVE_BYTES beside the file is given up for that when the disk is full. From
then on only freed pages are written to, until the reserve can be held again.

A file that SQLite calls damaged is put aside; what can still be read of it goes on in a new one.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

SCHEMA_VERSION = 2
RESERVE_BYTES = 4 << 20
"""More than the write-ahead log ever grows to: CHECKPOINT_PAGES and one append."""
CHECKPOINT_PAGES = 256
"""1 MiB of write-ahead log, and then its pages go to their places in the file."""
CHECKED_BYTES = 64 << 20
"""A file up to this size is looked through when it is opened, in less than a second."""

SCHEMA = """
CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    sensor TEXT,
    session TEXT,
    seq INTEGER,
    floor_seq INTEGER,
    n INTEGER NOT NULL DEFAULT 0,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    at_ns INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX message_batch ON message (session, seq) WHERE seq IS NOT NULL;
CREATE INDEX message_small ON message (id) WHERE seq IS NULL;
CREATE TABLE dropped (
    at_ns INTEGER NOT NULL,
    sensor TEXT NOT NULL,
    session TEXT NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    batches INTEGER NOT NULL,
    samples INTEGER NOT NULL
);
CREATE TABLE owner (wearer TEXT NOT NULL);
CREATE TABLE stream (sensor TEXT PRIMARY KEY, end_ns INTEGER NOT NULL, dt_ns INTEGER NOT NULL);
CREATE TABLE newest (session TEXT NOT NULL);
"""
_FROM_1 = """
ALTER TABLE message ADD COLUMN at_ns INTEGER NOT NULL DEFAULT 0;
CREATE TABLE stream (sensor TEXT PRIMARY KEY, end_ns INTEGER NOT NULL, dt_ns INTEGER NOT NULL);
CREATE TABLE newest (session TEXT NOT NULL);
"""
_COLUMNS = "kind, sensor, session, seq, floor_seq, n, topic, payload"


class OutboxError(Exception):
    """The outbox cannot be used; the text says what to do next."""


class OutboxFile:
    """One connection to one file, which nobody else can open meanwhile. Not thread-safe."""

    def __init__(self, path: Path) -> None:
        """Raises OutboxError."""
        self.path = path
        self._reserve = path.with_name(f"{path.name}.reserve")
        self._is_damaged = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutboxError(_advice(path, error)) from error
        self._db = self._opened()
        self.holds_reserve = self.hold_reserve()

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """What a query finds; raises OutboxError."""
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def write(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        """Do something in one transaction, durable on return; on a full disk once more with the
        reserve given up. Raises OutboxError, and then nothing was written."""
        try:
            return self._write(work)
        except sqlite3.Error as error:
            if not (_code(error) == sqlite3.SQLITE_FULL and self.holds_reserve):
                raise self._failed(error) from error
        self._give_up_reserve()
        try:
            return self._write(work)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def append(self, work: Callable[[sqlite3.Connection], Any], size: int) -> Any:
        """The same for what makes the file grow by about `size` bytes: not out of the reserve."""
        if self._is_damaged:
            self._db.close()
            self._db = self._rescued()
        if not self.holds_reserve:
            self.holds_reserve = self.hold_reserve()
        if not self.holds_reserve and self._free_bytes() < 2 * size + 64 * 1024:
            raise OutboxError(_full(self.path))
        try:
            return self._write(work)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def hold_reserve(self) -> bool:
        """Put the reserve on the disk; False when there is no room for it."""
        try:
            with self._reserve.open("ab") as file:
                if file.tell() < RESERVE_BYTES:
                    _allocate(file.fileno(), RESERVE_BYTES)
        except OSError:
            with suppress(OSError):
                self._reserve.unlink()
            return False
        return True

    def _give_up_reserve(self) -> None:
        """Make room, and move what the write-ahead log holds to its place, so that the log can
        begin anew."""
        self.holds_reserve = False
        with suppress(OSError):
            self._reserve.unlink()
        with suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()

    def _free_bytes(self) -> int:
        page, free = (self.rows(f"PRAGMA {name}")[0][0] for name in ("page_size", "freelist_count"))
        return int(page) * int(free)

    def _write(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            result = work(self._db)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        return result

    def _failed(self, error: sqlite3.Error) -> OutboxError:
        self._is_damaged |= _is_damage(error)
        return OutboxError(_advice(self.path, error))

    # --- opening --------------------------------------------------------------------------------

    def _opened(self) -> sqlite3.Connection:
        try:
            return self._connected()
        except sqlite3.Error as error:
            if _is_damage(error):
                return self._rescued()
            if _code(error) != sqlite3.SQLITE_FULL or not self._reserve.exists():
                raise OutboxError(_advice(self.path, error)) from error
        self._reserve.unlink()
        try:
            return self._connected()
        except sqlite3.Error as error:
            raise OutboxError(_advice(self.path, error)) from error

    def _connected(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None)
        try:
            db.execute("PRAGMA busy_timeout = 5000")  # a predecessor may still be stopping
            db.execute("PRAGMA locking_mode = EXCLUSIVE")  # a second agent is told, not let in
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            self._migrate(db)
            if self.path.stat().st_size <= CHECKED_BYTES:
                found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
                if found != "ok":
                    raise _damage(str(found))
        except BaseException:
            db.close()
            raise
        return db

    def _migrate(self, db: sqlite3.Connection) -> None:
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        if version not in {0, 1, SCHEMA_VERSION}:
            raise OutboxError(
                f"outbox {self.path.name} has schema {version}, this program knows up to "
                f"{SCHEMA_VERSION}; deliver it with the version that wrote it, or move it away"
            )
        if version != SCHEMA_VERSION:
            script = _FROM_1 if version else SCHEMA
            db.executescript(f"BEGIN; {script} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        else:  # takes the lock: nothing above has written
            db.execute("BEGIN IMMEDIATE")
            db.execute("COMMIT")

    def _rescued(self) -> sqlite3.Connection:
        """A new file with what can be read of the damaged one, which is kept beside it."""
        aside = self.path.with_name(f"{self.path.name}.damaged-{time.time_ns() // 10**9}")
        try:
            for end in ("", "-wal", "-shm"):
                old = Path(f"{self.path}{end}")
                if old.exists():
                    old.rename(f"{aside}{end}")
            db = self._connected()
        except (OSError, sqlite3.Error) as error:
            raise OutboxError(_advice(self.path, error)) from error
        saved = list(_readable(aside))
        marks = ", ".join("?" * len(_COLUMNS.split(",")))
        with suppress(sqlite3.Error), _reading(aside) as damaged:
            db.executemany("INSERT INTO owner VALUES (?)", damaged.execute("SELECT * FROM owner"))
        db.executemany(f"INSERT OR IGNORE INTO message ({_COLUMNS}) VALUES ({marks})", saved)  # noqa: S608
        self._is_damaged = False
        log.error(
            "outbox %s was damaged: %d messages could be saved, the rest is lost; the damaged "
            "file is kept as %s, check the disk",
            self.path.name,
            len(saved),
            aside.name,
        )
        return db


def _readable(path: Path) -> Iterator[tuple[Any, ...]]:
    """The messages that a damaged file still gives out, from both ends up to the damage, in
    order."""
    found: dict[int, tuple[Any, ...]] = {}
    with suppress(sqlite3.Error), _reading(path) as db:
        for order in ("ASC", "DESC"):
            with suppress(sqlite3.Error):
                for row in db.execute(f"SELECT id, {_COLUMNS} FROM message ORDER BY id {order}"):  # noqa: S608
                    if row[0] in found:
                        break
                    found[row[0]] = row[1:]
    for row_id in sorted(found):
        yield found[row_id]


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(path)
    try:
        yield db
    finally:
        db.close()


def _allocate(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.write(descriptor, bytes(size - os.lseek(descriptor, 0, os.SEEK_END)))


def _code(error: Exception) -> int:
    """SQLite's primary result code."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _damage(found: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(found.replace("\n", " ")[:120])
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _is_damage(error: Exception) -> bool:
    return _code(error) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _full(path: Path) -> str:
    return (
        f"the disk of outbox {path.name} is full; make room: samples wait in memory for some "
        "minutes, then the oldest are dropped on record"
    )


def _advice(path: Path, error: Exception) -> str:
    match _code(error):
        case sqlite3.SQLITE_FULL:
            return _full(path)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return f"outbox {path.name} is in use; stop the other agent, or give another --outbox"
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN:
            return f"outbox {path.name} may not be written ({error}); check who owns its folder"
    return (
        f"outbox {path.name} cannot be used ({error}); check that the disk works, and that the "
        "file may be written"
    )
