"""The store protocol: what ingest, worker, dashboard and export may ask of a time-series store.

Two implementations pass the same contract tests: `embedded` (SQLite) and `influx` (InfluxDB).
Neither knows MQTT or CBOR. Wearers, users, calibrations, diary and audit live in `clinic`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wire.batch import Batch

MAX_BATCH_NS = 4096 * 1_000_000_000
"""A batch that began earlier than this before a time has no sample after it: wire batches hold at
most 4096 samples, and no sensor of ours is slower than one a second."""
MAX_RESULT_NS = 48 * 3600 * 1_000_000_000
"""No result is longer: readers need look back no further to find what overlaps a range."""


DAY_SUM = "day_sum"
"""The kind of result that sums up a wearer's local day, see `Store.write_day_sum`."""
PRESENT = ""
"""The version of the results that the worker keeps up to date and the pages show."""
_VERSION = re.compile(r"[a-z0-9][a-z0-9.-]{0,31}")


class StoreError(Exception):
    """The store cannot answer; `advice` says what to do next. Nothing was half-written."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(f"{message}; {advice}")
        self.message = message
        self.advice = advice

    def __reduce__(self) -> tuple[type[StoreError], tuple[str, str]]:
        """As it was in another process."""
        return type(self), (self.message, self.advice)


class RejectedError(StoreError):
    """The store answers but refuses this very data: trying again cannot help."""


class RefusedError(StoreError):
    """The store answers but does not let us in: only other settings can help."""


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A decoded batch and whose it is."""

    wearer: str
    sensor: str
    batch: Batch


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of one sensor, strictly increasing in time, each time stamp once."""

    t_ns: NDArray[np.int64]
    """(n,) UTC nanoseconds."""
    values: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    """quantity ("accel", "gyro", "mag") -> (n, 3) SI, NaN where that quantity has no sample."""

    def __len__(self) -> int:
        return len(self.t_ns)


@dataclass(frozen=True, slots=True)
class SensorSpan:
    """What the store knows of one sensor of a wearer."""

    sensor: str
    first_ns: int
    last_ns: int


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """How a batch came: what a search for losses and doubts about the clock needs."""

    t0_ns: int
    dt_ns: int
    n: int
    session: str
    seq: int
    lost: int
    flags: int
    """The bits of wire.batch.Flag."""
    rx_ns: int
    clock_err_ns: int


@dataclass(frozen=True, slots=True)
class Result:
    """One derived item: a second of the timeline is part of a `timeline` result of a minute,
    a movement or an episode is one result each."""

    kind: str
    """timeline, timeline_runs, movement, slouch_episode, walking_bout, respiration, sway,
    extra_sensors (one a local day), quality, day_sum. A timeline_runs is the short form of the
    timeline of the same minute: posture, slouched and worn as runs, so that days are read
    quickly."""
    start_ns: int
    end_ns: int
    body: Mapping[str, Any]
    """The JSON object of DESIGN's result format for this kind, times in it relative to nothing:
    *_s fields are replaced by absolute start_ns / end_ns."""


@dataclass(frozen=True, slots=True, order=True)
class Provenance:
    """Which computation made a result."""

    algorithm_version: str
    params_hash: str


@dataclass(frozen=True, slots=True)
class ResultSpan:
    """Results of one kind and version: the starts of the first and of the last."""

    version: str
    kind: str
    first_ns: int
    last_ns: int


def check_version(version: str) -> None:
    """ValueError unless this can name a version of results."""
    if version != PRESENT and not _VERSION.fullmatch(version):
        raise ValueError(f"version {version[:40]!r} is not 1-32 of a-z, 0-9, '.' and '-'")


def check_results(start_ns: int, end_ns: int, results: Sequence[Result]) -> None:
    """ValueError unless every result starts in [start_ns, end_ns) and is no longer than
    MAX_RESULT_NS."""
    for result in results:
        if not start_ns <= result.start_ns < end_ns:
            raise ValueError(f"{result.kind} at {result.start_ns} starts outside the range")
        if not 0 <= result.end_ns - result.start_ns <= MAX_RESULT_NS:
            raise ValueError(f"{result.kind} at {result.start_ns} has an impossible length")


def reach_ns(end_ns: int, ends_ns: Iterable[int]) -> int:
    """End of what a replacement of results touches: the latest of its range's end and of the ends
    of the results that come and go."""
    return max([end_ns, *ends_ns])


class Store(Protocol):
    """A time-series store. Every method raises StoreError when the store cannot answer."""

    def write_batches(self, items: Sequence[StoredBatch]) -> None:
        """Durable on return, all or nothing. Redelivery changes nothing: the key is
        (wearer, sensor, time stamp). Of two batches of one sensor with the same t0 the longer
        one stays."""

    def read_samples(self, wearer: str, sensor: str, start_ns: int, end_ns: int) -> Samples:
        """Samples with start_ns <= t < end_ns."""

    def iter_samples(
        self, wearer: str, sensor: str, start_ns: int, end_ns: int, chunk_ns: int
    ) -> Iterator[Samples]:
        """The same in consecutive chunks of at most chunk_ns; empty chunks are left out."""

    def sensors(self, wearer: str) -> list[SensorSpan]:
        """Sensors of a wearer that have samples, sorted by id."""

    def read_batches(
        self, wearer: str, sensor: str, start_ns: int, end_ns: int
    ) -> list[BatchRecord]:
        """How the batches with start_ns <= t0 < end_ns came, sorted by t0."""

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
        """Replace all results of `wearer` and `version` that start in [start_ns, end_ns) by
        these. Versions lie side by side: a computation with other parameters under a name of its
        own (`check_version`) leaves what the pages show as it is.

        Sums of days that overlap what is written or replaced are dropped with it."""

    def write_day_sum(self, wearer: str, day_sum: Result, provenance: Provenance) -> None:
        """Keep the sum of a local day beside the results it was made of. A sum that is there is
        true: whatever changes a day's results drops it."""

    def read_results(
        self, wearer: str, kind: str, start_ns: int, end_ns: int, *, version: str = PRESENT
    ) -> list[Result]:
        """Results of one kind and version that overlap [start_ns, end_ns), sorted by start."""

    def provenances(
        self, wearer: str, start_ns: int, end_ns: int, *, version: str = PRESENT
    ) -> list[Provenance]:
        """The distinct computations that made the results which start in [start_ns, end_ns),
        sorted; an export says by them where its figures come from. Sums of days say nothing of
        their own."""

    def result_spans(self, wearer: str) -> list[ResultSpan]:
        """Which versions and kinds of results a wearer has, sorted; sums of days are not named:
        they can be made again."""

    def wearers(self) -> list[str]:
        """Everybody of whom there is a sample or a result, sorted."""

    def erase(self, wearer: str) -> None:
        """Remove everything about a wearer."""

    def transaction(self) -> AbstractContextManager[None]:
        """Make several writes of this thread one write to disk, all or nothing, where the store
        can; elsewhere they stay what they are."""

    def close(self) -> None:
        """Release files and connections."""
