"""Walking bouts: walking seconds put together with their steps; bouts without a rest are one walk.

A walk is prolonged from the bout on with which it goes past the wearer's limit, short breaks
included. That one bout says so, so that prolonged bouts are as many as prolonged walks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from analytics.detect.findings import SECOND_NS, WalkingBout
from analytics.detect.steps import StepParameters
from analytics.detect.walking import WalkingParameters

_LONGEST_STEP_S = 2.0
"""Longer intervals are stops and say nothing about the pace."""


@dataclass(slots=True)
class BoutState:
    """Carried from block to block."""

    start_s: int | None = None
    regularity_sum: float = 0.0
    regularity_s: int = 0
    steps: list[NDArray[np.int64]] = field(default_factory=list)
    """Steps that may still belong to a bout."""
    walk_start_s: int | None = None
    """Start of the first bout of the present walk."""
    walk_end_s: int = 0
    """End of its last bout so far."""
    told: bool = False
    """Whether a bout of it was prolonged."""

    def awaited_since_s(self, p: WalkingParameters) -> int | None:
        """Start of the walk that goes on and is not prolonged yet; None without one."""
        if self.start_s is None or self.walk_start_s is None:
            return self.start_s
        if self.start_s - self.walk_end_s > p.rest_s:
            return self.start_s
        return None if self.told else self.walk_start_s


def bouts(
    first_s: int,
    walking: NDArray[np.bool_],
    regularity: NDArray[np.float64],
    step_ns: NDArray[np.int64],
    state: BoutState,
    *,
    steps: StepParameters,
    walking_parameters: WalkingParameters,
    ends: bool,
) -> list[WalkingBout]:
    """Bouts that have ended; advances `state`.

    walking, regularity: (seconds,) of the next stretch of time from first_s on; step_ns its steps.
    A bout that reaches the end of the stretch stays open unless `ends`.
    """
    state.steps.append(step_ns)
    found = []
    edges = np.flatnonzero(
        np.diff(walking.astype(np.int8), prepend=np.int8(state.start_s is not None))
    )
    position = 0
    for edge in [*edges.tolist(), len(walking)]:
        if state.start_s is not None:
            part = regularity[position:edge]
            state.regularity_sum += float(np.nansum(part))
            state.regularity_s += int(np.isfinite(part).sum())
        position = edge
        if edge == len(walking) and not (ends and state.start_s is not None):
            break
        if state.start_s is None:
            state.start_s = first_s + edge
            state.regularity_sum, state.regularity_s = 0.0, 0
        else:
            found.append(_close(state, first_s + edge, steps, walking_parameters))
    if state.start_s is None:
        keep_from = (first_s + len(walking)) * SECOND_NS - round(steps.reach_s * SECOND_NS)
        rest = np.concatenate(state.steps)
        state.steps = [rest[rest >= keep_from]]
    return found


def _close(
    state: BoutState, end_s: int, steps: StepParameters, walking_parameters: WalkingParameters
) -> WalkingBout:
    start_s = end_s if state.start_s is None else state.start_s
    reach_ns = round(steps.reach_s * SECOND_NS)
    start_ns, end_ns = start_s * SECOND_NS, end_s * SECOND_NS
    every = np.concatenate(state.steps)
    inside = (every >= start_ns - reach_ns) & (every < end_ns + reach_ns)
    own = every[inside]
    state.steps = [every[every >= end_ns + reach_ns]]
    state.start_s = None
    if len(own):
        start_ns, end_ns = min(start_ns, int(own[0])), max(end_ns, int(own[-1]) + 1)
    return WalkingBout(
        start_ns=start_ns,
        end_ns=end_ns,
        step_ns=own,
        cadence_spm=_cadence(own),
        step_regularity=(state.regularity_sum / state.regularity_s if state.regularity_s else None),
        prolonged=_goes_past_the_limit(state, start_s, end_s, walking_parameters),
    )


def _goes_past_the_limit(state: BoutState, start_s: int, end_s: int, p: WalkingParameters) -> bool:
    """Whether the walk to which this bout belongs becomes prolonged with it."""
    if state.walk_start_s is None or start_s - state.walk_end_s > p.rest_s:
        state.walk_start_s, state.told = start_s, False
    state.walk_end_s = end_s
    passes = not state.told and end_s - state.walk_start_s >= 60.0 * p.prolonged_min
    state.told |= passes
    return passes


def _cadence(step_ns: NDArray[np.int64]) -> float | None:
    """Steps per minute while stepping; None with fewer than three steps."""
    intervals_s = np.diff(step_ns) / SECOND_NS
    intervals_s = intervals_s[intervals_s < _LONGEST_STEP_S]
    return float(60.0 / intervals_s.mean()) if len(intervals_s) >= 2 else None
