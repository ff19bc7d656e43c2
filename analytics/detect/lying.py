"""Lying: when, on which side, getting there and back, and turning over in bed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.detect.findings import Posture
from analytics.signal.frames import MOTION_HZ
from analytics.signal.masks import hysteresis, runs
from analytics.signal.parameter import parameter
from analytics.signal.smoothing import moving_mean


@dataclass(frozen=True, slots=True)
class LyingParameters:
    """Which tilt is lying, and what turning over looks like."""

    enter_deg: float = parameter(
        50.0, unit="deg", reason="a chest leans back less in a chair, more on a raised bed (W2ISP)"
    )
    pelvis_enter_deg: float = parameter(
        68.0, unit="deg", reason="a slumped pelvis tilts up to 64 deg while sitting (HAPT)"
    )
    hysteresis_deg: float = parameter(
        12.0, unit="deg", reason="propped-up lying stays lying while one moves a little"
    )
    pelvis_hysteresis_deg: float = parameter(
        23.0, unit="deg", reason="the same, from 68 deg down to where sitting is sure"
    )
    side_deg: float = parameter(
        45.0, unit="deg", reason="nobody sits or stands that far to one side"
    )
    nominal_enter_deg: float = parameter(
        45.0, unit="deg", reason="without a reference the neutral is uncertain by 10 deg"
    )
    facing_deg: float = parameter(
        30.0,
        unit="deg",
        reason="between forward and up: a sloping chest in a reclined chair stays beyond it",
    )
    least_s: float = parameter(2.0, unit="s", reason="shorter is a bend")
    flat_deg: float = parameter(70.0, unit="deg", reason="nobody leans that far in a chair")
    propped_least_s: float = parameter(
        10.0, unit="s", reason="leaning over in a chair does not last; lying propped up does"
    )
    prone_least_s: float = parameter(
        8.0,
        unit="s",
        reason="a deep bend lasts a few seconds",
    )
    still_deg_s: float = parameter(
        10.0, unit="deg/s", reason="turning speed at which a transition begins and ends"
    )
    longest_s: float = parameter(6.0, unit="s", reason="one way of a slow transition")
    least_turn_deg: float = parameter(
        20.0, unit="deg", reason="a sensor that slips across a threshold is nobody who lies down"
    )
    undirected_least_s: float = parameter(
        4.0, unit="s", reason="where forward is unknown a bend looks like lying, but is shorter"
    )
    side_azimuth_deg: float = parameter(
        35.0,
        unit="deg",
        reason="a back or chest on a mattress is flat within 30 deg, who lies on a side leans",
    )
    roll_deg: float = parameter(
        35.0, unit="deg", reason="smallest turn of the azimuth that is a new position"
    )
    roll_hold_s: float = parameter(0.8, unit="s", reason="the new position must be kept")
    roll_tilt_deg: float = parameter(
        50.0, unit="deg", reason="below it the azimuth is not well defined"
    )


@dataclass(frozen=True, slots=True)
class Transition:
    """Into lying or out of it; times in samples."""

    start: int
    crossing: int
    stop: int
    into: bool
    turn_deg: float
    """Turn of up from beginning to end."""


@dataclass(frozen=True, slots=True)
class Roll:
    """A turn in bed; times in samples."""

    start: int
    stop: int
    angle_deg: float
    """Signed turn of the azimuth, to the left positive."""


def tilt_deg(up: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) angle of (3, n) up vectors from upright."""
    tilt: NDArray[np.float64] = np.degrees(np.arctan2(np.hypot(up[0], up[1]), up[2]))
    return tilt


def lying_mask(
    up: NDArray[np.float64],
    initial: bool,
    parameters: LyingParameters,
    *,
    enter_deg: float,
    leave_deg: float,
    forward_known: bool,
) -> NDArray[np.bool_]:
    """(n,) True while lying, from (3, n) up vectors at MOTION_HZ; `initial` holds before them."""
    p = parameters
    # angles are compared by their cosines and sines: up is a unit vector
    above = up[2]
    enter = above < np.cos(np.radians(enter_deg))
    if forward_known:
        enter |= np.abs(up[1]) > np.sin(np.radians(p.side_deg))
    lying = hysteresis(enter, above < np.cos(np.radians(leave_deg)), initial)
    for start, stop in runs(lying):
        if (initial and start == 0) or stop == len(lying):
            continue
        prone = forward_known and -up[0, start:stop].mean() > np.abs(up[1, start:stop].mean())
        flat = above[start:stop].min() <= np.cos(np.radians(p.flat_deg))
        least_s = p.least_s if forward_known else p.undirected_least_s
        least_s = p.prone_least_s if prone else least_s if flat else p.propped_least_s
        if stop - start < least_s * MOTION_HZ:
            lying[start:stop] = False
    return lying


def lying_side(up: NDArray[np.float64], parameters: LyingParameters) -> NDArray[np.int8]:
    """(n,) which way a lying trunk faces, from (3, n) up vectors."""
    ahead, left, _ = up
    facing = np.where(ahead > 0, Posture.LYING_SUPINE, Posture.LYING_PRONE)
    side = np.where(left > 0, Posture.LYING_RIGHT, Posture.LYING_LEFT)
    most = np.tan(np.radians(parameters.side_azimuth_deg))
    return np.where(np.abs(left) <= most * np.abs(ahead), facing, side).astype(np.int8)


def facing_seconds(up_by_second: NDArray[np.float64], p: LyingParameters) -> NDArray[np.int8]:
    """(seconds,) supine, prone or unknown, from (3, seconds) mean up of which only the forward part
    is known: a chest that faces the sky or the ground lies, whichever of its sides is up."""
    ahead = up_by_second[0]
    least = np.cos(np.radians(p.facing_deg))
    found = np.full(len(ahead), Posture.UNKNOWN, np.int8)
    found[ahead > least] = Posture.LYING_SUPINE
    found[ahead < -least] = Posture.LYING_PRONE
    return found


def turning_deg_s(up: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) speed at which up turns, mean of half a second."""
    speed = np.gradient(up, 1.0 / MOTION_HZ, axis=1)
    return moving_mean(np.degrees(np.sqrt((speed**2).sum(axis=0))), MOTION_HZ // 2)


def turned_deg(up: NDArray[np.float64]) -> tuple[float, float]:
    """How far (3, n) up vectors turn away from the first [deg], and how fast at most [deg/s]."""
    away = np.degrees(np.arccos(np.clip(up[:, 0] @ up, -1.0, 1.0)))
    steps = np.sqrt((np.diff(up, axis=1) ** 2).sum(axis=0))
    fastest = float(np.degrees(steps.max(initial=0.0))) * MOTION_HZ
    return float(away.max()), fastest


def transitions(
    lying: NDArray[np.bool_], up: NDArray[np.float64], parameters: LyingParameters
) -> list[Transition]:
    """Every change of `lying` with the beginning and end of the turn that made it."""
    p = parameters
    if lying.all() or not lying.any():
        return []
    turning = turning_deg_s(up)
    reach = round(p.longest_s * MOTION_HZ)
    found = []
    for crossing in (np.flatnonzero(np.diff(lying.astype(np.int8))) + 1).tolist():
        low, high = max(0, crossing - reach), min(len(lying), crossing + reach)
        before = np.flatnonzero(turning[low:crossing] < p.still_deg_s)
        after = np.flatnonzero(turning[crossing:high] < p.still_deg_s)
        start = low + int(before[-1]) if len(before) else low
        stop = crossing + int(after[0]) if len(after) else high
        cosine = float(np.clip(up[:, start] @ up[:, stop - 1], -1.0, 1.0))
        found.append(
            Transition(
                start=start,
                crossing=crossing,
                stop=stop,
                into=bool(lying[crossing]),
                turn_deg=float(np.degrees(np.arccos(cosine))),
            )
        )
    return found


def rolls(
    up: NDArray[np.float64], lying: NDArray[np.bool_], parameters: LyingParameters
) -> list[Roll]:
    """Turns of the azimuth while lying, from (3, n) up vectors at MOTION_HZ."""
    p = parameters
    if not lying.any():
        return []
    hold = round(p.roll_hold_s * MOTION_HZ)
    found = []
    for start, stop in runs(lying & (tilt_deg(up) > p.roll_tilt_deg)).tolist():
        if stop - start < 3 * hold:
            continue
        azimuth = np.degrees(np.unwrap(np.arctan2(up[0, start:stop], up[1, start:stop])))
        found += [
            Roll(start + a, start + b, angle) for a, b, angle in _steps(azimuth, hold, p.roll_deg)
        ]
    return found


def _steps(
    azimuth_deg: NDArray[np.float64], hold: int, least_deg: float
) -> list[tuple[int, int, float]]:
    """Changes between plateaus: (start, stop, signed change).

    A plateau is a stretch of `hold` samples within a third of the least change of its mean.
    """
    windows = np.lib.stride_tricks.sliding_window_view(azimuth_deg, hold)
    flat = np.ptp(windows, axis=1) < least_deg / 3.0
    plateau = np.zeros(len(azimuth_deg), bool)
    for start, stop in runs(flat):
        plateau[start : stop + hold - 1] = True
    found: list[tuple[int, int, float]] = []
    level: float | None = None
    end = 0
    for start, stop in runs(plateau).tolist():
        first = float(np.mean(azimuth_deg[start : start + hold]))
        if level is not None and abs(first - level) > least_deg:
            found.append((end, start, first - level))
            level = None
        if level is None or abs(first - level) <= least_deg:
            level, end = float(np.mean(azimuth_deg[stop - hold : stop])), stop
    return found
