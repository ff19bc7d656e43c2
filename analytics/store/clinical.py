"""The part of the clinic database that clinicians write: notes, and what became of the limits."""

from __future__ import annotations

import sqlite3
import time

from analytics.store.database import Database
from analytics.store.records import ClinicError, LimitChange, Note

MAX_NOTE = 4000


class Clinical:
    """Nothing here is changed or removed, except with the wearer."""

    _db: Database

    def add_note(self, wearer: str, user: str, text: str, replaces: int | None = None) -> None:
        """Put a note on record; `replaces` is the id of the note whose place it takes.

        ClinicError for an unknown wearer, an empty or long text, and a note that is not this
        wearer's or has been replaced before.
        """
        text = text.strip()
        if not 1 <= len(text) <= MAX_NOTE:
            raise ClinicError(f"a note has 1 to {MAX_NOTE} characters")
        try:
            with self._db.transaction() as connection:
                added = connection.execute(
                    "INSERT INTO note (wearer, at_ns, user, text, replaces)"
                    " SELECT ?1, ?2, ?3, ?4, ?5"
                    " WHERE ?5 IS NULL"
                    " OR EXISTS (SELECT 1 FROM note WHERE id = ?5 AND wearer = ?1)",
                    (wearer, time.time_ns(), user, text, replaces),
                ).rowcount
        except sqlite3.IntegrityError as error:
            raise ClinicError(
                "this note was changed by somebody else; load the page again"
            ) from error
        if not added:
            raise ClinicError("there is no such note; load the page again")

    def notes(self, wearer: str) -> list[Note]:
        """All notes and every earlier wording, oldest first."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT id, wearer, at_ns, user, text, replaces FROM note WHERE wearer = ?"
                " ORDER BY id",
                (wearer,),
            ).fetchall()
        return [Note(*row) for row in rows]

    def limit_changes(self, wearer: str) -> list[LimitChange]:
        """Every change of a personal limit, newest first."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT wearer, at_ns, user, name, old, new FROM limit_change WHERE wearer = ?"
                " ORDER BY id DESC",
                (wearer,),
            ).fetchall()
        return [LimitChange(*row) for row in rows]
