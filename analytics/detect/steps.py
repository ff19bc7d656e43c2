"""Steps: when a foot meets the ground, from vertical acceleration while walking.

Each stretch of walking has its own step period. Vertical acceleration below one and a half times
the step rate has one crest per step; crests may follow at just under half a period, because people
who limp alternate short and long steps. The first and last steps lie outside the walking seconds:
crests are followed outward as long as they keep the pace.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from analytics.signal.calibration import GRAVITY_MPS2
from analytics.signal.filters import band_pass, low_pass
from analytics.signal.frames import Frames
from analytics.signal.grid import GRID_HZ, GRID_NS
from analytics.signal.masks import runs
from analytics.signal.parameter import parameter


@dataclass(frozen=True, slots=True)
class StepParameters:
    """Which crests are steps."""

    min_period_s: float = parameter(0.28, unit="s", reason="214 steps/min")
    max_period_s: float = parameter(1.2, unit="s", reason="50 steps/min")
    first_peak_share: float = parameter(
        0.85, unit="1", reason="the step, not the stride, though the stride may repeat better"
    )
    low_pass_steps: float = parameter(
        1.5, unit="1", reason="cut-off in step rates: one crest per step"
    )
    min_spacing: float = parameter(
        0.45, unit="1", reason="shortest step of a limping pair, in periods", source="MovingReality"
    )
    min_height: float = parameter(
        0.1, unit="1", reason="lowest crest against the median crest of the stretch"
    )
    reach_s: float = parameter(2.5, unit="s", reason="how far steps go beyond walking seconds")
    keep_pace: float = parameter(1.7, unit="1", reason="longest step interval there, in periods")
    lag_s: float = parameter(
        0.06, unit="s", reason="crest after heel strike", source="MovingReality, mobgap"
    )


@dataclass(frozen=True, slots=True)
class Steps:
    """Steps of some frames."""

    step_ns: NDArray[np.int64]
    """(n,) foot contacts, absolute."""
    regularity: NDArray[np.float64]
    """(seconds,) autocorrelation at one step of the stretch, NaN outside walking."""


def steps_of(frames: Frames, walking: NDArray[np.bool_], parameters: StepParameters) -> Steps:
    """Steps of the walking seconds and just beyond."""
    whole = frames.vertical - GRAVITY_MPS2 if walking.any() else np.empty(0)
    regularity = np.full(frames.seconds, np.nan)
    found = [np.empty(0, np.int64)]
    for first, last in runs(walking):
        low = max(0, int((first - parameters.reach_s) * GRID_HZ) - 2 * GRID_HZ)
        high = min(len(frames.valid), int((last + parameters.reach_s) * GRID_HZ) + 2 * GRID_HZ)
        vertical = whole[low:high]
        inside = (int(first) * GRID_HZ - low, int(last) * GRID_HZ - low)
        points, regular = _stretch(vertical, inside, parameters)
        regularity[first:last] = regular
        lag_ns = round(parameters.lag_s * 1e9)
        step_ns = (frames.k0 + low) * GRID_NS + np.round(points * GRID_NS).astype(np.int64) - lag_ns
        found.append(step_ns[frames.valid[low + np.round(points).astype(int)]])
    return Steps(_spaced(np.sort(np.concatenate(found))), regularity)


def _spaced(step_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Without those that two neighbouring stretches both claim."""
    if not len(step_ns):
        return step_ns
    apart = np.diff(step_ns, prepend=step_ns[0] - 10**9) > 150_000_000
    return step_ns[apart]


def _stretch(
    vertical: NDArray[np.floating], inside: tuple[int, int], p: StepParameters
) -> tuple[NDArray[np.float64], float]:
    """Steps (in grid points, with a fraction) and regularity of one stretch of walking."""
    paced = band_pass(vertical, 0.5, 5.0, rate_hz=GRID_HZ)[inside[0] : inside[1]]
    period, regular = step_period(paced, p)
    if period is None:
        return np.empty(0), np.nan
    cut_hz = round(p.low_pass_steps * GRID_HZ / period, 1)
    crest = low_pass(vertical, cut_hz, rate_hz=GRID_HZ)
    crest = crest - low_pass(crest, 0.25, rate_hz=GRID_HZ, order=1)
    peaks, _ = signal.find_peaks(crest, distance=max(1, int(p.min_spacing * period)), height=0.0)
    core = (peaks >= inside[0]) & (peaks < inside[1])
    if not core.any():
        return np.empty(0), regular
    high = crest[peaks] > p.min_height * np.median(crest[peaks[core]])
    peaks, core = peaks[high], core[high]
    where = np.flatnonzero(core)
    if not len(where):
        return np.empty(0), regular
    first, last = int(where[0]), int(where[-1])
    reach = p.reach_s * GRID_HZ
    while (
        first > 0
        and peaks[first] - peaks[first - 1] < p.keep_pace * period
        and peaks[first - 1] >= inside[0] - reach
    ):
        first -= 1
    while (
        last < len(peaks) - 1
        and peaks[last + 1] - peaks[last] < p.keep_pace * period
        and peaks[last + 1] < inside[1] + reach
    ):
        last += 1
    return _summit(crest, peaks[first : last + 1]), regular


def _summit(crest: NDArray[np.float64], peaks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Peaks with a fraction of a grid point, from a parabola through three points."""
    middle = peaks.clip(1, len(crest) - 2)
    before, at, after = crest[middle - 1], crest[middle], crest[middle + 1]
    bend = np.minimum(before - 2 * at + after, -1e-12)
    summit: NDArray[np.float64] = middle + np.clip(0.5 * (before - after) / bend, -0.5, 0.5)
    return summit


def step_period(vertical: NDArray[np.float64], p: StepParameters) -> tuple[float | None, float]:
    """Step period in grid points and the autocorrelation there; None when nothing repeats."""
    n = len(vertical)
    low, high = int(p.min_period_s * GRID_HZ), min(int(p.max_period_s * GRID_HZ), n - 2)
    if high <= low + 1:
        return None, np.nan
    centred = vertical - vertical.mean()
    spectrum = np.fft.rfft(centred, 2 * n)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, 2 * n)[: high + 2]
    if correlation[0] <= 0.0:
        return None, np.nan
    correlation = correlation / correlation[0] * n / (n - np.arange(high + 2))
    lags = np.arange(low, high + 1)
    tops = lags[
        (correlation[lags] >= correlation[lags - 1]) & (correlation[lags] >= correlation[lags + 1])
    ]
    if not len(tops) or correlation[tops].max() <= 0.0:
        return None, np.nan
    enough = correlation[tops] >= p.first_peak_share * correlation[tops].max()
    lag = int(tops[enough][0])
    return float(lag), float(correlation[lag])
