"""`trunkline up`: broker, ingest, worker, dashboard and, in the demo, a virtual sensor."""

from __future__ import annotations

import logging
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import click
from click.core import ParameterSource

from analytics.store.records import ClinicError
from trunkline.deployment import SERVER_ACCOUNT, password_path, write_secrets
from trunkline.log_ins import LogIn, make_log_ins
from trunkline.options import StoreOptions, open_clinic, open_store, store_options
from trunkline.supervisor import Child, Supervisor
from wire.ids import IdError, check_wearer

logger = logging.getLogger(__name__)

READY_TIMEOUT_S = 60.0


@click.command()
@click.option("--demo", is_flag=True, help="A virtual sensor, demo log-ins and some past days.")
@click.option("--wearer", default="me", show_default=True, help="Pseudonym of who wears a sensor.")
@click.option("--time-zone", default="UTC", show_default=True, help="Of the wearer, IANA name.")
@click.option("--sensor", help="Stream this sensor too, e.g. `auto`; see trunkline agent --help.")
@click.option("--placement", default="T12", show_default=True, help="Where the sensor is worn.")
@click.option("--http-port", default=8080, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--mqtt-port",
    type=click.IntRange(1, 65535),
    help="Port of the embedded broker.  [default: 1883, in the demo a free one]",
)
@store_options
@click.pass_context
def command(
    context: click.Context,
    *,
    demo: bool,
    wearer: str,
    time_zone: str,
    sensor: str | None,
    placement: str,
    http_port: int,
    mqtt_port: int | None,
    store: StoreOptions,
) -> None:
    """Run everything on this machine: broker, ingest, store, worker and dashboard.

    The demo plays a synthetic recording through a virtual sensor; without --data-dir it leaves
    nothing behind.

    \b
    Example: trunkline up --demo
    Example: trunkline up --data-dir ~/trunkline --wearer p-001 --sensor auto
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    if demo:
        from trunkline.demo import WEARER

        wearer = WEARER
    try:
        check_wearer(wearer)
    except IdError as error:
        raise click.BadParameter(str(error), param_hint="--wearer") from error
    _check_port(http_port)
    given = context.get_parameter_source("data_dir") is not ParameterSource.DEFAULT
    with _temporary(store) if demo and not given else nullcontext(store) as kept:
        mqtt_port = mqtt_port or (_free_port() if demo else 1883)
        log_ins = _prepare(kept, wearer, time_zone, renew=demo)
        children = _servers(kept, http_port, mqtt_port)
        if demo:
            children.append(_virtual_sensor(kept, mqtt_port))
        elif sensor:
            children.append(_agent(kept, wearer, sensor, placement, mqtt_port))
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        threading.Thread(
            target=_when_ready, args=(stop, kept, http_port, log_ins, demo), daemon=True
        ).start()
        Supervisor(children).run(stop.is_set)


@contextmanager
def _temporary(store: StoreOptions) -> Iterator[StoreOptions]:
    """The same store in a folder that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="trunkline-demo-") as folder:
        yield replace(store, data_dir=Path(folder))


def _prepare(store: StoreOptions, wearer: str, time_zone: str, *, renew: bool) -> list[LogIn]:
    """Secrets, the wearer and the log-ins."""
    try:
        write_secrets(store.data_dir / "secrets", [wearer])
    except OSError as error:
        raise click.ClickException(f"cannot write to {store.data_dir}: {error.strerror}") from error
    clinic = open_clinic(store)
    try:
        if wearer not in clinic.known_wearers([wearer]):
            clinic.add_wearer(wearer, time_zone)
        return make_log_ins(clinic, wearer, renew=renew)
    except ClinicError as error:
        raise click.ClickException(str(error)) from error
    finally:
        clinic.close()


def _servers(store: StoreOptions, http_port: int, mqtt_port: int) -> list[Child]:
    secrets, keep = store.data_dir / "secrets", store.environment()
    http = ["--http-port", str(http_port), "--secret-key-file", str(secrets / "session.key")]
    return [
        Child("broker", ["broker", "--mqtt-port", str(mqtt_port), "--secrets-dir", str(secrets)]),
        Child("ingest", ["ingest"], keep | _login(store, SERVER_ACCOUNT, mqtt_port)),
        Child(
            "worker", ["worker", "--live-state"], keep | _login(store, SERVER_ACCOUNT, mqtt_port)
        ),
        Child("dashboard", ["dashboard", *http], keep),
        Child("archive", ["store", "archive", "--nightly"], keep),
    ]


def _login(store: StoreOptions, account: str, mqtt_port: int) -> dict[str, str]:
    return {
        "TRUNKLINE_BROKER": f"127.0.0.1:{mqtt_port}",
        "TRUNKLINE_USER": account,
        "TRUNKLINE_PASSWORD_FILE": str(password_path(store.data_dir / "secrets", account)),
    }


def _agent(store: StoreOptions, wearer: str, sensor: str, placement: str, port: int) -> Child:
    what = ["--wearer", wearer, "--sensor", sensor, "--placement", placement]
    outbox = ["--outbox", str(store.data_dir / "outbox.db")]
    return Child("agent", ["agent", *what, *outbox], _login(store, wearer, port))


def _virtual_sensor(store: StoreOptions, mqtt_port: int) -> Child:
    from trunkline import demo

    recording = store.data_dir / "demo.parquet"
    if not recording.exists():
        demo.write_live_recording(recording)
    what = ["--wearer", demo.WEARER, "--sensor", demo.SENSOR, "--profile", demo.PROFILE, "--loop"]
    outbox = ["--outbox", str(store.data_dir / "outbox.db")]
    login = _login(store, demo.WEARER, mqtt_port)
    return Child("virtual sensor", ["replay", str(recording), *what, *outbox], login)


def _when_ready(
    stop: threading.Event, store: StoreOptions, http_port: int, log_ins: list[LogIn], demo: bool
) -> None:
    """Tell the address once the dashboard answers, then add the demo's past days."""
    address = f"http://127.0.0.1:{http_port}"
    for _ in range(int(READY_TIMEOUT_S / 0.2)):
        with suppress(OSError, HTTPException):
            connection = HTTPConnection("127.0.0.1", http_port, timeout=2)
            connection.request("GET", "/")
            connection.getresponse()
            connection.close()
            break
        if stop.wait(0.2):
            return
    else:
        logger.warning("the dashboard does not answer at %s; see the lines above", address)
        return
    lines = ["", f"  Trunkline is running: {address}"]
    lines += [f"  log in as {log_in.name:<10} password {log_in.password}" for log_in in log_ins]
    lines += ["  stop with Ctrl-C", ""]
    click.echo("\n".join(lines))
    if demo:
        from trunkline.demo import fill_history

        with suppress(OSError):
            os.nice(10)  # on Linux this thread only: live data come first
        clinic, samples = open_clinic(store), open_store(store)
        try:
            fill_history(samples, clinic, datetime.now(UTC).date(), stop)
        finally:
            samples.close()
            clinic.close()


def _check_port(port: int) -> None:
    """Say at once when the dashboard's port is taken, rather than restart it again and again."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise click.ClickException(
                f"port {port} is taken ({error.strerror}); choose another: --http-port"
            ) from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
