"""Writes a synthetic recording and its truth to files, piece by piece."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from trunkline.synthetic.wearer import Piece, SyntheticWearer

_COLUMNS = ("accel_x", "accel_y", "accel_z", "gyro_x", "gyro_y", "gyro_z")


def write_recording(
    wearer: SyntheticWearer, path: Path, progress: Callable[[int], None] | None = None
) -> None:
    """Write Parquet with the `trunkline` metadata entry; raises OSError.

    The file appears under its name only when it is complete. progress: called with the number
    of samples of each piece written.
    """
    extra = [f"{name}_{axis}" for name in wearer.extra_quantities for axis in "xyz"]
    schema = pa.schema(
        [("time_s", pa.float64()), *((name, pa.float32()) for name in (*_COLUMNS, *extra))],
        metadata={"trunkline": json.dumps(wearer.metadata)},
    )
    partial = path.with_name(path.name + ".partial")
    try:
        with pq.ParquetWriter(partial, schema, compression="zstd", use_dictionary=False) as writer:
            for piece in wearer.pieces():
                writer.write_table(_table(piece, schema))
                if progress:
                    progress(len(piece.t_s))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_truth(wearer: SyntheticWearer, path: Path) -> None:
    """Write the truth as JSON; raises OSError."""
    path.write_text(json.dumps(wearer.truth, separators=(",", ":")), encoding="utf-8")


def _table(piece: Piece, schema: pa.Schema) -> pa.Table:
    columns = [piece.t_s, *piece.accel.T, *piece.gyro.T]
    columns += [column for values in piece.limbs.values() for column in values.T]
    return pa.table([pa.array(column) for column in columns], schema=schema)
