"""Results of the embedded store: one row each."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from analytics.store.base import (
    DAY_SUM,
    MAX_RESULT_NS,
    PRESENT,
    Provenance,
    Result,
    ResultSpan,
    check_results,
    check_version,
    reach_ns,
)
from analytics.store.database import Database


class ResultRows:
    """The part of the embedded store that keeps results."""

    _db: Database

    def write_results(
        self,
        wearer: str,
        start_ns: int,
        end_ns: int,
        results: Sequence[Result],
        provenance: Provenance,
        *,
        version: str = PRESENT,
    ) -> None:
        """See `Store.write_results`: one transaction."""
        check_version(version)
        check_results(start_ns, end_ns, results)
        with self._db.transaction() as connection:
            gone = connection.execute(
                "DELETE FROM result WHERE wearer = ? AND version = ?"
                " AND start_ns >= ? AND start_ns < ? RETURNING end_ns",
                (wearer, version, start_ns, end_ns),
            ).fetchall()
            reached_ns = reach_ns(end_ns, [*(r.end_ns for r in results), *(row[0] for row in gone)])
            connection.execute(
                "DELETE FROM result WHERE wearer = ? AND version = ? AND kind = ?"
                " AND start_ns > ? AND start_ns < ? AND end_ns > ?",
                (
                    wearer,
                    version,
                    DAY_SUM,
                    start_ns - MAX_RESULT_NS - 1,
                    reached_ns,
                    start_ns,
                ),
            )
            _insert(connection, wearer, version, results, provenance)

    def write_day_sum(self, wearer: str, day_sum: Result, provenance: Provenance) -> None:
        """See `Store.write_day_sum`."""
        with self._db.transaction() as connection:
            connection.execute(
                "DELETE FROM result WHERE wearer = ? AND version = ? AND kind = ? AND start_ns = ?",
                (wearer, PRESENT, DAY_SUM, day_sum.start_ns),
            )
            _insert(connection, wearer, PRESENT, [day_sum], provenance)

    def read_results(
        self, wearer: str, kind: str, start_ns: int, end_ns: int, *, version: str = PRESENT
    ) -> list[Result]:
        """See `Store.read_results`."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT kind, start_ns, end_ns, body FROM result WHERE wearer = ?"
                " AND version = ? AND kind = ? AND start_ns > ? AND start_ns < ? AND end_ns > ?"
                " ORDER BY start_ns, id",
                (wearer, version, kind, start_ns - MAX_RESULT_NS - 1, end_ns, start_ns),
            ).fetchall()
        # One document instead of thousands: most of a day's reading would be the calls.
        bodies = json.loads(f"[{','.join(row[3] for row in rows)}]")
        return [
            Result(row[0], row[1], row[2], body) for row, body in zip(rows, bodies, strict=True)
        ]

    def provenances(
        self, wearer: str, start_ns: int, end_ns: int, *, version: str = PRESENT
    ) -> list[Provenance]:
        """See `Store.provenances`."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT DISTINCT algorithm_version, params_hash FROM result"
                " WHERE wearer = ? AND version = ? AND start_ns >= ? AND start_ns < ?"
                " AND kind != ?",
                (wearer, version, start_ns, end_ns, DAY_SUM),
            ).fetchall()
        return sorted(Provenance(*row) for row in rows)

    def result_spans(self, wearer: str) -> list[ResultSpan]:
        """See `Store.result_spans`."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT version, kind, min(start_ns), max(start_ns) FROM result"
                " WHERE wearer = ? AND kind != ? GROUP BY version, kind ORDER BY version, kind",
                (wearer, DAY_SUM),
            ).fetchall()
        return [ResultSpan(*row) for row in rows]


def _insert(
    connection: sqlite3.Connection,
    wearer: str,
    version: str,
    results: Sequence[Result],
    provenance: Provenance,
) -> None:
    connection.executemany(
        "INSERT INTO result (wearer, version, kind, start_ns, end_ns, body,"
        " algorithm_version, params_hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                wearer,
                version,
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
