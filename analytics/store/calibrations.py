"""Guided calibrations: their steps as they were done, how each went, which count from when on."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from analytics.store.database import Database
from analytics.store.records import CalibrationStep, ClinicError, GuidedCalibration

MAX_BEFORE_NS: Final = 24 * 3600 * 10**9
"""The sensor may have been put on hours before it was calibrated."""
_STEP_COLUMNS = "step, start_ns, end_ns, distance_m, attempt, passed, message, figures"
_COLUMNS = "wearer, sensor, session, source, quality, version, valid_from_ns, accepted_ns"


class Calibrations:
    """The part of the clinic database about guided calibrations. Writing raises ClinicError for
    an unknown wearer or session, and for values out of range."""

    _db: Database

    def add_calibration_step(
        self, wearer: str, sensor: str, session: str, step: CalibrationStep, *, source: str
    ) -> None:
        """A step was done, or done again; how it went is not known yet. Told again with the same
        beginning it changes nothing."""
        with self._recording() as connection:
            connection.execute(
                "INSERT INTO calibration (wearer, session, sensor, source) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (wearer, session, sensor, source),
            )
            known = connection.execute(
                "SELECT sensor, version FROM calibration WHERE wearer = ? AND session = ?",
                (wearer, session),
            ).fetchone()
            before = connection.execute(
                "SELECT start_ns, attempt FROM calibration_step"
                " WHERE wearer = ? AND session = ? AND step = ?",
                (wearer, session, step.step),
            ).fetchone()
            if before is not None and before[0] == step.start_ns:
                return
            if known[0] != sensor or known[1] is not None:
                raise ClinicError(
                    "this calibration is accepted, or of another sensor; begin a new one"
                )
            connection.execute(
                "INSERT OR REPLACE INTO calibration_step (wearer, session, step, start_ns, end_ns,"
                " distance_m, attempt) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    wearer,
                    session,
                    step.step,
                    step.start_ns,
                    step.end_ns,
                    step.distance_m,
                    1 if before is None else before[1] + 1,
                ),
            )

    def judge_calibration(
        self, wearer: str, session: str, steps: Iterable[CalibrationStep], quality: str
    ) -> None:
        """How the steps went. A step that was done again meanwhile stays open."""
        with self._recording() as connection:
            connection.executemany(
                "UPDATE calibration_step SET passed = ?, message = ?, figures = ?"
                " WHERE wearer = ? AND session = ? AND step = ? AND start_ns = ?",
                [
                    (
                        step.passed,
                        step.message,
                        json.dumps(dict(step.figures), allow_nan=False),
                        wearer,
                        session,
                        step.step,
                        step.start_ns,
                    )
                    for step in steps
                ],
            )
            connection.execute(
                "UPDATE calibration SET quality = ? WHERE wearer = ? AND session = ?",
                (quality, wearer, session),
            )
            _announce(connection, wearer, session)

    def accept_calibration(
        self, wearer: str, session: str, *, valid_from_ns: int | None = None
    ) -> int:
        """Let it count from `valid_from_ns` on (a day before its first step at most), without one
        from the beginning of its first step on; returns its version. The worker computes again
        what lies behind. Accepting twice changes nothing."""
        with self._recording() as connection:
            known = connection.execute(
                "SELECT version, sensor, (SELECT min(start_ns) FROM calibration_step"
                " WHERE wearer = ?1 AND session = ?2) FROM calibration"
                " WHERE wearer = ?1 AND session = ?2",
                (wearer, session),
            ).fetchone()
            if known is None:
                raise ClinicError("there is no such calibration; do its steps first")
            if known[0] is not None:
                return int(known[0])
            from_ns = known[2] if valid_from_ns is None else valid_from_ns
            if from_ns < known[2] - MAX_BEFORE_NS:
                raise ClinicError("a calibration counts from at most a day before its first step")
            version = connection.execute(
                "SELECT ifnull(max(version), 0) + 1 FROM calibration"
                " WHERE wearer = ? AND sensor = ?",
                (wearer, known[1]),
            ).fetchone()[0]
            connection.execute(
                "UPDATE calibration SET version = ?, valid_from_ns = ?, accepted_ns = ?"
                " WHERE wearer = ? AND session = ?",
                (
                    version,
                    from_ns,
                    time.time_ns(),
                    wearer,
                    session,
                ),
            )
            _announce(connection, wearer, session)
        return int(version)

    def calibrations(self, wearer: str, sensor: str | None = None) -> list[GuidedCalibration]:
        """Guided calibrations of one sensor or of all, newest first."""
        return self._calibrations(
            "wearer = ?1 AND (?2 IS NULL OR sensor = ?2) ORDER BY session DESC", wearer, sensor
        )

    def calibrations_to_judge(self) -> list[GuidedCalibration]:
        """Those of everybody with a step that nobody has looked at."""
        return self._calibrations(
            "(wearer, session) IN (SELECT wearer, session FROM calibration_step"
            " WHERE passed IS NULL) ORDER BY session"
        )

    def calibrations_of_day(
        self, wearer: str, sensor: str, start_ns: int, end_ns: int
    ) -> list[GuidedCalibration]:
        """The usable ones that begin to count in (start_ns, end_ns) and the last one before, in
        the order of time."""
        return self._calibrations(
            "wearer = ?1 AND sensor = ?2 AND version IS NOT NULL AND quality IN ('good', 'rough')"
            " AND valid_from_ns < ?4 AND valid_from_ns >= ifnull((SELECT max(valid_from_ns)"
            " FROM calibration WHERE wearer = ?1 AND sensor = ?2 AND version IS NOT NULL"
            " AND quality IN ('good', 'rough') AND valid_from_ns <= ?3), ?3)"
            " ORDER BY valid_from_ns",
            wearer,
            sensor,
            start_ns,
            end_ns,
        )

    def _calibrations(self, where: str, *values: object) -> list[GuidedCalibration]:
        with self._db.read() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM calibration WHERE {where}",  # noqa: S608
                values,
            ).fetchall()
            return [GuidedCalibration(*(*row, _steps(connection, row[0], row[2]))) for row in rows]

    @contextmanager
    def _recording(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._db.transaction() as connection:
                yield connection
        except sqlite3.IntegrityError as error:
            if "FOREIGN KEY" in str(error):
                raise ClinicError(
                    "the wearer is unknown; register the pseudonym with: trunkline wearer add"
                ) from error
            raise ClinicError(f"a value is out of range: {error}") from error


def _steps(
    connection: sqlite3.Connection, wearer: str, session: str
) -> tuple[CalibrationStep, ...]:
    rows = connection.execute(
        f"SELECT {_STEP_COLUMNS} FROM calibration_step"  # noqa: S608
        " WHERE wearer = ? AND session = ? ORDER BY start_ns",
        (wearer, session),
    ).fetchall()
    found = []
    for *given, passed, said, figures in rows:
        judged = None if passed is None else bool(passed)
        found.append(CalibrationStep(*(*given, judged, said, json.loads(figures))))
    return tuple(found)


def _announce(connection: sqlite3.Connection, wearer: str, session: str) -> None:
    """Tell the worker to look again at the time from which a usable calibration counts, up to the
    next one or now."""
    connection.execute(
        "INSERT INTO arrival (wearer, sensor, start_ns, end_ns)"
        " SELECT c.wearer, c.sensor, c.valid_from_ns, ifnull(min(n.valid_from_ns), ?3) AS upto"
        " FROM calibration c LEFT JOIN calibration n ON n.wearer = c.wearer"
        " AND n.sensor = c.sensor AND n.valid_from_ns > c.valid_from_ns"
        " WHERE c.wearer = ?1 AND c.session = ?2 AND c.version IS NOT NULL"
        " AND c.quality IN ('good', 'rough') GROUP BY c.session HAVING upto > c.valid_from_ns",
        (wearer, session, time.time_ns()),
    )
