"""docker-compose.yml against the real commands: every option and variable in it is understood."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from trunkline.cli import main

COMPOSE = yaml.safe_load((Path(__file__).parents[2] / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("ingest", "worker", "dashboard", "agent")


def words_of(service: str) -> list[str]:
    """The command line, with compose's variables at their defaults."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", SERVICES[service]["command"])
    return shlex.split(text)


@pytest.mark.parametrize("service", OURS)
def test_the_command_line_is_understood(service: str) -> None:
    name, *arguments = words_of(service)
    assert name == service
    parent = click.Context(main)
    command = main.get_command(parent, name)
    assert command is not None
    context = command.make_context(name, arguments, parent=parent)  # parses, does not run
    variables = {p.envvar for p in command.params if isinstance(p.envvar, str)}
    assert set(SERVICES[service].get("environment", {})) <= variables
    assert context.params


def test_the_keeper_looks_after_the_store() -> None:
    group, name, *arguments = words_of("keeper")
    parent = click.Context(main)
    store = main.get_command(parent, group)
    assert isinstance(store, click.Group)
    context = store.commands[name].make_context(name, arguments, parent=parent)
    assert context.params["nightly"] is True
    variables = {p.envvar for p in store.commands[name].params if isinstance(p.envvar, str)}
    assert set(SERVICES["keeper"]["environment"]) <= variables


@pytest.mark.parametrize("service", [*OURS, "keeper"])
def test_our_containers_have_least_privilege(service: str) -> None:
    about = SERVICES[service]
    assert about["read_only"] is True
    assert about["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in about["security_opt"]


def test_nothing_is_published_beyond_this_machine_by_default() -> None:
    for service in SERVICES.values():
        for port in service.get("ports", []):
            assert port.startswith(("127.0.0.1:", "${TRUNKLINE_MQTT_BIND:-127.0.0.1}:"))


def test_every_secret_is_a_file_and_no_value_stands_in_the_open() -> None:
    for service in SERVICES.values():
        for secret in service.get("secrets", []):
            name = secret if isinstance(secret, str) else secret["source"]
            assert name in COMPOSE["secrets"]
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|KEY", name):
                assert str(value).startswith("/run/secrets/")
