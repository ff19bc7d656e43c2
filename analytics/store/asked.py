"""The part of the clinic database about what people ask for: exports, erasing, cohorts."""

from __future__ import annotations

import json
from collections.abc import Sequence

from analytics.store.database import Database
from analytics.store.records import ClinicError, Cohort, EraseRequest, ExportJob

_JOB = "id, user, asked, state, share, size_bytes, digest, detail, created_ns, ends_ns"


class Asked:
    """Everything here goes when its user or one of its wearers goes."""

    _db: Database

    # --- exports ---------------------------------------------------------------------------

    def add_export(self, job: ExportJob, wearers: Sequence[str]) -> None:
        """Put an export on the list of what is to be done."""
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO export_job (id, user, asked, state, created_ns)"
                " VALUES (?, ?, ?, 'waiting', ?)",
                (job.id, job.user, json.dumps(job.asked, sort_keys=True), job.created_ns),
            )
            connection.executemany(
                "INSERT INTO export_job_wearer VALUES (?, ?)",
                [(job.id, wearer) for wearer in wearers],
            )

    def export(self, job: str) -> ExportJob | None:
        """One export; None when it is gone, with its user, a wearer, or by itself."""
        with self._db.read() as connection:
            row = connection.execute(
                f"SELECT {_JOB} FROM export_job WHERE id = ?",  # noqa: S608
                (job,),
            ).fetchone()
        return None if row is None else _job(row)

    def exports(self, user: str | None = None) -> list[ExportJob]:
        """Exports of one user or of all, newest first."""
        with self._db.read() as connection:
            rows = connection.execute(
                f"SELECT {_JOB} FROM export_job WHERE ?1 IS NULL OR user = ?1"  # noqa: S608
                " ORDER BY created_ns DESC, id",
                (user,),
            ).fetchall()
        return [_job(row) for row in rows]

    def export_wearers(self, job: str) -> list[str]:
        """Whose data an export has."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT wearer FROM export_job_wearer WHERE job = ? ORDER BY wearer", (job,)
            ).fetchall()
        return [row[0] for row in rows]

    def set_export(
        self,
        job: str,
        state: str,
        *,
        share: float = 0.0,
        size_bytes: int | None = None,
        digest: str | None = None,
        detail: str = "",
        ends_ns: int | None = None,
    ) -> bool:
        """How far an export is; False when it is gone and the work is for nothing."""
        with self._db.transaction() as connection:
            return bool(
                connection.execute(
                    "UPDATE export_job SET state = ?, share = ?, size_bytes = ?, digest = ?,"
                    " detail = ?, ends_ns = ? WHERE id = ?",
                    (state, share, size_bytes, digest, detail, ends_ns, job),
                ).rowcount
            )

    def remove_export(self, job: str) -> bool:
        """Take an export off the list; False when it was not there."""
        with self._db.transaction() as connection:
            return bool(connection.execute("DELETE FROM export_job WHERE id = ?", (job,)).rowcount)

    # --- erasing ---------------------------------------------------------------------------

    def request_erase(self, request: EraseRequest) -> None:
        """The wearer wants everything erased; asked again it stays the first request."""
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO erase_request VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (request.wearer, request.user, request.at_ns),
            )

    def withdraw_erase(self, wearer: str) -> bool:
        """The wearer has changed their mind; False when nothing was asked."""
        with self._db.transaction() as connection:
            return bool(
                connection.execute("DELETE FROM erase_request WHERE wearer = ?", (wearer,)).rowcount
            )

    def erase_requests(self, wearer: str | None = None) -> list[EraseRequest]:
        """Open requests of one wearer or of all, oldest first."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT wearer, user, at_ns FROM erase_request WHERE ?1 IS NULL OR wearer = ?1"
                " ORDER BY at_ns",
                (wearer,),
            ).fetchall()
        return [EraseRequest(*row) for row in rows]

    # --- cohorts ---------------------------------------------------------------------------

    def set_cohort(self, user: str, name: str, wearers: Sequence[str]) -> None:
        """Keep a choice of wearers under a name of the user; replaces one of that name."""
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM cohort WHERE user = ? AND name = ?", (user, name))
            cohort = connection.execute(
                "INSERT INTO cohort (user, name) VALUES (?, ?)", (user, name)
            ).lastrowid
            connection.executemany(
                "INSERT INTO cohort_member VALUES (?, ?)",
                [(cohort, wearer) for wearer in wearers],
            )

    def cohorts(self, user: str) -> list[Cohort]:
        """Cohorts of a user by name; only members whom the user may still see."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT c.id, c.name, m.wearer FROM cohort c"
                " LEFT JOIN cohort_member m ON m.cohort = c.id AND m.wearer IN"
                " (SELECT wearer FROM access_grant WHERE user = c.user)"
                " WHERE c.user = ? ORDER BY c.name, m.wearer",
                (user,),
            ).fetchall()
        found: dict[int, Cohort] = {}
        for cohort, name, wearer in rows:
            before = found[cohort].wearers if cohort in found else ()
            found[cohort] = Cohort(cohort, name, before + ((wearer,) if wearer else ()))
        return list(found.values())

    def remove_cohort(self, user: str, cohort: int) -> None:
        """Forget a cohort; ClinicError when this user has none such."""
        with self._db.transaction() as connection:
            removed = connection.execute(
                "DELETE FROM cohort WHERE user = ? AND id = ?", (user, cohort)
            ).rowcount
        if not removed:
            raise ClinicError(f"there is no cohort {cohort}")


def _job(
    row: tuple[str, str, str, str, float, int | None, str | None, str, int, int | None],
) -> ExportJob:
    job, user, asked, state, share, size_bytes, digest, detail, created_ns, ends_ns = row
    return ExportJob(
        job, user, json.loads(asked), created_ns, state, share, size_bytes, digest, detail, ends_ns
    )
