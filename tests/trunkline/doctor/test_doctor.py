"""`trunkline doctor` against real servers, in health and in sickness."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from tests.servers import (
    Influx,
    Mosquitto,
    _query,
    free_port,
    influxd,
    mosquitto,
    stop,
    wait_until_listening,
)
from trunkline.certificates import make_server
from trunkline.cli import main
from trunkline.deployment import write_secrets
from trunkline.doctor import host
from trunkline.doctor.finding import Level


def doctor(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["doctor", *map(str, arguments)])


def findings(result: Result) -> dict[str, dict[str, Any]]:
    return {finding["what"]: finding for finding in json.loads(result.output)}


@pytest.fixture
def broker(mosquitto_bin: Path, tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(mosquitto_bin, tmp_path / "mqtt", ("p-001", "p-002")) as running:
        yield running


def log_in(broker: Mosquitto, user: str, *more: str) -> list[object]:
    address = f"127.0.0.1:{broker.port}"
    password = broker.password_file(user)
    return ["--check", "broker", "--broker", address, "--user", user, "--password-file", password]


@pytest.mark.mosquitto
@pytest.mark.parametrize("user", ["server", "p-001"])
def test_a_broker_as_deploy_makes_it(broker: Mosquitto, user: str) -> None:
    result = doctor(*log_in(broker, user))
    assert result.exit_code == 0, result.output
    assert f"lets us in as {user}" in result.output
    assert "ok       broker access" in result.output


@pytest.mark.mosquitto
def test_a_broker_that_does_not_know_us(broker: Mosquitto, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong")
    result = doctor(*log_in(broker, "p-001")[:-1], wrong)
    assert result.exit_code == 1
    assert "refused the log-in" in result.output
    assert "check --user and --password-file" in result.output


@pytest.mark.mosquitto
def test_a_broker_without_walls(mosquitto_bin: Path, tmp_path: Path) -> None:
    port, anonymous = free_port(), free_port()
    broker = Mosquitto(mosquitto_bin, tmp_path, port, tls_port=anonymous)
    write_secrets(broker.secrets, ["p-001"])
    (tmp_path / "open.conf").write_text(
        f"per_listener_settings true\nlistener {port} 127.0.0.1\n"
        f"password_file {broker.secrets}/mosquitto.passwd\nallow_anonymous false\n"
        f"listener {anonymous} 127.0.0.1\nallow_anonymous true\nuser root\n"
    )
    process = subprocess.Popen(
        [mosquitto_bin, "-c", tmp_path / "open.conf"], stderr=subprocess.DEVNULL
    )
    try:
        wait_until_listening(port, process)
        result = doctor(*log_in(broker, "p-001"))
        assert result.exit_code == 1
        assert "p-001 may read and write other wearers" in result.output
        result = doctor("--check", "broker", "--broker", f"127.0.0.1:{anonymous}")
        assert result.exit_code == 1
        assert "anybody may come in" in result.output
    finally:
        stop(process)


@pytest.mark.mosquitto
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho's socket
@pytest.mark.parametrize(
    ("days", "line", "code"),
    [
        (400, "ok       broker certificate: good for 400 days", 0),
        (12, "warning  broker certificate: expires in 12 days", 0),
        (-1, "failed   broker certificate: expired on", 1),
    ],
)
def test_the_brokers_certificate(broker: Mosquitto, days: int, line: str, code: int) -> None:
    broker.kill()
    make_server(broker.secrets, ["localhost"], days=days)
    broker.start()
    options = log_in(broker, "p-001")
    options[3] = f"localhost:{broker.tls_port}"
    result = doctor(*options, "--tls-ca", broker.secrets / "ca.crt", "--mqtt5")
    assert line in result.output
    assert result.exit_code == code, result.output
    if code:
        assert "its certificate has expired" in result.output


def test_no_broker() -> None:
    result = doctor("--check", "broker", "--broker", f"127.0.0.1:{free_port()}")
    assert result.exit_code == 1
    assert result.output.startswith("failed   broker: cannot reach the broker")


def test_the_embedded_store(tmp_path: Path) -> None:
    look = ["--check", "store", "--data-dir", tmp_path]
    assert doctor(*look).exit_code == 0
    assert "no people yet" in doctor(*look).output
    Clinic(tmp_path / "clinic.db").close()
    EmbeddedStore(tmp_path / "samples.db").close()
    assert doctor(*look).output.count("is sound") == 2
    whole = (tmp_path / "samples.db").read_bytes()
    (tmp_path / "samples.db").write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    result = doctor(*look)
    assert result.exit_code == 1
    assert "samples.db" in result.output
    assert "restore it from the backup" in result.output


@pytest.mark.influxdb
def test_influxdb(influxd_bin: Path, tmp_path: Path) -> None:
    with influxd(influxd_bin, tmp_path / "influx") as server:
        result = doctor(*influx_options(server, tmp_path))
        assert result.exit_code == 0, result.output
        assert "store InfluxDB: 1." in result.output
        assert "store trunkline_results: keeps everything" in result.output
        policy = 'ALTER RETENTION POLICY "autogen" ON "trunkline_raw" DURATION 30d'
        _query(server, policy)
        found = findings(doctor(*influx_options(server, tmp_path), "--json"))
        assert found["store trunkline_raw"]["level"] == Level.WARNING
        assert "forgets after 720h" in found["store trunkline_raw"]["text"]
        missing = doctor(*influx_options(server, tmp_path), "--influx-database", "other")
        assert missing.exit_code == 1
        assert "store other_raw: there is no such database" in missing.output
        locked = doctor(*influx_options(replace(server, password="wrong"), tmp_path))
        assert locked.exit_code == 1
        assert "refused the log-in" in locked.output
    gone = doctor(*influx_options(server, tmp_path))
    assert gone.exit_code == 1
    assert "does not answer" in gone.output


def influx_options(server: Influx, folder: Path) -> list[object]:
    (folder / "password").write_text(server.password)
    return [
        *("--check", "store", "--data-dir", folder, "--store", "influx"),
        *("--influx-url", server.url, "--influx-user", server.user),
        *("--influx-password-file", folder / "password"),
    ]


def test_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    (before,) = host.check_clock(0.0)
    assert (before.level, "1970" in before.text) == (Level.FAILED, True)
    for kernel, level in ((True, Level.OK), (False, Level.WARNING), (None, Level.WARNING)):
        monkeypatch.setattr(host, "_synchronised", lambda kernel=kernel: kernel)
        (now,) = host.check_clock()
        assert now.level is level
    monkeypatch.undo()
    assert host._synchronised() in {True, False, None}


@pytest.mark.parametrize(
    ("free", "level"), [(10**6, Level.FAILED), (10**9, Level.WARNING), (10**11, Level.OK)]
)
def test_the_disk(free: int, level: Level, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        def __init__(self, path: Path) -> None:
            assert path == tmp_path
            self.free = free

    monkeypatch.setattr(host.shutil, "disk_usage", Usage)
    (finding,) = host.check_disk(tmp_path / "not" / "there" / "yet", "the data")
    assert finding.level is level


def test_only_what_is_asked_for_and_as_json(tmp_path: Path) -> None:
    result = doctor("--check", "disk", "--data-dir", tmp_path, "--json")
    assert {finding["what"] for finding in json.loads(result.output)} == {"disk"}
