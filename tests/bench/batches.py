"""The batch that the benchmarks send and store: one second of six axes at 50 Hz."""

from __future__ import annotations

from typing import Any

import numpy as np

from wire.batch import Batch, Channel

SECOND_NS = 1_000_000_000


def one_second(counts: np.ndarray[Any, Any], session: str, seq: int, t0_ns: int) -> Batch:
    """counts: (50, 6) int16, accel and gyro."""
    return Batch(
        session=session,
        seq=seq,
        floor_seq=0,
        t0_ns=t0_ns,
        dt_ns=20_000_000,
        n=50,
        channels={
            "accel": Channel(np.ascontiguousarray(counts[:, :3]), 0.0024),
            "gyro": Channel(np.ascontiguousarray(counts[:, 3:]), 0.0012),
        },
        rx_ns=t0_ns + SECOND_NS,
        clock_err_ns=1_000_000,
    )
