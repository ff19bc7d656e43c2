"""Trunk excursions: bending forward, to a side, or turning, and back again.

An excursion is a peak of one angle above its own recent middle that stands out on both sides. The
three angles move together in every real bend: it is a turn where the trunk turned about an upright
axis, a side bend where about a level one, and of peaks that are left and overlap in time the one
that is largest for its kind names it.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from analytics.detect.findings import MovementKind
from analytics.signal.calm import SLOW_S
from analytics.signal.frames import MOTION_HZ
from analytics.signal.motion import Motion
from analytics.signal.parameter import parameter
from analytics.signal.smoothing import from_running_median


@dataclass(frozen=True, slots=True)
class ExcursionParameters:
    """How large and how fast an excursion is."""

    forward_deg: float = parameter(
        25.0, unit="deg", reason="flexion beyond what sitting and desk work bring"
    )
    lateral_deg: float = parameter(
        12.0, unit="deg", reason="side bends of seated people exceed 20 deg at T10"
    )
    rotation_deg: float = parameter(
        15.0, unit="deg", reason="turns of seated people exceed 20 deg at T10"
    )
    extension_deg: float = parameter(
        12.0, unit="deg", reason="backward bending explains what goes with it; not reported"
    )
    undirected_deg: float = parameter(
        40.0, unit="deg", reason="nobody bends so far to a side or backward"
    )
    undirected_low_deg: float = parameter(
        25.0, unit="deg", reason="the same for the pelvis, which a forward bend tilts by more"
    )
    low_site_factor: float = parameter(
        0.35, unit="1", reason="the pelvis moves about a third of what the chest does"
    )
    standing_pelvis_deg: float = parameter(
        20.0, unit="deg", reason="a standing pelvis tilts less without a bend"
    )
    seated_probability: float = parameter(
        0.7, unit="1", reason="who may as well stand turns as a whole, not in the trunk"
    )
    no_gyro_deg: float = parameter(
        45.0, unit="deg", reason="without a gyroscope swaying looks like bending"
    )
    rhythm_least: int = parameter(
        10, unit="1", reason="nobody bends so often in a row outside of exercise"
    )
    rhythm_period_s: float = parameter(4.0, unit="s", reason="slowest stroke of rowing")
    rhythm_ratio: float = parameter(
        2.0, unit="1", reason="strokes of a series are of about the same size"
    )
    max_jerk_mps3: float = parameter(
        120.0,
        unit="m/s3",
        reason="falling back onto a seat is no bend: half of the landings in HAPT are below 105",
    )
    landing_s: float = parameter(
        0.6, unit="s", reason="a seat is met soon after the trunk has come back half of its way"
    )
    rest_s: float = parameter(3.0, unit="s", reason="as long as a pause between two bends")
    max_unrest_radps: float = parameter(
        0.45,
        unit="rad/s",
        reason="before or after a bend one stands or sits; on stairs one steps on (DSADS)",
    )
    shortest_s: float = parameter(
        0.4,
        unit="s",
        reason="above half of its height; a sway of one stride a second stays there for 0.33",
    )
    longest_s: float = parameter(
        12.0, unit="s", reason="window in which the trunk must go and come back"
    )
    forward_longest_s: float = parameter(
        30.0, unit="s", reason="a forward bend may be held while picking something up"
    )
    middle_s: int = parameter(
        30, unit="s", reason="the median of half a minute is where the trunk is carried"
    )
    prominence_share: float = parameter(
        0.6, unit="1", reason="share of the height that must be given up on both sides"
    )
    swing_share: float = parameter(
        0.5, unit="1", reason="a swing from one side to the other is two excursions"
    )
    weak_share: float = parameter(
        0.6, unit="1", reason="excursions too small to count still show that a series goes on"
    )
    recoil_height: float = parameter(
        0.6, unit="1", reason="of the movement before: an overshoot is damped"
    )
    recoil_time: float = parameter(
        0.6, unit="1", reason="of the time of the movement before: nobody holds an overshoot"
    )
    recoil_pause_s: float = parameter(0.5, unit="s", reason="an overshoot follows at once")
    lopsided: float = parameter(
        1.5,
        unit="1",
        reason="one way of a bend or turn takes at most half again as long as the other; what "
        "seems longer is followed by something else",
    )
    half_share: float = parameter(
        0.5, unit="1", reason="an excursion begins and ends at half of its height"
    )

    def slowest_deg(self, low_site: bool) -> float:
        """Every excursion turns the sensor by more than this within SLOW_S of one of its ways: it
        must have come back within its window, and half of that is for one way."""
        ways = (
            (self.forward_deg, self.forward_longest_s),
            *((deg, self.longest_s) for deg in (self.lateral_deg, self.rotation_deg)),
        )
        least_deg = min(deg * min(1.0, SLOW_S / (0.5 * window_s)) for deg, window_s in ways)
        return least_deg * self.weak_share * (self.low_site_factor if low_site else 1.0)


@dataclass(frozen=True, slots=True)
class Excursion:
    """One excursion; times in samples of the motion it was found in."""

    kind: MovementKind | None
    """None: backward bending, which only explains other peaks."""
    start: int
    peak: int
    stop: int
    height_deg: float
    rate_deg_s: float
    """Fastest change of the angle."""
    positive: bool
    """Forward, to the right, to the left (rotation)."""
    jerk_mps3: float
    """Hardest knock inside."""
    landing_mps3: float
    """Hardest knock shortly after."""
    unrest_radps: float
    """Least activity shortly before or shortly after, whichever is less."""
    strength: float
    """Height over the smallest that counts for its kind."""

    def shifted(self, ticks: int) -> Excursion:
        """The same on a clock that began so many ticks earlier."""
        return replace(
            self, start=self.start + ticks, peak=self.peak + ticks, stop=self.stop + ticks
        )


def excursions(
    motion: Motion, *, low_site: bool, directed: bool, parameters: ExcursionParameters
) -> list[Excursion]:
    """Excursions in order of time, one for all peaks that overlap; weak ones included.

    Where forward is not known (not `directed`), a tilt larger than people bend to a side or
    backward is a forward bend, and smaller ones are nothing.
    """
    p = parameters
    factor = p.low_site_factor if low_site else 1.0
    forward, side = MovementKind.FORWARD_BEND, MovementKind.LATERAL_BEND
    turn = MovementKind.TRUNK_ROTATION
    ahead, left, above = motion.up
    angles = (
        [np.arctan2(-ahead, above), np.arcsin(np.clip(left, -1.0, 1.0))]
        if directed
        else [np.arctan2(np.hypot(ahead, left), above)]
    )
    if motion.yaw_radps is not None:
        angles.append(np.cumsum(motion.yaw_radps) / MOTION_HZ)
    moved = from_running_median(np.degrees(angles), rate_hz=MOTION_HZ, window_s=p.middle_s)
    if directed:
        flexion, lateral = moved[:2]
        found = _peaks(flexion, forward, p.forward_deg * factor, p.forward_longest_s, p)
        found += _peaks(-flexion, None, p.extension_deg * factor, p.longest_s, p)
        for angle, right in ((lateral, True), (-lateral, False)):
            least_deg = p.lateral_deg * factor
            found += _peaks(angle, side, least_deg, p.longest_s, p, positive=right)
    else:
        least_deg = p.undirected_low_deg if low_site else p.undirected_deg
        found = _peaks(moved[0], forward, least_deg, p.forward_longest_s, p)
    if motion.yaw_radps is not None:
        heading = moved[-1]
        for angle, to_left in ((heading, True), (-heading, False)):
            least_deg = p.rotation_deg * factor
            found += _peaks(angle, turn, least_deg, p.longest_s, p, positive=to_left)
        found = _by_axis(found, motion.up, heading)
    real = _without_recoil(_strongest(found), p)
    least = p.shortest_s * MOTION_HZ
    return [
        _measured(e, motion, p) for e in real if e.stop - e.start >= least and _whole(e, motion)
    ]


def _by_axis(
    found: list[Excursion], up: NDArray[np.float64], heading_deg: NDArray[np.float64]
) -> list[Excursion]:
    """The same where the way to each peak says about which axis the trunk turned: a tilt to a side
    within a turn is part of the turn, a turn within a tilt only explains others."""
    if not found:
        return found
    start, peak = np.array([(e.start, e.peak) for e in found]).T
    # the second half of the way there, and about all of it; where they differ one of them may hold
    # part of the movement before
    begun = np.stack((start, np.maximum(0, 2 * start - peak)))
    tilted = np.clip(np.einsum("ijk,ik->jk", up[:, begun], up[:, peak]), -1.0, 1.0)
    upright = np.abs(heading_deg[peak] - heading_deg[begun]) > np.degrees(np.arccos(tilted))
    ever, always = upright.any(axis=0).tolist(), upright.all(axis=0).tolist()
    out = []
    for item, some, both in zip(found, ever, always, strict=True):
        if item.kind is MovementKind.TRUNK_ROTATION and not some:
            out.append(replace(item, kind=None))
        elif item.kind is not MovementKind.LATERAL_BEND or not both:
            out.append(item)
    return out


def _whole(item: Excursion, motion: Motion) -> bool:
    return bool(motion.valid[item.start : item.stop + 1].all())


def _measured(item: Excursion, motion: Motion, p: ExcursionParameters) -> Excursion:
    rest, landing = round(p.rest_s * MOTION_HZ), round(p.landing_s * MOTION_HZ)
    before = motion.activity[max(0, item.start - rest) : item.start + 1].min()
    after = motion.activity[item.stop : item.stop + rest + 1]
    return replace(
        item,
        jerk_mps3=float(motion.jerk[item.start : item.stop + 1].max()),
        landing_mps3=float(motion.jerk[item.stop : item.stop + landing + 1].max(initial=0.0)),
        unrest_radps=float(min(before, after.min() if len(after) else before)),
    )


def _peaks(
    angle_deg: NDArray[np.float64],
    kind: MovementKind | None,
    least_deg: float,
    longest_s: float,
    p: ExcursionParameters,
    *,
    positive: bool = True,
) -> list[Excursion]:
    if np.ptp(angle_deg) < least_deg * p.prominence_share * p.weak_share:
        return []
    with warnings.catch_warnings():
        # the window may cut a prominence down to nothing, which is then too small
        warnings.filterwarnings("ignore", message="some peaks have a prominence of 0")
        peaks, shape = signal.find_peaks(
            angle_deg,
            prominence=least_deg * p.prominence_share * p.weak_share,
            wlen=round(longest_s * MOTION_HZ),
        )
    # of a swing from side to side each half counts, wherever the middle was taken to be
    swing_deg = p.swing_share * shape["prominences"]
    if kind is MovementKind.TRUNK_ROTATION:
        # heading has no zero of its own: the first turn of a series leaves the rest by all of its
        # height on one side and swings to the other turn on the other
        bases = np.stack([angle_deg[shape[f"{side}_bases"]] for side in ("left", "right")])
        widest_deg = p.swing_share * (angle_deg[peaks] - bases.min(axis=0))
        swing_deg = np.minimum(shape["prominences"], widest_deg)
    height_deg = np.maximum(angle_deg[peaks], swing_deg)
    large = height_deg >= p.weak_share * least_deg
    peaks, height_deg = peaks[large], height_deg[large]
    if not len(peaks):
        return []
    basis = tuple(shape[name][large] for name in ("prominences", "left_bases", "right_bases"))
    _, _, left, right = signal.peak_widths(
        angle_deg, peaks, rel_height=p.half_share, prominence_data=basis
    )
    starts, stops = left.astype(int), np.ceil(right).astype(int)
    if kind is not MovementKind.FORWARD_BEND:  # which may be held
        reach = np.ceil(p.lopsided * np.minimum(peaks - starts, stops - peaks)).astype(int)
        starts, stops = np.maximum(starts, peaks - reach), np.minimum(stops, peaks + reach)
    rate_deg_s = np.abs(np.diff(angle_deg)) * MOTION_HZ
    return [
        Excursion(
            kind=kind,
            start=int(starts[i]),
            peak=int(peaks[i]),
            stop=int(stops[i]),
            height_deg=float(height_deg[i]),
            rate_deg_s=float(rate_deg_s[starts[i] : stops[i]].max()),
            positive=positive,
            jerk_mps3=0.0,
            landing_mps3=0.0,
            unrest_radps=0.0,
            strength=float(height_deg[i] / least_deg),
        )
        for i in range(len(peaks))
    ]


def _without_recoil(found: list[Excursion], p: ExcursionParameters) -> list[Excursion]:
    """Without overshoots: on its way back the trunk may swing past its rest, by less and for less
    time than the movement took, and then rests."""
    near = round(p.recoil_pause_s * MOTION_HZ)
    out = []
    for i, item in enumerate(found):
        same = [e for e in found[:i] if e.kind is item.kind and e.positive is not item.positive]
        before = same[-1] if same else None
        goes_on = i + 1 < len(found) and found[i + 1].start <= item.stop + near
        recoil = (
            before is not None
            and not goes_on
            and item.start <= before.stop + near
            and item.height_deg < p.recoil_height * before.height_deg
            and item.stop - item.start < p.recoil_time * (before.stop - before.start)
        )
        if not recoil:
            out.append(item)
    return out


def _strongest(found: list[Excursion]) -> list[Excursion]:
    kept: list[Excursion] = []
    for item in sorted(found, key=lambda e: -e.strength):
        if all(item.peak > other.stop or item.peak < other.start for other in kept) and all(
            other.peak > item.stop or other.peak < item.start for other in kept
        ):
            kept.append(item)
    return sorted((e for e in kept if e.kind is not None), key=lambda e: e.peak)
