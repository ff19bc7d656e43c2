"""The secrets of a deployment, and that mosquitto reads them the way we mean them."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from pathlib import Path
from queue import Empty

import pytest
from click.testing import CliRunner

from analytics.store.influx_admin import SERVICES
from tests.servers import PATIENCE_S, Mosquitto, mosquitto
from tests.trunkline.conftest import MqttClient
from trunkline.certificates import names_in
from trunkline.cli import main
from trunkline.deployment import CertificateWishes, write_secrets
from wire.topics import Kind, sensor_topic, wearer_topic

ROOT = Path(__file__).parents[2]


def test_secrets_are_random_complete_and_kept(tmp_path: Path) -> None:
    first = write_secrets(tmp_path / "a", ["p-001"])
    other = write_secrets(tmp_path / "b", ["p-001"])
    assert len(first) == len(other) == 6
    texts = [path.read_text() for path in first + other]
    assert len(set(texts)) == 12
    assert min(map(len, texts)) >= 43
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700

    assert [path.name for path in write_secrets(tmp_path / "a", ["p-001", "p-002"])] == [
        "agent-p-002.password"
    ]
    assert [path.read_text() for path in first] == texts[:6]
    accounts = (tmp_path / "a" / "mosquitto.passwd").read_text().splitlines()
    assert [line.split(":")[0] for line in accounts] == ["p-001", "p-002", "server"]
    assert not any(text in "".join(accounts) for text in texts)


def test_the_command_names_files_and_refuses_a_bad_pseudonym(tmp_path: Path) -> None:
    run = CliRunner().invoke
    good = run(main, ["deploy", "--secrets-dir", str(tmp_path / "s"), "--wearer", "p-001"])
    assert good.exit_code == 0, good.output
    assert "agent-p-001.password" in good.output
    bad = run(main, ["deploy", "--secrets-dir", str(tmp_path / "t"), "--wearer", "Anna Smith"])
    assert bad.exit_code == 2
    assert "not valid" in bad.output
    assert not (tmp_path / "t").exists()
    (tmp_path / "file").write_text("")
    blocked = run(main, ["deploy", "--secrets-dir", str(tmp_path / "file"), "--wearer", "p"])
    assert blocked.exit_code == 2
    assert "is a file" in blocked.output


def names(folder: Path) -> list[str]:
    return sorted(names_in(folder))


def test_certificates_are_kept_until_hosts_change_or_they_are_to_be_new(tmp_path: Path) -> None:
    def deploy(*more: str) -> dict[str, bytes]:
        arguments = ["deploy", "--secrets-dir", str(tmp_path), "--wearer", "p-001", *more]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
        return {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    first = deploy()
    assert names(tmp_path) == ["127.0.0.1", "localhost", "mosquitto"]
    assert stat.S_IMODE((tmp_path / "ca.key").stat().st_mode) == 0o600
    certificates = {name for name in first if name.endswith((".crt", ".key"))} - {"session.key"}
    assert certificates == {"ca.crt", "ca.key", "mqtt.crt", "mqtt.key"}
    assert all(deploy()[name] == first[name] for name in certificates)

    moved = deploy("--host", "clinic.example", "--client-certificates")
    assert names(tmp_path) == ["127.0.0.1", "clinic.example", "localhost", "mosquitto"]
    assert moved["ca.crt"] == first["ca.crt"]
    assert {"client-p-001.crt", "client-server.key"} <= set(moved)
    assert deploy("--client-certificates")["client-p-001.crt"] == moved["client-p-001.crt"]

    renewed = deploy("--tls-renew", "--client-certificates")
    assert names(tmp_path) == ["127.0.0.1", "clinic.example", "localhost", "mosquitto"]
    assert renewed["ca.crt"] == first["ca.crt"]
    assert renewed["mqtt.crt"] != moved["mqtt.crt"]
    assert renewed["client-p-001.crt"] != moved["client-p-001.crt"]


def test_the_authoritys_key_may_be_kept_elsewhere(tmp_path: Path) -> None:
    arguments = ["deploy", "--secrets-dir", str(tmp_path), "--wearer", "p-001"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    authority = (tmp_path / "ca.crt").read_bytes()
    (tmp_path / "ca.key").unlink()
    assert CliRunner().invoke(main, [*arguments, "--wearer", "p-002"]).exit_code == 0
    renew = CliRunner().invoke(main, [*arguments, "--tls-renew"])
    assert renew.exit_code == 1
    assert "ca.key, which signs them, is not there" in renew.output
    assert (tmp_path / "ca.crt").read_bytes() == authority


def test_compose_asks_for_nothing_that_deploy_does_not_write(tmp_path: Path) -> None:
    write_secrets(tmp_path, ["unset"], CertificateWishes())
    compose = (ROOT / "docker-compose.yml").read_text()
    compose = compose.replace("${TRUNKLINE_WEARER:-unset}", "unset")
    names = set(re.findall(r"file: \"?deploy/secrets/([\w.-]+)", compose))
    assert len(names) == 16
    by_influx = {f"influx-{service}.token" for service in SERVICES}  # once the database runs
    assert names - by_influx <= {path.name for path in tmp_path.iterdir()}


@pytest.fixture
def broker(mosquitto_bin: Path, tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(mosquitto_bin, tmp_path, ("p-001", "p-002")) as running:
        yield running


@pytest.mark.mosquitto
@pytest.mark.parametrize("mqtt5", [False, True], ids=["3.1.1", "5"])
def test_mosquitto_lets_in_only_known_accounts_and_isolates_wearers(
    broker: Mosquitto, mqtt5: bool
) -> None:
    port = broker.port
    secret = {name: broker.password_file(name).read_text() for name in ("p-001", "server")}
    for user, password in ((None, None), ("p-001", "wrong"), ("server", secret["p-001"])):
        refused = MqttClient(port, user, password, mqtt5=mqtt5)
        assert refused.connected == "Not authorized"
        refused.close()

    server = MqttClient(port, "server", secret["server"], mqtt5=mqtt5)
    server.subscribe("trunkline/v1/#")
    agent = MqttClient(port, "p-001", secret["p-001"], mqtt5=mqtt5)
    for topic in (
        sensor_topic("p-002", "trunk", Kind.IMU),
        "other/topic",
        wearer_topic("p-001", Kind.MARK),
    ):
        agent.publish(topic)
    assert server.got.get(timeout=PATIENCE_S)[0] == wearer_topic("p-001", Kind.MARK)

    for kind in (Kind.COMMITTED, Kind.IMU, Kind.BIRTH, Kind.STATUS, Kind.LOSS):
        for wearer in ("p-001", "p-002"):
            agent.subscribe(sensor_topic(wearer, "trunk", kind))
            server.publish(sensor_topic(wearer, "trunk", kind))
    assert agent.got.get(timeout=PATIENCE_S)[0] == sensor_topic("p-001", "trunk", Kind.COMMITTED)
    with pytest.raises(Empty):
        agent.got.get(timeout=0.3)
    agent.close()
    server.close()
