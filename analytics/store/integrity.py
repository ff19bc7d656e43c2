"""Whether the embedded store's file is sound: pages, blocks, rows."""

from __future__ import annotations

import zlib

from analytics.store.block import CELL_NS, BatchRow, Layout, PackedBlock
from analytics.store.columns import ColumnError
from analytics.store.compaction import Progress
from analytics.store.database import Database
from analytics.store.embedded_batches import Batches


def problems(db: Database, batches: Batches, progress: Progress) -> list[str]:
    """What is wrong, one line each: SQLite's own look at every page and reference, then every
    block unpacked, every loose row measured, every result parsed."""
    with db.snapshot() as connection:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check(20)")]
        found = [] if found == ["ok"] else found
        found += [
            f"row {row[1]} of {row[0]} refers to a {row[2]} that is not there"
            for row in connection.execute("PRAGMA foreign_key_check")
        ]
        if found:
            return found
        ids = [row[0] for row in connection.execute("SELECT id FROM block ORDER BY id")]
    for done, block_id in enumerate(ids):
        progress(done, len(ids) + 2)
        found += _block_problems(db, batches, block_id)
    with db.snapshot() as connection:
        progress(len(ids), len(ids) + 2)
        for t0_ns, n, layout_id, *sizes in connection.execute(
            "SELECT t0_ns, n, layout_id, length(accel), length(gyro), length(mag) FROM batch"
        ):
            layout = batches.layout(connection, layout_id)
            if sizes != _sizes(layout, n):
                found.append(f"batch at {t0_ns}: its samples do not fit its layout")
        progress(len(ids) + 1, len(ids) + 2)
        found += [
            f"result {row[0]}: its body is not JSON"
            for row in connection.execute("SELECT id FROM result WHERE NOT json_valid(body)")
        ]
    progress(len(ids) + 2, len(ids) + 2)
    return found


def _block_problems(db: Database, batches: Batches, block_id: int) -> list[str]:
    with db.snapshot() as connection:
        row = connection.execute(
            "SELECT cell, layout_id, start_ns, last_ns, batches, samples, crc32, data FROM block"
            " WHERE id = ?",
            (block_id,),
        ).fetchone()
        if row is None:  # packed anew or erased in the meantime
            return []
        cell, layout_id, start_ns, last_ns, count, samples, crc32, data = row
        layout = batches.layout(connection, layout_id)
    if zlib.crc32(data) != crc32:
        return [f"block {block_id}: its checksum is wrong"]
    try:
        rows = list(PackedBlock(data, layout).rows(layout_id))
    except ColumnError as error:
        return [f"block {block_id}: {error}"]
    told = (count, samples, start_ns, last_ns)
    if told != (
        len(rows),
        sum(row.n for row in rows),
        rows[0].t0_ns,
        max(row.last_ns for row in rows),
    ) or any(row.t0_ns // CELL_NS != cell for row in rows):
        return [f"block {block_id}: its content is not what its row says"]
    return []


def _sizes(layout: Layout, n: int) -> list[int | None]:
    return [
        3 * n * layout.dtypes[name].itemsize if name in layout.dtypes else None
        for name in BatchRow._fields[-3:]
    ]
