"""People and what is said about them; several threads and processes at one file."""

from __future__ import annotations

import multiprocessing
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from analytics.store import ledger, migrations
from analytics.store.base import StoreError
from analytics.store.clinic import Clinic
from analytics.store.ledger import dead_letter
from analytics.store.records import (
    ClinicError,
    DiaryEntry,
    Hold,
    Role,
    TimeMark,
    Watermark,
    WearerSettings,
)
from wire.ids import new_session
from wire.messages import AgentStatus, Birth, Status

OLD, NEW = sorted(new_session() for _ in range(2))
PAIN = DiaryEntry("w1", 100, "pain", "groin", "left", 4, 110, "dashboard")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "clinic.db"


@pytest.fixture
def clinic(path: Path) -> Iterator[Clinic]:
    opened = Clinic(path)
    opened.add_wearer("w1", "Europe/Berlin")
    opened.add_wearer("w2", "UTC")
    yield opened
    opened.close()


class TestWearers:
    def test_settings_have_defaults_and_can_be_replaced(self, clinic: Clinic) -> None:
        assert [w.wearer for w in clinic.wearers()] == ["w1", "w2"]
        wearer = clinic.wearer("w1")
        assert (wearer.time_zone, wearer.settings) == ("Europe/Berlin", WearerSettings())
        changed = WearerSettings(25.0, 300.0, 900.0, alerts_on=True)
        clinic.set_settings("w1", changed)
        clinic.set_time_zone("w1", "Asia/Tokyo")
        assert clinic.wearer("w1").settings == changed
        assert clinic.wearer("w1").time_zone == "Asia/Tokyo"
        assert clinic.wearer("w2").settings == WearerSettings()

    @pytest.mark.parametrize(
        ("wearer", "zone", "words"),
        [
            ("Anna Miller", "UTC", "wearer id"),
            ("w1", "UTC", "exists already"),
            ("w3", "Mars/Olympus", "time zone"),
            ("w3", "../etc/passwd", "time zone"),
            ("w3", "", "time zone"),
        ],
    )
    def test_what_cannot_be_added(self, clinic: Clinic, wearer: str, zone: str, words: str) -> None:
        with pytest.raises(ClinicError, match=words):
            clinic.add_wearer(wearer, zone)
        assert len(clinic.wearers()) == 2

    @pytest.mark.parametrize(
        "settings",
        [
            WearerSettings(slouch_enter_deg=120),
            WearerSettings(slouch_bout_min_s=0),
            WearerSettings(walking_limit_s=-5),
            WearerSettings(slouch_bout_min_s=float("nan")),
        ],
    )
    def test_settings_out_of_range(self, clinic: Clinic, settings: WearerSettings) -> None:
        with pytest.raises(ClinicError, match="out of range"):
            clinic.set_settings("w1", settings)
        assert clinic.wearer("w1").settings == WearerSettings()

    def test_an_unknown_wearer_is_told_everywhere(self, clinic: Clinic) -> None:
        birth = Birth(NEW, "movesense", "T12", 52.0, ["accel"])
        for call in (
            lambda: clinic.wearer("w9"),
            lambda: clinic.set_settings("w9", WearerSettings()),
            lambda: clinic.set_time_zone("w9", "UTC"),
            lambda: clinic.record_birth("w9", "back", birth),
            lambda: clinic.add_diary(replace(PAIN, wearer="w9")),
            lambda: clinic.add_mark(TimeMark("w9", 1, "pause")),
            lambda: clinic.add_hold(Hold("w9", "back", 1, 2, "sitting", "cli")),
            lambda: clinic.add_user("p", "h", Role.PATIENT, "w9"),
            lambda: clinic.grant("anna", "w9"),
        ):
            with pytest.raises(ClinicError, match="unknown"):
                call()
        assert clinic.known_wearers(["w1", "w9"]) == {"w1"}


class TestWhoMaySeeWhom:
    def test_a_patient_sees_the_own_wearer_and_nobody_else(self, clinic: Clinic) -> None:
        clinic.add_user("p-1", "hash", Role.PATIENT, "w1")
        assert clinic.may_see("p-1", "w1")
        assert not clinic.may_see("p-1", "w2")
        with pytest.raises(ClinicError, match="sees only the own"):
            clinic.grant("p-1", "w2")

    @pytest.mark.parametrize("role", [Role.CLINICIAN, Role.RESEARCHER, Role.ADMIN])
    def test_everybody_else_sees_whom_they_are_granted(self, clinic: Clinic, role: Role) -> None:
        clinic.add_user("anna", "hash", role)
        assert clinic.visible_wearers("anna") == []
        clinic.grant("anna", "w2")
        clinic.grant("anna", "w2")
        assert clinic.visible_wearers("anna") == ["w2"]
        assert not clinic.may_see("anna", "w1")
        clinic.revoke("anna", "w2")
        assert not clinic.may_see("anna", "w2")

    def test_nobody_and_nothing(self, clinic: Clinic) -> None:
        assert not clinic.may_see("nobody", "w1")
        assert not clinic.may_see("", "")
        assert clinic.user("nobody") is None

    def test_a_removed_user_sees_nobody_also_when_the_name_comes_back(self, clinic: Clinic) -> None:
        clinic.add_user("anna", "hash", Role.CLINICIAN)
        clinic.grant("anna", "w1")
        clinic.remove_user("anna")
        clinic.add_user("anna", "hash", Role.CLINICIAN)
        assert clinic.visible_wearers("anna") == []

    def test_users_are_kept_with_their_hash(self, clinic: Clinic) -> None:
        clinic.add_user("anna", "one", Role.CLINICIAN)
        clinic.set_password("anna", "two")
        user = clinic.user("anna")
        assert user is not None
        assert (user.password_hash, user.role, user.wearer) == ("two", Role.CLINICIAN, None)
        assert [u.name for u in clinic.users()] == ["anna"]

    @pytest.mark.parametrize(
        ("name", "role", "wearer", "words"),
        [
            ("anna", Role.CLINICIAN, None, "exists already"),
            ("p", Role.PATIENT, None, "needs a wearer"),
            ("c", Role.CLINICIAN, "w1", "only a patient"),
            ("", Role.ADMIN, None, "characters"),
            (" x", Role.ADMIN, None, "characters"),
            ("a\nb", Role.ADMIN, None, "characters"),
        ],
    )
    def test_what_cannot_be_a_user(
        self, clinic: Clinic, *, name: str, role: Role, wearer: str | None, words: str
    ) -> None:
        clinic.add_user("anna", "hash", Role.CLINICIAN)
        with pytest.raises(ClinicError, match=words):
            clinic.add_user(name, "hash", role, wearer)
        for call in (clinic.remove_user, lambda n: clinic.set_password(n, "h")):
            with pytest.raises(ClinicError, match="no user"):
                call("nobody")


class TestReported:
    def test_a_birth_of_an_older_session_does_not_replace_a_newer(self, clinic: Clinic) -> None:
        new = Birth(NEW, "movesense", "T12", 52.0, ["accel", "gyro"])
        clinic.record_birth("w1", "back", new)
        clinic.record_birth("w1", "back", replace(new, session=OLD, placement="L5"))
        status = Status(NEW, 5, "streaming", battery_pct=50)
        clinic.record_status("w1", "back", status)
        clinic.record_status("w1", "thigh", status)
        back, thigh = clinic.sensors("w1")
        assert (back.birth, back.status) == (new, status)
        assert (thigh.birth, thigh.status) == (None, status)
        assert clinic.sensors("w2") == []

    def test_a_stale_will_is_ignored(self, clinic: Clinic) -> None:
        assert clinic.agent_state("w1") is None
        assert clinic.agent_state("w9") is None
        clinic.record_agent_state("w1", AgentStatus(NEW, "ready", 10))
        clinic.record_agent_state("w1", AgentStatus(OLD, "lost", 9))
        assert clinic.agent_state("w1") == AgentStatus(NEW, "ready", 10)
        clinic.record_agent_state("w1", AgentStatus(NEW, "lost", 9))
        assert clinic.agent_state("w1") == AgentStatus(NEW, "lost", 9)

    def test_holds_are_newest_first(self, clinic: Clinic) -> None:
        holds = [Hold("w1", s, t, t + 5, "sitting", "cli") for s, t in (("a", 10), ("b", 30))]
        later = Hold("w1", "a", 20, 25, "standing", "mark")
        for hold in (*holds, later, replace(later, end_ns=26)):
            clinic.add_hold(hold)
        assert [h.start_ns for h in clinic.holds("w1")] == [30, 20, 10]
        assert clinic.holds("w1", "a") == [replace(later, end_ns=26), holds[0]]
        with pytest.raises(ClinicError, match="out of range"):
            clinic.add_hold(Hold("w1", "a", 5, 5, "sitting", "cli"))
        with pytest.raises(ClinicError, match="out of range"):
            clinic.add_hold(Hold("w1", "a", 5, 6, "flying", "cli"))

    def test_the_diary_takes_an_entry_once(self, clinic: Clinic) -> None:
        plain = DiaryEntry("w1", 100, "pain", None, None, None, 110, "mark")
        assert clinic.add_diary(PAIN)
        assert not clinic.add_diary(replace(PAIN, severity=9, entered_ns=500))
        assert clinic.add_diary(replace(PAIN, side="right"))
        assert clinic.add_diary(plain)
        assert not clinic.add_diary(plain)
        assert clinic.add_diary(replace(PAIN, at_ns=50))
        found = clinic.diary("w1", 100, 200)
        assert [replace(entry, id=None) for entry in found] == [
            PAIN,
            replace(PAIN, side="right"),
            plain,
        ]
        assert clinic.diary("w1", 0, 100)[0].at_ns == 50
        assert clinic.diary("w2", 0, 1000) == []

    def test_an_entry_can_be_taken_back_by_its_wearer_only(self, clinic: Clinic) -> None:
        clinic.add_diary(PAIN)
        (entry,) = clinic.diary("w1", 0, 1000)
        assert entry.id is not None
        assert not clinic.delete_diary("w2", entry.id)
        assert clinic.delete_diary("w1", entry.id)
        assert not clinic.delete_diary("w1", entry.id)
        assert clinic.diary("w1", 0, 1000) == []

    def test_marks_in_order(self, clinic: Clinic) -> None:
        for mark in (TimeMark("w1", 20, "resume"), TimeMark("w1", 10, "pause")) * 2:
            clinic.add_mark(mark)
        assert [m.kind for m in clinic.marks("w1", 0, 100)] == ["pause", "resume"]
        assert clinic.marks("w1", 11, 20) == []


class TestAudit:
    def test_it_only_grows(self, clinic: Clinic, path: Path) -> None:
        clinic.audit("anna", "view", "w1", "week")
        clinic.audit("anna", "login")
        entries = clinic.audit_entries()
        assert [(e.user, e.action, e.wearer, e.detail) for e in entries] == [
            ("anna", "login", None, ""),
            ("anna", "view", "w1", "week"),
        ]
        assert [e.action for e in clinic.audit_entries("w1")] == ["view"]
        connection = sqlite3.connect(path)
        for statement in ("DELETE FROM audit", "UPDATE audit SET user = 'x'"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)
        connection.close()

    def test_erasing_leaves_one_line_and_nobody_elses_lines_out(
        self, clinic: Clinic, path: Path
    ) -> None:
        clinic.add_user("erika-musterfrau", "hash", Role.PATIENT, "w1")
        clinic.add_user("anna", "hash", Role.CLINICIAN)
        clinic.grant("anna", "w1")
        clinic.record_status("w1", "back", Status(NEW, 1, "streaming"))
        clinic.add_diary(PAIN)
        clinic.add_hold(Hold("w1", "back", 1, 2, "sitting", "cli"))
        clinic.add_mark(TimeMark("w1", 1, "pause"))
        clinic.set_watermarks({("w1", "back", NEW): Watermark(5)})
        clinic.add_arrivals([("w1", "back", 1, 2)])
        clinic.add_dead_letters(
            [dead_letter("w1", "t", "r", b"x"), dead_letter(None, "t", "r", b"")]
        )
        clinic.audit("erika-musterfrau", "login")
        clinic.audit("anna", "view", "w1")
        clinic.audit("anna", "view", "w2")
        clinic.erase("w1", by="admin")
        assert [(e.user, e.action, e.wearer) for e in clinic.audit_entries()] == [
            ("admin", "erase", "w1"),
            ("anna", "view", "w2"),
        ]
        assert [u.name for u in clinic.users()] == ["anna"]
        assert clinic.visible_wearers("anna") == []
        assert [x.wearer for x in clinic.dead_letters()] == [None]
        assert clinic.arrivals() == []
        assert clinic.known_wearers(["w1"]) == set()
        clinic.add_wearer("w1", "UTC")
        assert clinic.sensors("w1") == []
        assert clinic.diary("w1", 0, 1000) == []
        assert clinic.holds("w1") == []
        assert clinic.marks("w1", 0, 1000) == []
        assert clinic.watermarks([("w1", "back", NEW)]) == {("w1", "back", NEW): Watermark()}
        for file in path.parent.iterdir():
            assert b"erika-musterfrau" not in file.read_bytes()

    def test_erasing_nobody_is_harmless(self, clinic: Clinic) -> None:
        clinic.erase("never-was", by="admin")
        assert len(clinic.wearers()) == 2


class TestLedger:
    def test_watermarks_are_kept_by_session(self, clinic: Clinic) -> None:
        mark = Watermark(7, ((9, 12), (15, 15)))
        clinic.set_watermarks({("w1", "back", NEW): mark, ("gone", "back", NEW): Watermark(1)})
        keys = [("w1", "back", NEW), ("w1", "back", OLD), ("gone", "back", NEW)]
        assert clinic.watermarks(keys) == dict(
            zip(keys, [mark, Watermark(), Watermark()], strict=True)
        )

    def test_dead_letters_are_cut_and_bounded(
        self, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ledger, "MAX_DEAD_LETTERS", 3)
        for i in range(5):
            clinic.add_dead_letters([dead_letter(None, "t" * 999, f"r{i}", b"x" * 9999)])
        letters = clinic.dead_letters()
        assert [x.reason for x in letters] == ["r4", "r3", "r2"]
        assert (len(letters[0].topic), len(letters[0].payload)) == (200, 4096)

    def test_ingest_keeps_its_name(self, clinic: Clinic, path: Path) -> None:
        name = clinic.ingest_id()
        other = Clinic(path)
        assert other.ingest_id() == name
        assert len(name) <= 23
        other.close()


class TestFile:
    def test_several_calls_are_one_transaction(self, clinic: Clinic) -> None:
        def entry_and_wearer() -> None:
            with clinic.transaction():
                clinic.add_diary(PAIN)
                clinic.add_wearer("w1", "UTC")

        with pytest.raises(ClinicError):
            entry_and_wearer()
        assert clinic.diary("w1", 0, 1000) == []

    def test_threads_write_and_read_side_by_side(self, clinic: Clinic) -> None:
        failed: list[BaseException] = []

        def work(number: int) -> None:
            try:
                for i in range(20):
                    clinic.add_diary(replace(PAIN, at_ns=number * 1000 + i))
                    clinic.diary("w1", 0, 10**6)
            except BaseException as error:
                failed.append(error)

        for _ in range(3):  # threads come and go, as in a web server
            threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert failed == []
        assert len(clinic.diary("w1", 0, 10**6)) == 80

    def test_processes_may_make_the_file_at_the_same_time(self, path: Path) -> None:
        context = multiprocessing.get_context("spawn")
        with context.Pool(3) as pool:
            assert pool.map(_add, [(path, f"w{i}") for i in range(3)]) == [None] * 3
        clinic = Clinic(path)
        assert len(clinic.wearers()) == 3
        clinic.close()

    def test_a_newer_schema_is_refused_with_one_line(self, path: Path) -> None:
        Clinic(path).close()
        connection = sqlite3.connect(path)
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
        connection.close()
        with pytest.raises(StoreError, match=r"schema 9999.*install the newer") as caught:
            Clinic(path)
        assert "\n" not in str(caught.value)

    def test_a_file_that_is_no_database(self, path: Path) -> None:
        path.parent.mkdir()
        path.write_bytes(b"this is not a database, " * 100)
        with pytest.raises(StoreError, match=r"is damaged .*your last backup"):
            Clinic(path)

    def test_an_older_schema_is_brought_up_and_keeps_its_rows(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _make_at(path, "0001")
        connection = sqlite3.connect(path)
        connection.execute(
            "INSERT INTO wearer (wearer, time_zone, created_ns) VALUES ('w', 'UTC', 1)"
        )
        connection.commit()
        connection.close()
        clinic = Clinic(path)
        assert [w.wearer for w in clinic.wearers()] == ["w"]
        clinic.add_arrivals([("w", "back", 1, 2)])
        clinic.close()

    def test_head_is_the_newest_revision(self) -> None:
        folder = Path(migrations.__file__).parent / "versions"
        revisions = sorted(file.name[1:5] for file in folder.glob("v*.py"))
        assert revisions[-1] == migrations.HEAD
        assert revisions == [f"{i + 1:04d}" for i in range(len(revisions))]

    def test_a_current_file_opens_without_alembic(self, path: Path) -> None:
        Clinic(path).close()
        code = (
            "import sys; from pathlib import Path; from analytics.store.clinic import Clinic;"
            f"Clinic(Path({str(path)!r})).close(); print('alembic' in sys.modules)"
        )
        answer = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert answer.stdout.strip() == "False"


def _add(job: tuple[Path, str]) -> None:
    clinic = Clinic(job[0])
    clinic.add_wearer(job[1], "UTC")
    clinic.close()


def _make_at(path: Path, revision: str) -> None:
    """A file as an older Trunkline made it."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine

    path.parent.mkdir(parents=True)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
