"""Zero-phase Butterworth filters whose coefficients are worked out once.

The same forward-backward filtering as scipy.signal.sosfiltfilt, without its set-up at every call,
which costs more than the filtering of a short stretch.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import signal


def low_pass(
    values: NDArray[np.floating], hz: float, *, rate_hz: float, order: int = 2
) -> NDArray[np.float64]:
    """(..., n) below `hz`."""
    return _filtered(values, "lowpass", (hz,), rate_hz, order)


def high_pass(
    values: NDArray[np.floating], hz: float, *, rate_hz: float, order: int = 2
) -> NDArray[np.float64]:
    """(..., n) above `hz`."""
    return _filtered(values, "highpass", (hz,), rate_hz, order)


def band_pass(
    values: NDArray[np.floating], low_hz: float, high_hz: float, *, rate_hz: float, order: int = 2
) -> NDArray[np.float64]:
    """(..., n) between two frequencies."""
    return _filtered(values, "bandpass", (low_hz, high_hz), rate_hz, order)


@lru_cache(maxsize=256)
def _design(
    kind: str, hz: tuple[float, ...], rate_hz: float, order: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Sections, their state in the steady state of a unit step, and the padding."""
    sections = signal.butter(order, hz if len(hz) > 1 else hz[0], kind, fs=rate_hz, output="sos")
    taps = 2 * len(sections) + 1
    taps -= min(int((sections[:, 2] == 0).sum()), int((sections[:, 5] == 0).sum()))
    return sections, signal.sosfilt_zi(sections), 3 * taps


def _filtered(
    values: NDArray[np.floating], kind: str, hz: tuple[float, ...], rate_hz: float, order: int
) -> NDArray[np.float64]:
    sections, settled, padding = _design(kind, hz, rate_hz, order)
    padding = min(padding, values.shape[-1] - 1)
    flat = values.reshape(-1, values.shape[-1])
    out: NDArray[Any] = flat
    if padding > 0:
        # odd extension: the signal turned about its end points
        before = 2 * flat[:, :1] - flat[:, padding:0:-1]
        after = 2 * flat[:, -1:] - flat[:, -2 : -padding - 2 : -1]
        out = np.concatenate((before, flat, after), axis=1)
    for _ in range(2):
        state = settled[:, None, :] * out[None, :, :1]
        if len(sections) == 1:  # the same recursion with a tenth of the set-up
            taps = settled.shape[1] + 1 - (sections[0, 2] == 0.0 == sections[0, 5])
            b, a = sections[0, :taps], sections[0, 3 : 3 + taps]
            out, _ = signal.lfilter(b, a, out, axis=1, zi=state[0, :, : taps - 1])
        else:
            out, _ = signal.sosfilt(sections, out, axis=1, zi=state)
        out = out[:, ::-1]
    if padding > 0:
        out = out[:, padding:-padding]
    return out.reshape(values.shape)
