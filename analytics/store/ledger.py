"""Ingest's own records: how far every sensor session is stored, and what could not be used."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Mapping

from analytics.store.database import Database
from analytics.store.records import DeadLetter, Watermark
from wire.topics import Kind

MAX_DEAD_LETTERS = 10_000
MAX_TOPIC = 200
MAX_PAYLOAD = 4096

SessionKey = tuple[str, str, str]
"""(wearer, sensor, session)"""


class Ledger:
    """The part of the clinic database that belongs to ingest."""

    _db: Database

    def ingest_id(self) -> str:
        """A random name of this data directory's ingest, the same at every call: the broker keeps
        what it has not delivered under this name."""
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO setting (name, value) VALUES ('ingest_id', ?) ON CONFLICT DO NOTHING",
                (f"tl-ingest-{secrets.token_hex(5)}",),
            )
            row = connection.execute("SELECT value FROM setting WHERE name = 'ingest_id'")
            return str(row.fetchone()[0])

    def watermarks(self, keys: Iterable[SessionKey]) -> dict[SessionKey, Watermark]:
        """The watermark of every session asked for; an unknown one has the empty watermark."""
        found: dict[SessionKey, Watermark] = {}
        with self._db.read() as connection:
            for key in keys:
                row = connection.execute(
                    "SELECT committed, beyond FROM watermark"
                    " WHERE wearer = ? AND sensor = ? AND session = ?",
                    key,
                ).fetchone()
                found[key] = Watermark() if row is None else _watermark(*row)
        return found

    def session_watermarks(self, wearer: str, sensor: str) -> dict[str, Watermark]:
        """Session -> watermark of everything a sensor ever sent."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT session, committed, beyond FROM watermark WHERE wearer = ? AND sensor = ?",
                (wearer, sensor),
            ).fetchall()
        return {session: _watermark(committed, beyond) for session, committed, beyond in rows}

    def set_watermarks(self, marks: Mapping[SessionKey, Watermark]) -> None:
        """Keep the watermarks; those of wearers that are not registered are left out."""
        with self._db.transaction() as connection:
            connection.executemany(
                "INSERT INTO watermark (wearer, sensor, session, committed, beyond)"
                " SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM wearer WHERE wearer = ?1)"
                " ON CONFLICT DO UPDATE SET committed = excluded.committed,"
                " beyond = excluded.beyond",
                [(*key, mark.committed, json.dumps(mark.beyond)) for key, mark in marks.items()],
            )

    def add_dead_letters(self, letters: Iterable[DeadLetter]) -> None:
        """Keep what could not be used: the newest MAX_DEAD_LETTERS, topic and payload cut."""
        with self._db.transaction() as connection:
            connection.executemany(
                "INSERT INTO dead_letter (at_ns, wearer, topic, reason, payload)"
                " VALUES (?, ?, ?, ?, ?)",
                [
                    (x.at_ns, x.wearer, x.topic[:MAX_TOPIC], x.reason, x.payload[:MAX_PAYLOAD])
                    for x in letters
                ],
            )
            connection.execute(
                "DELETE FROM dead_letter WHERE id <= (SELECT max(id) FROM dead_letter) - ?",
                (MAX_DEAD_LETTERS,),
            )

    def refused_batches(self, wearer: str, sensor: str) -> list[bytes]:
        """The first 4 kB of a sensor's batches that are dead letters, oldest first."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT payload FROM dead_letter WHERE wearer = ? AND topic LIKE ? ORDER BY id",
                (wearer, f"%/{sensor}/{Kind.IMU}"),
            ).fetchall()
        return [row[0] for row in rows]

    def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """Newest first."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT at_ns, wearer, topic, reason, payload FROM dead_letter"
                " ORDER BY id DESC LIMIT ?",
                (limit,),
            ).fetchall()
        return [DeadLetter(*row) for row in rows]


def _watermark(committed: int, beyond: str) -> Watermark:
    return Watermark(committed, tuple((low, high) for low, high in json.loads(beyond)))


def dead_letter(wearer: str | None, topic: str, reason: str, payload: bytes) -> DeadLetter:
    """A dead letter of now."""
    return DeadLetter(time.time_ns(), wearer, topic, reason, payload)
