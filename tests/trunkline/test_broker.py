"""The embedded broker: nobody anonymous, every wearer in its own corner, messages pass."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty

import pytest
from click.testing import CliRunner

from tests.servers import PATIENCE_S, free_port
from tests.trunkline.conftest import MqttClient
from trunkline.broker import allowed
from trunkline.cli import main
from trunkline.deployment import broker_accounts, write_secrets
from wire.topics import Kind, sensor_topic, wearer_topic


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, dict[str, str]]]:
    folder = tmp_path_factory.mktemp("broker")
    write_secrets(folder, ["p-001", "p-002"])
    accounts = broker_accounts(folder)
    port = free_port()
    options = ["--mqtt-port", str(port), "--secrets-dir", str(folder)]
    process = subprocess.Popen([sys.executable, "-m", "trunkline", "broker", *options])
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            MqttClient(port, "server", accounts["server"]).close()
            break
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    yield port, accounts
    process.terminate()
    assert process.wait(PATIENCE_S) == 0


def test_a_folder_without_accounts_is_one_clear_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["broker", "--secrets-dir", str(tmp_path)])
    assert result.exit_code == 1
    assert "trunkline deploy" in result.output


@pytest.mark.parametrize(
    ("account", "topic", "expected"),
    [
        ("server", "trunkline/v1/#", True),
        ("p-001", "trunkline/v1/p-001/trunk/imu", True),
        ("p-001", "trunkline/v1/p-001/+/committed", True),
        ("p-001", "trunkline/v1/p-002/trunk/imu", False),
        ("p-001", "trunkline/v1/+/trunk/imu", False),
        ("p-001", "#", False),
        ("p-001", None, False),
        (None, "trunkline/v1/p-001/mark", False),
        ("", "trunkline/v1//mark", False),
    ],
)
def test_who_may_use_which_topic(account: str | None, topic: str | None, expected: bool) -> None:
    assert allowed(account, topic) is expected


@pytest.mark.parametrize(("user", "password"), [(None, None), ("p-001", "wrong"), ("x", "")])
def test_strangers_are_refused(
    broker: tuple[int, dict[str, str]], user: str | None, password: str | None
) -> None:
    client = MqttClient(broker[0], user, password)
    client.close()
    assert client.connected != "Success"


def test_messages_pass_and_wearers_are_isolated(broker: tuple[int, dict[str, str]]) -> None:
    port, accounts = broker
    server = MqttClient(port, "server", accounts["server"])
    server.subscribe("trunkline/v1/#")
    agent = MqttClient(port, "p-001", accounts["p-001"])
    other = MqttClient(port, "p-002", accounts["p-002"])
    assert agent.connected == other.connected == "Success"
    other.client.publish(wearer_topic("p-001", Kind.MARK), b"forged", qos=1)
    agent.publish(wearer_topic("p-001", Kind.MARK), b"true")
    assert server.got.get(timeout=PATIENCE_S) == (wearer_topic("p-001", Kind.MARK), b"true")
    topic = sensor_topic("p-001", "trunk", Kind.COMMITTED)
    agent.subscribe(topic)
    other.subscribe(topic)
    server.publish(topic, b"5")
    assert agent.got.get(timeout=PATIENCE_S) == (topic, b"5")
    with pytest.raises(Empty):
        other.got.get(timeout=0.3)
    for client in (server, agent, other):
        client.close()
