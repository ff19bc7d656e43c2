"""Height changes of the trunk: where it rose or sank, how far, and how surely.

A pulse is found where vertical acceleration first speeds the trunk up and then stops it again
(matched filter, blind to any constant bias). Its height change comes from double integration
between two quiet moments: velocity is zero there, and what the accelerometer reads there is the
bias, which moves from one value to the other as the trunk turns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from analytics.signal.frames import MOTION_HZ
from analytics.signal.motion import Motion
from analytics.signal.parameter import parameter

_DT = 1.0 / MOTION_HZ


@dataclass(frozen=True, slots=True)
class PulseParameters:
    """How height changes are found."""

    min_velocity_mps: float = parameter(
        0.12, unit="m/s", reason="a very slow rise peaks at 0.15 m/s"
    )
    min_spacing_s: float = parameter(0.4, unit="s", reason="half of the fastest movement")
    edge_near_s: float = parameter(0.4, unit="s", reason="half of the fastest rise")
    edge_far_s: float = parameter(3.0, unit="s", reason="half of the slowest rise")
    edge_choices: int = parameter(4, unit="1", reason="quiet moments tried on each side")
    drift_cost: float = parameter(
        0.5, unit="1 per m/s", reason="velocity left at the end speaks against a pair of edges"
    )
    unrest_cost: float = parameter(
        0.5, unit="1 per rad/s", reason="an edge that is not quiet speaks against it"
    )
    length_cost: float = parameter(
        0.07, unit="1/s", reason="of equally quiet edges the nearest, where drift is least"
    )
    not_a_minimum_radps: float = parameter(
        0.2, unit="rad/s", reason="a moment that is not the quietest around is no edge"
    )
    rival_s: float = parameter(1.0, unit="s", reason="half of a rise: its side lobes lie inside")
    rival_share: float = parameter(
        0.55, unit="1", reason="side lobes of the matched filter reach half of the peak"
    )
    rest_s: float = parameter(
        3.0, unit="s", reason="a seat is felt at rest this soon before or after"
    )
    overlap: float = parameter(0.4, unit="1", reason="share of the shorter of two rival pulses")


@dataclass(frozen=True, slots=True)
class Pulse:
    """One height change; times in samples of the motion it was found in."""

    start: int
    stop: int
    height_m: float
    """Net height change, up positive."""
    max_mps: float
    min_mps: float
    end_mps: float
    """Velocity left at the end before it was removed as drift."""
    start_unrest_radps: float
    """Activity at the beginning."""
    stop_unrest_radps: float
    """Activity at the end."""
    before_radps: float
    """Least activity shortly before."""
    after_radps: float
    """Least activity shortly after."""
    excursion_deg: float
    """Largest turn of up away from where it began."""
    turn_deg: float
    """Turn of up from beginning to end."""
    start_deg: float
    """Tilt from upright at the beginning."""
    stop_deg: float
    """Tilt from upright at the end."""
    lean_deg: float
    """Largest flexion inside beyond that of both ends; of no meaning where forward is unknown."""
    jerk_mps3: float
    """Hardest knock inside: the landing on a seat."""
    score: float

    @property
    def unrest_radps(self) -> float:
        """Activity at the two edges, summed."""
        return self.start_unrest_radps + self.stop_unrest_radps

    @property
    def length_s(self) -> float:
        """From beginning to end."""
        return (self.stop - self.start) * _DT

    def shifted(self, ticks: int) -> Pulse:
        """The same on a clock that began so many ticks earlier."""
        return replace(self, start=self.start + ticks, stop=self.stop + ticks)


_WIDTHS_S = (0.6, 0.8, 1.0, 1.3)
"""Half lengths of the matched filters: brisk to slow movements."""


def pulse_velocity(vertical: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) m/s: half the velocity gained before minus that gained after each sample, for the
    window with the strongest answer."""
    gained = np.concatenate(([0.0], np.cumsum(vertical))) * _DT
    best, size = np.zeros(len(vertical)), np.zeros(len(vertical))
    for width_s in _WIDTHS_S:
        n = round(width_s * MOTION_HZ)
        if len(vertical) <= 2 * n:
            continue
        answer = gained[: -2 * n - 1] + gained[2 * n : -1]
        answer *= -0.5
        answer += gained[n : -n - 1]
        part = slice(n, n + len(answer))
        own = np.abs(answer)
        np.copyto(best[part], answer, where=own > size[part])
        np.maximum(size[part], own, out=size[part])
    return best


def pulses(motion: Motion, ignore: NDArray[np.bool_], parameters: PulseParameters) -> list[Pulse]:
    """Height changes in order of time; none has its peak where `ignore` (n,) is True."""
    p = parameters
    # no velocity without acceleration
    if np.abs(motion.vertical).max(initial=0.0) * _WIDTHS_S[-1] < p.min_velocity_mps:
        return []
    strength = np.abs(pulse_velocity(motion.vertical))
    peaks, _ = signal.find_peaks(
        strength, height=p.min_velocity_mps, distance=round(p.min_spacing_s * MOTION_HZ)
    )
    peaks = peaks[~ignore[peaks] & motion.valid[peaks]]
    strongest = ndimage.maximum_filter1d(strength, 2 * round(p.rival_s * MOTION_HZ) + 1)
    peaks = peaks[strength[peaks] >= p.rival_share * strongest[peaks]]
    spans = _best_spans(peaks, motion, p)
    found = [
        _measure(motion, start, stop, p) for start, stop in spans if motion.valid[start:stop].all()
    ]
    return _without_rivals(found, p.overlap)


def _best_spans(
    peaks: NDArray[np.int64], motion: Motion, p: PulseParameters
) -> list[tuple[int, int]]:
    """Beginning and end of each pulse: the pair of quiet moments around its peak that leaves the
    least velocity over, is quiet and near."""
    near, far = round(p.edge_near_s * MOTION_HZ), round(p.edge_far_s * MOTION_HZ)
    last = len(motion) - 1
    peaks = peaks[(peaks >= near) & (peaks <= last - near)]
    if not len(peaks):
        return []
    starts, start_cost = _quiet_moments(peaks[:, None] - np.arange(near, far + 1), motion, p)
    stops, stop_cost = _quiet_moments(peaks[:, None] + np.arange(near, far + 1), motion, p)
    speed = np.concatenate(([0.0], np.cumsum(motion.vertical))) * _DT
    i, j = starts[:, :, None], stops[:, None, :]
    bias_i = _mean_between(speed, np.maximum(i - 8, 0), np.minimum(i + 4, last + 1))
    bias_j = _mean_between(speed, np.maximum(j - 4, 0), np.minimum(j + 8, last + 1))
    left = speed[j] - speed[i] - 0.5 * (bias_i + bias_j) * (j - i) * _DT
    cost = p.drift_cost * np.abs(left) + start_cost[:, :, None] + stop_cost[:, None, :]
    best = cost.reshape(len(peaks), -1).argmin(axis=1)
    rows = np.arange(len(peaks))
    a, b = np.divmod(best, stops.shape[1])
    pairs = zip(starts[rows, a].tolist(), stops[rows, b].tolist(), strict=True)
    return sorted(set(pairs))


def _quiet_moments(
    windows: NDArray[np.int64], motion: Motion, p: PulseParameters
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The quietest local minima of activity in each row of samples, and what each costs."""
    last = len(motion) - 1
    at = np.clip(windows, 1, last - 1)
    activity = motion.activity
    here = activity[at]
    quiet = (here <= activity[at - 1]) & (here <= activity[at + 1])
    # a window without a minimum is quietest at one of its ends
    unrest = here + np.where(quiet, 0.0, p.not_a_minimum_radps)
    unrest = unrest + np.where(at == windows, 0.0, 1e3)
    keep = min(p.edge_choices, windows.shape[1])
    chosen = np.argpartition(unrest, keep - 1, axis=1)[:, :keep]
    chosen.sort(axis=1)
    cost = p.unrest_cost * unrest + p.length_cost * _DT * np.arange(windows.shape[1])
    return np.take_along_axis(at, chosen, axis=1), np.take_along_axis(cost, chosen, axis=1)


def _mean_between(
    total: NDArray[np.float64], low: NDArray[np.int64], high: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Mean acceleration between samples, from its running integral."""
    mean: NDArray[np.float64] = (total[high] - total[low]) / ((high - low) * _DT)
    return mean


def _measure(motion: Motion, start: int, stop: int, p: PulseParameters) -> Pulse:
    vertical, up = motion.vertical, motion.up[:, start:stop]
    bias_start = vertical[max(0, start - 8) : start + 4].mean()
    bias_stop = vertical[max(0, stop - 4) : stop + 8].mean()
    from_start, from_stop = _angle(up, up[:, :1]), _angle(up, up[:, -1:])
    turned = from_start / (from_start + from_stop + 0.02)
    speed = np.cumsum(vertical[start:stop] - bias_start - (bias_stop - bias_start) * turned) * _DT
    left = float(speed[-1])
    speed -= np.linspace(0.0, left, len(speed))
    height = float(speed.sum() * _DT)
    unrest = motion.activity[[start, min(stop, len(motion) - 1)]]
    flexion = np.arctan2(-up[0], up[2])
    rest = round(p.rest_s * MOTION_HZ)
    return Pulse(
        start=start,
        stop=stop,
        height_m=height,
        max_mps=float(speed.max()),
        min_mps=float(speed.min()),
        end_mps=left,
        start_unrest_radps=float(unrest[0]),
        stop_unrest_radps=float(unrest[1]),
        before_radps=float(motion.activity[max(0, start - rest) : start + 1].min()),
        after_radps=float(motion.activity[stop - 1 : stop + rest].min()),
        excursion_deg=float(np.degrees(from_start.max())),
        turn_deg=float(np.degrees(from_start[-1])),
        start_deg=_tilt_deg(motion.up[:, max(0, start - 5) : start + 5]),
        stop_deg=_tilt_deg(motion.up[:, max(0, stop - 5) : stop + 5]),
        lean_deg=float(np.degrees(flexion.max() - max(flexion[0], flexion[-1]))),
        jerk_mps3=float(motion.jerk[start:stop].max()),
        score=min(abs(height), 0.3) * 2
        - p.drift_cost * abs(left)
        - p.unrest_cost * float(unrest.sum()),
    )


def _tilt_deg(up: NDArray[np.float64]) -> float:
    ahead, left, above = up.mean(axis=1)
    return float(np.degrees(np.arctan2(np.hypot(ahead, left), above)))


def _angle(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    angle: NDArray[np.float64] = np.arccos(np.clip((a * b).sum(axis=0), -1.0, 1.0))
    return angle


def _without_rivals(found: list[Pulse], overlap: float) -> list[Pulse]:
    kept: list[Pulse] = []
    for pulse in sorted(found, key=lambda x: -x.score):
        length = pulse.stop - pulse.start
        if all(
            min(pulse.stop, other.stop) - max(pulse.start, other.start)
            < overlap * min(length, other.stop - other.start)
            for other in kept
        ):
            kept.append(pulse)
    return sorted(kept, key=lambda x: x.start)
