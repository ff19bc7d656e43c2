"""agent, scan, replay and tap as a user runs them."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from analytics.recording import Recording, write_recording
from sensor_agent.ble import Radio
from sensor_agent.clock import SystemClock
from sensor_agent.outbox import Outbox
from sensor_agent.virtual.motion import Motion
from sensor_agent.virtual.world import VirtualWorld
from tests.sensor_agent.broker_side import Ingest
from tests.servers import PATIENCE_S, Mosquitto, free_port, mosquitto
from trunkline.cli import main
from trunkline.commands.replay import motion_of
from trunkline.commands.scan import scan
from wire.messages import Birth, Mark
from wire.topics import Kind

START = "2026-03-01T08:00:00"
START_NS = 1_772_352_000_000_000_000


@pytest.fixture
def broker(mosquitto_bin: Path, tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(mosquitto_bin, tmp_path / "broker", ("w1",)) as running:
        yield running


def login(broker: Mosquitto, account: str) -> list[str]:
    address = f"127.0.0.1:{broker.port}"
    secret = str(broker.password_file(account))
    return ["--broker", address, "--user", account, "--password-file", secret]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """60 s standing still with a slow sway, upright from 5 to 15 s."""
    t_s = np.arange(50 * 60) / 50.0
    sway = 0.5 * np.sin(2 * np.pi * 0.3 * t_s)
    path = tmp_path / "rec.parquet"
    write_recording(
        path,
        Recording(
            recording_id="rec",
            t_s=t_s,
            accel=np.stack([np.full_like(t_s, 9.8), sway, -sway], axis=1),
            gyro=np.stack([sway, sway, sway], axis=1) * 0.1,
            rate_hz=50.0,
            placement="T12",
            axes={"up": "+x", "forward": "-z", "left": None},
            upright_reference=(5.0, 15.0),
            reference_posture="standing",
        ),
    )
    return path


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, list(arguments))
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.mosquitto
def test_replay_delivers_everything_at_the_given_time(broker: Mosquitto, recording: Path) -> None:
    with Ingest(broker) as ingest:
        code, out, err = run(
            *("replay", str(recording), "--wearer", "w1", "--speed", "20", "--json"),
            *("--start-utc", START, *login(broker, "w1")),
        )
    assert code == 0, err
    report = json.loads(out)
    assert report["samples"] == report["committed_samples"] == 52 * 60
    assert report["waiting_batches"] == report["lost_samples"] == 0
    batches = ingest.batches("trunk")
    assert sum(b.n for b in batches) == 52 * 60
    # a busy machine is late, and late counts 20 times
    assert abs(batches[0].t0_ns - START_NS) < 20e9
    values = np.concatenate([b.channels["accel"].si() for b in batches])
    t_s = np.arange(len(values)) / 52.0
    middle = (t_s > 5) & (t_s < 55)  # away from the resampling's edges
    np.testing.assert_allclose(
        values[middle, 1], 0.5 * np.sin(2 * np.pi * 0.3 * t_s[middle]), atol=0.05
    )
    (mark,) = [Mark.load(payload) for payload in ingest.of(Kind.MARK)]
    assert (mark.kind, mark.sensor, mark.posture) == ("upright", "trunk", "standing")
    assert abs(mark.at_ns - START_NS - 5e9) < 1e6
    assert mark.end_ns == mark.at_ns + 10_000_000_000
    birth = Birth.load(ingest.of(Kind.BIRTH)[0])
    assert (birth.placement, birth.axes) == ("T12", {"up": "+x", "forward": "-z"})


@pytest.mark.mosquitto
def test_replay_says_when_the_store_does_not_take_it(
    broker: Mosquitto, recording: Path, tmp_path: Path
) -> None:
    code, out, err = run(
        *("replay", str(recording), "--wearer", "w1", "--speed", "60", "--timeout", "0.5"),
        *("--outbox", str(tmp_path / "kept.db"), *login(broker, "w1")),
    )
    assert code == 1
    assert "0 committed" in out
    assert "were not committed" in err
    assert "kept.db" in err


@pytest.mark.mosquitto
def test_a_looped_replay_runs_until_told_to_stop(broker: Mosquitto, recording: Path) -> None:
    arguments = ["replay", str(recording), "--wearer", "w1", "--speed", "60", "--loop"]
    with Ingest(broker) as ingest:
        process = subprocess.Popen(
            [sys.executable, "-m", "trunkline", *arguments, *login(broker, "w1")],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            deadline = time.monotonic() + PATIENCE_S
            while sum(b.n for b in ingest.batches("trunk")) < 52 * 75:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
            process.communicate()
    assert process.returncode == 0
    assert "samples sent" in out
    seconds = [np.diff(b.t_ns) for b in ingest.batches("trunk")]
    assert all((steps > 0).all() for steps in seconds)


def test_replay_refuses_what_it_cannot_play(recording: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.parquet"
    bad.write_text("nothing")
    assert run("replay", str(bad), "--wearer", "w1")[0] == 1
    assert run("replay", str(tmp_path / "none.parquet"), "--wearer", "w1")[0] == 2
    assert run("replay", str(recording), "--wearer", "Ann Other")[0] == 2
    assert run("replay", str(recording), "--wearer", "w1", "--profile", "nothing")[0] == 2


def test_a_recording_without_rotation_needs_a_sensor_without(
    recording: Path, tmp_path: Path
) -> None:
    from analytics.recording import read_recording

    path = tmp_path / "accel.parquet"
    write_recording(path, replace(read_recording(recording), gyro=None))
    code, _, err = run("replay", str(path), "--wearer", "w1")
    assert code == 1
    assert "rotation" in err


def test_motion_is_even_and_without_holes(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from analytics.recording import read_recording

    source = read_recording(recording)
    accel = source.accel.copy()
    accel[100] = np.nan
    kept = np.r_[0:500, 800:3000]  # 6 s are missing
    holey = replace(
        source,
        t_s=source.t_s[kept],
        accel=accel[kept],
        gyro=source.gyro[kept] if source.gyro is not None else None,
    )
    motion = motion_of(holey)
    assert len(motion) == 3000
    assert np.isfinite(motion.accel).all()
    np.testing.assert_allclose(motion.accel[900:], source.accel[900:], atol=1e-6)
    assert "6 s of gaps" in capsys.readouterr().err


# --- agent ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sensor", "auto"], "--placement"),
        (["--sensor", "auto", "--sensor", "b=auto", "--placement", "T12"], "one for each"),
        (["--sensor", "no-such", "--placement", "T12"], "there are:"),
        (["--sensor", "X=auto", "--placement", "T12"], "sensor id"),
        (["--sensor", "auto", "--placement", "T12", "--axes", "trunk:up=up"], "for example"),
        (["--sensor", "auto", "--placement", "T12", "--axes", "leg:up=+x"], "no sensor is called"),
        (["--sensor", "a=auto", "--placement", "T12"] * 2, "same id"),
        (["--sensor", "auto", "--placement", "T12", "--broker", "host:port"], "port"),
    ],
)
def test_agent_says_what_is_wrong_with_its_options(arguments: list[str], said: str) -> None:
    code, _, err = run("agent", "--wearer", "w1", *arguments)
    assert code == 2
    assert said in err
    assert "Traceback" not in err


def test_agent_stops_and_says_what_it_lacks(tmp_path: Path) -> None:
    arguments = ["agent", "--wearer", "w1", "--sensor", "auto", "--placement", "T12"]
    arguments += ["--broker", f"127.0.0.1:{free_port()}", "--outbox", str(tmp_path / "o.db")]
    process = subprocess.Popen(
        [sys.executable, "-m", "trunkline", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = process.stderr.readline() + process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert "cannot reach the broker" in said
    assert "sensor trunk: " in said
    assert "0 batches wait" in out


def test_agent_refuses_anothers_outbox(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    others = Outbox(path, "w2")
    others.append_small(Kind.MARK, "trunkline/v1/w2/mark", b"{}")
    others.close()
    arguments = ["--wearer", "w1", "--sensor", "auto", "--placement", "T12"]
    code, _, err = run("agent", *arguments, "--outbox", str(path))
    assert code == 1
    assert "outbox o.db still holds data of wearer 'w2'" in err


# --- scan ----------------------------------------------------------------------------------------


def scanned(capsys: pytest.CaptureFixture[str], **options: bool) -> str:
    async def look() -> None:
        async with VirtualWorld(SystemClock()) as world:
            await world.add_sensor("movesense", Motion(52.0, np.zeros((9, 3)), np.zeros((9, 3))))
            radio = Radio(scanner_backend=world.scanner_backend)
            await scan(radio, 0.4, **{"show_all": False, "as_json": False, **options})

    asyncio.run(look())
    return capsys.readouterr().out


def test_scan_tells_each_device_once(capsys: pytest.CaptureFixture[str]) -> None:
    lines = scanned(capsys).splitlines()
    assert len(lines) == 1
    assert "movesense" in lines[0]
    assert "Movesense 00000001" in lines[0]
    assert "dBm" in lines[0]


def test_scan_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    (device,) = json.loads(scanned(capsys, as_json=True))
    assert device["profile"] == "movesense"
    assert device["rssi_dbm"] < 0
    assert device["battery_pct"] is None


def test_scan_in_a_terminal_is_a_table_that_follows(capsys: pytest.CaptureFixture[str]) -> None:
    out = scanned(capsys, is_live=True)
    first, *later = out.split("\x1b[2A")
    assert later or "1 in range" in first
    assert "1 in range" in (later or [first])[-1]
    assert out.count("Movesense 00000001") >= 1
    row = next(line for line in out.splitlines() if "movesense" in line)
    assert "dBm" in row


def test_scan_without_an_adapter_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")
    code, out, err = run("scan", "--seconds", "1")
    assert code == 1
    assert out == ""
    assert "D-Bus is not there" in err
    assert len(err.splitlines()) == 1


# --- tap -----------------------------------------------------------------------------------------


@pytest.mark.mosquitto
@pytest.mark.parametrize("full", [False, True])
def test_tap_prints_batches_and_messages_as_json_lines(
    broker: Mosquitto, recording: Path, full: bool
) -> None:
    arguments = ["tap", *login(broker, "server"), *(["--full"] if full else []), "--seconds", "60"]
    command = [sys.executable, "-m", "trunkline", *arguments]
    with (
        Ingest(broker) as ingest,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as tap,
    ):
        assert tap.stdout is not None
        ingest._client.publish("trunkline/v1/w1/mark", b"{", qos=1, retain=True)
        lines = [json.loads(tap.stdout.readline())]
        code, _, err = run(
            *("replay", str(recording), "--wearer", "w1", "--speed", "60"), *login(broker, "w1")
        )
        assert code == 0, err
        while "batch" not in lines[-1]:
            lines.append(json.loads(tap.stdout.readline()))
        tap.terminate()
        tap.communicate()
    batch = lines[-1]["batch"]
    assert batch["channels"]["accel"]["unit"] == "m/s2"
    assert len(batch["channels"]["accel"].get("values", [])) == (batch["n"] if full else 0)
    assert lines[0]["error"] == "not JSON"
    assert any(line["topic"].endswith("/birth") for line in lines)


@pytest.mark.mosquitto
def test_tap_says_when_it_is_not_let_in(broker: Mosquitto, tmp_path: Path) -> None:
    secret = tmp_path / "wrong"
    secret.write_text("wrong")
    arguments = ["--broker", f"127.0.0.1:{broker.port}", "--user", "server"]
    code, _, err = run("tap", *arguments, "--password-file", str(secret))
    assert code == 1
    assert "refused the log-in" in err


def test_tap_says_when_nobody_listens() -> None:
    code, _, err = run("tap", "--broker", f"127.0.0.1:{free_port()}")
    assert code == 1
    assert "nothing listens there" in err


@pytest.mark.mosquitto
def test_tap_ends_when_time_is_up(broker: Mosquitto) -> None:
    assert run("tap", "--seconds", "0.5", *login(broker, "server"))[0] == 0


@pytest.mark.parametrize("name", ["agent", "scan", "replay", "tap"])
def test_help_has_an_example(name: str) -> None:
    code, out, _ = run(name, "--help")
    assert code == 0
    assert f"Example: trunkline {name}" in out
