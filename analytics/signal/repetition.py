"""At which lag something repeats itself, for many autocorrelations at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def first_top(
    repeats: NDArray[np.float64], shortest: int, first_share: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lag, with a fraction, and height of the first local maximum of each row of (rows, lags) that
    reaches `first_share` of the highest one.

    Lags begin at zero and are searched from `shortest` to the last but one; a row without a
    maximum has height 0.
    """
    inner = repeats[:, shortest:-1]
    top = (inner >= repeats[:, shortest - 1 : -2]) & (inner >= repeats[:, shortest + 1 :])
    height = np.where(top, inner, 0.0)
    first = np.argmax(height >= first_share * height.max(axis=1, keepdims=True), axis=1)
    rows, at = np.arange(len(repeats)), first + shortest
    before, middle, after = repeats[rows, at - 1], repeats[rows, at], repeats[rows, at + 1]
    bend = np.minimum(before - 2.0 * middle + after, -1e-12)
    return at + np.clip(0.5 * (before - after) / bend, -0.5, 0.5), height[rows, first]
