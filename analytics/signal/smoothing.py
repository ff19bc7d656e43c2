"""Means and medians around each sample, for signals of any length."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def moving_sum(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """(n,) sum of the `width` samples around each; beyond the ends there is nothing."""
    whole = np.convolve(values, np.ones(width))
    first = (width - 1) // 2
    return whole[first : first + len(values)]


def moving_mean(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """(n,) mean of the `width` samples around each, with zeros beyond the ends."""
    return moving_sum(values, width) / width


def from_running_median(
    values: NDArray[np.float64], *, rate_hz: int, window_s: int
) -> NDArray[np.float64]:
    """(n,) values less the running median of their means by the second."""
    whole = values[: len(values) // rate_hz * rate_hz].reshape(-1, rate_hz)
    if len(whole) < 3:
        return values - np.median(values)
    middle = ndimage.median_filter(whole.mean(axis=1), size=window_s + 1, mode="nearest")
    at = (np.arange(len(middle)) + 0.5) * rate_hz
    out: NDArray[np.float64] = values - np.interp(np.arange(len(values)), at, middle)
    return out
