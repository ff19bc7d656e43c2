"""Everything on its way to the broker, on disk until it is known to have arrived. One SQLite file.

Batches stay until ingest says that the store holds them (`commit`). Births and marks have no such
answer and stay until the broker has acknowledged them (`delivered`). Whoever opens the file after a
crash finds what was appended and not yet confirmed, in the order of appending.

synchronous=FULL: with NORMAL a power cut could take back the last transactions of the WAL, samples
that were already counted as safe and perhaps shown as sent. FULL costs one fsync per `append`;
callers therefore append everything that is due in one call. kill -9 loses nothing in either mode.
"""

from __future__ import annotations

import dataclasses
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wire.batch import Batch
from wire.codec import decode, encode
from wire.messages import Loss
from wire.topics import Kind, sensor_topic

SCHEMA_VERSION = 1
MAX_BYTES = 4 << 30
"""4 GiB: about 55 days of one six-axis sensor at 50 Hz, and room left on the smallest SD card."""
_DROP_SHARE = 0.01
"""When full, this share goes at once: dropping one row per append would cost a search each time."""

_SCHEMA = """
CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    sensor TEXT,
    session TEXT,
    seq INTEGER,
    floor_seq INTEGER,
    n INTEGER NOT NULL DEFAULT 0,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL
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
"""


class OutboxError(Exception):
    """The outbox cannot be used; the text says what to do next."""


@dataclass(frozen=True, slots=True)
class Message:
    """One row: what to publish. `seq` is None for births and marks."""

    id: int
    kind: Kind
    topic: str
    payload: bytes
    session: str | None
    seq: int | None

    @property
    def retain(self) -> bool:
        """Births are retained, batches and marks are not."""
        return self.kind is Kind.BIRTH


@dataclass(frozen=True, slots=True)
class Dropped:
    """Batches given up because the outbox was full: the loss on record."""

    at_ns: int
    sensor: str
    session: str
    first_seq: int
    last_seq: int
    batches: int
    samples: int


class Outbox:
    """The messages of one wearer. Thread-safe; every method raises OutboxError."""

    def __init__(self, path: Path, wearer: str, max_bytes: int = MAX_BYTES) -> None:
        self.path, self.wearer, self._max_bytes = path, wearer, max_bytes
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise OutboxError(_advice(path, error)) from error
        try:
            self._open()
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._db.close()

    def append(self, batches: Iterable[tuple[str, Batch]], now_ns: int) -> list[Dropped]:
        """Put (sensor, batch) pairs on disk, durable on return; their `floor_seq` is set here.

        Returns what had to be dropped to make room, already on record; `now_ns` is UTC.
        """
        with self._lock, self._transaction():
            for sensor, batch in batches:
                lowest = self._floor(batch.session)
                floor = batch.seq if lowest is None else min(lowest, batch.seq)
                self._db.execute(
                    "INSERT INTO message (kind, sensor, session, seq, floor_seq, n, topic, payload)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        Kind.IMU,
                        sensor,
                        batch.session,
                        batch.seq,
                        floor,
                        batch.n,
                        sensor_topic(self.wearer, sensor, Kind.IMU),
                        encode(dataclasses.replace(batch, floor_seq=floor)),
                    ),
                )
            return self._make_room(now_ns)

    def append_small(self, kind: Kind, topic: str, payload: bytes) -> None:
        """Put a birth or a mark on disk, durable on return."""
        with self._lock, self._transaction():
            self._db.execute(
                "INSERT INTO message (kind, topic, payload) VALUES (?, ?, ?)",
                (kind, topic, payload),
            )

    def commit(self, session: str, seq: int) -> tuple[int, int]:
        """The store holds `session` up to and with `seq`: delete that.

        Returns how many batches and samples that were.
        """
        with self._lock, self._transaction():
            batches, samples = self._db.execute(
                "SELECT count(*), coalesce(sum(n), 0) FROM message WHERE session = ? AND seq <= ?",
                (session, seq),
            ).fetchone()
            self._db.execute("DELETE FROM message WHERE session = ? AND seq <= ?", (session, seq))
            return batches, samples

    def delivered(self, ids: Iterable[int]) -> None:
        """The broker has acknowledged these births or marks: delete them."""
        with self._lock, self._transaction():
            self._db.executemany(
                "DELETE FROM message WHERE id = ? AND seq IS NULL", [(i,) for i in ids]
            )

    def batches_after(self, after_id: int, limit: int) -> list[Message]:
        """The oldest batches with a larger id, in order."""
        return self._messages("id > ? AND seq IS NOT NULL", (after_id,), limit)

    def batches_from(self, session: str, seq: int, limit: int) -> list[Message]:
        """Batches of one session from `seq` on, in order."""
        return self._messages("session = ? AND seq >= ?", (session, seq), limit)

    def small(self, limit: int) -> list[Message]:
        """Births and marks, oldest first."""
        return self._messages("seq IS NULL", (), limit)

    def last_id(self) -> int:
        """The newest row's id, 0 when there is none."""
        return int(self._rows("SELECT coalesce(max(id), 0) FROM message")[0][0])

    def last_seq(self, session: str) -> int | None:
        """The highest number held of a session, None when there is none."""
        highest: int | None = self._rows(
            "SELECT max(seq) FROM message WHERE session = ? AND seq >= 0", (session,)
        )[0][0]
        return highest

    def is_empty(self) -> bool:
        """Whether nothing is left to deliver."""
        return not self._rows("SELECT 1 FROM message LIMIT 1")

    def batch_count(self) -> int:
        """Batches held."""
        return int(self._rows("SELECT count(*) FROM message WHERE seq IS NOT NULL")[0][0])

    def dropped(self) -> list[Dropped]:
        """Everything ever given up, oldest first."""
        return [Dropped(*row) for row in self._rows("SELECT * FROM dropped ORDER BY rowid")]

    def give_up(self, gone: Dropped) -> None:
        """Put on record what was lost before it came here."""
        with self._lock, self._transaction():
            self._record([gone])

    def losses(self) -> dict[str, list[Loss]]:
        """Sensor -> everything ever given up of it, ranges that follow each other as one."""
        found: dict[str, list[Loss]] = {}
        rows = self._rows(
            "SELECT sensor, session, first_seq, last_seq, samples FROM dropped"
            " ORDER BY session, first_seq"
        )
        for sensor, *row in rows:
            loss = Loss(*row)
            ranges = found.setdefault(sensor, [])
            if ranges and _follows(ranges[-1], loss):
                before = ranges.pop()
                loss = Loss(
                    loss.session, before.first_seq, loss.last_seq, before.samples + loss.samples
                )
            ranges.append(loss)
        return found

    def _open(self) -> None:
        try:
            self._db.execute("PRAGMA busy_timeout = 5000")  # a predecessor may still be stopping
            self._db.execute(
                "PRAGMA locking_mode = EXCLUSIVE"
            )  # a second agent is told, not let in
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
            if version == 0:
                self._db.executescript(
                    f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
                )
            elif version != SCHEMA_VERSION:
                raise OutboxError(
                    f"outbox {self.path.name} has schema {version}, this program knows "
                    f"{SCHEMA_VERSION}; deliver it with the version that wrote it, or move it away"
                )
            self._own()
            page = int(self._db.execute("PRAGMA page_size").fetchone()[0])
            self._max_pages = max(64, self._max_bytes // page)
        except sqlite3.Error as error:
            raise OutboxError(_advice(self.path, error)) from error

    def _own(self) -> None:
        row = self._db.execute("SELECT wearer FROM owner").fetchone()
        if row is not None and row[0] != self.wearer:
            if self._db.execute("SELECT 1 FROM message LIMIT 1").fetchone():
                raise OutboxError(
                    f"outbox {self.path.name} still holds data of wearer {row[0]!r}; deliver it "
                    f"by running the agent for that wearer, or give another --outbox file"
                )
            self._db.execute("DELETE FROM owner")
            row = None
        if row is None:
            self._db.execute("INSERT INTO owner VALUES (?)", (self.wearer,))

    def _floor(self, session: str) -> int | None:
        row = self._db.execute(
            "SELECT min(seq) FROM message WHERE session = ? AND seq >= 0", (session,)
        )
        lowest: int | None = row.fetchone()[0]
        return lowest

    def _make_room(self, now_ns: int) -> list[Dropped]:
        if self._used_pages() <= self._max_pages:
            return []
        count = int(self._db.execute("SELECT count(*) FROM message").fetchone()[0])
        limit = max(1, round(count * _DROP_SHARE))
        rows = self._db.execute(
            "SELECT sensor, session, min(seq), max(seq), count(*), sum(n) FROM (SELECT * FROM"
            " message WHERE seq IS NOT NULL ORDER BY id LIMIT ?) GROUP BY session, sensor",
            (limit,),
        ).fetchall()
        gone = [Dropped(now_ns, *row) for row in rows]
        self._db.execute(
            "DELETE FROM message WHERE id IN"
            " (SELECT id FROM message WHERE seq IS NOT NULL ORDER BY id LIMIT ?)",
            (limit,),
        )
        self._record(gone)
        return gone

    def _record(self, gone: Iterable[Dropped]) -> None:
        self._db.executemany(
            "INSERT INTO dropped VALUES (?, ?, ?, ?, ?, ?, ?)",
            [dataclasses.astuple(d) for d in gone],
        )

    def _used_pages(self) -> int:
        pages = int(self._db.execute("PRAGMA page_count").fetchone()[0])
        return pages - int(self._db.execute("PRAGMA freelist_count").fetchone()[0])

    def _messages(self, where: str, values: Sequence[object], limit: int) -> list[Message]:
        """A batch tells the present floor: what lay below may have gone since it was written, and
        ingest must not wait for it."""
        rows = self._rows(
            "SELECT id, kind, topic, payload, session, seq, floor_seq, (SELECT min(lowest.seq)"  # noqa: S608 (constants)
            " FROM message AS lowest WHERE lowest.session = message.session AND lowest.seq >= 0)"
            f" FROM message WHERE {where} ORDER BY id LIMIT ?",
            (*values, limit),
        )
        return [
            Message(row_id, Kind(kind), topic, _with_floor(payload, was, floor), session, seq)
            for row_id, kind, topic, payload, session, seq, was, floor in rows
        ]

    def _rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._db.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                raise OutboxError(_advice(self.path, error)) from error

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db, self.path)


class _Transaction:
    """All or nothing, with sqlite's errors turned into OutboxError."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db, self._path = db, path

    def __enter__(self) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise OutboxError(_advice(self._path, error)) from error

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        try:
            self._db.execute("ROLLBACK" if error else "COMMIT")
        except sqlite3.Error as problem:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise OutboxError(_advice(self._path, problem)) from problem
        if isinstance(error, sqlite3.Error):
            raise OutboxError(_advice(self._path, error)) from error


def _with_floor(payload: bytes, was: int | None, floor: int | None) -> bytes:
    if was == floor or floor is None:
        return payload
    return encode(dataclasses.replace(decode(payload), floor_seq=floor))


def _follows(before: Loss, loss: Loss) -> bool:
    return before.session == loss.session and loss.first_seq <= before.last_seq + 1


def _advice(path: Path, error: Exception) -> str:
    return (
        f"outbox {path.name} cannot be used ({error}); check that the disk is not full, that the "
        "file may be written, and that no other agent uses it"
    )
