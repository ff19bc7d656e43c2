"""The neutral through the day: walking tells when a sensor has slipped, and by how much.

A walking trunk is upright on average, and much the same in one walk as in the next. But a single
walk may lean by more than a slip: stairs and slopes tilt the trunk by 5 to 10 degrees (HAPT,
DSADS). So only walks apart in time count, which all agree with one another and not with the first
walking after the sensor was put on. From then on its angles are turned back by that much; between
the last walk that agreed and then they are in doubt.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.signal.masks import runs
from analytics.signal.parameter import parameter

_UPRIGHT_DEG: Final = 45.0
"""Nobody walks more bent than that."""


@dataclass(frozen=True, slots=True)
class NeutralParameters:
    """What counts as a slip."""

    anchor_s: int = parameter(
        120, unit="s", reason="of walking: stairs and level ground are both in it"
    )
    least_walk_s: int = parameter(10, unit="s", reason="shorter walks are turns and side steps")
    walks: int = parameter(3, unit="1", reason="one walk may go uphill, three in a row hardly")
    walks_s: int = parameter(60, unit="s", reason="of walking in them: the mean is known to 1 deg")
    apart_s: int = parameter(600, unit="s", reason="from the first to the last of them")
    shift_deg: float = parameter(
        5.0, unit="deg", reason="the mean tilt of a day's walks changes by less"
    )
    steady_deg: float = parameter(
        4.0, unit="deg", reason="of each of the walks from their mean; a slip stays as it is"
    )


@dataclass(frozen=True, slots=True)
class NeutralShift:
    """A slip of the sensor."""

    agreed_s: int
    """End of the last walk before it."""
    found_s: int
    """Beginning of the first walk after it."""
    corrected_s: int
    """From here on the angles are told from the new neutral: it takes a few walks to be sure."""
    angle_deg: float


@dataclass(frozen=True, slots=True)
class Walk:
    """Walking without a break."""

    start_s: int
    end_s: int
    up_sum: NDArray[np.float64]
    """(3,) sum of up as measured."""

    @property
    def up(self) -> NDArray[np.float64]:
        """(3,) mean direction of up."""
        return _unit(self.up_sum)


@dataclass(slots=True)
class NeutralState:
    """Carried from block to block."""

    anchor: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    """Sum of up over the first walking."""
    anchor_s: int = 0
    rotation: NDArray[np.float64] | None = None
    """(3, 3) that turns what is measured back to the anchor's neutral; None: nothing slipped."""
    walks: list[Walk] = field(default_factory=list)
    """Since the last one that agreed."""
    agreed_s: int = 0


def advance(
    state: NeutralState,
    first_s: int,
    up: NDArray[np.float64],
    walking: NDArray[np.bool_],
    p: NeutralParameters,
) -> NeutralShift | None:
    """Bring the state up to date with the next seconds; the shift that they show, if any.

    up: (3, seconds) as measured, in trunk axes, NaN where nothing was; walking: (seconds,).
    """
    upright = up[2] > np.cos(np.radians(_UPRIGHT_DEG))  # False where it is not known
    for start, stop in runs(walking & upright).tolist():
        walk = Walk(first_s + start, first_s + stop, up[:, start:stop].sum(axis=1))
        if state.walks and state.walks[-1].end_s == walk.start_s:  # it went on over a block's end
            last = state.walks.pop()
            walk = Walk(last.start_s, walk.end_s, last.up_sum + walk.up_sum)
        if state.anchor_s < p.anchor_s:
            state.anchor = state.anchor + walk.up_sum
            state.anchor_s += walk.end_s - walk.start_s
            state.agreed_s = walk.end_s
        else:
            state.walks.append(walk)
    expected = _unit(state.anchor) if state.anchor_s else state.anchor
    if state.rotation is not None:
        expected = state.rotation.T @ expected
    agreed = [
        i
        for i, walk in enumerate(state.walks)
        if _long(walk, p) and _angle_deg(walk.up, expected) <= p.shift_deg
    ]
    if agreed:
        state.agreed_s = state.walks[agreed[-1]].end_s
        state.walks = state.walks[agreed[-1] + 1 :]
    return _shift(state, expected, first_s, p)


def _shift(
    state: NeutralState, expected: NDArray[np.float64], first_s: int, p: NeutralParameters
) -> NeutralShift | None:
    walks = [walk for walk in state.walks if _long(walk, p)]
    if (
        len(walks) < p.walks
        or sum(walk.end_s - walk.start_s for walk in walks) < p.walks_s
        or walks[-1].end_s - walks[0].start_s < p.apart_s
    ):
        return None
    mean = _unit(np.sum([walk.up_sum for walk in walks], axis=0))
    if max(_angle_deg(walk.up, mean) for walk in walks) > p.steady_deg:
        state.walks = state.walks[1:]
        return None
    shift = NeutralShift(state.agreed_s, walks[0].start_s, first_s, _angle_deg(mean, expected))
    state.rotation = _turn(mean, _unit(state.anchor))
    state.agreed_s, state.walks = walks[-1].end_s, []
    return shift


def _long(walk: Walk, p: NeutralParameters) -> bool:
    return walk.end_s - walk.start_s >= p.least_walk_s


def _turn(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3) smallest rotation from one unit vector to another that is not opposite."""
    x, y, z = np.cross(start, end)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    out: NDArray[np.float64] = np.eye(3) + cross + cross @ cross / (1.0 + start @ end)
    return out


def _angle_deg(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b)))


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    out: NDArray[np.float64] = vector / np.linalg.norm(vector)
    return out
