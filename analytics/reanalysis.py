"""History computed again with other parameters or a new version, beside the old results.

Each version has a results file of its own in the data directory, `reanalysis/<version>-<hash>.db`;
the results that pages and exports read are not touched.

A day is computed by `compute_day`, here or in another process (`Compute`); what it found is written
here, day after day, so that the file is the same whoever computed. A day whose samples, calibration
and settings are those of its results in the file is not computed again: a run that was killed goes
on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

from analytics.day_basis import personal
from analytics.day_reading import read_day
from analytics.detect.parameters import Parameters
from analytics.exposure.days import Day
from analytics.exposure.rows import FIGURES, figures
from analytics.exposure.summary import Exposure, total
from analytics.result import provenance
from analytics.store.base import (
    PRESENT,
    BatchRecord,
    Provenance,
    Result,
    Samples,
    SensorSpan,
    Store,
)
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from analytics.store.records import ClinicError
from analytics.worker import Worker

FOLDER = "reanalysis"
BASIS: Final = "basis"
"""Kind of the result, at the last nanosecond of a day, that says what the day was computed from: it
is written last, so that a day that has it is complete."""

Overrides = Mapping[str, Mapping[str, Any]]
Opener = Callable[[], tuple[Store, Clinic]]
"""Opens samples and people, in whatever process it is called."""


@dataclass(frozen=True, slots=True)
class DayTask:
    """One day to compute."""

    wearer: str
    day: Day
    overrides: Overrides
    known: str | None
    """The basis of the results that are there; None: there are none."""


@dataclass(frozen=True, slots=True)
class Write:
    """One call of `Store.write_results`."""

    start_ns: int
    end_ns: int
    results: Sequence[Result]


@dataclass(frozen=True, slots=True)
class DayDone:
    """What a day's computation found."""

    basis: str | None
    """None: no sensor on the trunk is known."""
    writes: Sequence[Write] | None
    """None: what is known is up to date."""


Compute = Callable[[Opener, Iterable[DayTask]], Iterator[DayDone]]
"""Computes days, wherever, and yields what was found in the order of the tasks."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One clinical number over the whole time, old and new; None is "cannot be said"."""

    name: str
    old: float | None
    new: float | None

    @property
    def change(self) -> float | None:
        return None if self.old is None or self.new is None else round(self.new - self.old, 3)


@dataclass(frozen=True, slots=True)
class Reanalysis:
    """What was computed and how it compares."""

    file: Path
    made_by: Provenance
    old: tuple[Provenance, ...]
    days: int
    kept: int
    """Of the days: their results were there and up to date."""
    differences: tuple[Difference, ...]


@dataclass(slots=True)
class _Recorder:
    """Samples of a store, results into a list: what a worker needs of a store."""

    samples: Store
    writes: list[Write] = field(default_factory=list)

    def transaction(self) -> AbstractContextManager[None]:
        return nullcontext()

    def read_samples(self, wearer: str, sensor: str, start_ns: int, end_ns: int) -> Samples:
        return self.samples.read_samples(wearer, sensor, start_ns, end_ns)

    def iter_samples(
        self, wearer: str, sensor: str, start_ns: int, end_ns: int, chunk_ns: int
    ) -> Iterator[Samples]:
        return self.samples.iter_samples(wearer, sensor, start_ns, end_ns, chunk_ns)

    def read_batches(
        self, wearer: str, sensor: str, start_ns: int, end_ns: int
    ) -> list[BatchRecord]:
        return self.samples.read_batches(wearer, sensor, start_ns, end_ns)

    def sensors(self, wearer: str) -> list[SensorSpan]:
        return self.samples.sensors(wearer)

    def read_results(self, _wearer: str, kind: str, start_ns: int, end_ns: int) -> list[Result]:
        """What the writes so far leave."""
        found: list[Result] = []
        for write in self.writes:
            found = [r for r in found if not write.start_ns <= r.start_ns < write.end_ns]
            found += [r for r in write.results if r.kind == kind]
        return [r for r in found if r.start_ns < end_ns and r.end_ns > start_ns]

    def write_results(
        self,
        _wearer: str,
        start_ns: int,
        end_ns: int,
        results: Sequence[Result],
        _provenance: Provenance,
        *,
        version: str = PRESENT,
    ) -> None:
        assert version == PRESENT  # noqa: S101 - a worker keeps what the pages show
        self.writes.append(Write(start_ns, end_ns, list(results)))


def compute_day(samples: Store, clinic: Clinic, task: DayTask) -> DayDone:
    """Compute one day; the same samples and records give the same in every process."""
    recorder = _Recorder(samples)
    worker = Worker(cast(Store, recorder), clinic, overrides=task.overrides)
    basis = worker.basis.checksum(task.wearer, task.day)
    if basis is None or basis == task.known:
        return DayDone(basis, None)
    worker.recompute(task.wearer, task.day)
    return DayDone(basis, recorder.writes)


def compute_here(opener: Opener, tasks: Iterable[DayTask]) -> Iterator[DayDone]:
    """`Compute` in this process, one day after the other."""
    samples, clinic = opener()
    try:
        yield from map(partial(compute_day, samples, clinic), tasks)
    finally:
        samples.close()
        clinic.close()


def reanalyse(
    opener: Opener,
    wearer: str,
    days: Sequence[Day],
    *,
    overrides: Overrides,
    data_dir: Path,
    compute: Compute = compute_here,
    progress: Callable[[], None] = lambda: None,
) -> Reanalysis:
    """Compute the days, which follow each other, and compare. Raises ParameterError for overrides
    that do not fit, ClinicError for a wearer without a trunk sensor."""
    samples, clinic = opener()
    try:
        settings = clinic.wearer(wearer).settings
        made_by = provenance(personal(Parameters(), settings).override(overrides))
        file = data_dir / FOLDER / f"{made_by.algorithm_version}-{made_by.params_hash}.db"
        results = EmbeddedStore(file)
        try:
            tasks = (DayTask(wearer, day, overrides, _known(results, wearer, day)) for day in days)
            old, new, kept = [], [], 0
            for day, done in zip(days, compute(opener, tasks), strict=True):
                if done.basis is None:
                    raise ClinicError(
                        f"no sensor on the trunk of {wearer} is known; see: trunkline wearer show"
                    )
                kept += done.writes is None
                _keep(results, wearer, day, done, made_by)
                old.append(read_day(samples, wearer, day).exposure.exposure)
                new.append(read_day(results, wearer, day).exposure.exposure)
                progress()
            start_ns, end_ns = days[0].start_ns, days[-1].end_ns
            before = tuple(samples.provenances(wearer, start_ns, end_ns))
        finally:
            results.close()
    finally:
        samples.close()
        clinic.close()
    differences = _differences(old, new, start_ns, end_ns)
    return Reanalysis(file, made_by, before, len(days), kept, differences)


def _known(results: Store, wearer: str, day: Day) -> str | None:
    found = results.read_results(wearer, BASIS, day.end_ns - 1, day.end_ns)
    return str(found[0].body["sha256"]) if found else None


def _keep(results: Store, wearer: str, day: Day, done: DayDone, made_by: Provenance) -> None:
    if done.writes is None:
        return
    results.write_results(wearer, day.start_ns, day.end_ns, [], made_by)
    for write in done.writes:
        results.write_results(wearer, write.start_ns, write.end_ns, write.results, made_by)
    at_ns = day.end_ns - 1
    basis = Result(BASIS, at_ns, day.end_ns, {"sha256": done.basis})
    results.write_results(wearer, at_ns, day.end_ns, [basis], made_by)


def _differences(
    old: Sequence[Exposure], new: Sequence[Exposure], start_ns: int, end_ns: int
) -> tuple[Difference, ...]:
    pairs = zip(
        FIGURES,
        figures(total(old, start_ns, end_ns)),
        figures(total(new, start_ns, end_ns)),
        strict=True,
    )
    return tuple(
        Difference(name, cast("float | None", before), cast("float | None", after))
        for name, before, after in pairs
    )


def erase_versions(data_dir: Path, wearer: str) -> None:
    """Remove a wearer from every file of this kind."""
    for file in sorted((data_dir / FOLDER).glob("*.db")):
        store = EmbeddedStore(file)
        try:
            store.erase(wearer)
        finally:
            store.close()
