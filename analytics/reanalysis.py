"""History computed again with other parameters or a new version, beside the old results.

Each version has a results file of its own in the data directory, `reanalysis/<version>-<hash>.db`;
the results that pages and exports read are not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from analytics.day_reading import read_day
from analytics.detect.parameters import Parameters
from analytics.exposure.days import Day
from analytics.exposure.rows import FIGURES, figures
from analytics.exposure.summary import Exposure, total
from analytics.result import provenance
from analytics.store.base import Provenance, Result, Samples, Store
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from analytics.store.records import ClinicError
from analytics.worker import Worker, personal

FOLDER = "reanalysis"


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
    differences: tuple[Difference, ...]


class _Beside:
    """Samples of one store, results into another: what a worker needs of a store."""

    def __init__(self, samples: Store, results: Store) -> None:
        self._samples, self._results = samples, results

    def read_samples(self, wearer: str, sensor: str, start_ns: int, end_ns: int) -> Samples:
        return self._samples.read_samples(wearer, sensor, start_ns, end_ns)

    def iter_samples(
        self, wearer: str, sensor: str, start_ns: int, end_ns: int, chunk_ns: int
    ) -> Iterator[Samples]:
        return self._samples.iter_samples(wearer, sensor, start_ns, end_ns, chunk_ns)

    def write_results(
        self,
        wearer: str,
        start_ns: int,
        end_ns: int,
        results: Sequence[Result],
        provenance: Provenance,
    ) -> None:
        self._results.write_results(wearer, start_ns, end_ns, results, provenance)


def reanalyse(
    samples: Store,
    clinic: Clinic,
    wearer: str,
    days: Sequence[Day],
    *,
    overrides: Mapping[str, Mapping[str, Any]],
    data_dir: Path,
    progress: Callable[[], None] = lambda: None,
) -> Reanalysis:
    """Compute the days, which follow each other, and compare. Raises ParameterError for overrides
    that do not fit, ClinicError for a wearer without a trunk sensor."""
    parameters = personal(Parameters(), clinic.wearer(wearer).settings).override(overrides)
    made_by = provenance(parameters)
    file = data_dir / FOLDER / f"{made_by.algorithm_version}-{made_by.params_hash}.db"
    results = EmbeddedStore(file)
    try:
        beside = cast(Store, _Beside(samples, results))
        worker = Worker(beside, clinic, overrides=overrides)
        old, new = [], []
        for day in days:
            results.write_results(wearer, day.start_ns, day.end_ns, [], made_by)
            if not worker.recompute(wearer, day):
                raise ClinicError(
                    f"no sensor on the trunk of {wearer} is known; see: trunkline wearer show"
                )
            old.append(read_day(samples, wearer, day).exposure.exposure)
            new.append(read_day(results, wearer, day).exposure.exposure)
            progress()
        start_ns, end_ns = days[0].start_ns, days[-1].end_ns
        before = tuple(samples.provenances(wearer, start_ns, end_ns))
    finally:
        results.close()
    return Reanalysis(file, made_by, before, len(days), _differences(old, new, start_ns, end_ns))


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
