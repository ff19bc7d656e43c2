"""What the daily audit of the deliveries found."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from analytics.store.database import Database
from analytics.store.records import Delivery


class Deliveries:
    """The part of the clinic database that the audit of the deliveries fills."""

    _db: Database

    def set_delivery(self, wearer: str, day: str, body: Mapping[str, Any]) -> None:
        """Keep what the audit found for a day (ISO date), in place of an earlier finding; of a
        wearer that is not registered any more nothing is kept."""
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO delivery (wearer, day, made_ns, body)"
                " SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM wearer WHERE wearer = ?1)",
                (wearer, day, time.time_ns(), json.dumps(dict(body), separators=(",", ":"))),
            )

    def deliveries(self, wearer: str, first_day: str, last_day: str) -> list[Delivery]:
        """Findings of the days first_day .. last_day (ISO dates), in order."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT wearer, day, made_ns, body FROM delivery"
                " WHERE wearer = ? AND day BETWEEN ? AND ? ORDER BY day",
                (wearer, first_day, last_day),
            ).fetchall()
        return [Delivery(name, day, made_ns, json.loads(body)) for name, day, made_ns, body in rows]
