"""Means and medians around each sample, for signals of any length."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def moving_sum(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """(n,) sum of the `width` samples around each; beyond the ends there is nothing."""
    before = width - 1 - (width - 1) // 2
    total = np.zeros(len(values) + width)
    np.cumsum(values, out=total[before + 1 : before + 1 + len(values)])
    total[before + 1 + len(values) :] = total[before + len(values)]
    out: NDArray[np.float64] = total[width:] - total[:-width]
    return out


def moving_mean(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """(n,) mean of the `width` samples around each, with zeros beyond the ends."""
    return moving_sum(values, width) / width


def from_running_median(
    values: NDArray[np.float64], *, rate_hz: int, window_s: int
) -> NDArray[np.float64]:
    """(..., n) values less the running median of their means by the second."""
    n = values.shape[-1]
    whole = values[..., : n // rate_hz * rate_hz].reshape(*values.shape[:-1], -1, rate_hz)
    if whole.shape[-2] < 3:
        return values - np.median(values, axis=-1, keepdims=True)
    middle = ndimage.median_filter(
        whole.mean(axis=-1), size=window_s + 1, mode="nearest", axes=(-1,)
    )
    # straight lines between the middles of the seconds, level beyond the first and the last
    half = rate_hz - rate_hz // 2
    ahead = (np.arange(rate_hz) + half) / rate_hz - 0.5
    line = middle[..., :-1, None] + np.diff(middle)[..., None] * ahead
    out = np.empty(values.shape)
    stop = half + line.shape[-2] * rate_hz
    out[..., :half] = values[..., :half] - middle[..., :1]
    out[..., half:stop] = values[..., half:stop] - line.reshape(*values.shape[:-1], -1)
    out[..., stop:] = values[..., stop:] - middle[..., -1:]
    return out
