"""wearer, user, calibrate and erase as a person meets them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pyotp
import pytest
from argon2 import PasswordHasher
from click.testing import CliRunner, Result

from analytics.accounts import second_factor, sessions, tokens
from analytics.store.clinic import FILE_NAME, Clinic
from analytics.store.embedded import FILE_NAME as SAMPLES_FILE
from analytics.store.embedded import EmbeddedStore
from analytics.store.records import WearerSettings
from tests.analytics.ingest.agent_side import agent
from tests.analytics.store.samples import SESSION, batch, stored
from tests.servers import free_port, mosquitto
from trunkline.cli import main
from wire.messages import Birth

Run = Callable[..., Result]
PASSWORD = "correct horse battery"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def run(data_dir: Path) -> Run:
    def run_(*arguments: str, entered: str | None = None) -> Result:
        environment = {"TRUNKLINE_DATA_DIR": str(data_dir)}
        return CliRunner().invoke(main, arguments, input=entered, env=environment)

    return run_


@pytest.fixture
def secret(tmp_path: Path) -> str:
    path = tmp_path / "password"
    path.write_text(PASSWORD + "\n")
    return str(path)


def open_clinic(data_dir: Path) -> Clinic:
    return Clinic(data_dir / FILE_NAME)


class TestWearer:
    def test_add_change_show_list(self, run: Run, data_dir: Path) -> None:
        assert run("wearer", "add", "p-001", "--time-zone", "Europe/Berlin").exit_code == 0
        changed = run(
            "wearer",
            "set",
            "p-001",
            "--slouch-enter-deg",
            "25",
            "--walking-limit-s",
            "900",
            "--alerts",
            "--time-zone",
            "Asia/Tokyo",
        )
        assert changed.exit_code == 0
        assert run("wearer", "set", "p-001", "--slouch-bout-min-s", "300").exit_code == 0
        clinic = open_clinic(data_dir)
        wearer = clinic.wearer("p-001")
        assert wearer.settings == WearerSettings(25.0, 300.0, 900.0, alerts_on=True)
        birth = Birth(SESSION, "movesense", "T12", 52.0, ["accel"])
        clinic.record_birth("p-001", "back", birth)
        assert {e.action for e in clinic.audit_entries("p-001")} == {"wearer add", "wearer set"}
        clinic.close()
        shown = run("wearer", "show", "p-001").output
        assert "time zone: Asia/Tokyo" in shown
        assert "sensor back: movesense at T12, 52 Hz" in shown
        assert json.loads(run("wearer", "show", "p-001", "--json").output)["wearer"] == "p-001"
        assert [w["wearer"] for w in json.loads(run("wearer", "list", "--json").output)] == [
            "p-001"
        ]
        assert run("wearer", "set", "p-001", "--slouch-enter-deg", "auto").exit_code == 0
        assert "slouch_enter_deg: not set" in run("wearer", "show", "p-001").output

    @pytest.mark.parametrize(
        ("arguments", "code", "words"),
        [
            (("add", "Anna Miller", "--time-zone", "UTC"), 1, "not valid"),
            (("add", "p-002", "--time-zone", "Mars"), 1, "IANA"),
            (("add", "p-002"), 2, "--time-zone"),
            (("set", "p-001"), 2, "nothing to change"),
            (("set", "p-001", "--slouch-enter-deg", "steep"), 2, "auto"),
            (("set", "p-001", "--slouch-enter-deg", "200"), 1, "out of range"),
            (("set", "nobody", "--alerts"), 1, "trunkline wearer add"),
            (("show", "nobody"), 1, "trunkline wearer add"),
        ],
    )
    def test_mistakes_are_told(
        self, run: Run, arguments: tuple[str, ...], code: int, words: str
    ) -> None:
        run("wearer", "add", "p-001", "--time-zone", "UTC")
        result = run("wearer", *arguments)
        assert result.exit_code == code
        assert words in result.output
        assert "Traceback" not in result.output


class TestUser:
    def test_a_password_is_hashed_and_never_shown(
        self, run: Run, data_dir: Path, secret: str
    ) -> None:
        first = run("user", "add", "anna", "--role", "clinician", "--password-file", secret)
        typed = "another good password"
        second = run("user", "password", "anna", entered=f"{typed}\n{typed}\n")
        assert (first.exit_code, second.exit_code) == (0, 0)
        assert PASSWORD not in first.output
        assert typed not in second.output
        clinic = open_clinic(data_dir)
        user = clinic.user("anna")
        assert user is not None
        assert PasswordHasher().verify(user.password_hash, typed)
        assert user.password_hash.startswith("$argon2id$")
        clinic.close()

    def test_grants(self, run: Run, secret: str) -> None:
        run("wearer", "add", "p-001", "--time-zone", "UTC")
        file = ("--password-file", secret)
        assert run("user", "add", "anna", "--role", "clinician", *file).exit_code == 0
        patient = ("--role", "patient", "--wearer", "p-001")
        assert run("user", "add", "p-001", *patient, *file).exit_code == 0
        assert run("user", "grant", "anna", "p-001").exit_code == 0
        sees = {u["name"]: u["sees"] for u in json.loads(run("user", "list", "--json").output)}
        assert sees == {"anna": ["p-001"], "p-001": ["p-001"]}
        assert run("user", "revoke", "anna", "p-001").exit_code == 0
        assert "anna                     clinician   -" in run("user", "list").output
        assert run("user", "remove", "anna").exit_code == 0
        assert "anna" not in run("user", "list").output

    @pytest.mark.parametrize(
        ("arguments", "code", "words"),
        [
            (("add", "x", "--role", "patient"), 1, "needs a wearer"),
            (("add", "x", "--role", "king"), 2, "clinician"),
            (("grant", "nobody", "p-001"), 1, "no user"),
            (("grant", "anna", "p-9"), 1, "unknown"),
            (("remove", "nobody"), 1, "no user"),
            (("password", "nobody"), 1, "no user"),
        ],
    )
    def test_mistakes_are_told(
        self, run: Run, secret: str, arguments: tuple[str, ...], code: int, words: str
    ) -> None:
        run("wearer", "add", "p-001", "--time-zone", "UTC")
        run("user", "add", "anna", "--role", "admin", "--password-file", secret)
        more = ("--password-file", secret) if arguments[0] in {"add", "password"} else ()
        result = run("user", *arguments, *more)
        assert result.exit_code == code
        assert words in result.output

    def test_a_short_password(self, run: Run) -> None:
        result = run("user", "add", "x", "--role", "admin", entered="short\nshort\n")
        assert result.exit_code == 1
        assert "use 12 to 1024" in result.output

    def test_tokens(self, run: Run, secret: str, data_dir: Path) -> None:
        run("user", "add", "lea", "--role", "researcher", "--password-file", secret)
        made = run("user", "token", "add", "lea", "--scope", "read", "--days", "2")
        token = made.output.strip()
        assert token.startswith("trunkline_")
        (listed,) = json.loads(run("user", "token", "list", "lea", "--json").output)
        assert (listed["scopes"], listed["name"]) == (["read"], "command line")
        assert token not in json.dumps(listed)
        clinic = open_clinic(data_dir)
        assert tokens.holder_of(clinic, token, time.time_ns()) is not None
        assert run("user", "token", "revoke", "lea", str(listed["id"])).exit_code == 0
        assert tokens.holder_of(clinic, token, time.time_ns()) is None
        clinic.close()
        assert "no token 7" in run("user", "token", "revoke", "lea", "7").output
        assert "no user" in run("user", "token", "list", "nobody").output

    def test_sessions_and_second_factor_can_be_ended(
        self, run: Run, secret: str, data_dir: Path
    ) -> None:
        run("user", "add", "lea", "--role", "researcher", "--password-file", secret)
        clinic = open_clinic(data_dir)
        user = clinic.user("lea")
        assert user is not None
        now_ns = time.time_ns()
        session = sessions.begin(clinic, user, "Firefox", now_ns)
        assert "1 sessions of lea ended" in run("user", "log-out", "lea").output
        assert sessions.user_of(clinic, session, now_ns, used=True) is None
        assert "no second factor" in run("user", "one-factor", "lea").output
        shared = second_factor.start(clinic, user)
        code = pyotp.TOTP(shared).generate_otp(now_ns // second_factor.STEP_NS)
        second_factor.confirm(clinic, user, code, now_ns)
        assert second_factor.is_on(clinic, user)
        assert run("user", "one-factor", "lea").exit_code == 0
        assert not second_factor.is_on(clinic, user)
        clinic.close()

    def test_a_password_file_that_is_not_there(self, run: Run) -> None:
        result = run("user", "add", "x", "--role", "admin", "--password-file", "/none/such")
        assert result.exit_code == 2
        assert "cannot read" in result.output


class TestJourney:
    def test_a_zone_from_a_time_on(self, run: Run, data_dir: Path) -> None:
        run("wearer", "add", "p-001", "--time-zone", "Europe/Berlin")
        there = ("--time-zone", "America/New_York", "--from", "2026-05-04T14:30:00Z")
        assert run("wearer", "set", "p-001", *there).exit_code == 0
        clinic = open_clinic(data_dir)
        found = clinic.wearer("p-001")
        assert found.time_zone == "Europe/Berlin"
        assert found.journeys == ((1_777_905_000 * 10**9, "America/New_York"),)
        assert clinic.wearers() == [found]
        clinic.close()
        assert (
            "from 2026-05-04T14:30:00+00:00: America/New_York"
            in run("wearer", "show", "p-001").output
        )
        alone = run("wearer", "set", "p-001", "--from", "2026-05-04T14:30:00Z")
        assert (alone.exit_code, "give both" in alone.output) == (2, True)


class TestCalibrate:
    GOOD = ("--from", "2026-03-02T08:00:00+01:00", "--to", "2026-03-02T07:00:10Z")

    def test_a_hold_is_recorded_and_announced(self, run: Run, data_dir: Path) -> None:
        run("wearer", "add", "p-001", "--time-zone", "UTC")
        who = ("--wearer", "p-001", "--sensor", "back", "--posture", "standing")
        assert run("calibrate", *who, *self.GOOD).exit_code == 0
        clinic = open_clinic(data_dir)
        (hold,) = clinic.holds("p-001")
        assert hold.start_ns == 1_772_434_800 * 10**9
        assert hold.end_ns - hold.start_ns == 10 * 10**9
        assert (hold.posture, hold.source) == ("standing", "cli")
        assert [x.start_ns for x in clinic.arrivals()] == [hold.start_ns]
        clinic.close()

    @pytest.mark.parametrize(
        ("changes", "code", "words"),
        [
            ({"--from": "2026-03-02T09:00:00Z"}, 2, "is not after"),
            ({"--from": "yesterday"}, 2, "is no time"),
            ({"--from": "2026-03-02T08:00:00"}, 2, "has no zone"),
            ({"--posture": "flying"}, 2, "standing"),
            ({"--sensor": "The Back"}, 2, "sensor id"),
            ({"--wearer": "p-9"}, 1, "unknown"),
        ],
    )
    def test_mistakes_are_told(
        self, run: Run, changes: dict[str, str], code: int, words: str
    ) -> None:
        run("wearer", "add", "p-001", "--time-zone", "UTC")
        good = dict(zip(self.GOOD[::2], self.GOOD[1::2], strict=True))
        who = {"--wearer": "p-001", "--sensor": "back", "--posture": "standing"}
        options = who | good | changes
        result = run("calibrate", *(word for pair in options.items() for word in pair))
        assert result.exit_code == code
        assert words in result.output


class TestErase:
    @pytest.fixture
    def filled(self, run: Run, data_dir: Path) -> None:
        for wearer in ("w1", "w2"):
            run("wearer", "add", wearer, "--time-zone", "UTC")
        store = EmbeddedStore(data_dir / SAMPLES_FILE)
        store.write_batches(stored("w1", batch(0)) + stored("w2", batch(0)))
        store.close()

    @pytest.mark.usefixtures("filled")
    def test_it_asks_first(self, run: Run, data_dir: Path) -> None:
        assert run("erase", "w1", "--without-broker", entered="n\n").exit_code == 1
        store = EmbeddedStore(data_dir / SAMPLES_FILE)
        assert len(store.sensors("w1")) == 1
        assert run("erase", "w1", "--without-broker", entered="y\n").exit_code == 0
        assert store.sensors("w1") == []
        assert len(store.sensors("w2")) == 1
        store.close()
        clinic = open_clinic(data_dir)
        assert clinic.known_wearers(["w1", "w2"]) == {"w2"}
        (line,) = clinic.audit_entries("w1")
        assert line.action == "erase"
        assert line.user.startswith("cli")
        clinic.close()

    @pytest.mark.usefixtures("filled")
    def test_without_an_answer_of_the_broker_nothing_is_erased(
        self, run: Run, data_dir: Path
    ) -> None:
        result = run("erase", "w1", "--yes", "--broker", f"127.0.0.1:{free_port()}")
        assert result.exit_code == 1
        assert "--without-broker" in result.output
        store = EmbeddedStore(data_dir / SAMPLES_FILE)
        assert len(store.sensors("w1")) == 1
        store.close()

    def test_a_name_is_no_pseudonym(self, run: Run) -> None:
        assert run("erase", "Anna Miller", "--yes").exit_code == 2

    @pytest.mark.mosquitto
    @pytest.mark.usefixtures("filled")
    def test_the_broker_forgets_too(
        self, run: Run, data_dir: Path, mosquitto_bin: Path, tmp_path: Path
    ) -> None:
        with mosquitto(mosquitto_bin, tmp_path / "broker", ("w1",)) as server:
            with agent(server) as w1:
                committed = json.dumps({"session": SESSION, "seq": 5}).encode()
                w1.publish("back/committed", committed, retain=True)
            result = run(
                "erase",
                "w1",
                "--yes",
                "--broker",
                f"127.0.0.1:{server.port}",
                "--user",
                "server",
                "--password-file",
                str(server.password_file("server")),
            )
            assert result.exit_code == 0, result.output
            with agent(server) as w1:
                w1.publish("mark", b"a round trip to the broker")
                assert w1.committed == {}
