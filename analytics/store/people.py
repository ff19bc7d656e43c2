"""Who there is and who may see whom: wearers, their settings, users, grants, the audit."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import fields
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from analytics.store.database import Database
from analytics.store.records import (
    AuditEntry,
    ClinicError,
    Role,
    User,
    Wearer,
    WearerSettings,
)
from analytics.store.share import Share
from wire.ids import IdError, check_wearer

_WEARER_COLUMNS = (
    "wearer, time_zone, created_ns, slouch_enter_deg, slouch_bout_min_s, walking_limit_s,"
    " alerts_on, (SELECT json_group_array(json_array(from_ns, j.time_zone))"
    " FROM (SELECT * FROM journey ORDER BY from_ns) j WHERE j.wearer = wearer.wearer)"
)
_USER_COLUMNS = "name, password_hash, role, wearer, created_ns"
MAX_USER_NAME = 64
EARLIEST_NS, LATEST_NS = 946_684_800 * 10**9, 4_102_444_800 * 10**9
DAY_NS = 24 * 3600 * 10**9


class People:
    """The part of the clinic database that is about people."""

    _db: Database
    _share: Share

    # --- wearers ---------------------------------------------------------------------------

    def add_wearer(self, wearer: str, time_zone: str) -> None:
        """Register a pseudonym; ClinicError when it exists, or the id or the zone is not valid."""
        try:
            check_wearer(wearer)
        except IdError as error:
            raise ClinicError(str(error)) from error
        _check_zone(time_zone)
        with self._db.transaction() as connection:
            added = connection.execute(
                "INSERT INTO wearer (wearer, time_zone, created_ns) VALUES (?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (wearer, time_zone, time.time_ns()),
            ).rowcount
        if not added:
            raise ClinicError(f"wearer {wearer!r} exists already; choose another pseudonym")

    def wearers(self) -> list[Wearer]:
        """All wearers of our share, sorted by id."""
        with self._db.read() as connection:
            rows = connection.execute(
                f"SELECT {_WEARER_COLUMNS} FROM wearer ORDER BY wearer"  # noqa: S608
            ).fetchall()
        return [_wearer(row) for row in rows if self._share.has(row[0])]

    def wearer(self, wearer: str) -> Wearer:
        """One wearer; ClinicError when unknown."""
        with self._db.read() as connection:
            row = connection.execute(
                f"SELECT {_WEARER_COLUMNS} FROM wearer WHERE wearer = ?",  # noqa: S608
                (wearer,),
            ).fetchone()
        if row is None:
            raise _unknown_wearer(wearer)
        return _wearer(row)

    def known_wearers(self, wearers: Iterable[str]) -> set[str]:
        """Those of `wearers` that are registered."""
        asked = set(wearers)
        with self._db.read() as connection:
            rows = connection.execute("SELECT wearer FROM wearer").fetchall()
        return asked.intersection(row[0] for row in rows)

    def set_time_zone(self, wearer: str, time_zone: str) -> None:
        """Where the wearer's days are counted; ClinicError for an unknown zone or wearer."""
        _check_zone(time_zone)
        self._update_wearer(wearer, "time_zone = ?", (time_zone,))

    def add_journey(self, wearer: str, from_ns: int, time_zone: str) -> None:
        """From an instant on the wearer's days are counted in another zone; the same instant again
        replaces it. The worker computes the days since then again. ClinicError for an unknown zone
        or wearer, or an instant before 2000 or after 2100."""
        _check_zone(time_zone)
        self.wearer(wearer)
        if not EARLIEST_NS <= from_ns < LATEST_NS:
            raise ClinicError("a journey begins between 2000 and 2100")
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO journey (wearer, from_ns, time_zone) VALUES (?, ?, ?)",
                (wearer, from_ns, time_zone),
            )
            connection.execute(
                "INSERT INTO arrival (wearer, sensor, start_ns, end_ns)"
                " SELECT wearer, sensor, ?2, ?3 FROM sensor WHERE wearer = ?1 AND ?3 > ?2",
                (wearer, from_ns - DAY_NS, time.time_ns()),
            )

    def set_settings(self, wearer: str, settings: WearerSettings, by: str = "command line") -> None:
        """Replace the personal thresholds, and put on record what `by` changed; ClinicError when
        a value is out of range."""
        before, now_ns = self.wearer(wearer).settings, time.time_ns()
        changes = [
            (wearer, now_ns, by, field.name, getattr(before, field.name), value)
            for field in fields(settings)
            if (value := getattr(settings, field.name)) != getattr(before, field.name)
        ]
        try:
            with self._db.transaction() as connection:
                self._update_wearer(
                    wearer,
                    "slouch_enter_deg = ?, slouch_bout_min_s = ?, walking_limit_s = ?,"
                    " alerts_on = ?",
                    (
                        settings.slouch_enter_deg,
                        settings.slouch_bout_min_s,
                        settings.walking_limit_s,
                        int(settings.alerts_on),
                    ),
                )
                connection.executemany(
                    "INSERT INTO limit_change (wearer, at_ns, user, name, old, new)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    changes,
                )
        except sqlite3.IntegrityError as error:
            raise ClinicError(
                "settings are out of range: slouch_enter_deg is 0..90 degrees, "
                "slouch_bout_min_s and walking_limit_s are seconds above 0"
            ) from error

    def _update_wearer(self, wearer: str, assignments: str, values: tuple[object, ...]) -> None:
        with self._db.transaction() as connection:
            changed = connection.execute(
                f"UPDATE wearer SET {assignments} WHERE wearer = ?",  # noqa: S608
                (*values, wearer),
            ).rowcount
        if not changed:
            raise _unknown_wearer(wearer)

    # --- users -----------------------------------------------------------------------------

    def add_user(
        self, name: str, password_hash: str, role: Role, wearer: str | None = None
    ) -> None:
        """Make a log-in. `password_hash` is an argon2 hash made by the caller.

        A patient needs the wearer that they are, nobody else may have one. ClinicError when the
        name is taken or not valid, or the wearer is unknown.
        """
        check_user(name, role, wearer)
        if wearer is not None:
            self.wearer(wearer)
        with self._db.transaction() as connection:
            added = connection.execute(
                f"INSERT INTO user ({_USER_COLUMNS}) VALUES (?, ?, ?, ?, ?)"  # noqa: S608
                " ON CONFLICT DO NOTHING",
                (name, password_hash, str(role), wearer, time.time_ns()),
            ).rowcount
        if not added:
            raise ClinicError(f"user {name!r} exists already; choose another name")

    def users(self) -> list[User]:
        """All users, sorted by name."""
        with self._db.read() as connection:
            rows = connection.execute(
                f"SELECT {_USER_COLUMNS} FROM user ORDER BY name"  # noqa: S608
            ).fetchall()
        return [_user(row) for row in rows]

    def user(self, name: str) -> User | None:
        """One user, None when there is none: a log-in form must not tell the two apart."""
        with self._db.read() as connection:
            row = connection.execute(
                f"SELECT {_USER_COLUMNS} FROM user WHERE name = ?",  # noqa: S608
                (name,),
            ).fetchone()
        return None if row is None else _user(row)

    def set_password(self, name: str, password_hash: str) -> None:
        """Replace the argon2 hash and end every session; ClinicError when there is no such user."""
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM login_session WHERE user = ?", (name,))
            self._change_user(
                "UPDATE user SET password_hash = ?2 WHERE name = ?1", name, password_hash
            )

    def remove_user(self, name: str) -> None:
        """Remove a log-in and its grants; ClinicError when there is no such user."""
        self._change_user("DELETE FROM user WHERE name = ?1", name)

    def _change_user(self, statement: str, name: str, *values: str) -> None:
        with self._db.transaction() as connection:
            changed = connection.execute(statement, (name, *values)).rowcount
        if not changed:
            raise ClinicError(f"there is no user {name!r}; see: trunkline user list")

    # --- who may see whom ------------------------------------------------------------------

    def grant(self, user: str, wearer: str) -> None:
        """Let a clinician, researcher or admin see a wearer; granting twice changes nothing."""
        self.wearer(wearer)
        found = self.user(user)
        if found is None:
            raise ClinicError(f"there is no user {user!r}; see: trunkline user list")
        if found.role is Role.PATIENT:
            raise ClinicError(f"{user!r} is a patient and sees only the own wearer")
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO access_grant (user, wearer) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (user, wearer),
            )

    def revoke(self, user: str, wearer: str) -> None:
        """Take a grant back; revoking what is not granted changes nothing."""
        with self._db.transaction() as connection:
            connection.execute(
                "DELETE FROM access_grant WHERE user = ? AND wearer = ?", (user, wearer)
            )

    def may_see(self, user: str, wearer: str) -> bool:
        """Whether `user` may see `wearer`: the own one for a patient, a granted one for others.

        Everything else is no, also for an admin: managing log-ins is no reason to see health data.
        """
        return wearer in self.visible_wearers(user)

    def visible_wearers(self, user: str) -> list[str]:
        """Ids of the wearers that `user` may see, sorted."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT wearer FROM user WHERE name = ?1 AND wearer IS NOT NULL"
                " UNION SELECT wearer FROM access_grant WHERE user = ?1 ORDER BY wearer",
                (user,),
            ).fetchall()
        return [row[0] for row in rows]

    # --- audit -----------------------------------------------------------------------------

    def audit(self, user: str, action: str, wearer: str | None = None, detail: str = "") -> None:
        """Put on record who did what concerning whom; the row cannot be changed afterwards."""
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO audit (at_ns, user, action, wearer, detail) VALUES (?, ?, ?, ?, ?)",
                (time.time_ns(), user, action, wearer, detail),
            )

    def audit_entries(
        self, wearer: str | None = None, limit: int = 1000, skip: int = 0
    ) -> list[AuditEntry]:
        """Newest first, of one wearer or of all, without the newest `skip`."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT at_ns, user, action, wearer, detail FROM audit"
                " WHERE ?1 IS NULL OR wearer = ?1 ORDER BY id DESC LIMIT ?2 OFFSET ?3",
                (wearer, limit, skip),
            ).fetchall()
        return [AuditEntry(*row) for row in rows]

    def audit_count(self, wearer: str) -> int:
        """How many entries are about a wearer."""
        with self._db.read() as connection:
            return int(
                connection.execute(
                    "SELECT count(*) FROM audit WHERE wearer = ?", (wearer,)
                ).fetchone()[0]
            )


def check_user(name: str, role: Role, wearer: str | None) -> None:
    """ClinicError unless this can be a log-in: the name is printable, a patient is a wearer."""
    if not 1 <= len(name) <= MAX_USER_NAME or not name.isprintable() or name != name.strip():
        raise ClinicError(f"a user name has 1..{MAX_USER_NAME} printable characters")
    if (role is Role.PATIENT) != (wearer is not None):
        raise ClinicError("a patient needs a wearer (--wearer), and only a patient may have one")


def _check_zone(time_zone: str) -> None:
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ClinicError(
            f"time zone {time_zone[:60]!r} is unknown; use an IANA name such as Europe/Berlin"
        ) from error


def _unknown_wearer(wearer: str) -> ClinicError:
    return ClinicError(
        f"wearer {wearer[:40]!r} is unknown; register the pseudonym with: trunkline wearer add"
    )


def _wearer(row: tuple[str, str, int, float | None, float, float, int, str]) -> Wearer:
    name, zone, created_ns, enter_deg, bout_s, walking_s, alerts_on, journeys = row
    return Wearer(
        name,
        zone,
        created_ns,
        WearerSettings(enter_deg, bout_s, walking_s, bool(alerts_on)),
        tuple((int(from_ns), str(there)) for from_ns, there in json.loads(journeys)),
    )


def _user(row: tuple[str, str, str, str | None, int]) -> User:
    name, password_hash, role, wearer, created_ns = row
    return User(name, password_hash, Role(role), wearer, created_ns)
