"""What the wearers' side reports: sensors, agent state, upright holds, diary, marks."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache

from analytics.store.database import Database
from analytics.store.records import ClinicError, DiaryEntry, Hold, Sensor, TimeMark
from wire.messages import AgentStatus, Birth, Loss, Status

_DIARY_COLUMNS = "wearer, at_ns, symptom, site, side, severity, entered_ns, source, id, note"

_MOST_KEPT = 4096


@lru_cache(_MOST_KEPT)
def _birth(text: str) -> Birth:
    """The worker asks for every wearer each second, and sensors are born seldom."""
    return Birth.load(text.encode())


@lru_cache(_MOST_KEPT)
def _status(text: str) -> Status:
    """One of every few seconds."""
    return Status.load(text.encode())


class Reported:
    """The part of the clinic database that ingest, pages and the command line fill.

    Every method that names a wearer raises ClinicError when that wearer is not registered, and
    when a value is out of range.
    """

    _db: Database

    # --- sensors ---------------------------------------------------------------------------

    def record_birth(self, wearer: str, sensor: str, birth: Birth) -> None:
        """What a sensor is. Session ids sort by time: a birth of an older session is ignored."""
        with self._writing(wearer) as connection:
            connection.execute(
                "INSERT INTO sensor (wearer, sensor, birth, birth_session, updated_ns)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET birth = excluded.birth,"
                " birth_session = excluded.birth_session, updated_ns = excluded.updated_ns"
                " WHERE birth_session IS NULL OR birth_session <= excluded.birth_session",
                (wearer, sensor, birth.dump().decode(), birth.session, time.time_ns()),
            )

    def record_status(self, wearer: str, sensor: str, status: Status) -> None:
        """How a sensor is doing; the latest word counts, of the sensor and of the session."""
        with self._writing(wearer) as connection:
            connection.execute(
                "INSERT INTO sensor (wearer, sensor, status, updated_ns) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET status = excluded.status,"
                " updated_ns = excluded.updated_ns",
                (wearer, sensor, status.dump().decode(), time.time_ns()),
            )
            connection.execute(
                "INSERT INTO session_status (wearer, sensor, session, at_ns, status)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET at_ns = excluded.at_ns,"
                " status = excluded.status WHERE at_ns <= excluded.at_ns",
                (wearer, sensor, status.session, status.at_ns, status.dump().decode()),
            )

    def session_statuses(self, wearer: str, sensor: str) -> dict[str, Status]:
        """The last word of every session of a sensor."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT session, status FROM session_status WHERE wearer = ? AND sensor = ?",
                (wearer, sensor),
            ).fetchall()
        return {session: Status.load(status.encode()) for session, status in rows}

    def record_losses(self, wearer: str, sensor: str, losses: Iterable[Loss]) -> None:
        """What a sensor's agent gave up; told again it changes nothing."""
        with self._writing(wearer) as connection:
            connection.executemany(
                "INSERT INTO loss (wearer, sensor, session, first_seq, last_seq, samples)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " last_seq = excluded.last_seq, samples = excluded.samples"
                " WHERE last_seq < excluded.last_seq",
                [(wearer, sensor, x.session, x.first_seq, x.last_seq, x.samples) for x in losses],
            )

    def losses(self, wearer: str, sensor: str) -> list[Loss]:
        """What a sensor's agents gave up, by session and number."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT session, first_seq, last_seq, samples FROM loss"
                " WHERE wearer = ? AND sensor = ? ORDER BY session, first_seq",
                (wearer, sensor),
            ).fetchall()
        return [Loss(*row) for row in rows]

    def sensors(self, wearer: str) -> list[Sensor]:
        """Sensors that have reported, sorted by id."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT sensor, birth, status, updated_ns FROM sensor"
                " WHERE wearer = ? ORDER BY sensor",
                (wearer,),
            ).fetchall()
        return [
            Sensor(
                wearer,
                sensor,
                None if birth is None else _birth(birth),
                None if status is None else _status(status),
                updated_ns,
            )
            for sensor, birth, status, updated_ns in rows
        ]

    def record_agent_state(self, wearer: str, state: AgentStatus) -> None:
        """State of the wearer's agent. A will of an older run than the latest is ignored: runs
        are ULIDs and sort by time."""
        with self._writing(wearer) as connection:
            connection.execute(
                "UPDATE wearer SET agent_state = ?2 WHERE wearer = ?1 AND"
                " (agent_state IS NULL OR json_extract(agent_state, '$.run') <= ?3)",
                (wearer, state.dump().decode(), state.run),
            )

    def agent_state(self, wearer: str) -> AgentStatus | None:
        """Latest state of the wearer's agent; None when it has never said anything."""
        with self._db.read() as connection:
            row = connection.execute(
                "SELECT agent_state FROM wearer WHERE wearer = ?", (wearer,)
            ).fetchone()
        return None if row is None or row[0] is None else AgentStatus.load(row[0].encode())

    # --- calibration -----------------------------------------------------------------------

    def add_hold(self, hold: Hold) -> None:
        """Record an upright hold; the same sensor and start again replaces it. The worker is told
        to look at that time again."""
        with self._writing(hold.wearer) as connection:
            connection.execute(
                "INSERT OR REPLACE INTO hold (wearer, sensor, start_ns, end_ns, posture, source)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (hold.wearer, hold.sensor, hold.start_ns, hold.end_ns, hold.posture, hold.source),
            )
            connection.execute(
                "INSERT INTO arrival (wearer, sensor, start_ns, end_ns) VALUES (?, ?, ?, ?)",
                (hold.wearer, hold.sensor, hold.start_ns, hold.end_ns),
            )

    def holds(self, wearer: str, sensor: str | None = None) -> list[Hold]:
        """Upright holds of one sensor or of all, newest first."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT wearer, sensor, start_ns, end_ns, posture, source FROM hold"
                " WHERE wearer = ?1 AND (?2 IS NULL OR sensor = ?2)"
                " ORDER BY start_ns DESC, sensor",
                (wearer, sensor),
            ).fetchall()
        return [Hold(*row) for row in rows]

    # --- diary and marks -------------------------------------------------------------------

    def add_diary(self, entry: DiaryEntry) -> bool:
        """Add an entry; False when the same wearer, time, symptom, site and side is there
        already (a redelivery), which changes nothing."""
        with self._writing(entry.wearer) as connection:
            added = connection.execute(
                "INSERT INTO diary"
                " (wearer, at_ns, symptom, site, side, severity, entered_ns, source, note)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (
                    entry.wearer,
                    entry.at_ns,
                    entry.symptom,
                    entry.site,
                    entry.side,
                    entry.severity,
                    entry.entered_ns,
                    entry.source,
                    entry.note,
                ),
            ).rowcount
        return bool(added)

    def change_diary(self, entry: DiaryEntry) -> bool:
        """Replace what the entry with this id says (its origin stays); False when this wearer has
        no such entry. ClinicError when the same was already entered as another one."""
        try:
            with self._db.transaction() as connection:
                changed = connection.execute(
                    "UPDATE diary SET at_ns = ?, symptom = ?, site = ?, side = ?, severity = ?,"
                    " note = ? WHERE wearer = ? AND id = ?",
                    (
                        entry.at_ns,
                        entry.symptom,
                        entry.site,
                        entry.side,
                        entry.severity,
                        entry.note,
                        entry.wearer,
                        entry.id,
                    ),
                ).rowcount
        except sqlite3.IntegrityError as error:
            if "UNIQUE" in str(error):
                raise ClinicError(
                    "another entry says the same of this time already; delete one of them"
                ) from error
            raise ClinicError(f"a value is out of range: {error}") from error
        return bool(changed)

    def diary_entry(self, wearer: str, entry_id: int) -> DiaryEntry | None:
        """One entry of a wearer by its id."""
        with self._db.read() as connection:
            row = connection.execute(
                f"SELECT {_DIARY_COLUMNS} FROM diary WHERE wearer = ? AND id = ?",  # noqa: S608
                (wearer, entry_id),
            ).fetchone()
        return None if row is None else DiaryEntry(*row)

    def diary(self, wearer: str, start_ns: int, end_ns: int) -> list[DiaryEntry]:
        """Entries with start_ns <= at_ns < end_ns in order of time."""
        with self._db.read() as connection:
            rows = connection.execute(
                f"SELECT {_DIARY_COLUMNS} FROM diary"  # noqa: S608
                " WHERE wearer = ? AND at_ns >= ? AND at_ns < ? ORDER BY at_ns, id",
                (wearer, start_ns, end_ns),
            ).fetchall()
        return [DiaryEntry(*row) for row in rows]

    def delete_diary(self, wearer: str, entry_id: int) -> bool:
        """Take back an entry made by mistake; False when this wearer has no such entry."""
        with self._db.transaction() as connection:
            removed = connection.execute(
                "DELETE FROM diary WHERE wearer = ? AND id = ?", (wearer, entry_id)
            ).rowcount
        return bool(removed)

    def add_mark(self, mark: TimeMark) -> None:
        """Record a pause, resume or note; the same again changes nothing."""
        with self._writing(mark.wearer) as connection:
            connection.execute(
                "INSERT INTO mark (wearer, at_ns, kind) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (mark.wearer, mark.at_ns, mark.kind),
            )

    def marks(self, wearer: str, start_ns: int, end_ns: int) -> list[TimeMark]:
        """Marks with start_ns <= at_ns < end_ns in order of time."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT wearer, at_ns, kind FROM mark"
                " WHERE wearer = ? AND at_ns >= ? AND at_ns < ? ORDER BY at_ns, kind",
                (wearer, start_ns, end_ns),
            ).fetchall()
        return [TimeMark(*row) for row in rows]

    @contextmanager
    def _writing(self, wearer: str) -> Iterator[sqlite3.Connection]:
        try:
            with self._db.transaction() as connection:
                yield connection
        except sqlite3.IntegrityError as error:
            if "FOREIGN KEY" in str(error):
                raise ClinicError(
                    f"wearer {wearer[:40]!r} is unknown; register it with: trunkline wearer add"
                ) from error
            raise ClinicError(f"a value is out of range: {error}") from error
