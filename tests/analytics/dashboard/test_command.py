"""`trunkline dashboard` as a process, and what it refuses."""

from __future__ import annotations

import http.cookiejar
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from analytics.store.clinic import Clinic
from tests.servers import PATIENCE_S
from trunkline.commands.dashboard import command
from trunkline.log_ins import LogIn, make_log_ins

KEY = "k" * 43


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "session.key"
    path.write_text(KEY + "\n")
    return path


def refusal(*arguments: object) -> str:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert result.exit_code == 2, result.output
    return " ".join(result.output.split())


def test_no_start_without_a_key(tmp_path: Path) -> None:
    text = refusal("--data-dir", tmp_path)
    assert "--secret-key-file" in text
    assert "trunkline deploy" in text
    assert list(tmp_path.iterdir()) == []


def test_no_start_with_a_weak_key(tmp_path: Path) -> None:
    weak = tmp_path / "weak"
    weak.write_text("secret\n")
    assert "at least 32" in refusal("--data-dir", tmp_path, "--secret-key-file", weak)
    assert "cannot read" in refusal("--data-dir", tmp_path, "--secret-key-file", tmp_path / "none")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "clinic.test"])
def test_no_way_out_of_this_machine_without_tls(tmp_path: Path, key_file: Path, host: str) -> None:
    text = refusal("--data-dir", tmp_path, "--secret-key-file", key_file, "--http-host", host)
    assert "--tls-terminated" in text


def test_it_serves_and_stops(tmp_path: Path, key_file: Path) -> None:
    """It stops at once and quietly, also while a page is open."""
    clinic = Clinic(tmp_path / "clinic.db")
    clinic.add_wearer("anna", "Europe/Berlin")
    log_in = make_log_ins(clinic, "anna", renew=False)[0]
    clinic.close()
    program = [sys.executable, "-m", "trunkline", "dashboard", "--secret-key-file", str(key_file)]
    process = subprocess.Popen(
        [*program, "--data-dir", str(tmp_path), "--http-port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        address = next(line for line in lines if line.startswith("Dashboard at ")).split()[-1]
        with urllib.request.urlopen(f"{address}/health", timeout=PATIENCE_S) as answer:
            assert answer.read().strip() == b'{"ok":true}'
        with urllib.request.urlopen(f"{address}/", timeout=PATIENCE_S) as answer:
            assert answer.url == f"{address}/login"
            assert "Server" not in answer.headers
        port = address.rpartition(":")[2]
        taken = subprocess.run(
            [*program, "--data-dir", str(tmp_path), "--http-port", port],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert taken.returncode == 1
        assert "choose another --http-port" in taken.stderr
        assert "Traceback" not in taken.stderr
        with _live_page(address, log_in) as stream:
            assert stream.readline().startswith(b"retry:")
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
        for complaint in ("Traceback", "still running", "closed"):
            assert complaint not in output, output
    finally:
        process.kill()
        process.communicate()


def _live_page(address: str, log_in: LogIn) -> Any:
    """The open stream of the wearer's page."""
    jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    browser = urllib.request.build_opener(jar)
    page = browser.open(f"{address}/login", timeout=PATIENCE_S).read().decode()
    token = page.split('name="csrf-token" content="')[1].split('"')[0]
    form = {"name": log_in.name, "password": log_in.password, "csrf_token": token}
    browser.open(f"{address}/login", urllib.parse.urlencode(form).encode(), timeout=PATIENCE_S)
    return browser.open(f"{address}/live/anna", timeout=PATIENCE_S)
