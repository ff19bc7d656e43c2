"""The nightly job: every UTC day that is over goes to the archive, and again when it has changed.

A day is archived again when the batches behind it differ from those that the file tells of: some
came late. What the file has and the store has no more stays in it. Only what has been read back
from the file may leave the store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from analytics.store.archive import (
    DAY_NS,
    Archive,
    checksum_of_batches,
    day_of,
)
from analytics.store.archived import merge_batches
from analytics.store.assemble import join
from analytics.store.base import MAX_BATCH_NS, BatchRecord, Store

LATE_DAYS: Final = 2
"""A server drops by shards and at its own time: this much before its retention ends, the archive
is read as well."""

Progress = Callable[[int, int], None]
"""Called with what is done and what there is to do."""
Drop = Callable[[str, str, int, int], None]
"""(wearer, sensor, before_ns, batches): remove older samples from the store, if it has so many
batches there and not one more."""


@dataclass(slots=True)
class Archived:
    """What a run did, in days of a sensor."""

    written: int = 0
    unchanged: int = 0


def archive_days(
    store: Store,
    archive: Archive,
    now_ns: int,
    *,
    keep_days: int | None = None,
    drop: Drop | None = None,
    wearers: Sequence[str] | None = None,
    progress: Progress = lambda _done, _all: None,
) -> Archived:
    """Archive what is over. keep_days: the store is complete for so many days only, because it
    drops older samples itself or, with `drop`, because they are removed here, once archived.
    wearers: these only."""
    today_ns = now_ns // DAY_NS * DAY_NS
    horizon_ns = 0
    if keep_days is not None:
        horizon_ns = today_ns - (keep_days - (0 if drop else LATE_DAYS)) * DAY_NS
    spans = [
        (wearer, span) for wearer in wearers or store.wearers() for span in store.sensors(wearer)
    ]
    done = Archived()
    seen: list[int] = []
    for number, (wearer, span) in enumerate(spans):
        progress(number, len(spans))
        day, before = _Day(store, archive, wearer, span.sensor), 0
        start_ns = span.first_ns // DAY_NS * DAY_NS
        while start_ns < min(today_ns, span.last_ns + 1):
            batches = day.batches(start_ns)
            before += sum(start_ns <= x.t0_ns < horizon_ns for x in batches)
            if day.write(start_ns, batches):
                done.written += 1
            else:
                done.unchanged += 1
            start_ns += DAY_NS
        seen.append(before)
    if keep_days is not None:
        archive.set_horizon(horizon_ns)  # before anything goes: from now on readers look there
    if drop is not None and keep_days is not None:
        for (wearer, span), before in zip(spans, seen, strict=True):
            drop(wearer, span.sensor, horizon_ns, before)
    progress(len(spans), len(spans))
    return done


@dataclass(frozen=True, slots=True)
class _Day:
    """Moves days of one sensor."""

    store: Store
    archive: Archive
    wearer: str
    sensor: str

    def batches(self, start_ns: int) -> list[BatchRecord]:
        """Those in the store that have samples in the day."""
        found = self.store.read_batches(
            self.wearer, self.sensor, start_ns - MAX_BATCH_NS, start_ns + DAY_NS
        )
        return [x for x in found if x.t0_ns + (x.n - 1) * x.dt_ns >= start_ns]

    def write(self, start_ns: int, batches: list[BatchRecord]) -> bool:
        """Write the day's file unless it has all of it; whether it was written."""
        wearer, sensor, day, end_ns = self.wearer, self.sensor, day_of(start_ns), start_ns + DAY_NS
        told = self.archive.told(wearer, sensor, day)
        if told is not None:
            batches = merge_batches(self.archive.batches_behind(wearer, sensor, day), batches)
            if checksum_of_batches(batches) == told.batches:
                return False
        samples = self.store.read_samples(wearer, sensor, start_ns, end_ns)
        if told is not None:
            old = self.archive.read_samples(wearer, sensor, start_ns, end_ns)
            samples = join([old, samples])
        if not len(samples):
            return False
        self.archive.write_day(
            wearer,
            sensor,
            day,
            samples,
            batches,
            about={
                "software": f"trunkline {version('trunkline')}",
                "store": type(self.store).__name__,
            },
        )
        return True
