"""A window of raw samples for a chart: every sample where that is few, an envelope where not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.signal.envelope import Envelope
from analytics.store.base import Samples, Store

CHUNK_NS: Final = 3600 * 1_000_000_000
"""An hour at 50 Hz is 6 MB; it bounds the memory."""
QUANTITIES: Final = ("accel", "gyro", "mag")
_AXES: Final = "xyz"


@dataclass(frozen=True, slots=True)
class SampleWindow:
    """Samples of one sensor in [start_ns, end_ns): all of them, or low and high of pieces."""

    start_ns: int
    end_ns: int
    samples: int
    """how many the store has in the range"""
    columns: tuple[str, ...]
    """accel_x and so on; quantities that the sensor does not have are left out"""
    t_ns: NDArray[np.int64]
    """(n,) of the samples, or (pieces,) of the beginning of each piece"""
    low: NDArray[np.float32]
    """(n, columns) the samples, or the lowest of each piece; NaN where there is none"""
    high: NDArray[np.float32]
    """the same array as `low`, or the highest of each piece"""
    piece_ns: int | None
    """length of a piece; None: these are all samples, at full rate"""


def sample_window(
    store: Store, wearer: str, sensor: str, start_ns: int, end_ns: int, *, points: int
) -> SampleWindow:
    """At most `points` rows: the samples themselves if there are no more than that.

    A piece without a sample has no row: a gap stays a gap. Raises StoreError.
    """
    names = [f"{quantity}_{axis}" for quantity in QUANTITIES for axis in _AXES]
    pieces = min(points, end_ns - start_ns)
    envelope = Envelope(start_ns, end_ns, pieces, len(names))
    count, kept = 0, list[Samples]()
    for chunk in store.iter_samples(wearer, sensor, start_ns, end_ns, CHUNK_NS):
        envelope.add(chunk.t_ns, _matrix(chunk))
        count += len(chunk)
        if count <= points:
            kept.append(chunk)
    if count <= points:
        t_ns = np.concatenate([np.empty(0, np.int64), *(chunk.t_ns for chunk in kept)])
        low = np.concatenate(
            [np.empty((0, len(names)), np.float32), *(_matrix(chunk) for chunk in kept)]
        )
        high, piece_ns = low, None
    else:
        filled = np.flatnonzero(envelope.count)
        t_ns = start_ns + filled * envelope.piece_ns
        low, high, piece_ns = envelope.low[filled], envelope.high[filled], envelope.piece_ns
    there = np.flatnonzero(np.isfinite(low).any(axis=0))
    return SampleWindow(
        start_ns=start_ns,
        end_ns=end_ns,
        samples=count,
        columns=tuple(names[n] for n in there),
        t_ns=t_ns,
        low=low[:, there],
        high=high[:, there],
        piece_ns=piece_ns,
    )


def _matrix(samples: Samples) -> NDArray[np.float32]:
    """(n, 9) SI values, NaN for a quantity that is not there."""
    missing = np.full((len(samples), len(_AXES)), np.nan, np.float32)
    return np.hstack([samples.values.get(quantity, missing) for quantity in QUANTITIES])
