"""Everything on its way to the broker, on disk until it is known to have arrived. One SQLite file.

Batches stay until ingest says that the store holds them (`commit`), births and marks likewise
(`taken`). Whoever opens the file after a crash finds what was appended and not yet confirmed, in
the order of appending.

synchronous=FULL: with NORMAL a power cut could take back the last transactions of the WAL, samples
that were already counted as safe and perhaps shown as sent. FULL costs one fsync per `append`;
callers therefore append everything that is due in one call. kill -9 loses nothing in either mode.
"""

from __future__ import annotations

import dataclasses
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensor_agent.outbox_file import OutboxError, OutboxFile
from wire.batch import Batch, BatchError
from wire.codec import decode, encode
from wire.messages import Loss, digest
from wire.topics import Kind, sensor_topic

__all__ = ["Dropped", "Message", "Outbox", "OutboxError", "StreamEnd"]

MAX_BYTES = 4 << 30
"""4 GiB: about 55 days of one six-axis sensor at 50 Hz, and room left on the smallest SD card."""
_DROP_SHARE = 0.01
"""When full, this share goes at once: dropping one row per append would cost a search each time."""

MAX_AGE_S = 60 * 86400.0
"""Older batches go, on record: whoever was cut off for two months starts with what is useful."""
TRUST_S = 3600.0
"""Age is by the host's clock, which may be years off after a boot: nothing is too old before it
has gone evenly for so long."""
_STEP_NS = 60 * 10**9
_COMMIT_ROWS = 1000
"""Deleted in one transaction: a full disk has little room for the log of it."""


@dataclass(frozen=True, slots=True)
class Message:
    """One row: what to publish. `seq` is None for births and marks, and `session` their digest."""

    id: int
    kind: Kind
    topic: str
    payload: bytes
    session: str | None
    seq: int | None


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """The newest sample of a sensor that was put on disk."""

    end_ns: int
    """UTC as it was stamped."""
    dt_ns: int


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

    def __init__(
        self,
        path: Path,
        wearer: str,
        max_bytes: int = MAX_BYTES,
        max_age_s: float = MAX_AGE_S,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.path, self.wearer = path, wearer
        self._max_age_ns, self._monotonic_ns = round(max_age_s * 1e9), monotonic_ns
        self._lock = threading.Lock()
        self._utc0_ns = self._even_since_ns = 0
        self._file = OutboxFile(path)
        try:
            self._own()
            found = self._rows("SELECT session FROM newest")
            self._newest: str | None = found[0][0] if found else None
            self._max_pages = max(64, max_bytes // self._pragma("page_size"))
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._file.close()

    def append(self, batches: Iterable[tuple[str, Batch]], now_ns: int) -> list[Dropped]:
        """Put (sensor, batch) pairs on disk, durable on return; their `floor_seq` is set here.

        Returns what had to be dropped to make room, already on record; `now_ns` is UTC.
        """
        new = list(batches)
        if not new:
            return []

        def insert(db: sqlite3.Connection) -> list[Dropped]:
            for sensor, batch in new:
                lowest = self._floor(batch.session)
                floor = batch.seq if lowest is None else min(lowest, batch.seq)
                db.execute(
                    "INSERT INTO message (kind, sensor, session, seq, floor_seq, n, topic, payload,"
                    " at_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        Kind.IMU,
                        sensor,
                        batch.session,
                        batch.seq,
                        floor,
                        batch.n,
                        sensor_topic(self.wearer, sensor, Kind.IMU),
                        encode(dataclasses.replace(batch, floor_seq=floor)),
                        now_ns,
                    ),
                )
            ends = {s: (b.t0_ns + (b.n - 1) * b.dt_ns, b.dt_ns) for s, b in new}
            db.executemany(
                "INSERT OR REPLACE INTO stream VALUES (?, ?, ?)",
                [(sensor, *end) for sensor, end in ends.items()],
            )
            newest = max(b.session for _, b in new)
            if newest > (self._newest or ""):
                db.execute("DELETE FROM newest")
                db.execute("INSERT INTO newest VALUES (?)", (newest,))
                self._newest = newest
            return self._make_room(db, now_ns)

        size = sum(channel.raw.nbytes for _, b in new for channel in b.channels.values())
        with self._lock:
            dropped: list[Dropped] = self._file.append(insert, size + 200 * len(new))
        return dropped

    def stream_ends(self) -> dict[str, StreamEnd]:
        """Where the stream of each sensor broke off, if its agent did not end it in order."""
        rows = self._rows("SELECT sensor, end_ns, dt_ns FROM stream")
        return {sensor: StreamEnd(end_ns, dt_ns) for sensor, end_ns, dt_ns in rows}

    def newest_session(self) -> str | None:
        """The session that began last of all whose batches were ever held."""
        return self._newest

    def stream_ended(self) -> None:
        """All sensors have been told to stop: what follows later is no gap."""
        with self._lock:
            self._file.write(lambda db: db.execute("DELETE FROM stream"))

    def append_small(self, kind: Kind, topic: str, payload: bytes) -> None:
        """Put a birth or a mark on disk, durable on return."""
        with self._lock:
            self._file.append(
                lambda db: db.execute(
                    "INSERT INTO message (kind, session, topic, payload) VALUES (?, ?, ?, ?)",
                    (kind, digest(payload), topic, payload),
                ),
                len(payload) + 200,
            )

    def commit(self, session: str, seq: int) -> tuple[int, int]:
        """The store holds `session` up to and with `seq`: delete that.

        Returns how many batches and samples that were.
        """
        batches = samples = 0
        while True:
            with self._lock:
                count, held = self._file.write(lambda db: _delete_oldest(db, session, seq))
            batches, samples = batches + count, samples + held
            if count < _COMMIT_ROWS:
                return batches, samples

    def taken(self, digests: Iterable[str]) -> None:
        """The store has these births or marks: delete them."""
        rows = [(one,) for one in digests]
        with self._lock:
            self._file.write(
                lambda db: db.executemany(
                    "DELETE FROM message WHERE session = ? AND seq IS NULL", rows
                )
            )

    def batches_after(self, after_id: int, limit: int) -> list[Message]:
        """The oldest batches with a larger id, in order."""
        return self._messages("id > ? AND seq IS NOT NULL", (after_id,), limit)

    def batches_from(self, session: str, seq: int, limit: int) -> list[Message]:
        """Batches of one session from `seq` on, in order."""
        return self._messages("session = ? AND seq >= ?", (session, seq), limit)

    def small(self, limit: int, after_id: int = 0) -> list[Message]:
        """Births and marks with a larger id, oldest first."""
        return self._messages("id > ? AND seq IS NULL", (after_id,), limit)

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
        with self._lock:
            self._file.append(lambda db: _record(db, [gone]), 200)

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

    def _own(self) -> None:
        row = self._rows("SELECT wearer FROM owner")
        if row and row[0][0] == self.wearer:
            return
        if row and not self.is_empty():
            raise OutboxError(
                f"outbox {self.path.name} still holds data of wearer {row[0][0]!r}; deliver it "
                f"by running the agent for that wearer, or give another --outbox file"
            )

        def take(db: sqlite3.Connection) -> None:
            for table in ("owner", "stream"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608 (constants)
            db.execute("INSERT INTO owner VALUES (?)", (self.wearer,))

        self._file.write(take)

    def _floor(self, session: str) -> int | None:
        lowest: int | None = self._file.rows(
            "SELECT min(seq) FROM message WHERE session = ? AND seq >= 0", (session,)
        )[0][0]
        return lowest

    def _make_room(self, db: sqlite3.Connection, now_ns: int) -> list[Dropped]:
        gone: list[Dropped] = []
        if (before_ns := self._too_old_ns(now_ns)) is not None:
            gone += _drop(db, now_ns, "at_ns BETWEEN 1 AND ?", (before_ns,), _COMMIT_ROWS)
        if self._pragma("page_count") - self._pragma("freelist_count") > self._max_pages:
            count = int(db.execute("SELECT count(*) FROM message").fetchone()[0])
            gone += _drop(db, now_ns, "1", (), max(1, round(count * _DROP_SHARE)))
        return gone

    def _too_old_ns(self, now_ns: int) -> int | None:
        """UTC before which batches are too old, None while the host's clock is not trusted."""
        monotonic_ns = self._monotonic_ns()
        if abs(now_ns - monotonic_ns - self._utc0_ns) > _STEP_NS:
            self._utc0_ns, self._even_since_ns = now_ns - monotonic_ns, monotonic_ns
        is_trusted = monotonic_ns - self._even_since_ns >= TRUST_S * 1e9
        return now_ns - self._max_age_ns if is_trusted else None

    def _pragma(self, name: str) -> int:
        return int(self._file.rows(f"PRAGMA {name}")[0][0])

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
            return self._file.rows(sql, values)


def _delete_oldest(db: sqlite3.Connection, session: str, seq: int) -> tuple[int, int]:
    """Delete up to _COMMIT_ROWS batches of a session up to `seq`; (batches, samples)."""
    rows = db.execute(
        "SELECT seq, n FROM message WHERE session = ? AND seq BETWEEN 0 AND ? ORDER BY seq LIMIT ?",
        (session, seq, _COMMIT_ROWS),
    ).fetchall()
    if rows:
        db.execute(
            "DELETE FROM message WHERE session = ? AND seq BETWEEN 0 AND ?", (session, rows[-1][0])
        )
    return len(rows), sum(n for _, n in rows)


def _drop(
    db: sqlite3.Connection, now_ns: int, where: str, values: Sequence[object], limit: int
) -> list[Dropped]:
    """Give up the oldest batches of those meant, on record."""
    oldest = f"SELECT * FROM message WHERE seq IS NOT NULL AND {where} ORDER BY id LIMIT ?"  # noqa: S608
    rows = db.execute(
        "SELECT sensor, session, min(seq), max(seq), count(*), sum(n)"  # noqa: S608 (constants)
        f" FROM ({oldest}) GROUP BY session, sensor",
        (*values, limit),
    ).fetchall()
    if not rows:
        return []
    gone = [Dropped(now_ns, *row) for row in rows]
    db.execute(f"DELETE FROM message WHERE id IN (SELECT id FROM ({oldest}))", (*values, limit))  # noqa: S608
    _record(db, gone)
    return gone


def _record(db: sqlite3.Connection, gone: Iterable[Dropped]) -> None:
    db.executemany(
        "INSERT INTO dropped VALUES (?, ?, ?, ?, ?, ?, ?)",
        [dataclasses.astuple(d) for d in gone],
    )


def _with_floor(payload: bytes, was: int | None, floor: int | None) -> bytes:
    if was == floor or floor is None:
        return payload
    try:
        return encode(dataclasses.replace(decode(payload), floor_seq=floor))
    except BatchError:  # the disk has spoilt it: ingest puts it on record with the reason
        return payload


def _follows(before: Loss, loss: Loss) -> bool:
    return before.session == loss.session and loss.first_seq <= before.last_seq + 1
