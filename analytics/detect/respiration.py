"""Breathing rate at rest: how the trunk tilts and lifts while the wearer holds still.

Tilt and the size of acceleration (four slow signals, any mounting) are reduced to the one direction
in which they vary most in the band of breathing; the rate is the shortest lag at which that
repeats itself almost as well as at the best one. Without a clear repetition there is no answer. The
same signals follow from an accelerometer alone. Everything happens on spectra of whole windows,
many windows at once.

A window is a minute, or what there is of it with half a minute on both sides. Where a minute says
nothing, two minutes are searched for slow breathing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from analytics.detect.findings import SECOND_NS, Breathing, Posture
from analytics.detect.quiet import SLOW_HZ, slow_signals
from analytics.signal.frames import Frames
from analytics.signal.masks import runs
from analytics.signal.parameter import parameter
from analytics.signal.repetition import first_top


@dataclass(frozen=True, slots=True)
class RespirationParameters:
    """When a rate is told."""

    tile_s: int = parameter(60, unit="s", reason="one answer a minute; 15 s windows are useless")
    reach_s: int = parameter(
        30, unit="s", reason="a window may look so far beyond its minute; slow breathing needs it"
    )
    least_s: int = parameter(30, unit="s", reason="shorter stillness holds too few breaths")
    low_hz: float = parameter(0.12, unit="Hz", reason="sway and drift lie below; 7 breaths a min")
    high_hz: float = parameter(0.7, unit="Hz", reason="42 breaths a minute; the heart lies above")
    slow_low_hz: float = parameter(
        0.04, unit="Hz", reason="exercises of slow breathing, 2.4 breaths a minute"
    )
    slow_high_hz: float = parameter(0.2, unit="Hz", reason="12 a minute: overlaps with the other")
    edge: float = parameter(
        1.2, unit="1", reason="no rate this near the low edge: there the filter shapes noise"
    )
    least_cycles: float = parameter(4.0, unit="1", reason="fewer repetitions happen by chance")
    slow_confidence: float = parameter(
        0.75, unit="1", reason="the same for slow breathing, which drift and driving resemble"
    )
    slow_share: float = parameter(
        0.7,
        unit="1",
        reason="the same as least_share; slow breathing has 0.9",
        source="ThoraxPaced",
    )
    first_share: float = parameter(
        0.75,
        unit="1",
        reason="the breath, not a multiple of it: shortest lag this near the best, though breaths "
        "may alternate in depth",
        source="ThoraxPaced",
    )
    least_confidence: float = parameter(
        0.6, unit="1", reason="autocorrelation; noise of any colour stays below in a minute"
    )
    short_extra: float = parameter(
        0.2, unit="1", reason="more confidence is needed by this times the missing part of a minute"
    )
    least_share: float = parameter(
        0.45, unit="1", reason="part of the variance in one direction; equal noise has a third"
    )
    least_swing_deg: float = parameter(
        0.05, unit="deg", reason="SD; noise of a sensor on a table 0.02, breathing 0.1 to 5"
    )


@dataclass(frozen=True, slots=True)
class Breaths:
    """A stretch of quiet breathing, in seconds of absolute time."""

    start_s: int
    end_s: int
    breaths_per_min: float
    confidence: float
    """Autocorrelation at one breath."""

    def during(self, posture: Posture) -> Breathing:
        """The finding, with the posture that the wearer had."""
        return Breathing(
            self.start_s * SECOND_NS,
            self.end_s * SECOND_NS,
            self.breaths_per_min,
            self.confidence,
            posture,
        )


@dataclass(frozen=True, slots=True)
class _Band:
    """Where to look, and what an answer takes there."""

    low_hz: float
    high_hz: float
    fastest_hz: float
    """Shortest repetition that is looked for."""
    least_confidence: float
    least_share: float


@dataclass(frozen=True, slots=True)
class _Window:
    """Seconds counted from the first one of the signals."""

    start: int
    stop: int
    """What the answer stands for."""
    seen: tuple[int, int]
    """What is looked at."""


def respiration(
    frames: Frames,
    quiet: NDArray[np.bool_],
    start_s: int,
    stop_s: int,
    parameters: RespirationParameters,
) -> tuple[Breaths, ...]:
    """Breathing in [start_s, stop_s); quiet (seconds,) of the frames, which go on beyond both ends
    by `reach_s`, as far as there is something."""
    p, first_s = parameters, frames.first_s
    windows = list(_windows(quiet, first_s, start_s, stop_s, p))
    usual = _Band(p.low_hz, p.high_hz, p.high_hz, p.least_confidence, p.least_share)
    # twice as fast as the band: what repeats itself there must not be told as half of it
    twice_hz = 2.0 * p.slow_high_hz
    slow = _Band(p.slow_low_hz, p.slow_high_hz, twice_hz, p.slow_confidence, p.slow_share)
    if not windows:
        return ()
    signals = slow_signals(frames)
    answers = _rates(signals, windows, usual, p)
    # what looks like 8 to 14 breaths a minute may be the harmonic of half as many
    doubtful = [i for i, (rate, _) in enumerate(answers) if not rate >= 120.0 * p.low_hz]
    wide = {i: replace(windows[i], seen=_around(quiet, windows[i], p)) for i in doubtful}
    wide = {i: w for i, w in wide.items() if w.seen[1] - w.seen[0] >= p.tile_s}
    for i, answer in zip(wide, _rates(signals, list(wide.values()), slow, p), strict=True):
        if np.isfinite(answer[0]):
            answers[i] = answer
    return tuple(
        Breaths(first_s + w.start, first_s + w.stop, rate, confidence)
        for w, (rate, confidence) in zip(windows, answers, strict=True)
        if np.isfinite(rate)
    )


def _windows(
    quiet: NDArray[np.bool_], first_s: int, start_s: int, stop_s: int, p: RespirationParameters
) -> Iterator[_Window]:
    """Quiet parts of whole minutes, and what to look at for each."""
    for low, high in runs(quiet).tolist():
        if high - low < p.least_s:
            continue
        first, last = max(low, start_s - first_s), min(high, stop_s - first_s)
        tile = (first_s + first) // p.tile_s * p.tile_s - first_s
        while tile < last:
            start, stop = max(tile, first), min(tile + p.tile_s, last)
            seen = (start, stop)
            if stop - start < p.tile_s:
                seen = max(low, tile - p.reach_s), min(high, tile + p.tile_s + p.reach_s)
            if start < stop and seen[1] - seen[0] >= p.least_s:
                yield _Window(start, stop, seen)
            tile += p.tile_s


def _around(quiet: NDArray[np.bool_], window: _Window, p: RespirationParameters) -> tuple[int, int]:
    """The window with the quiet seconds before and after it, up to `reach_s`."""
    before = quiet[max(0, window.start - p.reach_s) : window.start][::-1]
    after = quiet[window.stop : window.stop + p.reach_s]
    return (
        window.start - (len(before) if before.all() else int(np.argmin(before))),
        window.stop + (len(after) if after.all() else int(np.argmin(after))),
    )


def _rates(
    signals: NDArray[np.float64],
    windows: list[_Window],
    band: _Band,
    p: RespirationParameters,
) -> list[tuple[float, float]]:
    """(breaths a minute or NaN, confidence) of each window; windows of one length go together."""
    answers = [(np.nan, 0.0)] * len(windows)
    lengths = [w.seen[1] - w.seen[0] for w in windows]
    for length in set(lengths):
        chosen = [i for i, other in enumerate(lengths) if other == length]
        stack = np.stack(
            [signals[:, slice(*(SLOW_HZ * edge for edge in windows[i].seen))] for i in chosen]
        )
        for i, answer in zip(chosen, _rates_of(stack, band, p), strict=True):
            answers[i] = answer
    return answers


def _rates_of(
    stack: NDArray[np.float64], band: _Band, p: RespirationParameters
) -> list[tuple[float, float]]:
    """The same for (windows, 4, n) signals."""
    n = stack.shape[-1]
    size = next_fast_len(2 * n, real=True)
    ramp = np.arange(n) - 0.5 * (n - 1)
    stack = stack - (stack @ np.full(n, 1.0 / n))[:, :, None]
    stack -= (stack @ (ramp / (ramp @ ramp)))[:, :, None] * ramp
    top = int(1.4 * band.high_hz * size / SLOW_HZ)  # above it nothing passes
    spectra = rfft(stack, size, axis=2)[:, :, :top]
    hz = np.arange(top) * (SLOW_HZ / size)
    # the flanks of a Butterworth band-pass of fourth order, without its ringing
    gain = 1.0 / (1.0 + (band.low_hz / np.maximum(hz, 1e-9)) ** 8)
    gain /= 1.0 + (hz / band.high_hz) ** 8
    spectra *= np.sqrt(gain)
    covariance = (spectra @ spectra.conj().transpose(0, 2, 1)).real * (2.0 / size / n)
    variance, direction = np.linalg.eigh(covariance)
    principal = (direction[:, None, :, -1] @ spectra)[:, 0]
    power = np.square(principal.real) + np.square(principal.imag)
    longest = min(int(n / p.least_cycles), int(SLOW_HZ / band.low_hz / p.edge), n - 2)
    repeats = irfft(power, size, axis=1)[:, : longest + 2]
    repeats *= (n / (n - np.arange(longest + 2))) / np.maximum(repeats[:, :1], 1e-30)
    share = variance[:, -1] / np.maximum(variance.sum(axis=1), 1e-30)
    clear = share >= band.least_share
    clear &= variance[:, -1] >= np.radians(p.least_swing_deg) ** 2
    lag, confidence = first_top(repeats, int(SLOW_HZ / band.fastest_hz), p.first_share)
    missing = max(0.0, 1.0 - n / SLOW_HZ / p.tile_s)
    clear &= confidence >= band.least_confidence + p.short_extra * missing
    rate = np.where(clear, 60.0 * SLOW_HZ / lag, np.nan)
    return list(zip(rate.tolist(), np.minimum(confidence, 1.0).tolist(), strict=True))
