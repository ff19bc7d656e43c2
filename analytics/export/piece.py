"""A piece of an export: what is written as a whole, and what a repeated command need not repeat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from analytics.export.dictionary import Table

Progress = Callable[[int], None]
"""Called with the nanoseconds of data that have been dealt with since the last call."""


@dataclass(frozen=True, slots=True)
class Written:
    """One file of a piece; `table` is what its rows are, None for what is no table of ours."""

    file: str
    """Relative to the folder of the export, with `/`."""
    rows: int | None = None
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an export."""

    name: str
    """The same in every run of the same export, and no other piece's."""
    work_ns: int
    """What `Progress` of `write` sums up to."""
    write: Callable[[Path, Progress], Sequence[Written]]
    """Writes files below the folder given, whatever lies there of an earlier attempt."""
