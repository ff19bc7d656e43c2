"""A store with its archive behind it: what is beyond the store's retention is read from there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager

import pyarrow as pa

from analytics.store.archive import Archive
from analytics.store.assemble import chunk_bounds, join
from analytics.store.base import (
    MAX_BATCH_NS,
    PRESENT,
    BatchRecord,
    Provenance,
    Result,
    ResultSpan,
    Samples,
    SensorSpan,
    Store,
    StoredBatch,
)
from wire.ids import IdError, check_sensor, check_wearer


class ArchivedStore:
    """A `Store`. Before the archive's horizon both are read and put together: what came late is
    in the store and not yet in the archive."""

    def __init__(self, store: Store, archive: Archive) -> None:
        self.store = store
        self.archive = archive

    def close(self) -> None:
        """See `Store.close`."""
        self.store.close()

    def transaction(self) -> AbstractContextManager[None]:
        """See `Store.transaction`."""
        return self.store.transaction()

    def write_batches(self, items: Sequence[StoredBatch]) -> None:
        """See `Store.write_batches`: into the store."""
        self.store.write_batches(items)

    def read_samples(self, wearer: str, sensor: str, start_ns: int, end_ns: int) -> Samples:
        """See `Store.read_samples`."""
        recent = self.store.read_samples(wearer, sensor, start_ns, end_ns)
        horizon_ns = self.archive.horizon_ns()
        if start_ns >= horizon_ns or not _valid(wearer, sensor):
            return recent
        old = self.archive.read_samples(wearer, sensor, start_ns, min(end_ns, horizon_ns))
        return join([old, recent]) if len(old) else recent

    def iter_samples(
        self, wearer: str, sensor: str, start_ns: int, end_ns: int, chunk_ns: int
    ) -> Iterator[Samples]:
        """See `Store.iter_samples`."""
        for span in self.sensors(wearer):
            if span.sensor != sensor:
                continue
            for low, high in chunk_bounds(start_ns, end_ns, chunk_ns, span.first_ns, span.last_ns):
                samples = self.read_samples(wearer, sensor, low, high)
                if len(samples):
                    yield samples

    def archived_tables(
        self, wearer: str, sensor: str, start_ns: int, end_ns: int
    ) -> Iterator[pa.Table] | None:
        """See `Archive.tables`; None when the archive alone does not have everything."""
        is_old = end_ns <= self.archive.horizon_ns() and _valid(wearer, sensor)
        if not is_old or self.store.read_batches(wearer, sensor, start_ns - MAX_BATCH_NS, end_ns):
            return None
        return self.archive.tables(wearer, sensor, start_ns, end_ns)

    def sensors(self, wearer: str) -> list[SensorSpan]:
        """See `Store.sensors`."""
        found = {span.sensor: span for span in self.store.sensors(wearer)}
        if self.archive.horizon_ns() and _valid(wearer):
            for span in self.archive.spans(wearer):
                known = found.get(span.sensor, span)
                found[span.sensor] = SensorSpan(
                    span.sensor,
                    min(span.first_ns, known.first_ns),
                    max(span.last_ns, known.last_ns),
                )
        return [found[name] for name in sorted(found)]

    def read_batches(
        self, wearer: str, sensor: str, start_ns: int, end_ns: int
    ) -> list[BatchRecord]:
        """See `Store.read_batches`."""
        recent = self.store.read_batches(wearer, sensor, start_ns, end_ns)
        horizon_ns = self.archive.horizon_ns()
        if start_ns >= horizon_ns or not _valid(wearer, sensor):
            return recent
        old = self.archive.read_batches(wearer, sensor, start_ns, min(end_ns, horizon_ns))
        return merge_batches(old, recent)

    def write_results(
        self,
        wearer: str,
        start_ns: int,
        end_ns: int,
        results: Sequence[Result],
        provenance: Provenance,
        *,
        version: str = PRESENT,
    ) -> None:
        """See `Store.write_results`."""
        self.store.write_results(wearer, start_ns, end_ns, results, provenance, version=version)

    def write_day_sum(self, wearer: str, day_sum: Result, provenance: Provenance) -> None:
        """See `Store.write_day_sum`."""
        self.store.write_day_sum(wearer, day_sum, provenance)

    def read_results(
        self, wearer: str, kind: str, start_ns: int, end_ns: int, *, version: str = PRESENT
    ) -> list[Result]:
        """See `Store.read_results`."""
        return self.store.read_results(wearer, kind, start_ns, end_ns, version=version)

    def provenances(
        self, wearer: str, start_ns: int, end_ns: int, *, version: str = PRESENT
    ) -> list[Provenance]:
        """See `Store.provenances`."""
        return self.store.provenances(wearer, start_ns, end_ns, version=version)

    def result_spans(self, wearer: str) -> list[ResultSpan]:
        """See `Store.result_spans`."""
        return self.store.result_spans(wearer)

    def wearers(self) -> list[str]:
        """See `Store.wearers`."""
        return sorted({*self.store.wearers(), *self.archive.wearers()})

    def erase(self, wearer: str) -> None:
        """See `Store.erase`: in the archive, too."""
        if _valid(wearer):
            self.archive.erase(wearer)
        self.store.erase(wearer)


def merge_batches(first: Sequence[BatchRecord], second: Sequence[BatchRecord]) -> list[BatchRecord]:
    """In order of t0; of two with the same t0 the longer stays, of equals the first."""
    found = {record.t0_ns: record for record in first}
    for record in second:
        if record.t0_ns not in found or record.n > found[record.t0_ns].n:
            found[record.t0_ns] = record
    return [found[t0_ns] for t0_ns in sorted(found)]


def _valid(wearer: str, sensor: str = "any") -> bool:
    try:
        return bool(check_wearer(wearer) and check_sensor(sensor))
    except IdError:
        return False
