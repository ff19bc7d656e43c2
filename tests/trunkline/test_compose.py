"""docker-compose.yml against the real commands: every option and variable in it is understood."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner

from trunkline.cli import main

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
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
    assert set(environment(service)) <= variables
    assert context.params


def test_the_keeper_looks_after_the_store() -> None:
    group, name, *arguments = words_of("keeper")
    parent = click.Context(main)
    store = main.get_command(parent, group)
    assert isinstance(store, click.Group)
    context = store.commands[name].make_context(name, arguments, parent=parent)
    assert context.params["nightly"] is True
    variables = {p.envvar for p in store.commands[name].params if isinstance(p.envvar, str)}
    assert set(environment("keeper")) <= variables


def environment(service: str) -> dict[str, Any]:
    found: dict[str, Any] = SERVICES[service].get("environment", {})
    return found


def test_the_file_keeps_to_the_schema_of_compose() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run(
        [*command, ROOT / "docker-compose.yml"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_profiles_divide_clinic_and_gateway() -> None:
    members = {
        profile: {name for name, about in SERVICES.items() if profile in about["profiles"]}
        for profile in ("clinic", "gateway", "all", "operations")
    }
    assert members["gateway"] == {"agent"}
    clinic = {"mosquitto", "influxdb", "ingest", "worker", "dashboard", "keeper"}
    assert members["clinic"] == clinic
    assert members["all"] == clinic | {"agent"}
    assert members["operations"] == {"grafana"}
    for name, about in SERVICES.items():
        # Who starts also starts what is waited for.
        for other, how in about.get("depends_on", {}).items():
            assert set(about["profiles"]) <= set(SERVICES[other]["profiles"])
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other], (name, other)


@pytest.mark.parametrize("service", ["ingest", "worker", "keeper"])
def test_health_is_asked_of_the_doctor(service: str, tmp_path: Path) -> None:
    """The very command line of the health check, in an environment without its services."""
    kind, *words = SERVICES[service]["healthcheck"]["test"]
    assert (kind, words[0]) == ("CMD", "trunkline")
    variables = {name: str(value) for name, value in environment(service).items()}
    variables |= {"TRUNKLINE_DATA_DIR": str(tmp_path), "TRUNKLINE_STORE": "embedded"}
    variables |= {"TRUNKLINE_BROKER": "127.0.0.1:1"}
    for name in ("INFLUX_TOKEN_FILE", "TLS_CA", "PASSWORD_FILE"):
        variables.pop(f"TRUNKLINE_{name}", None)
    done = CliRunner(env=variables).invoke(main, words[1:])
    assert done.exit_code == (1 if service == "ingest" else 0), done.output
    assert words[-1] in done.output


def test_the_image_is_built_in_two_stages_and_runs_without_root() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    stages = [number for number, line in enumerate(lines) if line.startswith("FROM ")]
    assert len(stages) == 2
    last = "\n".join(lines[stages[1] :])
    assert "\nUSER trunkline\n" in last
    assert "pip install" not in last
    named = re.findall(r"^COPY (?!--from)(.+) \S+$", "\n".join(lines), flags=re.MULTILINE)
    for name in " ".join(named).split():
        assert (ROOT / name).exists(), name
    for extras in ("", "-research"):
        assert (ROOT / f"requirements{extras}.lock").is_file()


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
