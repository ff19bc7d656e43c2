"""The secrets of a deployment, and that mosquitto reads them the way we mean them."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from pathlib import Path
from queue import Empty

import pytest
from click.testing import CliRunner

from tests.servers import Mosquitto, mosquitto
from tests.trunkline.conftest import MqttClient
from trunkline.cli import main
from trunkline.deployment import write_secrets
from wire.topics import Kind, sensor_topic, wearer_topic

ROOT = Path(__file__).parents[2]


def test_secrets_are_random_complete_and_kept(tmp_path: Path) -> None:
    first = write_secrets(tmp_path / "a", ["p-001"])
    other = write_secrets(tmp_path / "b", ["p-001"])
    assert len(first) == len(other) == 5
    texts = [path.read_text() for path in first + other]
    assert len(set(texts)) == 10
    assert min(map(len, texts)) >= 43
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700

    assert [path.name for path in write_secrets(tmp_path / "a", ["p-001", "p-002"])] == [
        "agent-p-002.password"
    ]
    assert [path.read_text() for path in first] == texts[:5]
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


def test_compose_asks_for_nothing_that_deploy_does_not_write(tmp_path: Path) -> None:
    write_secrets(tmp_path, ["unset"])
    compose = (ROOT / "docker-compose.yml").read_text()
    compose = compose.replace("${TRUNKLINE_WEARER:-unset}", "unset")
    names = set(re.findall(r"file: \"?deploy/secrets/([\w.-]+)", compose))
    assert len(names) == 7
    assert names <= {path.name for path in tmp_path.iterdir()}


@pytest.fixture
def broker(mosquitto_bin: Path, tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(mosquitto_bin, tmp_path, ("p-001", "p-002")) as running:
        yield running


@pytest.mark.mosquitto
def test_mosquitto_lets_in_only_known_accounts_and_isolates_wearers(
    broker: Mosquitto,
) -> None:
    port = broker.port
    secret = {name: broker.password_file(name).read_text() for name in ("p-001", "server")}
    for user, password in ((None, None), ("p-001", "wrong"), ("server", secret["p-001"])):
        refused = MqttClient(port, user, password)
        assert refused.connected == "Not authorized"
        refused.close()

    server = MqttClient(port, "server", secret["server"])
    server.subscribe("trunkline/v1/#")
    agent = MqttClient(port, "p-001", secret["p-001"])
    for topic in (
        sensor_topic("p-002", "trunk", Kind.IMU),
        "other/topic",
        wearer_topic("p-001", Kind.MARK),
    ):
        agent.publish(topic)
    assert server.got.get(timeout=5)[0] == wearer_topic("p-001", Kind.MARK)

    for kind in (Kind.COMMITTED, Kind.IMU):
        for wearer in ("p-001", "p-002"):
            agent.subscribe(sensor_topic(wearer, "trunk", kind))
            server.publish(sensor_topic(wearer, "trunk", kind))
    assert agent.got.get(timeout=5)[0] == sensor_topic("p-001", "trunk", Kind.COMMITTED)
    with pytest.raises(Empty):
        agent.got.get(timeout=0.3)
    agent.close()
    server.close()
