"""From the broker to the store: nothing is acknowledged that is not on disk."""

from __future__ import annotations

import threading
from pathlib import Path

from analytics.broker import Broker
from analytics.ingest.consumer import Consumer
from analytics.ingest.writer import Writer
from analytics.store.base import Store
from analytics.store.clinic import Clinic
from analytics.store.database import only_one

LOCK_FILE = "ingest.lock"


def run_ingest(
    broker: Broker,
    store: Store,
    clinic: Clinic,
    stop: threading.Event,
    *,
    data_dir: Path,
    new_wearer_zone: str | None = None,
) -> None:
    """Write what arrives until `stop` is set.

    `new_wearer_zone`: register unknown wearers with this IANA zone; None refuses their messages.
    Raises StoreError when another ingest works on the data directory, BrokerError when password or
    TLS files cannot be used at the start.
    """
    with only_one(data_dir / LOCK_FILE, "ingest"):
        writer = Writer(store, clinic, new_wearer_zone)
        Consumer(broker, clinic.ingest_id(), writer, stop).run()
