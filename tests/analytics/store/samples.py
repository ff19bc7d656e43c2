"""Batches for the store tests."""

from __future__ import annotations

import numpy as np

from analytics.store.base import Samples, StoredBatch
from wire.batch import Batch, Channel
from wire.ids import new_session

T0_NS = 1_790_000_000_000_000_000
DT_NS = 20_000_000
SESSION = new_session()


def batch(
    start: int,
    n: int = 50,
    *,
    quantities: tuple[str, ...] = ("accel", "gyro"),
    seq: int = 0,
    floor_seq: int = 0,
    session: str = SESSION,
    lost: int = 0,
) -> Batch:
    """Samples number start .. start + n - 1 on one time grid; a sample's values follow from its
    number, as they do when a sensor's samples are sent twice."""
    number = np.arange(start, start + n)
    channels = {}
    for k, name in enumerate(quantities):
        raw = np.stack([(number * 7 + axis + 11 * k) % 4001 - 2000 for axis in range(3)], axis=1)
        channels[name] = Channel(raw.astype(np.int16), scale=0.0023923828125 * (k + 1))
    return Batch(
        session=session,
        seq=seq,
        floor_seq=floor_seq,
        t0_ns=T0_NS + start * DT_NS,
        dt_ns=DT_NS,
        n=n,
        channels=channels,
        rx_ns=T0_NS + (start + n) * DT_NS,
        clock_err_ns=1_000,
        lost=lost,
    )


def stored(wearer: str, *batches: Batch, sensor: str = "back") -> list[StoredBatch]:
    return [StoredBatch(wearer, sensor, item) for item in batches]


def assert_same(a: Samples, b: Samples) -> None:
    assert a.t_ns.dtype == np.int64
    assert a.t_ns.tolist() == b.t_ns.tolist()
    assert a.values.keys() == b.values.keys()
    for name, column in a.values.items():
        assert column.dtype == np.float32
        assert column.shape == (len(a), 3)
        np.testing.assert_array_equal(column, b.values[name])
