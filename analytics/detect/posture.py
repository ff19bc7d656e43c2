"""What speaks for sitting or standing: tilt, height changes, walking, and how lying was entered.

Each stretch between two events has some evidence from its tilt, each height change has evidence for
being a rise, a descent or neither, walking is done standing, and the reference interval is known.
detect.path puts it together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.detect.path import State
from analytics.detect.posture_parameters import PostureParameters
from analytics.detect.pulses import Pulse
from analytics.detect.site import Site

_NEVER: Final = -1e9


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
        + p.per_restless * max(0.0, pulse.unrest_radps * pulse.length_s**2 - p.restless_rad_s)
        + p.per_bend * max(0.0, pulse.excursion_deg - most_deg)
        + (0.0 if site.gyro else p.no_gyro)
    )
    # a seated pelvis may be reclined a lot, a seated chest and a standing wearer not
    up_deg, down_deg = pulse.stop_deg, pulse.start_deg
    if not site.low:
        up_deg = down_deg = max(pulse.start_deg, pulse.stop_deg)
    up = _one_way(height_m, pulse.max_mps, -pulse.min_mps, up_deg, p)
    down = _one_way(-height_m, -pulse.min_mps, pulse.max_mps, down_deg, p)
    up -= p.per_lean * max(0.0, p.rise_lean_deg - pulse.excursion_deg)
    down -= p.per_lean * max(0.0, p.lean_deg - pulse.excursion_deg)
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


def change_confidence(odds: float, sure: float, p: PostureParameters) -> float | None:
    """How sure a rise or descent is, None where it is not told.

    odds: log odds of the event itself; sure: probability of the posture before it or of the one
    after it, the lower of both. What speaks against itself is told only between sure postures, and
    nothing is surer than they are.
    """
    if odds < (p.told_when_sure_odds if sure >= p.told_sure else p.told_odds):
        return None
    event = float(1.0 / (1.0 + np.exp(-odds)))
    return min(max(event, 0.5), sure)


def tilt_evidence(
    up: NDArray[np.float64], duration_s: float, neutral: Neutral, p: PostureParameters
) -> float:
    """Log odds of sitting against standing from the (3,) mean up of a stretch."""
    if neutral.standing is None:
        odds = 0.0
        if neutral.sitting is not None:
            odds = p.seat_odds
            if neutral.low_site and neutral.sagittal:
                ahead_deg = flexion_from(up, neutral.sitting) - p.seated_pelvis_deg
                odds -= float(np.clip(ahead_deg / p.low_site_scale_deg, 0.0, 2.0))
    elif neutral.low_site and neutral.sagittal:
        flexion = flexion_from(up, neutral.standing)
        odds = float(np.clip((p.low_site_deg - flexion) / p.low_site_scale_deg, -2.5, 4.0))
    else:
        cosine = float(np.clip(up @ neutral.standing / np.linalg.norm(up), -1.0, 1.0))
        away = float(np.degrees(np.arccos(cosine)))
        sits = (away - p.high_site_deg) / p.high_site_scale_deg
        odds = float(np.clip(sits, -p.high_site_least, p.high_site_most))
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


def unseen_link(site: Site, p: PostureParameters) -> NDArray[np.float64]:
    """Where the trunk settled at another angle without a height change that was seen."""
    cost = plain_link(p)
    unseen = p.unseen_slow if site.slow else p.unseen if site.gyro else p.unseen_no_gyro
    cost[State.SIT, State.STAND] = cost[State.STAND, State.SIT] = -unseen
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
