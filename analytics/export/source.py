"""What an export reads: samples and result tables of its subjects, with their times moved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from analytics.export import dictionary
from analytics.export.dictionary import Table
from analytics.export.formats import RAW, RESULTS
from analytics.export.piece import Progress
from analytics.export.resolution import minutes as by_minute
from analytics.export.subject import Subject
from analytics.export.tables import (
    days_table,
    extra_sensors_table,
    hours_table,
    items_table,
    raw_table,
    steps_table,
    symptoms_table,
    timeline_table,
)
from analytics.exposure.days import Day
from analytics.exposure.summary import ITEM_KINDS, day_exposure
from analytics.exposure.timeline import runs_of, timeline
from analytics.store.base import Samples, Store

NS_PER_S: Final = 1_000_000_000
NS_PER_DAY: Final = 86_400 * NS_PER_S
RAW_CHUNK_NS: Final = 3600 * NS_PER_S
"""An hour at 50 Hz is 6 MB; it bounds the memory and makes a row group of useful size."""

ITEM_TABLES: Final = (
    ("movement", dictionary.MOVEMENTS),
    ("slouch_episode", dictionary.SLOUCH_EPISODES),
    ("walking_bout", dictionary.WALKING_BOUTS),
    ("respiration", dictionary.RESPIRATION),
    ("sway", dictionary.SWAY),
)


@dataclass(frozen=True, slots=True)
class RawPart:
    """What one sensor measured in a part of a subject's time, by default of one local day."""

    subject: Subject
    sensor: str
    date: str
    """The local day as the files call it."""
    start_ns: int
    end_ns: int

    @property
    def work_ns(self) -> int:
        """For `Piece.work_ns`."""
        return self.end_ns - self.start_ns


@dataclass(frozen=True, slots=True)
class Source:
    """The store as an export sees it."""

    store: Store
    subjects: Sequence[Subject]
    parts: frozenset[str]
    """Of formats.PARTS."""

    @property
    def wants_raw(self) -> bool:
        """Whether samples were asked for."""
        return RAW in self.parts

    @property
    def wants_results(self) -> bool:
        """Whether results were asked for."""
        return RESULTS in self.parts

    def raw_parts(self, subject: Subject) -> Iterator[RawPart]:
        """Days of sensors that may have samples; none when no samples were asked for."""
        if not self.wants_raw:
            return
        for span in self.store.sensors(subject.wearer):
            for day, start_ns, end_ns in subject.days():
                if start_ns <= span.last_ns and end_ns > span.first_ns:
                    date = self.date_of(subject, day)
                    yield RawPart(subject, span.sensor, date, start_ns, end_ns)

    def raw_by_date(self, subject: Subject) -> dict[str, list[RawPart]]:
        """The same by date."""
        found: dict[str, list[RawPart]] = {}
        for part in self.raw_parts(subject):
            found.setdefault(part.date, []).append(part)
        return found

    def samples(self, part: RawPart, progress: Progress = lambda _: None) -> Iterator[Samples]:
        """The samples of a part an hour at a time, their time stamps moved."""
        done_ns, shift_ns = part.start_ns, part.subject.shift_ns
        for samples in self.store.iter_samples(
            part.subject.wearer, part.sensor, part.start_ns, part.end_ns, RAW_CHUNK_NS
        ):
            last_ns = int(samples.t_ns[-1])
            yield replace(samples, t_ns=samples.t_ns + shift_ns) if shift_ns else samples
            progress(last_ns - done_ns)
            done_ns = last_ns
        progress(part.end_ns - done_ns)

    def raw_tables(self, part: RawPart) -> Iterator[pa.Table]:
        """The same as rows of `raw`, with the columns of the quantities that are there. Where only
        the archive has them, they go through as they are."""
        wearer, where = part.subject.wearer, (part.start_ns, part.end_ns)
        archived = getattr(self.store, "archived_tables", lambda *_: None)
        if (tables := archived(wearer, part.sensor, *where)) is None:
            for samples in self.samples(part):
                yield raw_table(samples, dictionary.raw_of(samples.values))
            return
        for rows in tables:
            table = dictionary.raw_of(dictionary.quantities_in(rows.column_names))
            columns = [rows["time"], *(rows[name] for name in table.schema().names[1:])]
            yield moved(pa.table(columns, schema=table.schema()), part.subject.shift_ns)

    def date_of(self, subject: Subject, day: Day) -> str:
        """How the files call a local day."""
        return day.plus(subject.shift_ns // NS_PER_DAY).date.isoformat()

    def day_tables(
        self, subject: Subject, day: Day, start_ns: int, end_ns: int, resolution: str = "second"
    ) -> Iterator[tuple[Table, pa.Table]]:
        """Result tables of a part of a day; `days` and `hours` have rows only for a whole one.
        resolution: of dictionary.RESOLUTIONS."""
        for table, rows in self._day_tables(subject, day, start_ns, end_ns, resolution):
            yield table, moved(rows, subject.shift_ns)

    def _day_tables(
        self, subject: Subject, day: Day, start_ns: int, end_ns: int, resolution: str
    ) -> Iterator[tuple[Table, pa.Table]]:
        read = partial(self.store.read_results, subject.wearer)
        minutes = read("timeline", start_ns, end_ns)
        if resolution == "second":
            yield dictionary.TIMELINE, timeline_table(minutes, start_ns, end_ns)
        elif resolution == "minute":
            yield dictionary.MINUTES, by_minute(timeline_table(minutes, start_ns, end_ns))
        kinds = dict.fromkeys((*ITEM_KINDS, *(kind for kind, _ in ITEM_TABLES)))
        items = {kind: read(kind, start_ns, end_ns) for kind in kinds}
        begun = {
            kind: [result for result in results if start_ns <= result.start_ns]
            for kind, results in items.items()
        }
        for kind, table in ITEM_TABLES:
            yield table, items_table(begun[kind], table)
        yield dictionary.STEPS, steps_table(begun["walking_bout"])
        of_days = read("extra_sensors", start_ns, end_ns)
        here = [result for result in of_days if start_ns <= result.start_ns]
        yield dictionary.EXTRA_SENSORS, extra_sensors_table(here)
        yield dictionary.SYMPTOMS, symptoms_table(subject.diary(start_ns, end_ns))
        if (start_ns, end_ns) == (day.start_ns, day.end_ns):
            runs = [replace(minute, body=runs_of(minute.body)) for minute in minutes]
            line = timeline(runs, day.start_ns, day.end_ns)
            summary = day_exposure(day, line, chain.from_iterable(items.values()))
            if resolution == "hour":
                yield dictionary.HOURS, hours_table(summary)
            yield dictionary.DAYS, days_table([(day, summary)])


def moved(rows: pa.Table, shift_ns: int) -> pa.Table:
    """Rows with every time and date `shift_ns` later."""
    if not shift_ns:
        return rows
    for at, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type):
            column = pc.add(rows[at], pa.scalar(shift_ns, pa.duration("ns")))
        elif pa.types.is_date(field.type):
            days = pa.scalar(shift_ns // NS_PER_DAY, pa.int32())
            column = pc.add(rows[at].cast(pa.int32()), days).cast(field.type)
        else:
            continue
        rows = rows.set_column(at, field, column)
    return rows
