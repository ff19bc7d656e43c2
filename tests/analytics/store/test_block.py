"""Columns and blocks: smaller, and the same to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from analytics.store.block import BatchRow, Layout, PackedBlock, merged, pack_block
from analytics.store.columns import ColumnError, pack, skip, unpack
from wire.ids import new_session, session_bytes

LAYOUT = Layout({"gyro": ("<i2", 0.001), "accel": ("<f4", 1.0)})
SESSIONS = [session_bytes(new_session()) for _ in range(3)]


@settings(deadline=None)
@given(
    st.sampled_from([np.int16, np.int32, np.int64, np.float32]).flatmap(
        lambda kind: npst.arrays(kind, st.integers(0, 300))
    )
)
def test_every_column_comes_back(column: np.ndarray) -> None:  # type: ignore[type-arg]
    packed = pack(column)
    back, used = unpack(memoryview(packed + b"more"), len(column), column.dtype)
    assert used == len(packed) == skip(memoryview(packed))
    assert back.dtype == column.dtype
    assert back.tobytes() == column.tobytes()


def test_what_a_sensor_sends_gets_small() -> None:
    rng = np.random.default_rng(1)
    still = rng.normal(4000, 3, 30_000).round().astype(np.int16)
    moving = (8000 * np.sin(np.arange(30_000) / 40) + rng.normal(0, 3, 30_000)).astype(np.int16)
    assert len(pack(still)) < 0.6 * 30_000
    assert len(pack(moving)) < 0.75 * 30_000


def row(t0_ns: int, n: int, *, session: int = 0, seed: int = 0) -> BatchRow:
    rng = np.random.default_rng([seed, t0_ns, n])
    return BatchRow(
        t0_ns=t0_ns,
        dt_ns=7,
        n=n,
        layout_id=5,
        session=SESSIONS[session],
        seq=t0_ns,
        lost=3,
        flags=1,
        rx_ns=2**62,
        clock_err_ns=2**62,
        accel=rng.integers(0, 2**32, (n, 3), np.uint32).tobytes(),
        gyro=rng.integers(-9, 9, (n, 3), np.int16).tobytes(),
        mag=None,
    )


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(1, 9), st.integers(0, 2)), min_size=1))
def test_batches_come_back_one_by_one(what: list[tuple[int, int, int]]) -> None:
    rows = merged([row(t0, n, session=k) for t0, n, k in what])
    block = PackedBlock(pack_block(rows, LAYOUT), LAYOUT)
    assert list(block.rows(5)) == rows
    run = block.run()
    assert run.t0_ns.tolist() == [x.t0_ns for x in rows]
    assert run.counts["gyro"].tobytes() == b"".join(x.gyro or b"" for x in rows)


def test_of_the_same_start_the_longest_stays_and_of_equals_the_first() -> None:
    first, longer, equal = row(1, 5), row(1, 8), row(1, 8, seed=9)
    other = row(0, 2)
    assert merged([first, longer, equal, other]) == [other, longer]


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_is_an_error(at: int, by: int) -> None:
    data = bytearray(pack_block([row(t, 50) for t in range(9)], LAYOUT))
    data[at % len(data)] ^= by
    with pytest.raises(ColumnError):
        PackedBlock(bytes(data), LAYOUT)


@pytest.mark.parametrize("end", [0, 1, 12, 60, -1])
def test_a_block_cut_short(end: int) -> None:
    data = pack_block([row(t, 50) for t in range(9)], LAYOUT)
    with pytest.raises(ColumnError):
        PackedBlock(data[:end], LAYOUT).run()
