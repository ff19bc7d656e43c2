"""Gait, breathing and sway of a local day from its results, and the words for them.

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

KINDS: Final = ("walking_bout", "respiration", "sway")
"""Kinds of results that a day's signs are read from."""
LYING: Final = ("lying_supine", "lying_prone", "lying_left", "lying_right")


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
}


@dataclass(frozen=True, slots=True)
class DaySign:
    """One figure of one day."""

    value: float
    amount: float
    """What it rests on: strides, minutes of breathing, stands."""
    calibrated: bool | None = None
    """Of lengths and speeds: from a known walk; else they are a trend only."""


def day_signs(items: Iterable[Item]) -> dict[str, DaySign]:
    """Every figure of SIGNS that the results of a day (of KINDS) tell; the others are left out."""
    found = list(items)
    out = _gait([item for item in found if item.kind == "walking_bout"])
    breathing = [item for item in found if item.kind == "respiration"]
    for name, postures in (("lying", LYING), ("sitting", ("sitting",))):
        part = [item for item in breathing if item.body.get("posture") in postures]
        if part:
            minutes = np.array([(item.end_ns - item.start_ns) / 60e9 for item in part])
            rates = np.array([float(item.body["breaths_per_min"]) for item in part])
            mean = float(rates @ minutes / minutes.sum())
            out[f"breaths_per_min_{name}"] = DaySign(mean, float(minutes.sum()))
    stands = [item.body for item in found if item.kind == "sway"]
    for key in ("rms_deg", "path_deg", "frequency_hz"):
        if stands:
            value = float(np.median([float(body[key]) for body in stands]))
            out[f"sway_{key}"] = DaySign(value, float(len(stands)))
    return out


def breathing_coverage(
    signs: Mapping[str, DaySign], posture_min: Mapping[str, float | None] | None
) -> dict[str, float | None]:
    """Share of the lying and of the sitting time of a day for which a rate could be told, 0..1;
    None without such time."""
    out: dict[str, float | None] = {}
    for name, postures in (("lying", LYING), ("sitting", ("sitting",))):
        minutes = [(posture_min or {}).get(posture) for posture in postures]
        whole = sum(m for m in minutes if m is not None)
        sign = signs.get(f"breaths_per_min_{name}")
        answered = 0.0 if sign is None else sign.amount
        out[name] = min(1.0, answered / whole) if whole > 0 else None
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
