"""The file of `trunkline agent --sensors`."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from trunkline.cli import main
from trunkline.sensor_file import SensorFileError, read_sensor_file
from wire.messages import Placement

GOOD = """
[[sensor]]
wearer = "p-001"
placement = "T12"

[[sensor]]
wearer = "p-002"
id = "thigh"
placement = "thigh_left"
profile = "movesense"
device = "203330002"
axes = { up = "+x", forward = "-z" }
rate_hz = 52
backfill = true

[[sensor]]
wearer = "p-001"
id = "wrist"
placement = "wrist_left"
profile = "polar_verity"

[wearer.p-001]
password_file = "p-001.password"
[wearer.p-002]
password_file = "/etc/trunkline/p-002.password"
tls_cert = "p-002.crt"
tls_key = "p-002.key"
outbox = "p-002.db"
"""
ONE = '[[sensor]]\nwearer = "p-001"\nplacement = "T12"\n'


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "sensors.toml"
    path.write_text(text)
    return path


def test_wearers_sensors_and_accounts(tmp_path: Path) -> None:
    first, second = read_sensor_file(write(tmp_path, GOOD), 50.0, backfill=False)
    assert (first.wearer, [s.sensor for s in first.sensors]) == ("p-001", ["trunk", "wrist"])
    trunk = first.sensors[0]
    assert (trunk.placement, trunk.profile, trunk.device) == (Placement.T12, "auto", None)
    assert (trunk.request.rate_hz, trunk.backfill, trunk.axes) == (50.0, False, None)
    assert (first.password_file, first.outbox) == (tmp_path / "p-001.password", None)
    (thigh,) = second.sensors
    assert (thigh.profile, thigh.device) == ("movesense", "203330002")
    assert (thigh.request.rate_hz, thigh.backfill) == (52.0, True)
    assert thigh.axes == {"up": "+x", "forward": "-z"}
    assert second.password_file == Path("/etc/trunkline/p-002.password")
    assert (second.tls_cert, second.tls_key) == (tmp_path / "p-002.crt", tmp_path / "p-002.key")
    assert second.outbox == tmp_path / "p-002.db"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no sensor"),
        ("[[sensor", "cannot be read"),
        ("sensor = 3", "no sensor"),
        ("sensor = [3]", "sensor 1: not a table"),
        ('[[sensors]]\nwearer = "p-001"', "'sensors' is unknown"),
        ('[[sensor]]\nwearer = "p-001"', "sensor 1: placement is missing"),
        ('[[sensor]]\nplacement = "T12"', "sensor 1: wearer is missing"),
        (ONE + 'hat = "x"', "it has 'hat'"),
        (ONE + "rate_hz = true", "rate_hz of the wrong type"),
        (ONE + "rate_hz = 0.5", "must be 1 to 2000"),
        (ONE + "rate_hz = nan", "must be 1 to 2000"),
        (ONE + "backfill = 1", "backfill of the wrong type"),
        (ONE + 'profile = "sundial"', "sensor 1: "),
        (ONE + 'id = "Ann Other"', "sensor id"),
        (ONE + "axes = { up = 3 }", "axes are not understood"),
        (ONE + 'axes = { up = "x" }', "axes are not understood"),
        (ONE + ONE, "sensor 2: p-001 has two sensors with the id 'trunk'"),
        (ONE.replace("T12", "hat"), "placement 'hat' is unknown"),
        (ONE.replace("p-001", "Ann Other"), "wearer id"),
        (ONE + '[wearer.p-002]\npassword_file = "x"', "wears no sensor"),
        (ONE + "[wearer.p-001]\npassword = 3", "has 'password'"),
        (ONE + "[wearer]\np-001 = 3", "in a table"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SensorFileError) as caught:
        read_sensor_file(write(tmp_path, text), 50.0, backfill=False)
    assert said in str(caught.value)
    assert str(caught.value).startswith("sensors.toml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--wearer", "p-001"], "leave --wearer"),
        (["--outbox", "x.db"], "leave --wearer"),
        (["--user", "p-001"], "p-001 has no account"),
    ],
)
def test_options_that_do_not_go_with_the_file(tmp_path: Path, more: list[str], said: str) -> None:
    path = write(tmp_path, ONE + ONE.replace("p-001", "p-002") + "[wearer.p-001]\n")
    result = CliRunner().invoke(main, ["agent", "--sensors", str(path), *more])
    assert result.exit_code == 2
    assert said in result.output


def test_a_password_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    result = CliRunner().invoke(main, ["agent", "--sensors", str(path)])
    assert result.exit_code == 2
    assert "p-001.password" in result.output
