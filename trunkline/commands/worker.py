"""`trunkline worker`: turns stored samples into stored results."""

from __future__ import annotations

import dataclasses
import logging
import signal
import threading

import click

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
@broker_options
@store_options
def command(
    *, live_state: bool, home_assistant: bool, broker: BrokerOptions, store: StoreOptions
) -> None:
    """Compute posture, slouching, walking and movements from what ingest has stored.

    Runs until it is stopped; what it missed while it was not running is made up for. Every day
    that is over is audited: see `trunkline audit`. The broker is used for --live-state only.

    \b
    Example: trunkline worker --data-dir /var/lib/trunkline
    """
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    from analytics.audit.daily import audit_when_due
    from analytics.broker import Broker
    from analytics.live.publisher import LivePublisher
    from analytics.worker import Worker

    clinic = open_clinic(store)
    samples = open_store(store)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    beside = [threading.Thread(target=audit_when_due, args=(samples, clinic, stop))]
    if live_state or home_assistant:
        address = Broker(**dataclasses.asdict(broker))
        publisher = LivePublisher(address, samples, clinic, home_assistant=home_assistant)
        beside.append(threading.Thread(target=publisher.run, args=(stop,)))
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
