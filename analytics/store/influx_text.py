"""InfluxDB's texts: line protocol out, InfluxQL literals, CSV answers in. Pure.

Whole columns at a time with Arrow: a second of a 50 Hz sensor is 300 numbers to print, and a day
26 million to parse. float32 survives exactly: Arrow prints the shortest text that gives the same
float32 again, InfluxDB keeps the float64 nearest to that text and prints the text again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from analytics.store.base import Samples, StoredBatch
from wire.batch import UNITS

AXES = ("x", "y", "z")
BLOCK_BYTES = 8 << 20
"""CSV is parsed in blocks of this size: the memory for a day's answer is that of its arrays."""


class Readable(Protocol):
    """The body of an answer, as it arrives."""

    def read(self, amount: int) -> bytes:
        """Up to `amount` bytes; none at the end."""


def quote(text: str) -> str:
    """A string literal of InfluxQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def tag(text: str) -> str:
    """A tag value of the line protocol."""
    for special in ("\\", ",", "=", " "):
        text = text.replace(special, "\\" + special)
    return text


def field(text: str) -> str:
    """A string field of the line protocol."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def sample_lines(items: Sequence[StoredBatch]) -> bytes:
    """One line per sample with a field per axis; a value that is not finite has no field, a
    sample without any field no line."""
    by_layout: dict[frozenset[str], list[StoredBatch]] = {}
    for item in items:
        by_layout.setdefault(frozenset(item.batch.channels), []).append(item)
    return b"\n".join(_lines(sorted(names), group) for names, group in by_layout.items())


def _lines(quantities: list[str], items: Sequence[StoredBatch]) -> bytes:
    names = [f"{name}_{axis}" for name in quantities for axis in AXES]
    values = np.concatenate(
        [np.hstack([x.batch.channels[name].si() for name in quantities]) for x in items]
    )
    t_ns = np.concatenate([item.batch.t_ns for item in items])
    series = pa.array([f"imu,sensor={tag(x.sensor)},wearer={tag(x.wearer)}" for x in items])
    which = np.repeat(np.arange(len(items)), [item.batch.n for item in items])
    bad = ~np.isfinite(values)
    if bad.any():
        some = ~bad.all(axis=1)
        values, bad, t_ns, which = values[some], bad[some], t_ns[some], which[some]
    texts = [_text(values[:, k], bad[:, k]) for k in range(len(names))]
    series, stamps = series.take(pa.array(which)), pc.cast(pa.array(t_ns), pa.string())
    if not bad.any():  # every line has every field: one pass over all of them
        lead = [" ", *([","] * (len(names) - 1))]
        pieces = [
            piece
            for before, name, text in zip(lead, names, texts, strict=True)
            for piece in (f"{before}{name}=", text)
        ]
        lines = pc.binary_join_element_wise(series, *pieces, " ", stamps, "")
    else:
        fields = [
            pc.binary_join_element_wise(f"{name}=", text, "")
            for name, text in zip(names, texts, strict=True)
        ]
        # "skip" leaves a null field out; it would also leave out a whole line of nulls.
        some_fields = pc.binary_join_element_wise(*fields, ",", null_handling="skip")
        lines = pc.binary_join_element_wise(series, some_fields, stamps, " ")
    one = pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines)
    joined: bytes = pc.binary_join(one, "\n")[0].as_buffer().to_pybytes()
    return joined


def _text(column: NDArray[np.float32], is_null: NDArray[np.bool_]) -> pa.Array:
    return pc.cast(pa.array(np.ascontiguousarray(column), mask=is_null), pa.string())


def csv_blocks(body: Readable) -> Iterator[tuple[tuple[str, ...], bytes]]:
    """(column names, whole rows) of an InfluxQL CSV answer, block by block.

    An answer has sections divided by an empty line, each with its own line of column names.
    """
    rest = b""
    columns: tuple[str, ...] | None = None
    for block in _read_ahead(body):
        text = rest + block
        # The last line may be cut, and an empty line may lie on the edge of two blocks: what
        # follows the last line break, and that break itself, wait for the next block.
        end = max(text.rfind(b"\n"), 0) if block else len(text)
        while end and text[end - 1 : end] == b"\n":
            end -= 1
        rest = text[end:]
        start = 0
        while start < end:
            stop = text.find(b"\n\n", start, end)
            section = text[start : end if stop < 0 else stop]
            if columns is None:
                header, _, section = section.partition(b"\n")
                columns = tuple(header.decode().split(","))
            if section:
                yield columns, section
            if stop < 0:
                break
            columns, start = None, stop + 2


def _read_ahead(body: Readable) -> Iterator[bytes]:
    """The blocks of a body, the last one empty. The next is read while one is worked on, so that
    the server need not wait for us."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(body.read, BLOCK_BYTES)
        block = b"."
        while block:
            block = coming.result()
            if block:
                coming = reader.submit(body.read, BLOCK_BYTES)
            yield block


def parse_samples(columns: tuple[str, ...], rows: bytes) -> Samples:
    """Samples out of rows with a `time` column in ns and columns accel_x, accel_y ..."""
    wanted = [name for name in columns if name.rpartition("_")[0] in UNITS]
    table = pacsv.read_csv(
        pa.py_buffer(rows),
        read_options=pacsv.ReadOptions(column_names=list(columns)),
        convert_options=pacsv.ConvertOptions(
            include_columns=["time", *wanted],
            column_types={"time": pa.int64(), **dict.fromkeys(wanted, pa.float32())},
        ),
    )
    values = {}
    for quantity in sorted({name.rpartition("_")[0] for name in wanted}):
        out = np.full((table.num_rows, 3), np.nan, np.float32)
        for axis, letter in enumerate(AXES):
            if f"{quantity}_{letter}" in wanted:
                out[:, axis] = table[f"{quantity}_{letter}"].to_numpy()
        values[quantity] = out
    return Samples(table["time"].to_numpy(), values)
