"""What bears on the question whether everything arrived: plain frozen records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analytics.store.base import BatchRecord
from analytics.store.records import Watermark


@dataclass(frozen=True, slots=True)
class SessionEvidence:
    """What is on record about one session of a sensor beside its batches in the store."""

    watermark: Watermark = field(default_factory=Watermark)
    made: int = 0
    """Batches that the agent has made by its last word."""
    samples: int = 0
    """Samples in them."""
    told_ns: int = 0
    """When that last word was."""
    dropped: tuple[tuple[int, int], ...] = ()
    """Closed ranges of numbers that the agent gave up."""
    refused: frozenset[int] = frozenset()
    """Numbers that ingest could not store."""


@dataclass(frozen=True, slots=True)
class SensorEvidence:
    """Everything that bears on one sensor in [start_ns, end_ns)."""

    sensor: str
    start_ns: int
    end_ns: int
    batches: Sequence[BatchRecord]
    """Those with start_ns <= t0 < end_ns, by t0."""
    earlier: Sequence[BatchRecord]
    """Those of the day before, or at least the last one before; by t0."""
    after: BatchRecord | None
    """The first one after them."""
    stored_samples: int
    """Samples in the store from the first to the last of `batches`, each time stamp once."""
    sessions: Mapping[str, SessionEvidence]
