"""Putting pieces of samples together; pure, shared by the stores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from analytics.store.base import Samples

EMPTY = Samples(np.empty(0, np.int64), {})


def join(parts: Sequence[Samples]) -> Samples:
    """One piece out of several: ordered by time, every time stamp once.

    Where pieces share a time stamp, the value of the later piece counts, and NaN never replaces
    a value. Samples without any value and quantities without any sample are left out.
    """
    if not parts:
        return EMPTY
    t_ns = parts[0].t_ns if len(parts) == 1 else np.concatenate([part.t_ns for part in parts])
    values = {
        name: _column(parts, name)
        for name in sorted({name for part in parts for name in part.values})
    }
    if np.any(np.diff(t_ns) <= 0):
        t_ns, values = _unique(t_ns, values)
    return _without_empty(t_ns, values)


def clip(samples: Samples, start_ns: int, end_ns: int) -> Samples:
    """Samples with start_ns <= t < end_ns, as views."""
    first, last = np.searchsorted(samples.t_ns, [start_ns, end_ns])
    if first == 0 and last == len(samples):
        return samples
    if first >= last:
        return EMPTY
    return Samples(samples.t_ns[first:last], {k: v[first:last] for k, v in samples.values.items()})


def chunk_bounds(
    start_ns: int, end_ns: int, chunk_ns: int, first_ns: int, last_ns: int
) -> Iterator[tuple[int, int]]:
    """Consecutive ranges of chunk_ns counted from start_ns, cut to end_ns; those before the
    first and after the last sample are left out."""
    if chunk_ns <= 0:
        raise ValueError(f"chunk_ns is {chunk_ns}, must be positive")
    low = start_ns + max(0, first_ns - start_ns) // chunk_ns * chunk_ns
    stop_ns = min(end_ns, last_ns + 1)
    while low < stop_ns:
        yield low, min(low + chunk_ns, end_ns)
        low += chunk_ns


def _column(parts: Sequence[Samples], name: str) -> NDArray[np.float32]:
    pieces = [
        part.values[name] if name in part.values else np.full((len(part), 3), np.nan, np.float32)
        for part in parts
    ]
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _unique(
    t_ns: NDArray[np.int64], values: Mapping[str, NDArray[np.float32]]
) -> tuple[NDArray[np.int64], dict[str, NDArray[np.float32]]]:
    order = np.argsort(t_ns, kind="stable")
    t_ns = t_ns[order]
    is_first = np.concatenate(([True], np.diff(t_ns) > 0))
    group = np.cumsum(is_first) - 1
    merged = {}
    for name, column in values.items():
        out = np.full((int(group[-1]) + 1, 3), np.nan, np.float32)
        ordered = column[order]
        rows, axes = np.nonzero(~np.isnan(ordered))
        # Of repeated indices numpy keeps the last assignment: the later piece.
        out[group[rows], axes] = ordered[rows, axes]
        merged[name] = out
    return t_ns[is_first], merged


def _without_empty(t_ns: NDArray[np.int64], values: dict[str, NDArray[np.float32]]) -> Samples:
    # A sum is NaN when any term is: a tenth of the time of looking at every sample.
    if not any(np.isnan(column.sum()) for column in values.values()):
        return Samples(t_ns, values) if values else EMPTY
    present = {name: ~np.isnan(column).all(axis=1) for name, column in values.items()}
    kept = {name: values[name] for name, mask in present.items() if mask.any()}
    if not kept:
        return EMPTY
    any_value = np.logical_or.reduce([present[name] for name in kept])
    if not any_value.all():
        t_ns = t_ns[any_value]
        kept = {name: column[any_value] for name, column in kept.items()}
    return Samples(t_ns, kept)
