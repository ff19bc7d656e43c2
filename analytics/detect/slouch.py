"""Slouched sitting: which seconds, the episodes they form, and a dose that fades.

The angle is trunk flexion from the wearer's own upright sitting (or standing) neutral. Thresholds
come from static holds: at T12 7.5 deg separates 98 % of slouched from 98 % of upright holds, at T4
and the sternum 12 deg does; at the waist nothing does (area under the curve 0.70), so no answer is
given there. A wearer who has shown sitting tall and the deepest slouch has a personal range: the
angle then counts from sitting tall, and more flexion than the deepest slouch is a lean from the
hips as well, which one sensor cannot tell apart. Such an episode is "flexed trunk".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.detect.findings import SECOND_NS, SlouchEpisode
from analytics.signal.angles import Angles
from analytics.signal.calibration import SlouchRange
from analytics.signal.masks import hysteresis
from analytics.signal.parameter import parameter

OBSERVABLE_AT: Final = frozenset({"T12", "T10", "T4", "C7", "sternum", "upper_back"})
LOW_THRESHOLD_AT: Final = frozenset({"T12", "T10"})
REPEATABLE_DEG: Final = 3.0
"""Two measurements of the same trunk tilt differ by no more."""


@dataclass(frozen=True, slots=True)
class SlouchParameters:
    """When a sitting second counts as slouched and when such seconds are an episode."""

    enter_low_trunk_deg: float = parameter(
        7.5, unit="deg", reason="best split of static holds at T12", source="SittingPosture"
    )
    enter_high_trunk_deg: float = parameter(
        12.0, unit="deg", reason="best split of static holds at T4", source="SittingPosture"
    )
    side_lean_deg: float = parameter(
        10.0, unit="deg", reason="beyond it the trunk leans to a side, which is no slouch"
    )
    hysteresis_deg: float = parameter(3.0, unit="deg", reason="repeatability of a trunk tilt")
    band_deg: float = parameter(
        3.0, unit="deg", reason="re-donning and soft tissue: the sensitivity band"
    )
    min_episode_min: float = parameter(5.0, unit="min", reason="a personal setting, 5, 10 or 20")
    max_correction_s: int = parameter(
        60,
        unit="s",
        reason="a correction does not end an episode if it is shorter than this and the slouch",
    )
    dose_time_constant_min: float = parameter(
        9.4, unit="min", reason="creep of spinal tissue", source="McGill & Brown 1992"
    )
    dose_recovery_min: float = parameter(
        2.9, unit="min", reason="half of the creep is gone after 2 min: 2 / ln 2", source="ibid."
    )

    range_share: float = parameter(
        0.7, unit="1", reason="of the personal range: a stiff wearer's threshold must be in reach"
    )

    def enter_deg(self, placement: str | None, known: SlouchRange | None = None) -> float:
        """Threshold for a placement, from the neutral; within the personal range where known."""
        low = placement in LOW_THRESHOLD_AT
        least_deg = self.enter_low_trunk_deg if low else self.enter_high_trunk_deg
        if known is None:
            return least_deg
        return known.tall_deg + min(least_deg, self.range_share * known.span_deg)


@dataclass(slots=True)
class SlouchState:
    """Carried from second to second."""

    slouched: bool = False
    dose_min: float = 0.0
    start_s: int | None = None
    last_s: int = 0
    """Last slouched second of the open episode."""
    flexion_sum_deg: float = 0.0
    seconds: int = 0
    seconds_low: int = 0
    seconds_high: int = 0
    closed: list[SlouchEpisode] = field(default_factory=list)


def slouch(
    first_s: int,
    angles: Angles,
    sitting: NDArray[np.bool_],
    state: SlouchState,
    *,
    directed: bool,
    enter_deg: float,
    parameters: SlouchParameters,
) -> NDArray[np.int8]:
    """(seconds,) 1 slouched, 0 not, -1 not sitting or not known; advances `state`.

    directed: False when the forward direction is unknown; the tilt to any side is then taken.
    """
    p = parameters
    flexion_deg = angles.flexion_deg if directed else angles.tilt_deg
    lean_deg = np.abs(angles.lateral_deg) if directed else np.zeros(len(flexion_deg))
    known = sitting & np.isfinite(flexion_deg)

    def beyond(slack_deg: float) -> NDArray[np.bool_]:
        leaning = lean_deg >= p.side_lean_deg + slack_deg
        return known & (flexion_deg > enter_deg - slack_deg) & ~leaning

    slouched = hysteresis(beyond(0.0), beyond(p.hysteresis_deg), state.slouched)
    low = known & (flexion_deg > enter_deg + p.band_deg)
    high = known & (flexion_deg > enter_deg - p.band_deg)
    # each second of slouching adds itself to the dose and lets a share of it leak
    kept = 1.0 - 1.0 / (60.0 * p.dose_time_constant_min)
    rest = float(np.exp(-1.0 / (60.0 * p.dose_recovery_min)))
    edges = np.flatnonzero(np.diff(slouched)) + 1
    for start, stop in pairwise([0, *edges.tolist(), len(slouched)]):
        if slouched[start:stop].any():
            if state.start_s is None:
                state.start_s = first_s + start
                state.flexion_sum_deg, state.seconds = 0.0, 0
                state.seconds_low, state.seconds_high = 0, 0
            state.last_s = first_s + stop - 1
            state.seconds += stop - start
            state.flexion_sum_deg += float(flexion_deg[start:stop].sum())
            rise_min = p.dose_time_constant_min - state.dose_min
            state.dose_min += rise_min * (1.0 - kept ** (stop - start))
        else:
            # too long a correction ends the episode inside this stretch
            longest_s = min(p.max_correction_s, state.seconds)
            end = state.last_s + longest_s + 2 - first_s
            if state.start_s is not None and end <= stop:
                state.seconds_low += int(low[start:end].sum())
                state.seconds_high += int(high[start:end].sum())
                state.dose_min *= rest ** (end - start)
                close(state, p)
                state.dose_min *= rest ** (stop - end)
            else:
                state.dose_min *= rest ** (stop - start)
        if state.start_s is not None:
            state.seconds_low += int(low[start:stop].sum())
            state.seconds_high += int(high[start:stop].sum())
    if len(slouched):
        state.slouched = bool(slouched[-1])
    return np.where(known, slouched, -1).astype(np.int8)


def close(state: SlouchState, parameters: SlouchParameters) -> None:
    """End the open episode; it is kept when it lasted long enough."""
    if state.start_s is None:
        return
    start_s, end_s = state.start_s, state.last_s + 1
    if end_s - start_s >= 60.0 * parameters.min_episode_min:
        state.closed.append(
            SlouchEpisode(
                start_ns=start_s * SECOND_NS,
                end_ns=end_s * SECOND_NS,
                mean_deg=state.flexion_sum_deg / state.seconds,
                dose=state.dose_min,
                minutes=state.seconds / 60.0,
                minutes_low=state.seconds_low / 60.0,
                minutes_high=state.seconds_high / 60.0,
            )
        )
    state.start_s = None
