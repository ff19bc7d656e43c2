"""Copying from one store to another: day by day, compared by checksum, going on where it stopped.

A day that is the same on both sides already is left alone, so a copy that was interrupted goes on
where it stopped when it is started again. Batches keep their bookkeeping; their counts become
float32 in SI, which is what every reader gets of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from analytics.store.archive import DAY_NS, checksum, day_of
from analytics.store.base import BatchRecord, Provenance, Samples, Store, StoredBatch, StoreError
from wire.batch import Batch, Channel, Flag

GROUP: Final = 500
"""Batches written at once."""

Progress = Callable[[int, int], None]
"""Called with what is done and what there is to do, in days."""


@dataclass(slots=True)
class Copied:
    """What a copy did."""

    days: int = 0
    """days of a sensor that were written"""
    same: int = 0
    """days of a sensor that were there already"""
    results: int = 0
    wearers: list[str] = field(default_factory=list)


def copy(
    source: Store,
    target: Store,
    wearers: Sequence[str] | None = None,
    progress: Progress = lambda _done, _all: None,
) -> Copied:
    """Copy samples, bookkeeping and results of these wearers, or of everybody. StoreError when
    a day is not the same afterwards; nothing of the source is changed."""
    copied = Copied(wearers=sorted(source.wearers() if wearers is None else wearers))
    work = [
        (wearer, span.sensor, start_ns)
        for wearer in copied.wearers
        for span in source.sensors(wearer)
        for start_ns in range(span.first_ns // DAY_NS * DAY_NS, span.last_ns + 1, DAY_NS)
    ]
    for number, (wearer, sensor, start_ns) in enumerate(work):
        progress(number, len(work))
        if _copy_day(source, target, wearer, sensor, start_ns):
            copied.days += 1
        else:
            copied.same += 1
    for wearer in copied.wearers:
        copied.results += _copy_results(source, target, wearer)
    progress(len(work), len(work))
    return copied


def _copy_day(source: Store, target: Store, wearer: str, sensor: str, start_ns: int) -> bool:
    """Whether anything had to be written."""
    end_ns = start_ns + DAY_NS
    samples = source.read_samples(wearer, sensor, start_ns, end_ns)
    wanted = checksum(samples)
    records = source.read_batches(wearer, sensor, start_ns, end_ns)
    if (
        checksum(target.read_samples(wearer, sensor, start_ns, end_ns)) == wanted
        and target.read_batches(wearer, sensor, start_ns, end_ns) == records
    ):
        return False
    # A batch may have samples after midnight: with them it is written whole.
    last_ns = max((x.t0_ns + x.n * x.dt_ns for x in records), default=end_ns)
    whole = source.read_samples(wearer, sensor, start_ns, max(end_ns, last_ns))
    items = [StoredBatch(wearer, sensor, batch) for batch in _batches(whole, records)]
    for start in range(0, len(items), GROUP):
        target.write_batches(items[start : start + GROUP])
    # What is in the day of a batch from before midnight came with the day before.
    if checksum(target.read_samples(wearer, sensor, start_ns, end_ns)) != wanted:
        raise StoreError(
            f"{sensor} of {wearer} on {day_of(start_ns)} is not the same after the copy",
            "is another Trunkline writing to the target? Stop it and copy again",
        )
    return True


def _batches(samples: Samples, records: Sequence[BatchRecord]) -> Iterator[Batch]:
    """The samples as they were grouped. A sample that only a longer overlapping batch had is in
    that batch; a quantity that a batch has in part only is whole in another one."""
    for record in records:
        t_ns = record.t0_ns + record.dt_ns * np.arange(record.n, dtype=np.int64)
        at = np.minimum(np.searchsorted(samples.t_ns, t_ns), len(samples) - 1)
        found = samples.t_ns[at] == t_ns
        channels: dict[str, Channel] = {}
        for name, column in samples.values.items():
            values = column[at]
            if found.all() and not np.isnan(values).any():
                channels[name] = Channel(values)
        if channels:
            yield _batch(record, channels)


def _batch(record: BatchRecord, channels: Mapping[str, Channel]) -> Batch:
    return Batch(
        session=record.session,
        seq=record.seq,
        floor_seq=0,
        t0_ns=record.t0_ns,
        dt_ns=record.dt_ns,
        n=record.n,
        channels=channels,
        rx_ns=record.rx_ns,
        clock_err_ns=record.clock_err_ns,
        lost=record.lost,
        flags=Flag(record.flags),
    )


def _copy_results(source: Store, target: Store, wearer: str) -> int:
    """Results of every version, a day at a time; returns how many."""
    count = 0
    spans = source.result_spans(wearer)
    for version in sorted({span.version for span in spans}):
        mine = [span for span in spans if span.version == version]
        first = min(span.first_ns for span in mine) // DAY_NS * DAY_NS
        for start_ns in range(first, max(span.last_ns for span in mine) + 1, DAY_NS):
            end_ns = start_ns + DAY_NS
            made_by = source.provenances(wearer, start_ns, end_ns, version=version)
            if not made_by:
                continue
            found = [
                result
                for span in mine
                for result in source.read_results(
                    wearer, span.kind, start_ns, end_ns, version=version
                )
                if result.start_ns >= start_ns
            ]
            newest: Provenance = made_by[-1]
            target.write_results(wearer, start_ns, end_ns, found, newest, version=version)
            count += len(found)
    return count
