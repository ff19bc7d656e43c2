"""Reads from store and clinic what the account of a day needs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import date
from typing import Final

from analytics.audit.account import SensorAccount, account
from analytics.audit.evidence import SensorEvidence, SessionEvidence
from analytics.exposure.days import Day
from analytics.store.base import BatchRecord, Store
from analytics.store.clinic import Clinic
from analytics.store.records import Watermark
from wire.batch import BatchError
from wire.codec import decode

NS_PER_S: Final = 1_000_000_000
DAY_NS: Final = 86_400 * NS_PER_S
CHUNK_NS: Final = 3600 * NS_PER_S
"""Samples are counted by the hour: a day of them need not be in memory."""
SEARCH_NS: Final = (60 * NS_PER_S, CHUNK_NS, DAY_NS, 30 * DAY_NS)
"""How far to look for the next batch: as a rule it is a second away."""


def audit_day(store: Store, clinic: Clinic, wearer: str, day: date) -> list[SensorAccount]:
    """The accounts of every sensor of a wearer that had to do with a day; kept in the clinic
    database. Raises StoreError, ClinicError."""
    local = Day(day, clinic.wearer(wearer).zone)
    end_ns = min(local.end_ns, time.time_ns())
    names = {span.sensor for span in store.sensors(wearer)}
    names |= {sensor.sensor for sensor in clinic.sensors(wearer)}
    evidence = [
        gather(store, clinic, wearer, name, start_ns=local.start_ns, end_ns=end_ns)
        for name in sorted(names)
    ]
    accounts = [a for a in map(account, evidence) if a.expected or a.duplicates]
    clinic.set_delivery(wearer, day.isoformat(), {"sensors": [a.json() for a in accounts]})
    return accounts


def gather(
    store: Store, clinic: Clinic, wearer: str, sensor: str, *, start_ns: int, end_ns: int
) -> SensorEvidence:
    """What bears on one sensor in [start_ns, end_ns)."""

    def read(low_ns: int, high_ns: int) -> list[BatchRecord]:
        return store.read_batches(wearer, sensor, low_ns, high_ns)

    # What was said before the store is read: what comes meanwhile must not seem to be missing.
    statuses = clinic.session_statuses(wearer, sensor)
    marks = clinic.session_watermarks(wearer, sensor)
    batches, earlier = read(start_ns, end_ns), read(start_ns - DAY_NS, start_ns)
    if not earlier:
        earlier = _nearest(read, start_ns - DAY_NS, -1)
    after = _nearest(read, end_ns, +1)
    names = {batch.session for batch in batches} | set(statuses)
    losses, refused = clinic.losses(wearer, sensor), _refused(clinic, wearer, sensor)
    sessions = {}
    for name in names:
        status = statuses.get(name)
        sessions[name] = SessionEvidence(
            watermark=marks.get(name, Watermark()),
            made=status.batches if status else 0,
            samples=status.samples if status else 0,
            told_ns=status.at_ns if status else 0,
            dropped=tuple((x.first_seq, x.last_seq) for x in losses if x.session == name),
            refused=frozenset(seq for session, seq in refused if session == name),
        )
    return SensorEvidence(
        sensor=sensor,
        start_ns=start_ns,
        end_ns=end_ns,
        batches=batches,
        earlier=earlier,
        after=after[0] if after else None,
        stored_samples=_count(store, wearer, sensor, batches),
        sessions=sessions,
    )


def _nearest(
    read: Callable[[int, int], list[BatchRecord]], edge_ns: int, direction: int
) -> list[BatchRecord]:
    """The batch nearest to an edge in a direction of time, as a list of one or none."""
    for reach_ns in SEARCH_NS:
        other_ns = edge_ns + direction * reach_ns
        if found := read(min(edge_ns, other_ns), max(edge_ns, other_ns)):
            return [found[0] if direction > 0 else found[-1]]
    return []


def _count(store: Store, wearer: str, sensor: str, batches: Iterable[BatchRecord]) -> int:
    """Samples in the store where these batches are, each time stamp once."""
    spans = [(batch.t0_ns, batch.t0_ns + batch.n * batch.dt_ns) for batch in batches]
    if not spans:
        return 0
    start_ns, end_ns = spans[0][0], max(end for _, end in spans)
    return sum(map(len, store.iter_samples(wearer, sensor, start_ns, end_ns, CHUNK_NS)))


def _refused(clinic: Clinic, wearer: str, sensor: str) -> list[tuple[str, int]]:
    """(session, number) of batches that the store refused; what cannot be read has no number."""
    found = []
    for payload in clinic.refused_batches(wearer, sensor):
        with suppress(BatchError):
            batch = decode(payload)
            found.append((batch.session, batch.seq))
    return found
