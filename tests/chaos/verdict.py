"""Whether the store holds what the sensors sent: once, in order, or missing on record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analytics.store.base import BatchRecord, Store
from tests.chaos.air import Truth, numbers
from wire.batch import Flag

EVER = (0, 2**62)
LATE_S = 0.5
"""Of sensor time, for packets that a busy machine takes late: the clock's first words of a session
rest on few of them."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Samples of a sensor that are not in the store, between two batches that are."""

    missing: int
    """By the sensor's own numbers."""
    recorded: int
    """What the batch after the gap says."""
    after_restart: bool
    """Whether the batch after the gap is of another agent run."""
    tolerance: float
    """Samples that the clocks of the two batches may be wrong about."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the store holds of one sensor."""

    stored: int
    sent: int
    """Samples that the sensor handed to a listening central."""
    sent_and_missing: int
    duplicates: int
    in_order: bool
    gaps: tuple[Gap, ...]
    unrecorded: tuple[str, ...]
    """What is missing without a record; must be empty."""
    tail: int
    """Samples sent after the newest one in the store."""

    @property
    def complaint(self) -> str:
        """Empty when all is well."""
        found = list(self.unrecorded)
        if self.duplicates:
            found.append(f"{self.duplicates} samples are stored twice")
        if not self.in_order:
            found.append("samples are out of order")
        if not self.stored:
            found.append("nothing is stored")
        return "; ".join(found)


def judge(store: Store, wearer: str, sensor: str, truth: Truth, rate_hz: float) -> Verdict:
    """Compare one sensor's truth with the store."""
    samples = store.read_samples(wearer, sensor, *EVER)
    batches = store.read_batches(wearer, sensor, *EVER)
    found = numbers(samples.values.get("accel", np.empty((0, 3))))
    steps = np.diff(found)
    first = {b.t0_ns: b for b in batches}
    gaps: list[Gap] = []
    unrecorded: list[str] = []
    for at in np.flatnonzero(steps > 1):
        missing = int(steps[at]) - 1
        t_ns = int(samples.t_ns[at + 1])
        after = first.get(t_ns)
        if after is None:
            unrecorded.append(f"{missing} samples are missing inside a batch at {found[at]}")
            continue
        before = max((b for b in batches if b.t0_ns < t_ns), key=lambda b: b.t0_ns)
        gap = Gap(missing, after.lost, before.session != after.session, _slack(before, after))
        gaps.append(gap)
        if not after.flags & Flag.GAP_BEFORE:
            unrecorded.append(f"{missing} samples are missing after {found[at]} without a flag")
        elif abs(gap.missing - gap.recorded) > gap.tolerance:
            unrecorded.append(
                f"{missing} samples are missing after {found[at]}, on record are {after.lost}"
            )
    unrecorded += list(_holes(batches))
    newest = int(found[-1]) if len(found) else -1
    within = truth.sent[truth.sent <= newest]
    return Verdict(
        stored=len(found),
        sent=len(truth.sent),
        sent_and_missing=len(np.setdiff1d(within, found)),
        duplicates=len(found) - len(np.unique(found)),
        in_order=bool(np.all(steps > 0)) and bool(np.all(np.diff(samples.t_ns) > 0)),
        gaps=tuple(gaps),
        unrecorded=tuple(unrecorded),
        tail=int(np.sum(truth.sent > newest)),
    )


def _slack(before: BatchRecord, after: BatchRecord) -> float:
    """Samples by which the number of a gap may be off: what both clocks say of themselves, and a
    busy machine's lateness."""
    return 2 + (before.clock_err_ns + after.clock_err_ns + LATE_S * 1e9) / after.dt_ns


def _holes(batches: list[BatchRecord]) -> Iterator[str]:
    """Batches that were made and on disk and are not in the store."""
    sessions: dict[str, list[int]] = {}
    for batch in batches:
        sessions.setdefault(batch.session, []).append(batch.seq)
    for session, seqs in sessions.items():
        if sorted(seqs) != list(range(len(seqs))):
            missing = sorted(set(range(max(seqs) + 1)) - set(seqs))
            yield f"session {session} lacks the batches {missing[:10]}"
