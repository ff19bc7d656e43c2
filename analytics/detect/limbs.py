"""Hips, arms and pelvis while walking, from sensors beside the trunk's.

Every sensor's direction of up is followed by VQF over the walk; no common heading is needed. A
segment's angle is how far up turns in its plane of walking, which lies across the axis about which
it turns most; a leg swings forward faster than back, which tells the two directions apart. The hip
angle is that of the thigh and the trunk together, from the upright reference of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from analytics.detect.gait import GaitSign, Pooled, pooled
from analytics.signal.filters import band_pass, low_pass
from analytics.signal.grid import GRID_HZ, GRID_NS
from analytics.signal.orientation import vqf_up
from analytics.signal.parameter import parameter

LIMBS: Final = ("thigh", "thigh_left", "thigh_right", "wrist_left", "wrist_right", "pelvis")
"""Placements of extra sensors; `thigh` alone is one whose side is not known."""


Samples = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]
"""t_ns (n,), accel (n, 3) m/s2, gyro (n, 3) rad/s of one sensor."""


@dataclass(frozen=True, slots=True)
class LimbParameters:
    """When limbs tell something."""

    largest_gap_s: float = parameter(0.2, unit="s", reason="a swing is lost in a longer one")
    settle_s: float = parameter(1.0, unit="s", reason="first and last step of a walk differ")
    least_swing_deg: float = parameter(4.0, unit="deg", reason="less is no swing but noise")
    least_skew: float = parameter(
        0.1, unit="1", reason="forward must be clearly faster than back, else front is not known"
    )
    least_likeness: float = parameter(
        0.2, unit="1", reason="correlation of shaking with the trunk's; apart it is below 0.1"
    )
    largest_offset_s: float = parameter(
        0.1, unit="s", reason="more than the way of an impact through the body: clocks differ"
    )
    search_s: float = parameter(2.0, unit="s", reason="offsets that are looked for")
    least_strides: int = parameter(6, unit="1", reason="fewer have no usable interval")
    largest_lean_deg: float = parameter(
        45.0,
        unit="deg",
        reason="a thigh or a pelvis is carried within 20 of upright on average while walking; a "
        "sensor that was elsewhere or lay otherwise during the reference is not",
    )


@dataclass(frozen=True, slots=True, eq=False)
class Neutral:
    """One sensor during the upright reference."""

    up: NDArray[np.float64]
    """(3,) unit vector in sensor axes."""
    bias_radps: NDArray[np.float64]
    """(3,) gyroscope bias."""
    forward: NDArray[np.float64] | None = None
    """(3,) forward of the segment in sensor axes, where it is known."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One sensor over one walk, on the 50 Hz grid."""

    up: NDArray[np.float64]
    """(3, n) unit vector of up in sensor axes."""
    turning: NDArray[np.float64]
    """(3, n) rad/s in sensor axes, without bias."""
    shaking: NDArray[np.float64]
    """(n,) how fast the size of acceleration changes, below 5 Hz."""
    neutral: Neutral | None
    """Of this wearing of the sensor; None: the wearer was not seen upright with it. Wrists need
    none."""


@dataclass(frozen=True, slots=True)
class LimbWalk:
    """One walk of the trunk and of the extra sensors that were there."""

    stride_s: float
    trunk_up: NDArray[np.float64]
    """(3, n) in trunk axes: forward, left, up."""
    trunk: Segment
    limbs: dict[str, Segment]
    trunk_forward: bool
    """The trunk's front is known."""


def neutral_of(
    accel: NDArray[np.float64],
    gyro: NDArray[np.float64],
    forward: Sequence[float] | NDArray[np.float64] | None = None,
) -> Neutral | None:
    """From (n, 3) samples of the upright reference; None without any."""
    measured = np.isfinite(accel).all(axis=1) & np.isfinite(gyro).all(axis=1)
    if measured.sum() < 10:
        return None
    up = accel[measured].mean(axis=0)
    ahead = None if forward is None else np.asarray(forward, float)
    return Neutral(up / np.linalg.norm(up), gyro[measured].mean(axis=0), ahead)


def segment_of(
    samples: Samples,
    grid_ns: NDArray[np.int64],
    neutral: Neutral | None,
    p: LimbParameters,
) -> Segment | None:
    """Samples around a walk on its grid; None where too much is missing."""
    t_ns, accel, gyro = samples
    measured = np.isfinite(accel).all(axis=1) & np.isfinite(gyro).all(axis=1)
    t_ns, accel, gyro = t_ns[measured], accel[measured], gyro[measured]
    if len(t_ns) < 2 or t_ns[0] > grid_ns[0] or t_ns[-1] < grid_ns[-1]:
        return None
    inside = slice(*np.searchsorted(t_ns, (grid_ns[0], grid_ns[-1])))
    if np.diff(t_ns[inside]).max(initial=0) > p.largest_gap_s * 1e9:
        return None
    time = (t_ns - grid_ns[0]).astype(float)
    at = (grid_ns - grid_ns[0]).astype(float)
    force = np.stack([np.interp(at, time, axis) for axis in accel.T])
    turning = np.stack([np.interp(at, time, axis) for axis in gyro.T])
    if neutral is not None:
        turning -= neutral.bias_radps[:, None]
    up, _ = vqf_up(turning, force, GRID_HZ)
    size = np.linalg.norm(force, axis=0)
    shaking = low_pass(np.abs(np.diff(size, prepend=size[:1])) * GRID_HZ, 5.0, rate_hz=GRID_HZ)
    return Segment(up, turning, shaking, neutral)


def grid_of(start_ns: int, end_ns: int) -> NDArray[np.int64]:
    """Grid times of a walk."""
    return np.arange(-(-start_ns // GRID_NS), end_ns // GRID_NS, dtype=np.int64) * GRID_NS


def offset_s(trunk: Segment, limb: Segment, p: LimbParameters) -> float | None:
    """Seconds by which the limb's shaking comes after the trunk's; None where they are unlike."""
    a, b = (s.shaking - s.shaking.mean() for s in (trunk, limb))
    both = signal.correlate(b, a, "full", "fft") / max(float(np.sqrt((a @ a) * (b @ b))), 1e-12)
    reach = min(round(p.search_s * GRID_HZ), len(a) - 1)
    part = both[len(a) - 1 - reach : len(a) + reach]
    best = int(np.argmax(part))
    return None if part[best] < p.least_likeness else (best - reach) / GRID_HZ


def limb_signs(
    walks: Sequence[LimbWalk], p: LimbParameters
) -> tuple[list[GaitSign], dict[str, str]]:
    """What all walks say, and for each extra sensor that says nothing the reason in a word.

    Reasons: reference (no upright reference), axes (front not known), walking (too few strides),
    time (its clock does not go with the trunk's).
    """
    refused: dict[str, str] = {}
    strides: dict[str, list[float]] = {}
    for name in sorted({name for walk in walks for name in walk.limbs}):
        found, reason = _strides_of(name, [walk for walk in walks if name in walk.limbs], p)
        if reason is not None:
            refused[name] = reason
        strides |= {f"{name}:{kind}": values for kind, values in found.items()}
    signs = [
        GaitSign(_kind(key), "1" if key.endswith("coupling") else "degree", figure)
        for key, values in strides.items()
        if (figure := pooled([(value, 1.0) for value in values])) is not None
    ]
    return signs + _both_sides(signs), refused


def _kind(key: str) -> str:
    """`thigh_left:hip_range_deg` -> `hip_range_deg_left`."""
    name, kind = key.split(":")
    side = name.rpartition("_")[2]
    return f"{kind}_{side}" if side in {"left", "right"} else kind


def _out_of_time(name: str, walks: Sequence[LimbWalk], p: LimbParameters) -> str | None:
    offsets = [offset_s(walk.trunk, walk.limbs[name], p) for walk in walks]
    known = [offset for offset in offsets if offset is not None]
    if len(known) < len(offsets) / 2 or abs(np.median(known)) > p.largest_offset_s:
        return "time"
    return None


def _strides_of(
    name: str, walks: Sequence[LimbWalk], p: LimbParameters
) -> tuple[dict[str, list[float]], str | None]:
    """Values by stride and kind, or a reason."""
    reason = _out_of_time(name, walks, p)
    if reason is not None:
        return {}, reason
    wrist = name.startswith("wrist")
    groups: dict[Neutral, list[LimbWalk]] = {}
    for walk in walks:
        middle = _middle(walk.limbs[name])
        # how far an arm swings needs no upright reference
        neutral = middle if wrist else walk.limbs[name].neutral
        if neutral is None or neutral.up @ middle.up < np.cos(np.radians(p.largest_lean_deg)):
            reason = "reference"
        elif not (wrist or walk.trunk_forward):
            reason = "axes"
        else:
            groups.setdefault(neutral, []).append(walk)
    out: dict[str, list[float]] = {}
    for neutral, group in groups.items():
        limbs = [walk.limbs[name] for walk in group]
        ahead = _ahead(limbs, neutral, p, signed=not wrist, given_only=name == "pelvis")
        if ahead is None:
            reason = "axes"
            continue
        for walk, limb in zip(group, limbs, strict=True):
            found = (
                _pelvis(walk, limb, neutral, ahead)
                if name == "pelvis"
                else _swings(name, _angle_deg(limb, neutral, ahead), walk, p)
            )
            for kind, values in found.items():
                out.setdefault(kind, []).extend(values)
    if max((len(values) for values in out.values()), default=0) < p.least_strides:
        return {}, reason or "walking"
    return out, None


def _middle(limb: Segment) -> Neutral:
    """The middle of its swing."""
    up = limb.up.mean(axis=1)
    return Neutral(up / np.linalg.norm(up), np.zeros(3))


def _ahead(
    limbs: Sequence[Segment],
    neutral: Neutral,
    p: LimbParameters,
    *,
    signed: bool,
    given_only: bool,
) -> NDArray[np.float64] | None:
    """(3,) horizontal direction in which a limb of one wearing swings, in sensor axes; None where
    front and back cannot be told apart, though it matters (`signed`)."""
    if neutral.forward is not None:
        return _unit(neutral.forward - (neutral.forward @ neutral.up) * neutral.up)
    if given_only:
        return None
    tipping = np.zeros((3, 3))
    for limb in limbs:
        # without the turning of the whole body about the vertical
        across = limb.turning - np.sum(limb.turning * limb.up, axis=0) * limb.up
        tipping += across @ across.T
    axis = np.linalg.eigh(tipping)[1][:, -1]
    ahead = _unit(np.cross(axis - (axis @ neutral.up) * neutral.up, neutral.up))
    if not signed:
        return ahead
    rates = []
    for limb in limbs:
        rate = np.gradient(low_pass(_angle_deg(limb, neutral, ahead), 5.0, rate_hz=GRID_HZ))
        rates.append(rate - rate.mean())
    rate = np.concatenate(rates)
    skew = float(np.mean(rate**3) / np.mean(rate**2) ** 1.5)
    return None if abs(skew) < p.least_skew else ahead * np.sign(skew)


def _angle_deg(limb: Segment, neutral: Neutral, ahead: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) flexion of a limb from its neutral."""
    angle: NDArray[np.float64] = np.degrees(np.arctan2(ahead @ limb.up, neutral.up @ limb.up))
    return angle


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    unit: NDArray[np.float64] = vector / np.linalg.norm(vector)
    return unit


def _swings(
    name: str, angle: NDArray[np.float64], walk: LimbWalk, p: LimbParameters
) -> dict[str, list[float]]:
    """Largest and smallest angle of each stride, or each swing of an arm."""
    leg = name.startswith("thigh")
    stride = walk.stride_s * GRID_HZ
    if leg:
        lean = np.degrees(np.arctan2(-walk.trunk_up[0], walk.trunk_up[2]))
        # the trunk nods with every step; what it does once a stride is side bending and skin
        half = round(0.5 * stride)
        lean[half:] = 0.5 * (lean[half:] + lean[:-half])
        angle = angle + lean
    angle = low_pass(angle, 6.0, rate_hz=GRID_HZ)
    tops, _ = signal.find_peaks(
        angle, distance=max(1, int(0.6 * stride)), prominence=p.least_swing_deg
    )
    edge = round(p.settle_s * GRID_HZ)
    tops = tops[(tops >= edge) & (tops < len(angle) - edge)]
    pairs = [(a, b) for a, b in pairwise(tops.tolist()) if b - a < 1.5 * stride]
    lowest = np.array([angle[a:b].min() for a, b in pairs])
    highest = np.array([angle[a] for a, _ in pairs])
    if leg:
        return {
            "hip_peak_flexion_deg": highest.tolist(),
            "hip_peak_extension_deg": (-lowest).tolist(),
            "hip_range_deg": (highest - lowest).tolist(),
        }
    return {
        "arm_swing_deg": (highest - lowest).tolist(),
        "arm_swing_coupling": [_coupling(angle, stride)] * len(pairs),
    }


def _coupling(angle: NDArray[np.float64], stride: float) -> float:
    """Part of an arm's swinging that has the stride's own frequency, 0 .. 1."""
    hz = GRID_HZ / stride
    whole = band_pass(angle, 0.3 * hz, 3.0 * hz, rate_hz=GRID_HZ)
    own = band_pass(angle, 0.8 * hz, 1.25 * hz, rate_hz=GRID_HZ)
    return float(min(1.0, own.std() / max(whole.std(), 1e-9)))


def _pelvis(
    walk: LimbWalk, pelvis: Segment, neutral: Neutral, ahead: NDArray[np.float64]
) -> dict[str, list[float]]:
    """Trunk on pelvis by stride: mean flexion, range of lateral bend and of rotation."""
    up = neutral.up
    left = np.cross(up, ahead)
    p_up = np.stack((ahead @ pelvis.up, left @ pelvis.up, up @ pelvis.up))
    trunk = walk.trunk_up
    flexion = np.degrees(np.arctan2(-trunk[0], trunk[2]) - np.arctan2(-p_up[0], p_up[2]))
    lateral = np.degrees(np.arctan2(trunk[1], trunk[2]) - np.arctan2(p_up[1], p_up[2]))
    lateral = low_pass(lateral, 6.0, rate_hz=GRID_HZ)
    rate = np.sum(walk.trunk.turning * walk.trunk.up, axis=0)
    rate = rate - np.sum(pelvis.turning * pelvis.up, axis=0)
    stride = round(walk.stride_s * GRID_HZ)
    rotation = np.degrees(np.cumsum(rate) / GRID_HZ)
    starts = range(GRID_HZ, len(rate) - GRID_HZ - stride, stride)
    ramp = np.linspace(0.0, 1.0, stride)
    turned = [rotation[s : s + stride] for s in starts]
    return {
        "trunk_on_pelvis_flexion_deg": [float(flexion[s : s + stride].mean()) for s in starts],
        "trunk_on_pelvis_lateral_range_deg": [
            float(np.ptp(lateral[s : s + stride])) for s in starts
        ],
        # what is left over a whole stride is drift or a turn of the way
        "trunk_on_pelvis_rotation_range_deg": [
            float(np.ptp(part - ramp * (part[-1] - part[0]))) for part in turned
        ],
    }


def _both_sides(signs: Sequence[GaitSign]) -> list[GaitSign]:
    """Left less right for legs; for arms the difference over the mean in per cent."""
    by_kind = {sign.kind: sign.pooled for sign in signs}
    out = []
    for kind in ("hip_peak_extension_deg", "hip_peak_flexion_deg", "hip_range_deg"):
        pair = by_kind.get(f"{kind}_left"), by_kind.get(f"{kind}_right")
        if pair[0] is not None and pair[1] is not None:
            difference = pair[0].value - pair[1].value
            out.append(
                GaitSign(f"{kind}_difference", "degree", _with(pair[0], pair[1], difference, 1.0))
            )
    arms = by_kind.get("arm_swing_deg_left"), by_kind.get("arm_swing_deg_right")
    if arms[0] is not None and arms[1] is not None:
        scale = 200.0 / max(arms[0].value + arms[1].value, 1e-9)
        difference = scale * (arms[0].value - arms[1].value)
        out.append(
            GaitSign("arm_swing_asymmetry_pct", "%", _with(arms[0], arms[1], difference, scale))
        )
    return out


def _with(left: Pooled, right: Pooled, value: float, scale: float) -> Pooled:
    half = scale * float(np.hypot(left.high - left.value, right.high - right.value))
    return Pooled(value, value - half, value + half, min(left.strides, right.strides))
