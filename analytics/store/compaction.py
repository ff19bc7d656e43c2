"""Compaction of the embedded store: ten minutes of rows become one block, cell by cell.

Every step is one transaction, so that it may be ended at any moment: a cell is either loose or
packed. Readers and writers of other processes go on; a writer waits for one step at most. Batches
that arrive later for a packed cell lie loose beside it until the next compaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from analytics.store.block import CELL_NS
from analytics.store.database import Database
from analytics.store.embedded_batches import Batches

CELLS_AT_ONCE: Final = 6
"""Cells of one transaction: an hour of a sensor, about 0.1 s that a writer may have to wait."""

Progress = Callable[[int, int], None]
"""Called with what is done and what there is to do."""


def compact(db: Database, batches: Batches, before_ns: int, progress: Progress) -> int:
    """Pack every cell that ends by `before_ns` and has loose rows; returns how many."""
    with db.snapshot() as connection:
        sensors = [row[0] for row in connection.execute("SELECT id FROM sensor ORDER BY id")]
    packed = 0
    for done, sensor_id in enumerate(sensors):
        progress(done, len(sensors))
        cells = list(_loose_cells(db, sensor_id, before_ns // CELL_NS * CELL_NS))
        for start in range(0, len(cells), CELLS_AT_ONCE):
            with db.transaction() as connection:
                for cell in cells[start : start + CELLS_AT_ONCE]:
                    batches.compact_cell(connection, sensor_id, cell)
                    packed += 1
    progress(len(sensors), len(sensors))
    db.shrink()
    return packed


def _loose_cells(db: Database, sensor_id: int, end_ns: int) -> Iterator[int]:
    """Cells with loose rows before `end_ns`: one step of the index each, not one a row."""
    after_ns = -1
    while True:
        with db.read() as connection:
            row = connection.execute(
                "SELECT min(t0_ns) FROM batch WHERE sensor_id = ? AND t0_ns > ? AND t0_ns < ?",
                (sensor_id, after_ns, end_ns),
            ).fetchone()
        if row[0] is None:
            return
        yield row[0] // CELL_NS
        after_ns = (row[0] // CELL_NS + 1) * CELL_NS - 1
