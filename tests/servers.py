"""Real servers for tests: mosquitto and influxd on loopback with ephemeral ports."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from analytics.store.influx import databases
from trunkline.deployment import CertificateWishes, password_path, write_secrets

ROOT = Path(__file__).parent.parent
PATIENCE_S = 60.0
"""How long a test waits for what must come: far longer than it takes, for a busy machine. Only a
failure waits so long."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free now, below those that the system gives to clients: no
    connection of another test takes it before the server does, or while that is started again."""
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def wait_until_listening(
    port: int, process: subprocess.Popen[bytes], timeout_s: float = PATIENCE_S
) -> None:
    """Return when the port accepts a connection; fail when the process ends or time is up."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        assert process.poll() is None, f"server ended with code {process.returncode}"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens on port {port} after {timeout_s} s")


def stop(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, then SIGKILL when it does not end."""
    process.terminate()
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def tiny_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own of a few megabytes, to be filled up. Needs root."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@dataclass
class Mosquitto:
    """A mosquitto with the configuration, password file and ACL of a deployment."""

    binary: Path
    folder: Path
    port: int
    """Without TLS, which a deployment has not."""
    tls_port: int
    process: subprocess.Popen[bytes] | None = None
    require_certificate: bool = False
    max_packet_size: int = 1 << 20

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    def password_file(self, account: str) -> Path:
        """File with the secret of `server` or of a wearer's agent."""
        return password_path(self.secrets, account)

    def start(self) -> None:
        config = (ROOT / "deploy" / "mosquitto.conf").read_text()
        for old, new in (
            ("/run/secrets/mosquitto_passwd", str(self.secrets / "mosquitto.passwd")),
            ("/run/secrets/mosquitto_acl", str(self.secrets / "mosquitto.acl")),
            ("/mosquitto/data/", f"{self.folder}/"),
            ("/run/secrets/mqtt_ca", str(self.secrets / "ca.crt")),
            ("/run/secrets/mqtt_cert", str(self.secrets / "mqtt.crt")),
            ("/run/secrets/mqtt_key", str(self.secrets / "mqtt.key")),
            ("listener 8883", f"listener {self.tls_port} 127.0.0.1"),
        ):
            assert old in config
            config = config.replace(old, new)
        if self.require_certificate:
            config = config.replace("# require_certificate", "require_certificate")
        config += f"user root\nlistener {self.port} 127.0.0.1\n"
        config = re.sub(r"\nmax_packet_size .*", "", config)
        config += f"max_packet_size {self.max_packet_size}\n"
        (self.folder / "mosquitto.conf").write_text(config)
        self.process = subprocess.Popen(
            [self.binary, "-c", self.folder / "mosquitto.conf"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until_listening(self.port, self.process)
        wait_until_listening(self.tls_port, self.process)

    def kill(self, *, wipe: bool = False) -> None:
        """kill -9; with `wipe`, all it remembered is gone as well."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None
        if wipe:
            (self.folder / "mosquitto.db").unlink(missing_ok=True)


@contextmanager
def mosquitto(
    binary: Path, folder: Path, wearers: tuple[str, ...], *, require_certificate: bool = False
) -> Iterator[Mosquitto]:
    """A running mosquitto with accounts and certificates for the server and these wearers."""
    folder.mkdir(parents=True, exist_ok=True)
    write_secrets(folder / "secrets", wearers, CertificateWishes(clients=require_certificate))
    broker = Mosquitto(
        binary, folder, free_port(), free_port(), require_certificate=require_certificate
    )
    broker.start()
    try:
        yield broker
    finally:
        if broker.process is not None:
            stop(broker.process)


@dataclass
class Influx:
    """An influxd 1.x with authentication on."""

    url: str
    database: str
    user: str
    password: str
    command: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def start(self) -> None:
        """Again, with what it has on disk."""
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until_listening(self.port, self.process)

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None

    def query(self, statement: str) -> None:
        """Run one statement as the admin; the answer must be free of errors."""
        _query(self, statement)

    def write(self, line: str) -> None:
        """Write one line of line protocol where the samples are."""
        login = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        request = urllib.request.Request(
            f"{self.url}/write?db={self.database}_raw",
            data=line.encode(),
            headers={"Authorization": f"Basic {login}"},
        )
        urllib.request.urlopen(request, timeout=PATIENCE_S).close()


@contextmanager
def influxd(binary: Path, folder: Path) -> Iterator[Influx]:
    """A running influxd with the databases of a store and one admin."""
    folder.mkdir(parents=True, exist_ok=True)
    port, rpc_port = free_port(), free_port()
    (folder / "influxdb.conf").write_text(
        f"""
reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
query-log-enabled = false
cache-max-memory-size = "1g"
max-select-point = 0
[http]
bind-address = "127.0.0.1:{port}"
auth-enabled = true
log-enabled = false
max-row-limit = 0
[logging]
level = "error"
"""
    )
    influx = Influx(f"http://127.0.0.1:{port}", "trunkline", "trunkline", "only-for-this-test")
    influx.command = (str(binary), "-config", str(folder / "influxdb.conf"))
    try:
        influx.start()
        user = f"{influx.user} WITH PASSWORD '{influx.password}' WITH ALL PRIVILEGES"
        _query(influx, f"CREATE USER {user}")
        for database in databases(influx.database):
            _query(influx, f"CREATE DATABASE {database}")
        yield influx
    finally:
        if influx.process is not None:
            stop(influx.process)


@dataclass(frozen=True)
class Influx2:
    """An InfluxDB 2.x and an administrator's token of it."""

    url: str
    token: str
    org: str


def influxd2_bin() -> Path | None:
    """An influxd 2.x: in $TRUNKLINE_INFLUXD2, on the path, or where `.ci/influxd2` puts it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    places = [
        os.environ.get("TRUNKLINE_INFLUXD2"),
        shutil.which("influxd"),
        str(cache / "trunkline" / "influxd2" / "influxd"),
    ]
    for place in filter(None, places):
        if not Path(place).is_file():
            continue
        said = subprocess.run([place, "version"], capture_output=True, text=True, check=False)
        if re.search(r"InfluxDB v2\.", said.stdout):
            return Path(place)
    return None


@contextmanager
def influxd2(binary: Path, folder: Path) -> Iterator[Influx2]:
    """A running influxd 2.x, set up with an organisation and an administrator."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    options = {
        "http-bind-address": f"127.0.0.1:{port}",
        "bolt-path": f"{folder}/influxd.bolt",
        "sqlite-path": f"{folder}/influxd.sqlite",
        "engine-path": f"{folder}/engine",
        "log-level": "error",
    }
    words = [f"--{name}={value}" for name, value in options.items()]
    process = subprocess.Popen([binary, "run", "--reporting-disabled", *words])
    try:
        wait_until_listening(port, process)
        server = Influx2(f"http://127.0.0.1:{port}", "only-for-this-test", "trunkline")
        wishes = {
            "username": "admin",
            "password": "only-for-this-test",
            "token": server.token,
            "org": server.org,
            "bucket": "first",
        }
        request = urllib.request.Request(
            f"{server.url}/api/v2/setup",
            data=json.dumps(wishes).encode(),
            headers={"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=PATIENCE_S).close()
        yield server
    finally:
        stop(process)


def _query(influx: Influx, query: str) -> None:
    """Run one statement; the first admin is created before there is anyone to log in as."""
    login = base64.b64encode(f"{influx.user}:{influx.password}".encode()).decode()
    request = urllib.request.Request(
        f"{influx.url}/query",
        data=urllib.parse.urlencode({"q": query}).encode(),
        headers={} if query.startswith("CREATE USER") else {"Authorization": f"Basic {login}"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        assert "error" not in answer.read().decode()
