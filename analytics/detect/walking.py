"""Walking: which seconds, where the bouts begin and end, and when a foot meets the ground.

Seconds: the norm of acceleration between 0.7 and 5 Hz is strong and periodic at a step's pace, by a
majority of three windows. People who limp repeat themselves only by the stride, which a longer
window finds. Bouts: Mobilise-D's rule of breaks (Kluge 2021, doi:10.1371/
journal.pone.0256541). The norm needs no orientation, so any mounting gives the same seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from analytics.signal.calibration import GRAVITY_MPS2
from analytics.signal.frames import Frames
from analytics.signal.grid import GRID_HZ
from analytics.signal.masks import fill_breaks, keep_runs
from analytics.signal.parameter import parameter

_HZ: Final = 25
"""Rate at which periodicity is judged."""


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


def walking_seconds(frames: Frames, parameters: WalkingParameters) -> NDArray[np.bool_]:
    """(seconds,) True where the wearer walks, judged inside these frames."""
    p = parameters
    norm = np.linalg.norm(frames.accel, axis=0) / GRAVITY_MPS2
    if len(norm) < 2 * GRID_HZ:
        return np.zeros(frames.seconds, bool)
    band = signal.butter(2, [p.band_low_hz, p.band_high_hz], "bandpass", fs=GRID_HZ, output="sos")
    slow = signal.sosfiltfilt(band, norm - 1.0)[::2]
    slow[~frames.valid[::2]] = 0.0
    short = _vote(slow, p.window_s, p.min_sd_g, p.min_periodicity, (p.min_period_s, p.max_period_s))
    long = _vote(
        slow,
        p.long_window_s,
        p.long_min_sd_g,
        p.long_min_periodicity,
        (p.min_period_s, p.long_max_period_s),
    )
    vote = short | long
    around = np.pad(vote.astype(np.int8), 1)
    votes = around[:-2] + around[1:-1] + around[2:] >= 2
    measured = frames.valid.reshape(-1, GRID_HZ).mean(axis=1) > 0.5
    walking = keep_runs(fill_breaks(votes & measured, p.max_break_s), p.min_bout_s)
    walking &= measured
    return walking


def _vote(
    slow: NDArray[np.float64],
    window_s: float,
    min_sd_g: float,
    min_periodicity: float,
    periods_s: tuple[float, float],
) -> NDArray[np.bool_]:
    """(seconds,) strong and periodic in the window around each second; `slow` at _HZ."""
    width = round(window_s * _HZ)
    before = (width - _HZ) // 2
    padded = np.pad(slow, (before, width - _HZ - before))
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)[::_HZ]
    windows = windows - windows.mean(axis=1, keepdims=True)
    power = np.einsum("ij,ij->i", windows, windows)
    strong = np.flatnonzero(power > width * min_sd_g**2)
    out = np.zeros(len(windows), bool)
    if len(strong):
        low, high = (round(period_s * _HZ) for period_s in periods_s)
        out[strong] = _periodicity(windows[strong], low, high) > min_periodicity
    return out


def _periodicity(windows: NDArray[np.float64], lag_low: int, lag_high: int) -> NDArray[np.float64]:
    """(n,) highest local maximum of the unbiased autocorrelation between two lags."""
    width = windows.shape[1]
    spectrum = np.fft.rfft(windows, 2 * width, axis=1)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, 2 * width, axis=1)[:, : lag_high + 2]
    correlation /= correlation[:, :1]
    correlation *= width / (width - np.arange(lag_high + 2))
    inner = correlation[:, lag_low : lag_high + 1]
    peak = (inner >= correlation[:, lag_low - 1 : lag_high]) & (
        inner >= correlation[:, lag_low + 1 : lag_high + 2]
    )
    highest: NDArray[np.float64] = np.where(peak, inner, 0.0).max(axis=1)
    return highest
