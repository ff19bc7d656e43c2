"""The audit of every day that is over, by itself."""

from __future__ import annotations

import logging
import threading
import time
from datetime import date

from analytics.audit.gather import audit_day
from analytics.exposure.days import Day
from analytics.store.base import Store, StoreError
from analytics.store.clinic import Clinic
from analytics.store.records import ClinicError

logger = logging.getLogger(__name__)

NS_PER_S = 1_000_000_000
SETTLE_NS = 3600 * NS_PER_S
"""A day is audited an hour after its end: what waited in an outbox for a while has come."""
LOOK_S = 600.0


def audit_when_due(store: Store, clinic: Clinic, stop: threading.Event) -> None:
    """Audit yesterday, once, for every wearer, until `stop` is set. What it finds wrong is a line
    in the log; what keeps it from looking is tried again later."""
    while not stop.is_set():
        try:
            for wearer, day in due(clinic, time.time_ns()):
                if stop.is_set():
                    return
                for found in audit_day(store, clinic, wearer, day):
                    if not found.is_sound:
                        logger.warning(
                            "audit of %s: sensor %s of %s is not as it should be; see "
                            "trunkline audit --wearer %s --day %s",
                            day,
                            found.sensor,
                            wearer,
                            wearer,
                            day,
                        )
        except (StoreError, ClinicError) as error:
            logger.warning("the daily audit has to wait: %s", error)
        stop.wait(LOOK_S)


def due(clinic: Clinic, now_ns: int) -> list[tuple[str, date]]:
    """(wearer, day) of the yesterdays that are over long enough and have no finding yet."""
    found = []
    for wearer in clinic.wearers():
        day = Day.at(now_ns - SETTLE_NS, wearer.zone).plus(-1)
        text = day.date.isoformat()
        if not any(
            finding.made_ns >= day.end_ns
            for finding in clinic.deliveries(wearer.wearer, text, text)
        ):
            found.append((wearer.wearer, day.date))
    return found
