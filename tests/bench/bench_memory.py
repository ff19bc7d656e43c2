"""Memory of a clinic's stack without InfluxDB: broker, ingest, worker, dashboard, keeper."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import psutil

from analytics.store.clinic import Clinic
from tests.bench.budget import Budget
from tests.bench.load import PATH, Generator, register, role
from tests.servers import free_port, mosquitto, wait_until_listening

WEARERS = 2
STREAM_S = 40.0


def measure() -> list[Budget]:
    binary = shutil.which("mosquitto", path=PATH)
    if binary is None:
        return []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        server = stack.enter_context(mosquitto(Path(binary), folder / "broker", ("nobody",)))
        data = folder / "data"
        Clinic(data / "clinic.db").close()
        (folder / "key").write_text("k" * 64)
        broker = ["--broker", f"127.0.0.1:{server.port}", "--user", "server"]
        broker += ["--password-file", str(server.password_file("server"))]
        port = free_port()
        where = ["--data-dir", str(data)]
        commands = {
            "ingest": ["ingest", *broker, *where],
            "worker": ["worker", "--live-state", *broker, *where],
            "dashboard": ["dashboard", "--http-port", str(port), *where],
            "keeper": ["store", "archive", "--nightly", *where],
        }
        commands["dashboard"] += ["--secret-key-file", str(folder / "key")]
        running: dict[str, subprocess.Popen[bytes]] = {
            each: stack.enter_context(role(each, words, None)) for each, words in commands.items()
        }
        wait_until_listening(port, running["dashboard"], timeout_s=60)
        generator = Generator(server, WEARERS, first=0)
        register(data, generator)
        generator.start()
        deadline = time.monotonic() + STREAM_S
        while time.monotonic() < deadline:
            for page in ("health", "login"):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=30).close()
            time.sleep(1)
        generator.close()
        assert server.process is not None
        pids = {"mosquitto": server.process.pid} | {n: p.pid for n, p in running.items()}
        used = {name: psutil.Process(pid).memory_info().rss / 1e6 for name, pid in pids.items()}
    note = ", ".join(f"{name} {megabytes:.0f}" for name, megabytes in used.items())
    return [
        Budget("clinic stack: memory without InfluxDB", sum(used.values()), 600, "MB", note=note)
    ]
