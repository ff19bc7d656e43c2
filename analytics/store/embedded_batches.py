"""Batches in the embedded store's file: loose rows as they came, blocks once they are compacted.

Everything here happens inside a snapshot or a transaction of the caller.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from analytics.store.base import StoredBatch, StoreError
from analytics.store.block import CELL_NS, BatchRow, Layout, PackedBlock, Run, merged, pack_block
from analytics.store.columns import ColumnError
from wire.batch import UNITS, Batch
from wire.ids import session_bytes

_COLUMNS: Final = ", ".join(BatchRow._fields)
_UPDATES: Final = ", ".join(f"{name} = excluded.{name}" for name in BatchRow._fields[1:])
_INSERT: Final = f"""
INSERT INTO batch (sensor_id, {_COLUMNS}) VALUES (?{", ?" * len(BatchRow._fields)})
ON CONFLICT DO UPDATE SET {_UPDATES} WHERE excluded.n > n
"""  # noqa: S608 - our own column names


class Batches:
    """Rows and blocks; remembers layouts, which never change."""

    def __init__(self, damaged: Callable[[str], StoreError]) -> None:
        """`damaged` makes the error for content that cannot be right."""
        self._damaged = damaged
        self._layouts: dict[int, Layout] = {}

    # --- write -----------------------------------------------------------------------------

    def insert(self, connection: sqlite3.Connection, items: Sequence[StoredBatch]) -> None:
        """Add batches as loose rows."""
        longest: dict[tuple[str, str], int] = {}
        for item in items:
            key = (item.wearer, item.sensor)
            longest[key] = max(longest.get(key, 0), item.batch.n * item.batch.dt_ns)
        ids = {key: _sensor_id(connection, *key, span) for key, span in longest.items()}
        # Not remembered beyond this call: the transaction may still be rolled back.
        layout_ids: dict[str, int] = {}
        for text in {_layout_text(item.batch) for item in items}:
            layout_ids[text] = _layout_id(connection, text)
        connection.executemany(
            _INSERT,
            [(ids[item.wearer, item.sensor], *_row(item.batch, layout_ids)) for item in items],
        )

    def compact_cell(self, connection: sqlite3.Connection, sensor_id: int, cell: int) -> None:
        """Put the loose rows of a cell into its blocks."""
        start_ns, end_ns = cell * CELL_NS, (cell + 1) * CELL_NS
        rows = self.rows(connection, sensor_id, start_ns, end_ns)
        connection.execute(
            "DELETE FROM batch WHERE sensor_id = ? AND t0_ns >= ? AND t0_ns < ?",
            (sensor_id, start_ns, end_ns),
        )
        connection.execute("DELETE FROM block WHERE sensor_id = ? AND cell = ?", (sensor_id, cell))
        by_layout: dict[int, list[BatchRow]] = {}
        for row in rows:
            by_layout.setdefault(row.layout_id, []).append(row)
        for layout_id, group in by_layout.items():
            data = pack_block(group, self.layout(connection, layout_id))
            connection.execute(
                "INSERT INTO block (sensor_id, cell, layout_id, start_ns, last_ns, batches,"
                " samples, crc32, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    sensor_id,
                    cell,
                    layout_id,
                    group[0].t0_ns,
                    max(row.last_ns for row in group),
                    len(group),
                    sum(row.n for row in group),
                    zlib.crc32(data),
                    data,
                ),
            )

    # --- read ------------------------------------------------------------------------------

    def runs(
        self, connection: sqlite3.Connection, sensor_id: int, start_ns: int, end_ns: int
    ) -> list[Run]:
        """Batches with start_ns < t0 < end_ns and later samples, in order of t0."""
        loose = _by_cell(self._loose(connection, sensor_id, start_ns, end_ns))
        packed = self._packed(connection, sensor_id, start_ns, end_ns)
        found: list[Run] = []
        rows: list[BatchRow] = []
        for cell in sorted(loose.keys() | packed.keys()):
            blocks = packed.get(cell, [])
            if len(blocks) == 1 and cell not in loose:
                found += self._of_rows(connection, rows)
                rows = []
                with self._reading(cell):
                    found.append(blocks[0][1].run())
            else:
                # Several sources: their batches take turns.
                rows += merged([*self._unpacked(cell, blocks), *loose.get(cell, [])])
        return found + self._of_rows(connection, rows)

    def rows(
        self, connection: sqlite3.Connection, sensor_id: int, start_ns: int, end_ns: int
    ) -> list[BatchRow]:
        """Batches with start_ns <= t0 < end_ns one by one, in order of t0."""
        loose = self._loose(connection, sensor_id, start_ns - 1, end_ns)
        found: list[BatchRow] = []
        for cell, blocks in self._packed(connection, sensor_id, start_ns - 1, end_ns).items():
            found += self._unpacked(cell, blocks)
        return [row for row in merged([*found, *loose]) if start_ns <= row.t0_ns < end_ns]

    def layout(self, connection: sqlite3.Connection, layout_id: int) -> Layout:
        """How the counts of a batch or block are kept."""
        if layout_id not in self._layouts:
            row = connection.execute(
                "SELECT channels FROM layout WHERE id = ?", (layout_id,)
            ).fetchone()
            if row is None:
                raise self._damaged(f"layout {layout_id} is missing")
            self._layouts[layout_id] = Layout.load(row[0])
        return self._layouts[layout_id]

    def _loose(
        self, connection: sqlite3.Connection, sensor_id: int, after_ns: int, end_ns: int
    ) -> list[BatchRow]:
        cursor = connection.execute(
            f"SELECT {_COLUMNS} FROM batch"  # noqa: S608 - our own column names
            " WHERE sensor_id = ? AND t0_ns > ? AND t0_ns < ? ORDER BY t0_ns",
            (sensor_id, after_ns, end_ns),
        )
        return list(map(BatchRow._make, cursor))

    def _packed(
        self, connection: sqlite3.Connection, sensor_id: int, after_ns: int, end_ns: int
    ) -> dict[int, list[tuple[int, PackedBlock]]]:
        """cell -> [(layout id, block)]"""
        found: dict[int, list[tuple[int, PackedBlock]]] = {}
        for cell, layout_id, crc32, data in connection.execute(
            "SELECT cell, layout_id, crc32, data FROM block"
            " WHERE sensor_id = ? AND cell >= ? AND cell <= ? AND last_ns > ? AND start_ns < ?"
            " ORDER BY cell, layout_id",
            (sensor_id, after_ns // CELL_NS, (end_ns - 1) // CELL_NS, after_ns, end_ns),
        ):
            if zlib.crc32(data) != crc32:
                raise self._damaged(f"checksum of block {sensor_id}/{cell}")
            with self._reading(cell):
                block = PackedBlock(data, self.layout(connection, layout_id))
            found.setdefault(cell, []).append((layout_id, block))
        return found

    def _unpacked(self, cell: int, blocks: Sequence[tuple[int, PackedBlock]]) -> list[BatchRow]:
        with self._reading(cell):
            return [row for layout_id, block in blocks for row in block.rows(layout_id)]

    def _of_rows(self, connection: sqlite3.Connection, rows: Sequence[BatchRow]) -> list[Run]:
        return [
            _run(list(group), self.layout(connection, layout_id))
            for layout_id, group in groupby(rows, key=attrgetter("layout_id"))
        ]

    @contextmanager
    def _reading(self, cell: int) -> Iterator[None]:
        try:
            yield
        except ColumnError as error:
            raise self._damaged(f"block {cell}: {error}") from error


def _row(batch: Batch, layout_ids: Mapping[str, int]) -> tuple[object, ...]:
    return (
        batch.t0_ns,
        batch.dt_ns,
        batch.n,
        layout_ids[_layout_text(batch)],
        session_bytes(batch.session),
        batch.seq,
        batch.lost,
        int(batch.flags),
        batch.rx_ns,
        batch.clock_err_ns,
        *(
            _little_endian(batch.channels[name].raw) if name in batch.channels else None
            for name in UNITS
        ),
    )


def _layout_text(batch: Batch) -> str:
    return json.dumps(
        {
            name: [channel.raw.dtype.newbyteorder("<").str, channel.scale]
            for name, channel in batch.channels.items()
        },
        sort_keys=True,
    )


def _layout_id(connection: sqlite3.Connection, text: str) -> int:
    connection.execute("INSERT INTO layout (channels) VALUES (?) ON CONFLICT DO NOTHING", (text,))
    row = connection.execute("SELECT id FROM layout WHERE channels = ?", (text,)).fetchone()
    return int(row[0])


def _sensor_id(connection: sqlite3.Connection, wearer: str, sensor: str, longest_ns: int) -> int:
    row = connection.execute(
        "SELECT id, longest_ns FROM sensor WHERE wearer = ? AND sensor = ?", (wearer, sensor)
    ).fetchone()
    if row is None or row[1] < longest_ns:
        row = connection.execute(
            "INSERT INTO sensor (wearer, sensor, longest_ns) VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET longest_ns = excluded.longest_ns RETURNING id",
            (wearer, sensor, longest_ns),
        ).fetchone()
    return int(row[0])


def _by_cell(rows: Sequence[BatchRow]) -> dict[int, list[BatchRow]]:
    return {cell: list(group) for cell, group in groupby(rows, key=lambda x: x.t0_ns // CELL_NS)}


def _run(rows: Sequence[BatchRow], layout: Layout) -> Run:
    t0_ns, dt_ns, n = (np.array([row[k] for row in rows], np.int64) for k in range(3))
    counts = {
        name: np.frombuffer(b"".join(getattr(row, name) for row in rows), dtype)
        for name, dtype in layout.dtypes.items()
    }
    return Run(layout, t0_ns, dt_ns, n, counts)


def _little_endian(raw: NDArray[Any]) -> bytes:
    return raw.astype(raw.dtype.newbyteorder("<"), copy=False).tobytes()
