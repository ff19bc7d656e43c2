"""One sensor's day: what was to be had, what the store holds, and why the rest is missing. Pure.

Missing samples are measured in time: the holes between the batches that the store holds. Sequence
numbers, the agent's losses on record, dead letters and watermarks say why. A hole counts on the
day in which it ends. Time in which no agent ran is no missing sample: nobody knows what was there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final

import numpy as np

from analytics.audit.evidence import SensorEvidence, SessionEvidence
from analytics.store.base import BatchRecord
from wire.batch import Flag

NS_PER_S: Final = 1_000_000_000
UNTOLD_GAP_NS: Final = 150_000_000
"""A jump of the stamps above this (and 4.5 samples) needs an explanation. The agent calls a jump
of more than 100 ms and 4 samples a gap; half of that again is left to a change of the clock fit."""
OVERLAP_NS: Final = 20_000_000
"""Batches may overlap by this and half a sample: how well two clock fits agree."""
LIVE_NS: Final = 3 * NS_PER_S
"""A batch that came within this after its last sample came as it was measured."""
MAX_HOLES: Final = 100
"""Holes told one by one, longest first; the sums count all."""


class Reason(StrEnum):
    """Why a sample that was to be had is not in the store."""

    CONNECTED = "connected"
    """Lost by the sensor or in the air while the sensor was connected."""
    DISCONNECTED = "disconnected"
    """The sensor was out of range or off while its agent ran."""
    RESTARTED = "restarted"
    """No agent ran, after one had ended without a stop: killed, or a power cut."""
    DROPPED = "dropped"
    """The agent had it and gave it up on record: disk or outbox full."""
    REFUSED = "refused"
    """Ingest put it on record as a dead letter."""
    NOT_COMMITTED = "not_committed"
    """Still on its way: the agent keeps it."""
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True)
class Hole:
    """Time without samples between two batches, or numbers that never came (start = end)."""

    start_ns: int
    end_ns: int
    samples: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class SensorAccount:
    """The account of one sensor's day; expected = stored + missing."""

    sensor: str
    stored: int
    backfilled: int
    """Those of `stored` that were read from the sensor's own memory."""
    duplicates: int
    missing: Mapping[Reason, int]
    no_agent_s: float
    """Seconds between two runs of the agent."""
    holes: Sequence[Hole] = field(repr=False)

    @property
    def expected(self) -> int:
        return self.stored + sum(self.missing.values())

    @property
    def is_sound(self) -> bool:
        """Nothing unexplained and nothing twice."""
        return self.duplicates == 0 and self.missing[Reason.UNEXPLAINED] == 0

    def json(self) -> dict[str, Any]:
        """For `--json` and for the record of the day."""
        return {
            "sensor": self.sensor,
            "expected": self.expected,
            "stored": self.stored,
            "backfilled": self.backfilled,
            "duplicates": self.duplicates,
            "missing": {str(reason): self.missing[reason] for reason in Reason},
            "no_agent_s": round(self.no_agent_s, 1),
            "holes": [
                {
                    "start_ns": hole.start_ns,
                    "end_ns": hole.end_ns,
                    "samples": hole.samples,
                    "reason": str(hole.reason),
                }
                for hole in self.holes
            ],
        }


def account(evidence: SensorEvidence) -> SensorAccount:
    """The account of one sensor's day."""
    batches, again = _once(evidence.batches)
    held = _held(evidence)
    holes: list[Hole] = []
    missing: Counter[Reason] = Counter()
    no_agent_ns = 0
    pairs, overlap = _steps(batches, evidence.earlier[-1:])
    for before, after, gap_ns in pairs:
        parts = _explain(before, after, gap_ns, evidence.sessions, held)
        for reason, samples in parts.items():
            missing[reason] += samples
            holes.append(Hole(after.t0_ns - gap_ns, after.t0_ns, samples, reason))
        if _begins(before, after):
            told = sum(parts.values()) * after.dt_ns
            no_agent_ns += max(0, gap_ns - told)
    for hole in _never_came(evidence, held):
        missing[hole.reason] += hole.samples
        holes.append(hole)
    recorded = sum(batch.n for batch in batches) + again
    stored = evidence.stored_samples
    # a record of a batch without its samples; samples that no record tells of
    missing[Reason.UNEXPLAINED] += max(0, recorded - overlap - stored)
    duplicates = again + overlap + max(0, stored - recorded)
    return SensorAccount(
        sensor=evidence.sensor,
        stored=stored,
        backfilled=sum(batch.n for batch in batches if batch.flags & Flag.BACKFILL),
        duplicates=duplicates,
        missing={reason: missing[reason] for reason in Reason},
        no_agent_s=no_agent_ns / NS_PER_S,
        holes=sorted(holes, key=lambda hole: -hole.samples)[:MAX_HOLES],
    )


def _once(batches: Sequence[BatchRecord]) -> tuple[list[BatchRecord], int]:
    """The batches without repeated numbers, and the samples in the repetitions."""
    seen: set[tuple[str, int]] = set()
    first: list[BatchRecord] = []
    again = 0
    for batch in batches:
        if (batch.session, batch.seq) in seen:
            again += batch.n
        else:
            seen.add((batch.session, batch.seq))
            first.append(batch)
    return first, again


def _held(evidence: SensorEvidence) -> dict[str, set[int]]:
    """Session -> numbers in the store, as far as the day and its neighbours tell."""
    held: dict[str, set[int]] = {}
    after = [evidence.after] if evidence.after else []
    for batch in (*evidence.earlier, *evidence.batches, *after):
        held.setdefault(batch.session, set()).add(batch.seq)
    return held


def _steps(
    batches: Sequence[BatchRecord], before: Sequence[BatchRecord]
) -> tuple[list[tuple[BatchRecord, BatchRecord, int]], int]:
    """(batch, next batch, ns between them) where something is missing in time, and the samples
    that lie in two batches."""
    run = [*before, *batches]
    if len(run) < 2:
        return [], 0
    t0_ns, dt_ns, n = (
        np.array([getattr(batch, name) for batch in run], dtype=np.int64)
        for name in ("t0_ns", "dt_ns", "n")
    )
    end_ns = np.maximum.accumulate(t0_ns + n * dt_ns)
    gap_ns = t0_ns[1:] - end_ns[:-1]
    told = np.array([_tells(a, b) for a, b in pairwise(run)])
    set_back = np.array([_clock_was_set_back(a, b) for a, b in pairwise(run)])
    untold_ns = np.maximum(4.5 * dt_ns[1:], UNTOLD_GAP_NS)
    is_gap = gap_ns > np.where(told, 0.5 * dt_ns[1:], untold_ns)
    overlap_ns = np.minimum(-gap_ns, n[1:] * dt_ns[1:])
    is_double = (-gap_ns > 0.5 * dt_ns[1:] + OVERLAP_NS) & ~set_back
    overlap = int(np.rint(overlap_ns[is_double] / dt_ns[1:][is_double]).sum())
    return [(run[i], run[i + 1], int(gap_ns[i])) for i in np.nonzero(is_gap)[0]], overlap


def _tells(before: BatchRecord, after: BatchRecord) -> bool:
    """Whether numbers or flags say that something may be missing between the two."""
    return (
        before.session != after.session
        or after.seq != before.seq + 1
        or after.lost > 0
        or bool(after.flags & (Flag.GAP_BEFORE | Flag.CLOCK_RESET | Flag.NEW_LINK))
    )


def _clock_was_set_back(before: BatchRecord, after: BatchRecord) -> bool:
    """Two sessions that both were there live at the same time of the clock: it showed that time
    twice. What a sensor sends again comes late."""
    return before.session != after.session and all(
        batch.rx_ns - (batch.t0_ns + batch.n * batch.dt_ns) < LIVE_NS for batch in (before, after)
    )


def _begins(before: BatchRecord, after: BatchRecord) -> bool:
    """Whether a session begins with the second: what lies before it, no agent saw."""
    return before.session != after.session or after.seq == 0


def _explain(
    before: BatchRecord,
    after: BatchRecord,
    gap_ns: int,
    sessions: Mapping[str, SessionEvidence],
    held: Mapping[str, set[int]],
) -> Counter[Reason]:
    """Samples missing between two batches by reason; between two sessions only those that the
    numbers tell of."""
    samples = max(1, round(gap_ns / after.dt_ns))
    begins = _begins(before, after)
    first = 0 if begins else before.seq + 1
    absent = _absent(range(first, after.seq), held.get(after.session, set()))
    about = sessions.get(after.session, SessionEvidence())
    found = Counter(_why(number, about) for number in absent)
    rest = (Reason.RESTARTED if after.lost else None) if begins else _how_lost(after)
    if rest is Reason.UNEXPLAINED and found:
        return _share(found, samples)
    declared = min(after.lost, samples)
    by_numbers = min(samples - declared, len(absent) * after.n)
    parts = _share(found, by_numbers)
    if rest and (left := declared if begins else samples - by_numbers):
        parts[rest] += left
    return parts


def _how_lost(after: BatchRecord) -> Reason:
    if after.flags & (Flag.NEW_LINK | Flag.BACKFILL):
        return Reason.DISCONNECTED
    told = after.lost or after.flags & (Flag.GAP_BEFORE | Flag.CLOCK_RESET)
    return Reason.CONNECTED if told else Reason.UNEXPLAINED


def _never_came(evidence: SensorEvidence, held: Mapping[str, set[int]]) -> Iterable[Hole]:
    """Numbers that were made and that nothing in the store follows; those of a session that is not
    in the store at all count on the day of its last word."""
    typical = {batch.session: batch.n for batch in evidence.batches}
    for session, about in evidence.sessions.items():
        is_last_word = evidence.start_ns <= about.told_ns < evidence.end_ns
        if session not in typical and (session in held or not is_last_word):
            continue
        if evidence.after is not None and evidence.after.session == session:
            continue
        mark = about.watermark
        known = max([about.made - 1, mark.committed, *(high for _, high in mark.beyond)])
        highest = max(held.get(session, {-1}))
        absent = _absent(range(highest + 1, known + 1), held.get(session, set()))
        each = typical.get(session) or round(about.samples / about.made if about.made else 0)
        found: Counter[Reason] = Counter(_why(number, about) for number in absent)
        at_ns = max(
            (b.t0_ns + b.n * b.dt_ns for b in evidence.batches if b.session == session),
            default=about.told_ns,
        )
        for reason, count in found.items():
            yield Hole(at_ns, at_ns, count * each, reason)


def _absent(numbers: range, held: set[int]) -> list[int]:
    return [number for number in numbers if number not in held]


def _why(number: int, about: SessionEvidence) -> Reason:
    """Why a number that was made is not in the store."""
    if number in about.refused:
        return Reason.REFUSED
    if any(low <= number <= high for low, high in about.dropped):
        return Reason.DROPPED
    mark = about.watermark
    is_stored = any(low <= number <= high for low, high in mark.beyond)
    if number > mark.committed and not is_stored:
        return Reason.NOT_COMMITTED
    return Reason.UNEXPLAINED


def _share(counts: Counter[Reason], samples: int) -> Counter[Reason]:
    """`samples` in proportion to counts, in whole numbers that add up."""
    parts: Counter[Reason] = Counter()
    total, given = sum(counts.values()), 0
    for reason, count in counts.items():
        part = round((given + count) * samples / total) - sum(parts.values())
        parts[reason], given = part, given + count
    return parts
