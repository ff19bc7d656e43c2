"""`trunkline ingest`: from the broker into the store."""

from __future__ import annotations

import dataclasses
import logging
import signal
import threading
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from analytics.store.base import StoreError
from trunkline.options import (
    BrokerOptions,
    StoreOptions,
    broker_options,
    open_clinic,
    open_store,
    store_options,
)


@click.command()
@click.option(
    "--accept-new-wearers",
    "new_wearer_zone",
    metavar="ZONE",
    help="Register pseudonyms that are not known yet, with this IANA time zone. "
    "Without it their messages are refused.",
)
@click.option(
    "--replica",
    type=click.IntRange(1, 99),
    help="One of several that divide the batches among them, each with a number of its own.",
)
@broker_options
@store_options
def command(
    *,
    new_wearer_zone: str | None,
    replica: int | None,
    broker: BrokerOptions,
    store: StoreOptions,
) -> None:
    """Write what arrives at the broker to the store, then tell the agents that it is there.

    Runs until it is stopped. While the store does not answer, nothing is acknowledged: the broker
    and the agents keep what they have. One ingest works on a data directory at a time, or several
    with --replica, whose batches the broker divides (shared subscription, MQTT 5 or a broker that
    knows it in 3.1.1, as mosquitto does).

    \b
    Example: trunkline ingest --broker broker.example:8883 --tls-ca ca.pem --user server \\
        --password-file server.password --data-dir /var/lib/trunkline
    """
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    # Imported late: `--help` and mistakes need no paho.
    from analytics.broker import Broker, BrokerError
    from analytics.ingest import run_ingest

    if new_wearer_zone is not None:
        _check_zone(new_wearer_zone)
    clinic, samples = open_clinic(store), open_store(store)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        run_ingest(
            Broker(**dataclasses.asdict(broker)),
            samples,
            clinic,
            stop,
            data_dir=store.data_dir,
            new_wearer_zone=new_wearer_zone,
            replica=replica,
        )
    except (BrokerError, StoreError) as error:
        raise click.ClickException(str(error)) from error
    finally:
        samples.close()
        clinic.close()


def _check_zone(zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise click.BadParameter(
            f"time zone {zone!r} is unknown; use an IANA name such as Europe/Berlin",
            param_hint="--accept-new-wearers",
        ) from error
