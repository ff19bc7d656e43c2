"""Walking: which seconds, where the bouts begin and end, and when a foot meets the ground.

Seconds: the norm of acceleration between 0.7 and 5 Hz is strong and periodic at a step's pace, by a
majority of three windows. People who limp repeat themselves only by the stride, which a longer
window finds. Bouts: Mobilise-D's rule of breaks (Kluge 2021, doi:10.1371/
journal.pone.0256541). The norm needs no orientation, so any mounting gives the same seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len

from analytics.signal.calibration import GRAVITY_MPS2
from analytics.signal.filters import band_pass
from analytics.signal.frames import MOTION_HZ, Frames
from analytics.signal.grid import GRID_HZ
from analytics.signal.masks import fill_breaks, keep_runs
from analytics.signal.parameter import parameter


@dataclass(frozen=True, slots=True)
class WalkingParameters:
    """Which seconds are walking."""

    band_low_hz: float = parameter(0.7, unit="Hz", reason="below half the slowest step rate")
    band_high_hz: float = parameter(5.0, unit="Hz", reason="second harmonic of a fast step rate")
    window_s: float = parameter(3.0, unit="s", reason="holds three slow steps")
    min_sd_g: float = parameter(0.06, unit="g", reason="slow walking at the waist exceeds it")
    min_periodicity: float = parameter(
        0.45, unit="1", reason="autocorrelation peak of walking, stairs included"
    )
    long_window_s: float = parameter(5.0, unit="s", reason="holds three slow strides")
    long_min_sd_g: float = parameter(0.07, unit="g", reason="as min_sd_g, a little safer")
    long_min_periodicity: float = parameter(
        0.55, unit="1", reason="limping repeats itself by the stride only (MovingReality)"
    )
    long_max_period_s: float = parameter(2.2, unit="s", reason="a slow stride after a stroke")
    min_period_s: float = parameter(0.3, unit="s", reason="200 steps/min")
    max_period_s: float = parameter(1.3, unit="s", reason="a slow stride at 46 steps/min")
    max_break_s: int = parameter(3, unit="s", reason="break inside a bout", source="Kluge 2021")
    min_bout_s: int = parameter(5, unit="s", reason="four strides at a slow pace")
    prolonged_min: float = parameter(
        10.0, unit="min", reason="no validated threshold exists: a personal setting"
    )
    rest_s: float = parameter(
        60.0, unit="s", reason="a shorter break is no rest: what follows is the same walk"
    )


def walking_seconds(frames: Frames, parameters: WalkingParameters) -> NDArray[np.bool_]:
    """(seconds,) True where the wearer walks, judged inside these frames of whole seconds."""
    p = parameters
    size_g = frames.norm / GRAVITY_MPS2
    reach = np.ptp(size_g.reshape(-1, MOTION_HZ), axis=1).max(initial=0.0)
    if frames.seconds < 2 or reach < min(p.min_sd_g, p.long_min_sd_g):
        return np.zeros(frames.seconds, bool)
    swing = band_pass(size_g - 1.0, p.band_low_hz, p.band_high_hz, rate_hz=MOTION_HZ)
    swing[~frames.pairs_valid()] = 0.0
    vote = np.zeros(frames.seconds, bool)
    for window_s, min_sd_g, least, longest_s in (
        (p.window_s, p.min_sd_g, p.min_periodicity, p.max_period_s),
        (p.long_window_s, p.long_min_sd_g, p.long_min_periodicity, p.long_max_period_s),
    ):
        windows = _windows(swing, window_s)
        power = np.einsum("ij,ij->i", windows, windows)
        strong = np.flatnonzero((power > windows.shape[1] * min_sd_g**2) & ~vote)
        if len(strong):
            lags = round(p.min_period_s * MOTION_HZ), round(longest_s * MOTION_HZ)
            vote[strong] = _periodicity(windows[strong], *lags) > least
    around = np.pad(vote.astype(np.int8), 1)
    votes = around[:-2] + around[1:-1] + around[2:] >= 2
    measured = frames.valid.reshape(-1, GRID_HZ).mean(axis=1) > 0.5
    walking = keep_runs(fill_breaks(votes & measured, p.max_break_s), p.min_bout_s)
    walking &= measured
    return walking


def _windows(swing: NDArray[np.float64], window_s: float) -> NDArray[np.float64]:
    """(seconds, width) stretches around each second."""
    width = round(window_s * MOTION_HZ)
    before = (width - MOTION_HZ) // 2
    padded = np.pad(swing, (before, width - MOTION_HZ - before))
    return np.lib.stride_tricks.sliding_window_view(padded, width)[::MOTION_HZ]


def _periodicity(windows: NDArray[np.float64], lag_low: int, lag_high: int) -> NDArray[np.float64]:
    """(n,) highest local maximum of the unbiased autocorrelation between two lags."""
    width = windows.shape[1]
    windows = windows - windows.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(windows, next_fast_len(width + lag_high + 2, real=True), axis=1)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, : lag_high + 2]
    correlation /= correlation[:, :1]
    correlation *= width / (width - np.arange(lag_high + 2))
    inner = correlation[:, lag_low : lag_high + 1]
    peak = (inner >= correlation[:, lag_low - 1 : lag_high]) & (
        inner >= correlation[:, lag_low + 1 : lag_high + 2]
    )
    highest: NDArray[np.float64] = np.where(peak, inner, 0.0).max(axis=1)
    return highest
