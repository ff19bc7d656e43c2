"""Sitting or standing: the most probable sequence of states between the events that change them.

Between two height changes the trunk stays in one state. Each stretch has some evidence from its
tilt, each height change has evidence for being a rise, a descent or neither, walking is done
standing, and the reference interval is known. The best path through all of it is found with the
Viterbi algorithm, the probability of each state with the forward-backward algorithm.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.detect.pulses import Pulse
from analytics.detect.site import Site
from analytics.signal.parameter import parameter


class State(IntEnum):
    """What the wearer does; CROUCH is a squat that is held."""

    SIT = 0
    STAND = 1
    CROUCH = 2
    LIE = 3


_NEVER: Final = -1e9


@dataclass(frozen=True, slots=True)
class PostureParameters:
    """Evidence, in units of log odds."""

    rise_m: float = parameter(0.17, unit="m", reason="half of the lowest real rise in HAPT")
    per_metre: float = parameter(16.0, unit="1/m", reason="0.1 m more height is five times as sure")
    largest_m: float = parameter(0.45, unit="m", reason="more height is no more proof")
    speed_mps: float = parameter(0.22, unit="m/s", reason="peak speed of a slow rise")
    per_speed: float = parameter(4.0, unit="s/m", reason="speed is proof as height is")
    opposite_share: float = parameter(0.45, unit="1", reason="way back allowed inside a rise")
    per_opposite: float = parameter(4.0, unit="1", reason="what comes back was no rise")
    drift_mps: float = parameter(0.25, unit="m/s", reason="velocity left over that is normal")
    per_drift: float = parameter(4.0, unit="s/m", reason="more makes the height doubtful")
    drift_share: float = parameter(
        1.0,
        unit="1",
        reason="of the peak speed: a drift faster than the movement leaves no proof of height",
        source="HAPT: every rise and descent stays below",
    )
    per_drift_share: float = parameter(12.0, unit="1", reason="a fifth more: ten times less sure")
    unrest_radps: float = parameter(0.7, unit="rad/s", reason="activity at both edges, summed")
    per_unrest: float = parameter(1.5, unit="s/rad", reason="without rest the height is doubtful")
    lean_deg: float = parameter(
        14.0, unit="deg", reason="rising or sitting down without leaning is riding a lift"
    )
    per_lean: float = parameter(0.5, unit="1/deg", reason="5 deg less lean: twelve times less sure")
    low_lever_m: float = parameter(
        0.12, unit="m", reason="waist above the hips: a bend alone lowers it so much"
    )
    high_lever_m: float = parameter(0.4, unit="m", reason="chest above the hips")
    standing_deg: float = parameter(30.0, unit="deg", reason="nobody stands more bent than that")
    per_tilt: float = parameter(0.15, unit="1/deg", reason="7 deg more: three times less sure")
    low_bend_deg: float = parameter(
        80.0, unit="deg", reason="a reclined pelvis turns far on its way to standing"
    )
    high_bend_deg: float = parameter(
        48.0, unit="deg", reason="flexion of the chest on the way to standing; more is a bend"
    )
    per_bend: float = parameter(0.12, unit="1/deg", reason="8 deg more: three times less sure")
    seat_unrest_radps: float = parameter(
        0.25,
        unit="rad/s",
        reason="a seat carries the trunk: it rests there for a moment, in rowing and on stairs not",
        source="HAPT: 95 % below 0.1; DSADS exercise: above",
    )
    per_seat_unrest: float = parameter(
        20.0, unit="s/rad", reason="0.1 rad/s more: seven times less sure"
    )
    told_odds: float = parameter(
        0.0, unit="1", reason="a change of state is told where its own event is rather one than not"
    )
    told_sure: float = parameter(
        0.95, unit="1", reason="probability of both postures that makes up for a doubtful event"
    )
    told_when_sure_odds: float = parameter(
        -1.0, unit="1", reason="then an event that speaks against itself by less is told"
    )
    no_gyro: float = parameter(
        2.0, unit="1", reason="without a gyroscope height changes are much less certain"
    )
    most: float = parameter(5.0, unit="1", reason="no single event is surer than 150 to 1")
    missed: float = parameter(5.0, unit="1", reason="a change of state that left no pulse")
    walking_share: float = parameter(
        0.6, unit="1", reason="a height change that is mostly steps is a stair or a kerb"
    )
    walking: float = parameter(8.0, unit="1", reason="walking is done standing")
    up_activity_radps: float = parameter(
        0.9, unit="rad/s", reason="mean activity between sitting up and standing up", source="HAPT"
    )
    up_activity_scale_radps: float = parameter(0.15, unit="rad/s", reason="its spread, HAPT")
    up_lean_deg: float = parameter(
        5.0, unit="deg", reason="flexion before standing up from the edge of a bed", source="HAPT"
    )
    down_activity_radps: float = parameter(
        1.03, unit="rad/s", reason="mean activity of lying down, sitting against standing"
    )
    down_activity_scale_radps: float = parameter(0.12, unit="rad/s", reason="its spread, HAPT")
    down_lean_deg: float = parameter(
        3.0, unit="deg", reason="flexion before lying down from standing", source="HAPT"
    )
    up_weight: float = parameter(0.5, unit="1", reason="tells 92 % of getting up apart, HAPT")
    down_weight: float = parameter(0.25, unit="1", reason="tells 80 % of lying down apart, HAPT")
    lean_scale_deg: float = parameter(6.0, unit="deg", reason="spread of both, HAPT")
    lean_weight: float = parameter(1.5, unit="1", reason="twice as telling as activity, HAPT")
    low_site_deg: float = parameter(-5.0, unit="deg", reason="flexion between sitting and standing")
    low_site_scale_deg: float = parameter(4.0, unit="deg", reason="spread of standing, HAPT")
    high_site_deg: float = parameter(12.0, unit="deg", reason="a standing chest stays within it")
    high_site_scale_deg: float = parameter(6.0, unit="deg", reason="spread of standing, DSADS")
    crouch_s: float = parameter(6.0, unit="s", reason="a squat is not held much longer")
    crouch_unrest_radps: float = parameter(
        0.2, unit="rad/s", reason="height changes of people who keep moving are stairs (DSADS)"
    )
    crouch_depth_m: float = parameter(
        0.43, unit="m", reason="no chair in HAPT is so far below standing", source="HAPT"
    )
    crouch_flexion_deg: float = parameter(
        -6.0,
        unit="deg",
        reason="97 % of seated pelves tilt further back, a squatting one forward",
        source="HAPT",
    )
    landing_mps3: float = parameter(
        80.0,
        unit="m/s3",
        reason="three of four wearers meet the seat harder; a squat is slowed by muscles",
        source="HAPT",
    )
    crouch_lean_deg: float = parameter(
        10.0,
        unit="deg",
        reason="nine of ten lean further to reach a seat or leave it; over the feet none need to",
        source="HAPT",
    )
    crouch_lean_scale_deg: float = parameter(4.0, unit="deg", reason="its spread, HAPT")
    bend_depth_m: float = parameter(
        0.33, unit="m", reason="a bend from the hips lowers the waist by less than a squat"
    )
    bend_flexion_low_deg: float = parameter(
        25.0, unit="deg", reason="flexion of the pelvis in a bend that is held"
    )
    bend_flexion_high_deg: float = parameter(
        45.0, unit="deg", reason="flexion of the chest in a bend that is held"
    )


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch between two events."""

    start_s: float
    stop_s: float
    evidence: NDArray[np.float64]
    """(4,) log evidence by State."""


@dataclass(frozen=True, slots=True)
class Link:
    """What lies between two stretches."""

    cost: NDArray[np.float64]
    """(4, 4) log score of going from state (row) to state (column)."""
    pulse: int | None = None
    """Index of the pulse, None at other borders."""


@dataclass(frozen=True, slots=True)
class Path:
    """The best sequence of states."""

    states: list[State]
    probability: list[float]
    """Probability of that state in each stretch."""


@dataclass(frozen=True, slots=True)
class Neutral:
    """Where the trunk is while standing, as far as known."""

    standing: NDArray[np.float64] | None = None
    """(3,) up in trunk axes while standing; None when not known."""
    sitting: NDArray[np.float64] | None = None
    """(3,) up in trunk axes while sitting upright; None when not known."""
    sagittal: bool = True
    """True when flexion has a known direction."""
    low_site: bool = False
    seen_walking_s: int = field(default=0)


def change_evidence(pulse: Pulse, site: Site, p: PostureParameters) -> tuple[float, float]:
    """Log odds that a height change is a rise from sitting, and that it is a sitting down."""
    lever_m = p.low_lever_m if site.low else p.high_lever_m
    begun, ended = np.cos(np.radians((pulse.start_deg, pulse.stop_deg)))
    height_m = pulse.height_m - lever_m * float(ended - begun)
    most_deg = p.low_bend_deg if site.low else p.high_bend_deg
    drift_share = abs(pulse.end_mps) / max(pulse.max_mps, -pulse.min_mps, 0.05)
    doubt = (
        p.per_drift_share * max(0.0, drift_share - p.drift_share)
        + p.per_drift * max(0.0, abs(pulse.end_mps) - p.drift_mps)
        + p.per_unrest * max(0.0, pulse.unrest_radps - p.unrest_radps)
        + p.per_bend * max(0.0, pulse.excursion_deg - most_deg)
        + p.per_lean * max(0.0, p.lean_deg - pulse.excursion_deg)
        + (0.0 if site.gyro else p.no_gyro)
    )
    # a seated pelvis may be reclined a lot, a seated chest and a standing wearer not
    up_deg, down_deg = pulse.stop_deg, pulse.start_deg
    if not site.low:
        up_deg = down_deg = max(pulse.start_deg, pulse.stop_deg)
    up = _one_way(height_m, pulse.max_mps, -pulse.min_mps, up_deg, p)
    down = _one_way(-height_m, -pulse.min_mps, pulse.max_mps, down_deg, p)
    up -= p.per_seat_unrest * max(0.0, pulse.before_radps - p.seat_unrest_radps)
    down -= p.per_seat_unrest * max(0.0, pulse.after_radps - p.seat_unrest_radps)
    return (
        float(np.clip(up - doubt, -p.most, p.most)),
        float(np.clip(down - doubt, -p.most, p.most)),
    )


def _one_way(
    height_m: float, ahead_mps: float, back_mps: float, tilt_deg: float, p: PostureParameters
) -> float:
    odds = p.per_metre * (min(height_m, p.largest_m) - p.rise_m)
    odds += p.per_speed * (min(ahead_mps, 3 * p.speed_mps) - p.speed_mps)
    odds -= p.per_opposite * max(0.0, back_mps / max(ahead_mps, 0.05) - p.opposite_share)
    odds -= p.per_tilt * max(0.0, tilt_deg - p.standing_deg)
    return odds


def tilt_evidence(
    up: NDArray[np.float64], duration_s: float, neutral: Neutral, p: PostureParameters
) -> float:
    """Log odds of sitting against standing from the (3,) mean up of a stretch."""
    ahead, left, above = up
    tilt = float(np.degrees(np.arctan2(np.hypot(ahead, left), above)))
    if neutral.standing is None:
        odds = (
            float(np.clip((10.0 - tilt) / 6.0, -1.0, 0.7)) if neutral.sitting is not None else 0.0
        )
    elif neutral.low_site and neutral.sagittal:
        flexion = flexion_from(up, neutral.standing)
        odds = float(np.clip((p.low_site_deg - flexion) / p.low_site_scale_deg, -2.5, 4.0))
    else:
        cosine = float(np.clip(up @ neutral.standing / np.linalg.norm(up), -1.0, 1.0))
        away = float(np.degrees(np.arccos(cosine)))
        odds = float(np.clip((away - p.high_site_deg) / p.high_site_scale_deg, -1.0, 3.0))
    return odds * min(1.0, duration_s / 4.0)


def flexion_from(up: NDArray[np.float64], standing: NDArray[np.float64]) -> float:
    """Flexion [deg] of a (3,) up vector from the standing one, forward positive."""
    angle = np.arctan2(-up[0], up[2]) - np.arctan2(-standing[0], standing[2])
    return float(np.degrees(angle))


def low_odds(
    down: Pulse,
    up: Pulse,
    *,
    duration_s: float,
    flexion_deg: float | None,
    low_site: bool,
    p: PostureParameters,
) -> tuple[float, float]:
    """Log odds against sitting that the wearer, low between two pulses, squats or bends.

    flexion_deg: of the trunk between them from standing, None where it has no direction.
    """
    depth_m = 0.5 * (abs(down.height_m) + abs(up.height_m))
    short = float(np.clip(p.crouch_s - duration_s, -20.0, 0.5))
    squat = short + float(np.clip((depth_m - p.crouch_depth_m) / 0.05, -3.0, 3.0))
    squat += float(np.clip(np.log(p.landing_mps3 / max(down.jerk_mps3, 1.0)) / 0.4, -4.0, 1.5))
    if flexion_deg is None:
        return squat - 1.0, -p.walking
    if low_site:
        squat += float(np.clip((flexion_deg - p.crouch_flexion_deg) / 6.0, -6.0, 2.5))
    leaned_deg = 0.5 * (down.lean_deg + up.lean_deg)
    over_feet = float(np.clip((p.crouch_lean_deg - leaned_deg) / p.crouch_lean_scale_deg, -4, 2))
    squat += over_feet
    bent_deg = p.bend_flexion_low_deg if low_site else p.bend_flexion_high_deg
    bend = short + over_feet + float(np.clip((flexion_deg - bent_deg) / 5.0, -4.0, 3.0))
    return squat, bend


def evidence(
    *, sit: float = 0.0, walking: bool = False, lying: bool = False, p: PostureParameters
) -> NDArray[np.float64]:
    """(4,) log evidence of a stretch by State."""
    out = np.zeros(4)
    if lying:
        out[[State.SIT, State.STAND, State.CROUCH]] = _NEVER
        return out
    out[State.LIE] = _NEVER
    out[State.SIT] = sit
    out[State.CROUCH] = -p.walking
    if walking:
        out[State.SIT] = -p.walking
    return out


def plain_link(p: PostureParameters) -> NDArray[np.float64]:
    """Border without an event: a change of state was missed, or leads to or from lying."""
    cost = np.full((4, 4), -p.missed)
    np.fill_diagonal(cost, 0.0)
    cost[State.LIE, :], cost[:, State.LIE] = 0.0, 0.0
    cost[State.CROUCH, :], cost[:, State.CROUCH] = _NEVER, _NEVER
    cost[State.CROUCH, State.CROUCH] = 0.0
    return cost


def lying_link(
    *, into: bool, activity_radps: float, lean_deg: float | None, p: PostureParameters
) -> NDArray[np.float64]:
    """Border between lying and upright: standing is reached with more effort than sitting.

    activity_radps: mean between the border and the upright end; lean_deg: largest flexion there.
    """
    middle, scale = p.up_activity_radps, p.up_activity_scale_radps
    lean_middle = p.up_lean_deg
    if into:
        middle, scale = p.down_activity_radps, p.down_activity_scale_radps
        lean_middle = p.down_lean_deg
    odds = float(np.clip((activity_radps - middle) / scale, -2.5, 2.5))
    if lean_deg is not None:
        odds += p.lean_weight * float(np.clip((lean_deg - lean_middle) / p.lean_scale_deg, -2, 2))
    cost = plain_link(p)
    row = (slice(None), State.LIE) if into else (State.LIE, slice(None))
    weight = p.down_weight if into else p.up_weight
    cost[row] = weight * np.array([-odds, odds, _NEVER, 0.0])
    return cost


def pulse_link(pulse: Pulse, site: Site, p: PostureParameters) -> NDArray[np.float64]:
    """Border at a height change."""
    up, down = change_evidence(pulse, site, p)
    cost = np.full((4, 4), _NEVER)
    np.fill_diagonal(cost, 0.0)
    cost[State.SIT, State.STAND] = cost[State.CROUCH, State.STAND] = up
    cost[State.STAND, State.SIT] = cost[State.STAND, State.CROUCH] = down
    return cost


def best_path(stretches: list[Stretch], links: list[Link], initial: NDArray[np.float64]) -> Path:
    """The most probable states; `links[i]` lies before `stretches[i]`, links[0] is not used."""
    n = len(stretches)
    score = initial + stretches[0].evidence
    forward = [score]
    total = [score]
    back = []
    for i in range(1, n):
        step = links[i].cost
        options = score[:, None] + step
        back.append(options.argmax(axis=0))
        score = options.max(axis=0) + stretches[i].evidence
        forward.append(
            np.logaddexp.reduce(forward[-1][:, None] + step, axis=0) + stretches[i].evidence
        )
        total.append(forward[-1])
    states = [int(score.argmax())]
    for step_back in reversed(back):
        states.append(int(step_back[states[-1]]))
    states.reverse()
    behind = np.zeros(4)
    probability = [0.0] * n
    for i in range(n - 1, -1, -1):
        both = total[i] + behind
        probability[i] = float(np.exp(both[states[i]] - np.logaddexp.reduce(both)))
        if i:
            ahead = links[i].cost + (stretches[i].evidence + behind)[None, :]
            behind = np.logaddexp.reduce(ahead, axis=1)
    return Path([State(s) for s in states], probability)
