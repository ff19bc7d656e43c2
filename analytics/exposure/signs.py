"""Gait, limbs, breathing and sway of a local day from its results, and the words for them.

A day's value is a mean over everything of that day, weighted by strides or minutes; what cannot be
said is left out. Pages and exports read `SIGNS` for units and for what is worse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

import numpy as np

from analytics.detect.gait import GaitParameters, WalkGait, gait_signs
from analytics.exposure.timeline import Item

KINDS: Final = ("walking_bout", "respiration", "sway", "extra_sensors")
"""Kinds of results that a day's signs are read from."""
BREATHING: Final[Mapping[str, tuple[str, ...]]] = {
    "breaths_per_min_lying": ("lying_supine", "lying_prone", "lying_left", "lying_right"),
    "breaths_per_min_sitting": ("sitting",),
}
"""Figures of breathing, and the postures in which it was."""


@dataclass(frozen=True, slots=True)
class Sign:
    """What a figure is called in results, and which way is worse."""

    unit: str
    worse: Literal["lower", "higher", "either"]


SIGNS: Final[Mapping[str, Sign]] = {
    "stride_time_s": Sign("s", "higher"),
    "step_length_m": Sign("m", "lower"),
    "walking_speed_mps": Sign("m/s", "lower"),
    "stride_regularity": Sign("1", "lower"),
    "step_regularity": Sign("1", "lower"),
    "step_time_asymmetry_pct": Sign("%", "higher"),
    "trunk_sway_forward_deg": Sign("degree", "higher"),
    "trunk_sway_lateral_deg": Sign("degree", "higher"),
    "breaths_per_min_lying": Sign("1/min", "either"),
    "breaths_per_min_sitting": Sign("1/min", "either"),
    "sway_rms_deg": Sign("degree", "higher"),
    "sway_path_deg": Sign("degree", "higher"),
    "sway_frequency_hz": Sign("Hz", "either"),
    "hip_peak_extension_deg_left": Sign("degree", "lower"),
    "hip_peak_extension_deg_right": Sign("degree", "lower"),
    "hip_peak_extension_deg_difference": Sign("degree", "either"),
    "hip_peak_flexion_deg_left": Sign("degree", "either"),
    "hip_peak_flexion_deg_right": Sign("degree", "either"),
    "hip_peak_flexion_deg_difference": Sign("degree", "either"),
    "hip_range_deg_left": Sign("degree", "lower"),
    "hip_range_deg_right": Sign("degree", "lower"),
    "hip_range_deg_difference": Sign("degree", "either"),
    "arm_swing_deg_left": Sign("degree", "lower"),
    "arm_swing_deg_right": Sign("degree", "lower"),
    "arm_swing_asymmetry_pct": Sign("%", "either"),
    "arm_swing_coupling_left": Sign("1", "lower"),
    "arm_swing_coupling_right": Sign("1", "lower"),
    "trunk_on_pelvis_flexion_deg": Sign("degree", "either"),
    "trunk_on_pelvis_lateral_range_deg": Sign("degree", "either"),
    "trunk_on_pelvis_rotation_range_deg": Sign("degree", "lower"),
}
EXTRA: Final[Mapping[str, tuple[str, ...]]] = {
    "thigh": ("hip_",),
    "wrist": ("arm_swing",),
    "pelvis": ("trunk_on_pelvis",),
}
"""Beginnings of the names of what only an extra sensor tells, by the beginning of its placement."""


@dataclass(frozen=True, slots=True)
class DaySign:
    """One figure of one day."""

    value: float
    amount: float
    """What it rests on: strides, minutes of breathing, stands."""
    calibrated: bool | None = None
    """Of lengths and speeds: from a known walk; else they are a trend only."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a time a figure speaks for."""

    answered_min: float
    whole_min: float

    @property
    def share(self) -> float | None:
        """0..1; None without such time."""
        return self.answered_min / self.whole_min if self.whole_min > 0 else None

    def __add__(self, other: Coverage) -> Coverage:
        return Coverage(self.answered_min + other.answered_min, self.whole_min + other.whole_min)


def day_signs(items: Iterable[Item]) -> dict[str, DaySign]:
    """Every figure of SIGNS that the results of a day (of KINDS) tell; the others are left out."""
    found = list(items)
    out = _gait([item for item in found if item.kind == "walking_bout"])
    breathing = [item for item in found if item.kind == "respiration"]
    for kind, postures in BREATHING.items():
        part = [item for item in breathing if item.body.get("posture") in postures]
        if part:
            minutes = np.array([(item.end_ns - item.start_ns) / 60e9 for item in part])
            rates = np.array([float(item.body["breaths_per_min"]) for item in part])
            mean = float(rates @ minutes / minutes.sum())
            out[kind] = DaySign(mean, float(minutes.sum()))
    stands = [item.body for item in found if item.kind == "sway"]
    for key in ("rms_deg", "path_deg", "frequency_hz"):
        if stands:
            value = float(np.median([float(body[key]) for body in stands]))
            out[f"sway_{key}"] = DaySign(value, float(len(stands)))
    for item in found:
        if item.kind == "extra_sensors":
            for sign in item.body["signs"]:
                out[sign["kind"]] = DaySign(sign["value"], float(sign["strides"]))
    return out


def breathing_coverage(
    signs: Mapping[str, DaySign], posture_min: Mapping[str, float | None] | None
) -> dict[str, Coverage]:
    """Of each breathing figure of a day: minutes with a rate, of those in that posture."""
    out = {}
    for kind, postures in BREATHING.items():
        minutes = [(posture_min or {}).get(posture) for posture in postures]
        sign = signs.get(kind)
        answered = 0.0 if sign is None else sign.amount
        out[kind] = Coverage(answered, max(answered, sum(m for m in minutes if m is not None)))
    return out


def _gait(bouts: Sequence[Item]) -> dict[str, DaySign]:
    pieces, calibrated, scales = [], [], []
    for bout in bouts:
        for body in bout.body.get("gait") or ():
            pieces.append(_piece(body))
        length, own = bout.body.get("step_length_m"), _mean_length(bout.body)
        if length is not None and own is not None:
            scales.append(float(length) / own)
            calibrated.append(bool(bout.body.get("step_length_calibrated")))
    scale = float(np.median(scales)) if scales and all(calibrated) else None
    return {
        sign.kind: DaySign(sign.pooled.value, sign.pooled.strides, sign.calibrated)
        for sign in gait_signs(pieces, scale, GaitParameters())
    }


def _piece(body: Mapping[str, Any]) -> WalkGait:
    values: dict[str, Any] = {field.name: body.get(field.name) for field in fields(WalkGait)}
    return WalkGait(**values)


def _mean_length(body: Mapping[str, Any]) -> float | None:
    """Step length of a bout by the pendulum alone."""
    known = [
        (float(g["step_length_m"]), float(g["strides"]))
        for g in body.get("gait") or ()
        if g.get("step_length_m")
    ]
    if not known:
        return None
    length, strides = np.array(known).T
    return float(length @ strides / strides.sum())
