"""One export: which tables of whose data go to which files, read and written in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pyarrow as pa

from analytics.export import dictionary
from analytics.export.dictionary import Table
from analytics.export.files import Format, iso_text, staged, table_writer, write_json
from analytics.export.tables import (
    days_table,
    items_table,
    raw_table,
    steps_table,
    symptoms_table,
    timeline_table,
)
from analytics.exposure.days import Day
from analytics.exposure.summary import ITEM_KINDS, day_exposure
from analytics.exposure.timeline import runs_of, timeline
from analytics.store.base import Store
from analytics.store.records import DiaryEntry

NS_PER_S: Final = 1_000_000_000
RAW_CHUNK_NS: Final = 3600 * NS_PER_S
"""An hour at 50 Hz is 6 MB; it bounds the memory and makes a row group of useful size."""

ITEM_TABLES: Final = (
    ("movement", dictionary.MOVEMENTS),
    ("slouch_episode", dictionary.SLOUCH_EPISODES),
    ("walking_bout", dictionary.WALKING_BOUTS),
)
Progress = Callable[[int], None]
Diary = Callable[[int, int], Sequence[DiaryEntry]]


@dataclass(frozen=True, slots=True)
class Selection:
    """What to export: rows of `wearer` that begin in [start_ns, end_ns)."""

    wearer: str
    start_ns: int
    end_ns: int
    zone: ZoneInfo
    """Where the wearer's days are counted."""
    raw: bool = True
    results: bool = True
    pseudonym: str | None = None
    """Written in place of the wearer's id."""

    def days(self) -> Iterator[tuple[Day, int, int]]:
        """Local days that the range touches, each with the part of the range inside it."""
        day = Day.at(self.start_ns, self.zone)
        while day.start_ns < self.end_ns:
            yield day, max(day.start_ns, self.start_ns), min(day.end_ns, self.end_ns)
            day = day.plus(1)


def export(
    store: Store,
    diary: Diary,
    selection: Selection,
    target: Path,
    file_format: Format,
    *,
    about: Mapping[str, Any],
    force: bool = False,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """Write the folder `target`; returns what stands in its provenance.json.

    diary: entries with start_ns <= at_ns < end_ns. about: further entries of the provenance.
    progress: called with the nanoseconds of the range done, summing to `work_ns`. Raises
    ExportError, StoreError; then nothing stands under `target` that was not there before.
    """
    with staged(target, force=force) as stage:
        job = _Job(store, diary, selection, stage, file_format, progress)
        if selection.raw:
            for span in store.sensors(selection.wearer):
                job.write_raw(span.sensor)
        if selection.results:
            job.write_results()
        provenance = {
            "schema": dictionary.VERSION,
            "wearer": selection.pseudonym or selection.wearer,
            "from_utc": _iso(selection.start_ns),
            "to_utc": _iso(selection.end_ns),
            "time_zone": selection.zone.key,
            "computed_by": job.computed_by(),
            **about,
            "rows": job.rows,
        }
        write_json(stage / "dictionary.json", dictionary.as_json(job.tables))
        write_json(stage / "provenance.json", provenance)
    return provenance


def work_ns(store: Store, selection: Selection) -> int:
    """What `progress` will sum up to."""
    sensors = len(store.sensors(selection.wearer)) if selection.raw else 0
    return (selection.end_ns - selection.start_ns) * (sensors + int(selection.results))


@dataclass(slots=True)
class _Job:
    """One export under way; `tables` and `rows` tell of the files written so far."""

    store: Store
    diary: Diary
    selection: Selection
    folder: Path
    file_format: Format
    progress: Progress
    tables: dict[str, Table] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)

    def computed_by(self) -> list[dict[str, str]]:
        """Algorithm version and parameter hash of everything behind the results."""
        if not self.selection.results:
            return []
        chosen = self.selection
        found = self.store.provenances(chosen.wearer, chosen.start_ns, chosen.end_ns)
        return [asdict(provenance) for provenance in found]

    def write_raw(self, sensor: str) -> None:
        """One file with the samples of one sensor; no file when it has none in the range."""
        quantities = {"accel", "gyro"}
        # A quantity that turns up (a magnetometer, in the first chunk as a rule) needs its columns
        # from the first row on: begin again with them.
        while more := self._raw_file(sensor, quantities):
            quantities |= more

    def _raw_file(self, sensor: str, quantities: set[str]) -> set[str]:
        """Write the file, or return the quantities that it would need columns for."""
        chosen = self.selection
        table = dictionary.RAW.only(
            {"time_utc"} | {f"{quantity}_{axis}" for quantity in quantities for axis in "xyz"}
        )
        name = self._file_name(f"raw_{sensor}")
        rows, done_ns = 0, chosen.start_ns
        with table_writer(self.folder / name, table.schema(), self.file_format) as writer:
            for samples in self.store.iter_samples(
                chosen.wearer, sensor, chosen.start_ns, chosen.end_ns, RAW_CHUNK_NS
            ):
                if more := set(samples.values) - quantities:
                    return more
                writer.write_table(raw_table(samples, table))
                rows += len(samples)
                last_ns = int(samples.t_ns[-1])
                self.progress(last_ns - done_ns)
                done_ns = last_ns
        self.progress(chosen.end_ns - done_ns)
        if rows:
            self.tables[name], self.rows[name] = table, rows
        else:
            (self.folder / name).unlink()
        return set()

    def write_results(self) -> None:
        """One file per result table, a local day at a time; also those without any row."""
        with ExitStack() as stack:
            writers = {}
            for table in dictionary.RESULTS:
                name = self._file_name(table.name)
                self.tables[name], self.rows[name] = table, 0
                writers[name] = stack.enter_context(
                    table_writer(self.folder / name, table.schema(), self.file_format)
                )
            for day, start_ns, end_ns in self.selection.days():
                for table, rows in self._day_tables(day, start_ns, end_ns):
                    name = self._file_name(table.name)
                    writers[name].write_table(rows)
                    self.rows[name] += len(rows)
                self.progress(end_ns - start_ns)

    def _day_tables(self, day: Day, start_ns: int, end_ns: int) -> Iterator[tuple[Table, pa.Table]]:
        read = partial(self.store.read_results, self.selection.wearer)
        minutes = read("timeline", start_ns, end_ns)
        yield dictionary.TIMELINE, timeline_table(minutes, start_ns, end_ns)
        items = {kind: read(kind, start_ns, end_ns) for kind in ITEM_KINDS}
        begun = {
            kind: [result for result in results if start_ns <= result.start_ns]
            for kind, results in items.items()
        }
        for kind, table in ITEM_TABLES:
            yield table, items_table(begun[kind], table)
        yield dictionary.STEPS, steps_table(begun["walking_bout"])
        yield dictionary.SYMPTOMS, symptoms_table(self.diary(start_ns, end_ns))
        if (start_ns, end_ns) == (day.start_ns, day.end_ns):
            runs = [replace(minute, body=runs_of(minute.body)) for minute in minutes]
            line = timeline(runs, day.start_ns, day.end_ns)
            summary = day_exposure(day, line, chain.from_iterable(items.values()))
            yield dictionary.DAYS, days_table([(day, summary)])

    def _file_name(self, name: str) -> str:
        return f"{name}.{self.file_format}"


def _iso(t_ns: int) -> str:
    return str(iso_text(pa.array([t_ns], pa.timestamp("ns", tz="UTC")))[0])
