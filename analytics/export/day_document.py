"""Formats that are one JSON document for every day of a subject."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from analytics.export.dictionary import Table
from analytics.export.piece import Piece, Progress, Written
from analytics.export.source import Source
from analytics.export.stage import write_json
from analytics.export.subject import Subject
from analytics.exposure.days import Day

Make = Callable[[Subject, Mapping[Table, pa.Table]], tuple[Any, int] | None]
"""From the result tables of a day its document and how many items that has; None: there is nothing
to say."""


def day_pieces(source: Source, make: Make) -> list[Piece]:
    """A piece for every day of a subject: `<subject>/<date>.json`."""
    return [
        Piece(
            f"{subject.name} {source.date_of(subject, day)}",
            end_ns - start_ns,
            _Day(source, make, subject, day, start_ns, end_ns).write,
        )
        for subject in source.subjects
        for day, start_ns, end_ns in subject.days()
    ]


@dataclass(frozen=True, slots=True)
class _Day:
    source: Source
    make: Make
    subject: Subject
    day: Day
    start_ns: int
    end_ns: int

    def write(self, folder: Path, progress: Progress) -> Sequence[Written]:
        tables = dict(self.source.day_tables(self.subject, self.day, self.start_ns, self.end_ns))
        made = self.make(self.subject, tables)
        progress(self.end_ns - self.start_ns)
        if made is None:
            return []
        document, count = made
        file = f"{self.subject.name}/{self.source.date_of(self.subject, self.day)}.json"
        write_json(folder / file, document)
        return [Written(file, count)]
