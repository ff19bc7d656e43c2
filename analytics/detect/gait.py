"""Gait of a walk, and of many walks together, from the trunk sensor's stride windows.

Step length: an inverted pendulum (Zijlstra & Hof 1997, doi:10.1016/S0966-6362(97)00028-3) whose
height change is taken from the mean stride; a known walk gives the personal scale, without it the
figure is a trend. Asymmetry: how unequal the two steps of the mean stride are, from the moments at
which the trunk begins to be pushed up and at which it is jerked most; both are near the foot
contact but not at it, and differ by side after a stroke, so their mean size is scaled down to the
reference.
Regularity: autocorrelation at a step and at a stride (Moe-Nilssen & Helbostad 2004,
doi:10.1016/S0021-9290(03)00233-1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.detect.strides import PHASES, StrideWindows
from analytics.signal.parameter import parameter


@dataclass(frozen=True, slots=True)
class GaitParameters:
    """How figures are read from mean strides."""

    leg_m: float = parameter(
        0.9, unit="m", reason="length of the pendulum; the personal scale takes up what is amiss"
    )
    pendulum: float = parameter(
        1.25, unit="1", reason="steps are longer than the pendulum says", source="Zijlstra & Hof"
    )
    wave_hz: float = parameter(
        3.0, unit="Hz", reason="one rise and one jerk for each step", source="MovingReality"
    )
    rise_level: float = parameter(
        -0.5, unit="1", reason="where the push begins, in SD of the wave", source="MovingReality"
    )
    jerk_from: float = parameter(-0.05, unit="1", reason="strides from the rise to the jerk")
    jerk_to: float = parameter(0.25, unit="1", reason="the same, at most")
    asymmetry_scale: float = parameter(
        0.6, unit="1", reason="slope against foot sensors", source="MovingReality"
    )
    least_strides: float = parameter(
        30.0, unit="1", reason="over 20 m the asymmetry of a walk is noise of 5 %; it takes more"
    )
    piece_s: float = parameter(
        60.0, unit="s", reason="a long walk is cut in such pieces: their spread gives the interval"
    )
    least_windows: int = parameter(
        2, unit="1", reason="one window alone may hold a stumble; step length takes two"
    )


@dataclass(frozen=True, slots=True)
class WalkGait:
    """What the steady, straight windows of a minute say; None where they do not."""

    strides: float
    """Strides in them."""
    stride_time_s: float
    stride_regularity: float
    step_regularity: float
    step_length_m: float | None
    """By the pendulum, without a personal scale."""
    rise_asymmetry_pct: float | None
    jerk_asymmetry_pct: float | None
    """Signed: the step after phase zero longer is positive."""
    sway_forward_deg: float | None
    sway_lateral_deg: float | None
    """SD of the trunk's tilt."""
    turns: int | None
    """Windows in which the wearer turned, put together."""


def gait_of(windows: StrideWindows, turning_deg: float, p: GaitParameters) -> tuple[WalkGait, ...]:
    """Gait of one walk, in pieces; empty without a steady, straight window."""
    if not len(windows):
        return ()
    number = (windows.middle_s - windows.middle_s[0]) // int(p.piece_s)
    pieces = (_piece(windows.take(number == i), turning_deg, p) for i in np.unique(number))
    return tuple(piece for piece in pieces if piece is not None)


def _piece(windows: StrideWindows, turning_deg: float, p: GaitParameters) -> WalkGait | None:
    turned = np.abs(windows.turn_deg) > turning_deg
    straight = windows.take(~turned)
    if len(straight) == 0:
        return None
    hop_s = 2.0 if len(windows) < 2 else float(np.diff(windows.middle_s).min())
    stride_s = float(np.median(straight.stride_s))
    enough = len(straight) >= p.least_windows
    rise, jerk = asymmetries(straight, p) if enough else (None, None)
    sway = np.degrees(np.median(straight.sway_rad, axis=0)).tolist()
    with_gyro = bool(np.isfinite(windows.turn_deg).all())
    starts = np.diff(turned.astype(np.int8), prepend=np.int8(0)) > 0
    return WalkGait(
        strides=len(straight) * hop_s / stride_s,
        stride_time_s=stride_s,
        stride_regularity=float(np.median(straight.stride_regularity)),
        step_regularity=float(np.median(straight.step_regularity)),
        step_length_m=float(np.median(step_lengths(straight, p))),
        rise_asymmetry_pct=rise,
        jerk_asymmetry_pct=jerk,
        sway_forward_deg=sway[0] if with_gyro else None,
        sway_lateral_deg=sway[1] if with_gyro else None,
        turns=int(starts.sum()) if with_gyro else None,
    )


def step_lengths(windows: StrideWindows, p: GaitParameters) -> NDArray[np.float64]:
    """(n,) metres by the pendulum: height change from the even harmonics of each mean stride."""
    spectra = np.fft.rfft(windows.vertical, axis=1)[:, 2:8:2] / PHASES
    omega = 2.0 * np.pi * np.arange(2, 8, 2) / windows.stride_s[:, None]
    angle = 2.0 * np.pi * np.outer(np.arange(2, 8, 2), np.arange(PHASES // 2) / PHASES)
    height = -2.0 * ((spectra / omega**2) @ np.exp(1j * angle)).real
    change = np.minimum(np.ptp(height, axis=1), p.leg_m)
    length: NDArray[np.float64] = (
        2.0 * p.pendulum * np.sqrt(2.0 * p.leg_m * change - np.square(change))
    )
    return length


def asymmetries(windows: StrideWindows, p: GaitParameters) -> tuple[float | None, float | None]:
    """Signed asymmetry of the two steps in per cent, from the rises and from the jerks."""
    stride_s = float(np.median(windows.stride_s))
    harmonic = np.arange(PHASES // 2 + 1)
    gain = 1.0 / (1.0 + (harmonic / (p.wave_hz * stride_s)) ** 4)
    waves = np.stack((windows.vertical.mean(axis=0), windows.jerk.mean(axis=0)))
    vertical, jerk = np.fft.irfft(np.fft.rfft(waves, axis=1) * gain, PHASES, axis=1)
    rises = _rises(vertical - vertical.mean(), p.rise_level)
    if rises is None:
        return None, None
    low, high = round(p.jerk_from * PHASES), round(p.jerk_to * PHASES)
    jerks = []
    for rise in rises:
        at = int(np.floor(rise * PHASES)) + np.arange(low, high + 1)
        jerks.append(_summit(jerk, int(at[np.argmax(jerk[at % PHASES])])))
    return tuple(200.0 * (2.0 * (late - early) - 1.0) for early, late in (rises, jerks))  # type: ignore[return-value]


def _rises(wave: NDArray[np.float64], level: float) -> tuple[float, float] | None:
    """Phases at which the two largest humps of a wave begin, in order; None if there is one."""
    above = wave - level * wave.std()
    after = np.roll(above, -1)
    begins = np.flatnonzero((above < 0.0) & (after >= 0.0))
    if len(begins) < 2:
        return None
    turned = np.maximum(np.roll(above, -int(begins[0]) - 1), 0.0)
    area = np.add.reduceat(turned, begins - begins[0])
    chosen = np.sort(begins[np.argsort(-area)[:2]])
    early, late = (chosen + above[chosen] / (above[chosen] - after[chosen])) / PHASES
    return float(early), float(late)


def _summit(wave: NDArray[np.float64], at: int) -> float:
    """Phase of a maximum, from a parabola through three points."""
    before, height, after = (float(wave[i % PHASES]) for i in (at - 1, at, at + 1))
    bend = before - 2.0 * height + after
    part = 0.5 * (before - after) / bend if bend < 0.0 else 0.0
    return (at + max(-0.5, min(0.5, part))) / PHASES


@dataclass(frozen=True, slots=True)
class Pooled:
    """One figure of many pieces of walking: weighted mean and 95 % interval."""

    value: float
    low: float
    high: float
    strides: float


def pooled(values: Sequence[tuple[float | None, float]]) -> Pooled | None:
    """(value, strides) of every piece as one figure; None with fewer than two."""
    known = [(v, w) for v, w in values if v is not None and w > 0]
    if len(known) < 2:
        return None
    value, weight = np.array(known).T
    share = weight / weight.sum()
    mean = float(value @ share)
    # weighted standard error with the correction for few pieces
    spread = float(np.sqrt(np.square(share * (value - mean)).sum() * len(known) / (len(known) - 1)))
    return Pooled(mean, mean - 1.96 * spread, mean + 1.96 * spread, float(weight.sum()))


def asymmetry(bouts: Sequence[WalkGait], p: GaitParameters) -> Pooled | None:
    """Step-time asymmetry in per cent of all walks together, without a sign."""
    rise = pooled([(b.rise_asymmetry_pct, b.strides) for b in bouts])
    jerk = pooled([(b.jerk_asymmetry_pct, b.strides) for b in bouts])
    if rise is None or jerk is None or rise.strides < p.least_strides:
        return None
    size = p.asymmetry_scale * float(np.sqrt(0.5 * (rise.value**2 + jerk.value**2)))
    widths = np.array((rise.high - rise.value, jerk.high - jerk.value))
    half = p.asymmetry_scale * float(np.sqrt(0.5 * np.square(widths).sum()))
    return Pooled(size, max(0.0, size - half), size + half, rise.strides)


@dataclass(frozen=True, slots=True)
class GaitSign:
    """A figure of the gait of many walks."""

    kind: str
    unit: str
    pooled: Pooled
    calibrated: bool | None = None
    """Of lengths and speeds: a known walk stands behind them; without it they are a trend."""


def gait_signs(
    bouts: Sequence[WalkGait], step_scale: float | None, p: GaitParameters
) -> list[GaitSign]:
    """What all these walks say together."""
    scale, known = step_scale or 1.0, step_scale is not None
    speeds = [
        None if b.step_length_m is None else scale * 2.0 * b.step_length_m / b.stride_time_s
        for b in bouts
    ]
    lengths = [None if b.step_length_m is None else scale * b.step_length_m for b in bouts]
    figures: list[tuple[str, str, Sequence[float | None], bool | None]] = [
        ("stride_time_s", "s", [b.stride_time_s for b in bouts], None),
        ("step_length_m", "m", lengths, known),
        ("walking_speed_mps", "m/s", speeds, known),
        ("stride_regularity", "1", [b.stride_regularity for b in bouts], None),
        ("step_regularity", "1", [b.step_regularity for b in bouts], None),
        ("trunk_sway_forward_deg", "degree", [b.sway_forward_deg for b in bouts], None),
        ("trunk_sway_lateral_deg", "degree", [b.sway_lateral_deg for b in bouts], None),
    ]
    out = []
    for kind, unit, values, calibrated in figures:
        found = pooled([(v, b.strides) for v, b in zip(values, bouts, strict=True)])
        if found is not None:
            out.append(GaitSign(kind, unit, found, calibrated))
    unequal = asymmetry(bouts, p)
    if unequal is not None:
        out.append(GaitSign("step_time_asymmetry_pct", "%", unequal))
    return out


def step_scale(pieces: Sequence[WalkGait], steps: int, distance_m: float) -> float | None:
    """Scale from the pieces of a known walk of so many steps; None without a steady one."""
    known = [(g.step_length_m, g.strides) for g in pieces if g.step_length_m]
    if not known or steps <= 0 or distance_m <= 0.0:
        return None
    length, strides = np.array(known).T
    return float(distance_m / (steps * (length @ strides) / strides.sum()))
