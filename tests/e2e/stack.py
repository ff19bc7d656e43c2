"""The server side as real processes: ingest, worker and dashboard around a broker and a store."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from analytics.accounts.passwords import hashed
from analytics.store.base import Store
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from analytics.store.influx import InfluxStore
from analytics.store.records import Role
from tests.servers import Influx, Mosquitto, free_port, stop, wait_until_listening
from trunkline.log_ins import LogIn, make_log_ins

WEARER = "p-001"
ZONE = "Europe/Berlin"


@dataclass
class Stack:
    """What a test needs of the running servers."""

    broker: Mosquitto
    store: Store
    clinic: Clinic
    http_port: int
    log_ins: Mapping[str, LogIn]
    processes: Mapping[str, subprocess.Popen[bytes]]


@contextmanager
def running(
    folder: Path, broker: Mosquitto, influx: Influx | None, wearers: tuple[str, ...] = (WEARER,)
) -> Iterator[Stack]:
    """Ingest, worker and dashboard over a fresh data directory; embedded store without influx.

    The clinician may see all wearers; `patient` is the first, the others log in by their id."""
    data_dir = folder / "data"
    clinic = Clinic(data_dir / "clinic.db")
    for wearer in wearers:
        clinic.add_wearer(wearer, ZONE)
    log_ins = {log_in.name: log_in for log_in in make_log_ins(clinic, wearers[0], renew=False)}
    for wearer in wearers[1:]:
        log_ins[wearer] = LogIn(wearer, secrets.token_urlsafe(9))
        clinic.add_user(wearer, hashed(log_ins[wearer].password, wearer), Role.PATIENT, wearer)
        clinic.grant("clinician", wearer)
    environment = {"TRUNKLINE_DATA_DIR": str(data_dir)}
    store: Store
    if influx is None:
        store = EmbeddedStore(data_dir / "samples.db")
    else:
        store = InfluxStore(influx.url, influx.database, user=influx.user, password=influx.password)
        (folder / "influx.password").write_text(influx.password)
        environment |= {
            "TRUNKLINE_STORE": "influx",
            "TRUNKLINE_INFLUX_URL": influx.url,
            "TRUNKLINE_INFLUX_DATABASE": influx.database,
            "TRUNKLINE_INFLUX_USER": influx.user,
            "TRUNKLINE_INFLUX_PASSWORD_FILE": str(folder / "influx.password"),
        }
    http_port = free_port()
    password_file = str(broker.password_file("server"))
    login = ["--broker", f"127.0.0.1:{broker.port}", "--user", "server"]
    session_key = str(broker.secrets / "session.key")
    http = ["--http-port", str(http_port), "--secret-key-file", session_key]
    commands = {
        "ingest": ["ingest", *login, "--password-file", password_file],
        "worker": ["worker"],
        "dashboard": ["dashboard", *http],
    }
    processes = {
        name: subprocess.Popen(
            [sys.executable, "-m", "trunkline", *arguments],
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
        )
        for name, arguments in commands.items()
    }
    try:
        wait_until_listening(http_port, processes["dashboard"])
        yield Stack(broker, store, clinic, http_port, log_ins, processes)
        for name, process in processes.items():
            assert process.poll() is None, f"{name} ended with code {process.returncode}"
    finally:
        for process in processes.values():
            stop(process)
        store.close()
        clinic.close()
