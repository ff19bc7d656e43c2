"""What ingest has written and the worker has not looked at yet: a queue that survives a crash."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from analytics.store.database import Database
from analytics.store.share import Share


@dataclass(frozen=True, slots=True)
class Arrival:
    """Samples of one sensor were written with start_ns <= t < end_ns."""

    id: int
    wearer: str
    sensor: str
    start_ns: int
    end_ns: int


class Arrivals:
    """The part of the clinic database between ingest and worker."""

    _db: Database
    _share: Share

    def add_arrivals(self, spans: Iterable[tuple[str, str, int, int]]) -> None:
        """(wearer, sensor, start_ns, end_ns) of what was written; unregistered wearers are left
        out."""
        with self._db.transaction() as connection:
            connection.executemany(
                "INSERT INTO arrival (wearer, sensor, start_ns, end_ns)"
                " SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM wearer WHERE wearer = ?1)",
                list(spans),
            )

    def arrivals(self, limit: int = 10_000) -> list[Arrival]:
        """What is outstanding of the wearers in our share, oldest first."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT id, wearer, sensor, start_ns, end_ns FROM arrival ORDER BY id"
            )
            ours = (Arrival(*row) for row in rows if self._share.has(row[1]))
            return list(islice(ours, limit))

    def clear_arrivals(self, ids: Iterable[int]) -> None:
        """Forget what has been dealt with."""
        with self._db.transaction() as connection:
            connection.executemany("DELETE FROM arrival WHERE id = ?", [(i,) for i in ids])
