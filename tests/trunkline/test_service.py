"""The agent under a service manager: its unit, and what it tells the manager."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import click
import pytest

from tests.conftest import missing
from tests.servers import PATIENCE_S, free_port
from trunkline.cli import main

UNIT = Path(__file__).parents[2] / "deploy" / "trunkline-agent@.service"


def settings() -> dict[str, str]:
    unit = ConfigParser(strict=True, interpolation=None, comment_prefixes="#")
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(UNIT.read_text())
    return dict(unit["Service"])


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        missing("systemd-analyze is not installed: apt install systemd")
    text = UNIT.read_text()
    program = "/opt/trunkline/.venv/bin/trunkline"
    assert program in text
    (tmp_path / "trunkline-agent@.service").write_text(text.replace(program, sys.executable))
    found = subprocess.run(
        [str(analyze), "verify", "--man=no", f"{tmp_path}/trunkline-agent@p-001.service"],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in found.stderr.splitlines() if "trunkline" in line]
    assert not ours, found.stderr


def test_the_unit_speaks_the_agents_language(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line and the variables of docs/deployment.md give an agent its options."""
    line = settings()["ExecStart"].replace("%i", "p-001")
    _, name, *arguments = shlex.split(line)
    assert name == "agent"
    docs = (UNIT.parents[1] / "docs" / "deployment.md").read_text()
    variables = dict(
        re.findall(r"^(TRUNKLINE_\w+)=(.*)$", docs.partition("## Beside")[2], re.M)[:3]
    )
    variables |= dict(pair.split("=") for pair in settings()["Environment"].split())
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value.replace("%d", "/run"))
    monkeypatch.delenv("TRUNKLINE_PASSWORD_FILE")
    parent = click.Context(main, auto_envvar_prefix="TRUNKLINE")
    command = main.get_command(parent, "agent")
    assert command is not None
    parameters = command.make_context("agent", arguments, parent=parent).params
    assert parameters["sensors"] == ("trunk=movesense@203330001", "thigh=movesense@203330002")
    assert parameters["placements"] == ("T12", "thigh_left")
    assert parameters["address"] == "server.example:8883"
    assert str(parameters["tls_ca"]) == "/etc/trunkline/ca.crt"


def test_ready_alive_and_stopping(tmp_path: Path) -> None:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.settimeout(PATIENCE_S)
    arguments = ["agent", "--wearer", "w1", "--sensor", "movesense", "--placement", "T12"]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "trunkline", *arguments),
            *("--broker", f"127.0.0.1:{free_port()}", "--outbox", str(tmp_path / "outbox.db")),
        ],
        env=os.environ
        | {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"}
        | {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={tmp_path}/none"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert manager.recv(100) == b"READY=1"
        assert [manager.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        process.send_signal(signal.SIGTERM)
        while (said := manager.recv(100)) == b"WATCHDOG=1":
            pass
        assert said == b"STOPPING=1"
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait()
        manager.close()
