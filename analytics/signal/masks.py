"""Runs of True in a mask: the arithmetic of bouts, breaks and hysteresis."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def runs(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(m, 2) start and stop of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return edges.reshape(-1, 2)


def fill_breaks(mask: NDArray[np.bool_], longest: int) -> NDArray[np.bool_]:
    """The mask with inner runs of False of at most `longest` set."""
    out = mask.copy()
    for start, stop in runs(~mask):
        if stop - start <= longest and start > 0 and stop < len(mask):
            out[start:stop] = True
    return out


def keep_runs(mask: NDArray[np.bool_], shortest: int) -> NDArray[np.bool_]:
    """The mask without runs of True shorter than `shortest`."""
    out = mask.copy()
    for start, stop in runs(mask):
        if stop - start < shortest:
            out[start:stop] = False
    return out


def widened(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """The mask with `by` more on both sides of every run of True."""
    wide: NDArray[np.int8] = ndimage.maximum_filter1d(mask.astype(np.int8), 2 * by + 1)
    return wide.astype(bool)


def hysteresis(
    enter: NDArray[np.bool_], stay: NDArray[np.bool_], initial: bool
) -> NDArray[np.bool_]:
    """True from where `enter` holds until `stay` no longer does; `enter` wins over `stay`."""
    event = np.where(enter, 1, np.where(~stay, 0, -1)).astype(np.int8)
    last = np.where(event >= 0, np.arange(len(event)), -1)
    np.maximum.accumulate(last, out=last)
    return np.where(last < 0, initial, event[np.maximum(last, 0)] == 1)
