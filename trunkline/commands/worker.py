"""`trunkline worker`: turns stored samples into stored results."""

from __future__ import annotations

import logging
import signal
import threading

import click

from trunkline.options import StoreOptions, open_clinic, open_store, store_options


@click.command()
@store_options
def command(store: StoreOptions) -> None:
    """Compute posture, slouching, walking and movements from what ingest has stored.

    Runs until it is stopped; what it missed while it was not running is made up for. Every day
    that is over is audited: see `trunkline audit`.

    \b
    Example: trunkline worker --data-dir /var/lib/trunkline
    """
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    from analytics.audit.daily import audit_when_due
    from analytics.worker import Worker

    clinic = open_clinic(store)
    samples = open_store(store)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    auditor = threading.Thread(target=audit_when_due, args=(samples, clinic, stop))
    auditor.start()
    try:
        Worker(samples, clinic).run(stop)
    finally:
        stop.set()
        auditor.join()
        samples.close()
        clinic.close()
