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
REPLICA_LOCK_FILE = "ingest-{}.lock"


def run_ingest(
    broker: Broker,
    store: Store,
    clinic: Clinic,
    stop: threading.Event,
    *,
    data_dir: Path,
    new_wearer_zone: str | None = None,
    replica: int | None = None,
) -> None:
    """Write what arrives until `stop` is set.

    `new_wearer_zone`: register unknown wearers with this IANA zone; None refuses their messages.
    `replica`: one of several that share the batches; None: the only one.
    Raises StoreError when another ingest works on the data directory, BrokerError when password or
    TLS files cannot be used at the start.
    """
    lock = LOCK_FILE if replica is None else REPLICA_LOCK_FILE.format(replica)
    name = clinic.ingest_id() if replica is None else f"{clinic.ingest_id()}-{replica}"
    with only_one(data_dir / lock, "ingest"):
        writer = Writer(store, clinic, new_wearer_zone)
        Consumer(broker, name, writer, stop, shared=replica is not None).run()
