"""The part of the clinic database about alerts: what a wearer allows, and what was given."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from analytics.store.database import Database
from analytics.store.records import ClinicError, GivenAlert


class Alerts:
    """Settings are a JSON object whose fields the alerts themselves know."""

    _db: Database

    def alert_settings(self, wearer: str) -> dict[str, Any]:
        """What was set; empty when nothing was."""
        with self._db.read() as connection:
            row = connection.execute(
                "SELECT body FROM alert_settings WHERE wearer = ?", (wearer,)
            ).fetchone()
        found: dict[str, Any] = {} if row is None else json.loads(row[0])
        return found

    def set_alert_settings(self, wearer: str, settings: dict[str, Any]) -> None:
        """Replace what was set; ClinicError for an unknown wearer."""
        try:
            with self._db.transaction() as connection:
                connection.execute(
                    "INSERT INTO alert_settings (wearer, body) VALUES (?, ?)"
                    " ON CONFLICT DO UPDATE SET body = excluded.body",
                    (wearer, json.dumps(settings, sort_keys=True, allow_nan=False)),
                )
        except sqlite3.IntegrityError as error:
            raise ClinicError(
                f"wearer {wearer[:40]!r} is unknown; register it with: trunkline wearer add"
            ) from error

    def add_alert(self, alert: GivenAlert) -> int:
        """Put an alert on record; returns its id."""
        with self._db.transaction() as connection:
            return int(
                connection.execute(
                    "INSERT INTO alert (wearer, at_ns, kind, text) VALUES (?, ?, ?, ?)",
                    (alert.wearer, alert.at_ns, alert.kind, alert.text),
                ).lastrowid
                or 0
            )

    def alerts(self, wearer: str, start_ns: int, end_ns: int) -> list[GivenAlert]:
        """Alerts with start_ns <= at_ns < end_ns in order of time."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT wearer, at_ns, kind, text, id FROM alert"
                " WHERE wearer = ? AND at_ns >= ? AND at_ns < ? ORDER BY at_ns, id",
                (wearer, start_ns, end_ns),
            ).fetchall()
        return [GivenAlert(*row) for row in rows]
