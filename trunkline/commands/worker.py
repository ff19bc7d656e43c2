"""`trunkline worker`: turns stored samples into stored results."""

from __future__ import annotations

import dataclasses
import logging
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import click

from analytics.store.share import Share
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
    "--live-state",
    is_flag=True,
    envvar="TRUNKLINE_LIVE_STATE",
    help="Publish every wearer's posture and day so far at the broker (retained).",
)
@click.option(
    "--home-assistant",
    is_flag=True,
    envvar="TRUNKLINE_HOME_ASSISTANT",
    help="Announce every wearer to Home Assistant as a device; implies --live-state.",
)
@click.option(
    "--notify-file",
    envvar="TRUNKLINE_NOTIFY_FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file of pseudonyms and Apprise addresses: alerts go to those phones too.",
)
@click.option(
    "--shard",
    envvar="TRUNKLINE_SHARD",
    default="1/1",
    show_default=True,
    metavar="N/OF",
    help="Work for one share of the wearers; run a worker for each, 1/4 to 4/4.",
)
@broker_options
@store_options
def command(
    *,
    live_state: bool,
    home_assistant: bool,
    notify_file: Path | None,
    shard: str,
    broker: BrokerOptions,
    store: StoreOptions,
) -> None:
    """Compute posture, slouching, walking and movements from what ingest has stored.

    Runs until it is stopped; what it missed while it was not running is made up for. Every day
    that is over is audited: see `trunkline audit`. Alerts are given to wearers who want them; the
    broker is used with --live-state only, for the live state and the alerts.

    Several workers divide the wearers by --shard; who is in which share depends on nothing but the
    pseudonym and the number of shares, so change that number only while none is running.

    \b
    Example: trunkline worker --data-dir /var/lib/trunkline
    """
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    from analytics.alert_watch import AlertWatch
    from analytics.audit.daily import audit_when_due
    from analytics.broker import Broker
    from analytics.live.alert_courier import AlertCourier
    from analytics.live.phone import PhoneError, Phones, read_addresses
    from analytics.live.publisher import LivePublisher
    from analytics.store.records import GivenAlert
    from analytics.worker import Worker

    try:
        phones = None if notify_file is None else Phones(read_addresses(notify_file))
    except PhoneError as error:
        raise click.ClickException(str(error)) from error
    clinic = open_clinic(store, _share(shard))
    samples = open_store(store)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    beside = [threading.Thread(target=audit_when_due, args=(samples, clinic, stop))]
    deliver: list[Callable[[GivenAlert], None]] = []
    if phones is not None:
        deliver.append(phones.deliver)
        beside.append(threading.Thread(target=phones.run, args=(stop,)))
    if live_state or home_assistant:
        address = Broker(**dataclasses.asdict(broker))
        publisher = LivePublisher(address, samples, clinic, home_assistant=home_assistant)
        beside.append(threading.Thread(target=publisher.run, args=(stop,)))
        courier = AlertCourier(address)
        deliver.append(courier.deliver)
        beside.append(threading.Thread(target=courier.run, args=(stop,)))
    watch = AlertWatch(samples, clinic, deliver)
    beside.append(threading.Thread(target=watch.run, args=(stop,)))
    for thread in beside:
        thread.start()
    try:
        Worker(samples, clinic).run(stop)
    finally:
        stop.set()
        for thread in beside:
            thread.join()
        samples.close()
        clinic.close()


def _share(text: str) -> Share:
    number, _, of = text.partition("/")
    try:
        return Share(int(number), int(of))
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is no share; write 1/4 to 4/4 for four workers", param_hint="--shard"
        ) from error
