"""Saving what can be read of a damaged file of the embedded store.

Row by row into a new file, in order of the key. Where reading breaks off, the next key from which
it works again is searched for: in steps that double, then by halving the last one. Blocks whose
checksum is wrong are left out.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from analytics.store.base import StoreError
from analytics.store.embedded import EmbeddedStore

_TABLES: Final = ("sensor", "layout", "batch", "block", "result")
_KEYS: Final = {"batch": "t0_ns"}
_HIGHEST: Final = {"t0_ns": 2**62, "id": 2**40}

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Recovered:
    """What was saved and where the damaged file is now."""

    rows: dict[str, int] = field(default_factory=dict)
    """table -> rows saved"""
    gaps: int = 0
    """places that could not be read; several rows may have been in each"""
    damaged: Path = Path()


def recover(path: Path, progress: Progress = lambda _done, _all: None) -> Recovered:
    """Put a sound file with all that can be read in the place of `path`, which is kept beside it
    as `<name>.damaged-<time>`. Nobody else may have it open. StoreError when nothing can be read
    or there is no room; then everything is as before."""
    if not path.exists():
        raise StoreError(f"there is no {path.name}", "check --data-dir")
    fresh = path.with_name(path.name + ".recovering")
    _remove(fresh)
    done = Recovered()
    try:
        EmbeddedStore(fresh).close()
        with (
            closing(sqlite3.connect(path, isolation_level=None)) as source,
            closing(sqlite3.connect(fresh)) as target,
        ):
            for number, table in enumerate(_TABLES):
                progress(number, len(_TABLES))
                done.rows[table] = _save(source, target, table, done)
                target.commit()
            target.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except (sqlite3.Error, OSError) as error:
        _remove(fresh)
        raise StoreError(
            f"{path.name} cannot be recovered ({error})",
            "check that its disk has room for a second file, or put your last backup there",
        ) from error
    if not done.rows["sensor"] and not done.rows["result"]:
        _remove(fresh)
        raise StoreError(f"nothing in {path.name} can be read", "put your last backup in its place")
    done.damaged = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    path.replace(done.damaged)
    fresh.replace(path)
    _remove(fresh)
    progress(len(_TABLES), len(_TABLES))
    return done


def _save(
    source: sqlite3.Connection, target: sqlite3.Connection, table: str, done: Recovered
) -> int:
    key = _KEYS.get(table, "id")
    try:
        columns = [row[1] for row in source.execute(f"PRAGMA table_info({table})")]
    except sqlite3.DatabaseError:
        columns = []
    if not columns:
        done.gaps += 1
        return 0
    where = ""
    parts: list[Any] = [None]
    if table == "batch":
        where = " AND sensor_id = ?"
        parts = [row[0] for row in target.execute("SELECT id FROM sensor ORDER BY id")]
    select = (
        f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608 - our own names
        f" WHERE {key} >= ?{where} ORDER BY {key}"
    )
    insert = (
        f"INSERT OR IGNORE INTO {table} ({', '.join(columns)})"  # noqa: S608 - our own names
        f" VALUES ({', '.join('?' * len(columns))})"
    )
    saved = 0
    for part in parts:
        more = () if part is None else (part,)

        def ask(low: int, more: tuple[Any, ...] = more) -> Iterator[tuple[Any, ...]]:
            return iter(source.execute(select, (low, *more)))

        for row in _readable(ask, _HIGHEST[key], columns.index(key), done):
            if (
                table == "block"
                and zlib.crc32(row[columns.index("data")]) != row[columns.index("crc32")]
            ):
                done.gaps += 1
                continue
            saved += target.execute(insert, row).rowcount
    return saved


def _readable(
    ask: Callable[[int], Iterator[tuple[Any, ...]]], highest: int, key_at: int, done: Recovered
) -> Iterator[tuple[Any, ...]]:
    """The rows that `ask(key)` gives from a key on, over the gaps."""
    low = 0
    while low < highest:
        try:
            for row in ask(low):
                yield row
                low = row[key_at] + 1
            return
        except sqlite3.DatabaseError:
            done.gaps += 1
            low = _next_readable(ask, low, highest)


def _next_readable(ask: Callable[[int], Iterator[tuple[Any, ...]]], low: int, highest: int) -> int:
    """The first key above `low` from which a row can be read; `highest` when there is none."""

    def works(key: int) -> bool:
        try:
            next(ask(key), None)
        except sqlite3.DatabaseError:
            return False
        return True

    step = 1
    while low + step < highest and not works(low + step):
        step *= 2
    bad, good = low + step // 2, min(low + step, highest)
    while good - bad > 1:
        middle = (bad + good) // 2
        bad, good = (bad, middle) if works(middle) else (middle, good)
    return good


def _remove(path: Path) -> None:
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
