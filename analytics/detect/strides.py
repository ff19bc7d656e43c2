"""Strides of steady walking: windows of six seconds, folded on the stride.

Each window tells its stride time from the autocorrelation of the vertical acceleration and of the
trunk's lean, and gives the mean stride as a wave over its phase: vertical acceleration and the
size of its jerk. Phase zero is where the trunk leans most to one side, so that waves of other
windows and other walks lie on one another and odd and even steps never change places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from analytics.signal.calibration import GRAVITY_MPS2
from analytics.signal.frames import MOTION_HZ, Frames
from analytics.signal.parameter import parameter
from analytics.signal.repetition import first_top

PHASES: Final = 64
"""Points of a folded stride."""


@dataclass(frozen=True, slots=True)
class StrideParameters:
    """Which windows are steady, and how far a stride may last."""

    window_s: int = parameter(6, unit="s", reason="three slow strides")
    hop_s: int = parameter(2, unit="s", reason="a bout of five seconds has a window")
    edge_s: int = parameter(
        1, unit="s", reason="a window may reach so far beyond the walking seconds"
    )
    shortest_s: float = parameter(0.8, unit="s", reason="150 steps a minute")
    longest_s: float = parameter(2.6, unit="s", reason="46 steps a minute, after a stroke")
    first_share: float = parameter(0.9, unit="1", reason="the stride, not two of them")
    least_regularity: float = parameter(
        0.4, unit="1", reason="autocorrelation at one stride; below it is no steady walking"
    )
    turning_deg: float = parameter(
        30.0, unit="deg", reason="more in a window is a turn, whose steps are unequal by themselves"
    )


@dataclass(frozen=True, slots=True)
class StrideWindows:
    """Windows by the second of their middle; every array has one row for each."""

    middle_s: NDArray[np.int64]
    stride_s: NDArray[np.float64]
    """Time of one stride."""
    stride_regularity: NDArray[np.float64]
    """Autocorrelation of vertical acceleration at one stride."""
    step_regularity: NDArray[np.float64]
    """The same at half a stride."""
    sway_rad: NDArray[np.float64]
    """(n, 2) SD of the trunk's tilt, forward and to the left; NaN without a gyroscope."""
    turn_deg: NDArray[np.float64]
    """Turning about the vertical in the window, to the left positive; NaN without a gyroscope."""
    vertical: NDArray[np.float32]
    """(n, PHASES) m/s2, the mean stride."""
    jerk: NDArray[np.float32]
    """(n, PHASES) m/s3, size of the change of vertical acceleration in the mean stride."""

    def __len__(self) -> int:
        return len(self.middle_s)

    def take(self, rows: NDArray[np.bool_] | slice) -> StrideWindows:
        """Some of the windows."""
        return StrideWindows(*(getattr(self, name)[rows] for name in self.__slots__))

    def between(self, start_s: float, end_s: float) -> StrideWindows:
        """Windows with their middle in [start_s, end_s)."""
        return self.take((self.middle_s >= start_s) & (self.middle_s < end_s))

    @classmethod
    def joined(cls, parts: list[StrideWindows]) -> StrideWindows:
        """Windows of consecutive stretches."""
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in cls.__slots__))

    @classmethod
    def none(cls) -> StrideWindows:
        """No windows."""
        empty, waves = np.empty(0), np.empty((0, PHASES), np.float32)
        return cls(
            empty.astype(np.int64), empty, empty, empty, np.empty((0, 2)), empty, waves, waves
        )


def stride_windows(
    frames: Frames,
    walking: NDArray[np.bool_],
    start_s: int,
    stop_s: int,
    parameters: StrideParameters,
) -> StrideWindows:
    """Steady windows with their middle in [start_s, stop_s); walking (seconds,) of the frames."""
    p = parameters
    half = p.window_s // 2
    middle = np.arange(-(-start_s // p.hop_s) * p.hop_s, stop_s, p.hop_s, dtype=np.int64)
    first = middle - half - frames.first_s
    middle, first = (
        v[(first >= 0) & (first + p.window_s <= len(walking))] for v in (middle, first)
    )
    walked = np.concatenate(([0], np.cumsum(walking)))
    inside = first + p.edge_s, first + p.window_s - p.edge_s
    steady = walked[inside[1]] - walked[inside[0]] == p.window_s - 2 * p.edge_s
    measured = frames.valid.reshape(len(walking), -1).all(axis=1)
    whole = np.concatenate(([0], np.cumsum(measured)))
    steady &= whole[first + p.window_s] - whole[first] == p.window_s
    middle, first = middle[steady], first[steady]
    if not len(middle):
        return StrideWindows.none()
    return _windows(frames, middle, first, p)


def _windows(
    frames: Frames, middle: NDArray[np.int64], first: NDArray[np.int64], p: StrideParameters
) -> StrideWindows:
    per_s = 2 * MOTION_HZ
    n = p.window_s * MOTION_HZ
    at = first[:, None] * MOTION_HZ + np.arange(n)
    pairs = 0.5 * (frames.vertical[::2] + frames.vertical[1::2])
    up = frames.up[:2, at]  # (2, windows, n)
    repeats = _repeats(pairs[at][None], p, (0.5, 5.0))
    leaning = _repeats(up, p, (0.3, 2.5))
    longest = int(p.longest_s * MOTION_HZ)
    both = 0.5 * (repeats + leaning)[:, : longest + 2]
    lag, _ = first_top(both, int(p.shortest_s * MOTION_HZ), p.first_share)
    regular = _at(repeats, lag)
    steady = regular >= p.least_regularity
    if not steady.any():
        return StrideWindows.none()
    first, lag, up = first[steady], lag[steady], up[:, steady]
    phase = _phase(up[1], lag)
    points = np.arange(3 * PHASES) / PHASES - 1.5 - phase[:, None]
    where = (first * per_s + p.window_s * per_s // 2)[:, None] + points * (2.0 * lag)[:, None]
    sway, turn_deg = np.full((len(lag), 2), np.nan), np.full(len(lag), np.nan)
    if frames.yaw is not None:
        sway, turn_deg = up.std(axis=2).T, np.degrees(frames.yaw[at[steady]].mean(axis=1))
        turn_deg *= p.window_s
    return StrideWindows(
        middle_s=middle[steady],
        stride_s=lag / MOTION_HZ,
        stride_regularity=regular[steady],
        step_regularity=_at(repeats[steady], 0.5 * lag),
        sway_rad=sway,
        turn_deg=turn_deg,
        vertical=_folded(frames.vertical - GRAVITY_MPS2, where),
        jerk=_folded(np.abs(np.diff(frames.vertical, append=frames.vertical[-1:])) * per_s, where),
    )


def _repeats(
    windows: NDArray[np.floating], p: StrideParameters, band_hz: tuple[float, float]
) -> NDArray[np.float64]:
    """(windows, lags) unbiased autocorrelation of what lies in a band, of (k, windows, n) signals
    together."""
    n = windows.shape[2]
    size = next_fast_len(n + int(p.longest_s * MOTION_HZ) + 2, real=True)
    spectra = rfft(windows - windows.mean(axis=2, keepdims=True), size, axis=2)
    hz = np.arange(spectra.shape[2]) * (MOTION_HZ / size)
    low, high = band_hz
    gain = 1.0 / (1.0 + (low / np.maximum(hz, 1e-9)) ** 4) / (1.0 + (hz / high) ** 4)
    power = (np.square(spectra.real) + np.square(spectra.imag)).sum(axis=0) * gain
    lags = int(p.longest_s * MOTION_HZ) + 2
    repeats: NDArray[np.float64] = irfft(power, size, axis=1)[:, :lags]
    repeats *= (n / (n - np.arange(lags))) / np.maximum(repeats[:, :1], 1e-30)
    return repeats


def _at(repeats: NDArray[np.float64], lag: NDArray[np.float64]) -> NDArray[np.float64]:
    """Autocorrelation at a lag with a fraction."""
    low = np.clip(lag.astype(int), 0, repeats.shape[1] - 2)
    rows, part = np.arange(len(lag)), lag - low
    mean: NDArray[np.float64] = (1.0 - part) * repeats[rows, low] + part * repeats[rows, low + 1]
    return mean


def _phase(lean: NDArray[np.floating], lag: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cycles by which the farthest lean to the side lies before the middle of each window."""
    n = lean.shape[1]
    cycles = (np.arange(n) - n / 2 + 0.5) / lag[:, None]
    weight = np.hanning(n)
    centred = (lean - lean.mean(axis=1, keepdims=True)) * weight
    angle = 2.0 * np.pi * cycles
    real, imaginary = (centred * np.cos(angle)).sum(axis=1), (centred * np.sin(angle)).sum(axis=1)
    phase: NDArray[np.float64] = np.arctan2(-imaginary, real) / (2.0 * np.pi)
    return phase


def _folded(values: NDArray[np.floating], where: NDArray[np.float64]) -> NDArray[np.float32]:
    """(windows, PHASES) mean of three strides; `where` (windows, 3 * PHASES) in samples."""
    low = np.clip(where.astype(int), 0, len(values) - 2)
    part = where - low
    wave = values[low] * (1.0 - part) + values[low + 1] * part
    mean: NDArray[np.float32] = wave.reshape(len(where), 3, PHASES).mean(axis=1).astype(np.float32)
    return mean
