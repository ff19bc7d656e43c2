"""Findings as JSON: the document of `trunkline analyse` and the results of the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from analytics.detect.findings import (
    SECOND_NS,
    Breathing,
    Findings,
    Item,
    Movement,
    Posture,
    SlouchEpisode,
    Sway,
    Timeline,
    WalkingBout,
)
from analytics.detect.gait import GaitParameters, GaitSign, asymmetry, gait_signs
from analytics.detect.parameters import ALGORITHM_VERSION, Parameters
from analytics.detect.site import Site
from analytics.detect.slouch import OBSERVABLE_AT, REPEATABLE_DEG
from analytics.exposure.timeline import runs_of
from analytics.sensor_context import SensorContext
from analytics.signal.calibration import Calibration
from analytics.store.base import Provenance, Result

SCHEMA: Final = "trunkline-analysis/1"
MINUTE_S: Final = 60
_WORDS: Final = [posture.word for posture in Posture]


def document(
    findings: Findings | None,
    context: SensorContext,
    parameters: Parameters,
    *,
    about: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The RESULT of docs: strict JSON, times in seconds of the recording.

    about: further entries of the top level, e.g. recording_id.
    """
    timelines = findings.timelines if findings else ()
    return {
        "schema": SCHEMA,
        **(about or {}),
        "timeline": _timeline(timelines),
        "movements": [_timed(m, movement_body(m)) for m in findings.movements] if findings else [],
        "slouch_episodes": (
            [_timed(e, slouch_body(e, context)) for e in findings.slouch_episodes]
            if findings
            else []
        ),
        "walking_bouts": [_timed_bout(b, context) for b in findings.walking_bouts]
        if findings
        else [],
        "gait_signs": _gait_signs(findings, context, parameters.gait),
        "respiration": (
            [_timed(b, breathing_body(b)) for b in findings.breathing] if findings else []
        ),
        "sway": [_timed(s, sway_body(s)) for s in findings.sway] if findings else [],
        "quality": quality(findings, context),
        "provenance": {
            "algorithm_version": ALGORITHM_VERSION,
            "params": parameters.to_dict(),
            "params_hash": parameters.hash(),
        },
    }


def results(findings: Findings, context: SensorContext) -> list[Result]:
    """The same as results of the store: a timeline per minute, one result per episode."""
    out = list(_minutes(findings.timelines))
    out += [Result("movement", m.start_ns, m.end_ns, movement_body(m)) for m in findings.movements]
    out += [
        Result("slouch_episode", e.start_ns, e.end_ns, slouch_body(e, context))
        for e in findings.slouch_episodes
    ]
    out += [
        Result("walking_bout", b.start_ns, b.end_ns, bout_body(b, context.step_scale))
        for b in findings.walking_bouts
    ]
    out += [
        Result("respiration", b.start_ns, b.end_ns, breathing_body(b)) for b in findings.breathing
    ]
    out += [Result("sway", s.start_ns, s.end_ns, sway_body(s)) for s in findings.sway]
    out.append(Result("quality", findings.start_ns, findings.end_ns, quality(findings, context)))
    return sorted(out, key=lambda r: (r.start_ns, r.kind))


def provenance(parameters: Parameters) -> Provenance:
    """Which computation made the results."""
    return Provenance(ALGORITHM_VERSION, parameters.hash())


def observable(context: SensorContext) -> dict[str, bool | str]:
    """True, or in one word why not: placement, reference, axes, gyroscope, rate, sensors (it takes
    a second one), or "seated" for what a sensor near the pelvis tells of a seated wearer only.

    Trunk rotation means that of a seated wearer; "standing_rotation" says what is known beyond.
    """
    site = context.site
    upright: bool | str = site.upright or "reference"
    sagittal = (site.sagittal or "axes") if site.upright else upright
    movement: bool | str = "rate" if site.slow else upright
    sideways = sagittal
    if site.low:
        sideways = "seated" if site.fixed_low else "placement"
    turning = movement
    if site.low and movement is True:
        turning = "seated" if site.fixed_low else "placement"
    return {
        "posture": upright,
        "trunk_flexion": sagittal,
        "slouch": upright if context.placement in OBSERVABLE_AT else "placement",
        "walking": "rate" if site.slow else True,
        "respiration": "rate" if site.slow else True,
        "sway": movement,
        "trunk_sway": _with_gyro("rate" if site.slow else True, site),
        "sit_to_stand": movement,
        "stand_to_sit": movement,
        "squat": _with_gyro(movement, site),
        "forward_bend": sagittal if movement is True else movement,
        "lateral_bend": sideways if movement is True else movement,
        "trunk_rotation": _with_gyro(turning, site),
        "standing_rotation": "sensors",
    }


def _with_gyro(answer: bool | str, site: Site) -> bool | str:
    return answer if site.gyro or answer is not True else "gyroscope"


def quality(findings: Findings | None, context: SensorContext) -> dict[str, Any]:
    """Seconds worn and missing, what can be known at all, and how well the neutral is known."""
    parts = findings.timelines if findings else ()
    worn_s = sum(int((part.worn == 1).sum()) for part in parts)
    gap_s = sum(int((part.worn == -1).sum()) for part in parts)
    gap_s += sum(after.first_s - before.first_s - len(before) for before, after in pairwise(parts))
    return {
        "worn_s": worn_s,
        "gap_s": gap_s,
        "observable": observable(context),
        "calibration": _calibration(findings, context.calibration),
        "neutral": _neutral(findings),
    }


def _calibration(findings: Findings | None, calibration: Calibration) -> dict[str, Any]:
    """Where the axes come from, and how old the upright reference is at the end."""
    reference = calibration.reference_ns
    age_s = None
    if findings is not None and reference is not None:
        age_s = max(0, findings.end_ns - reference[1]) // SECOND_NS
    return {
        "up": calibration.up.value,
        "forward": calibration.forward.value,
        "reference_posture": calibration.reference_posture,
        "still": calibration.still if reference is not None else None,
        "age_s": age_s,
        "slouch_range_deg": _slouch_range(calibration),
    }


def _slouch_range(calibration: Calibration) -> list[float] | None:
    """Flexion while sitting tall and in the deepest slouch."""
    known = calibration.slouch_range
    return None if known is None else [round(known.tall_deg, 1), round(known.deepest_deg, 1)]


def _neutral(findings: Findings | None) -> dict[str, Any]:
    """How the trunk was carried while walking, and slips of the sensor, in seconds of its clock."""
    parts = findings.timelines if findings else ()
    walking = {"flexion": np.empty(0), "lateral": np.empty(0)}
    if parts:
        walks = np.concatenate([part.posture == Posture.WALKING for part in parts])
        for name in walking:
            values = np.concatenate([getattr(part, f"{name}_deg") for part in parts])
            walking[name] = values[walks & np.isfinite(values)]
    shifts = findings.neutral_shifts if findings else ()
    return {
        **{
            f"walking_{name}_deg": _rounded(float(np.mean(v)), 1) if len(v) else None
            for name, v in walking.items()
        },
        "shifted": bool(shifts),
        "shifts": [
            {
                "angle_deg": _rounded(shift.angle_deg, 1),
                "agreed_s": shift.agreed_s,
                "found_s": shift.found_s,
                "corrected_s": shift.corrected_s,
            }
            for shift in shifts
        ],
    }


def movement_body(movement: Movement) -> dict[str, Any]:
    """JSON of a movement without its times."""
    return {
        "kind": movement.kind.value,
        "direction": movement.direction,
        "peak_deg": _rounded(movement.peak_deg, 1),
        "peak_deg_s": _rounded(movement.peak_deg_s, 1),
        "confidence": _rounded(movement.confidence, 2),
    }


def slouch_body(episode: SlouchEpisode, context: SensorContext) -> dict[str, Any]:
    """JSON of a slouch episode without its times.

    told_as: slouch where the flexion lies within what this wearer reaches by slouching, else
    flexed_trunk: slouching, a lean from the hips, or both.
    """
    known = context.calibration.slouch_range
    share_pct, within = None, False
    if known is not None:
        share_pct = 100.0 * (episode.mean_deg - known.tall_deg) / known.span_deg
        within = episode.mean_deg <= known.deepest_deg + REPEATABLE_DEG
    return {
        "told_as": "slouch" if within else "flexed_trunk",
        "mean_deg": _rounded(episode.mean_deg, 1),
        "mean_range_pct": _rounded(share_pct, 0),
        "dose": _rounded(episode.dose, 2),
        "minutes": _rounded(episode.minutes, 2),
        "minutes_low": _rounded(episode.minutes_low, 2),
        "minutes_high": _rounded(episode.minutes_high, 2),
    }


def bout_body(bout: WalkingBout, step_scale: float | None = None) -> dict[str, Any]:
    """JSON of a walking bout without its times; steps in seconds from the bout's start.

    step_scale: see SensorContext; without it lengths and speeds are a trend only.
    """
    steady = [(g.step_length_m, g.stride_time_s, g.strides) for g in bout.gait if g.step_length_m]
    length_m = speed_mps = None
    if steady:
        lengths, times, strides = np.array(steady).T
        length_m = float(lengths @ strides / strides.sum()) * (step_scale or 1.0)
        speed_mps = 2.0 * length_m / float(times @ strides / strides.sum())
    unequal = asymmetry(bout.gait, GaitParameters())
    return {
        "step_count": len(bout.step_ns),
        "cadence_spm": _rounded(bout.cadence_spm, 1),
        "step_length_m": _rounded(length_m, 3),
        "step_length_calibrated": None if length_m is None else step_scale is not None,
        "walking_speed_mps": _rounded(speed_mps, 3),
        "step_time_asymmetry_pct": None if unequal is None else _rounded(unequal.value, 1),
        "step_regularity": _rounded(bout.step_regularity, 2),
        "step_times_s": [round(float(v), 3) for v in (bout.step_ns - bout.start_ns) / SECOND_NS],
        "prolonged": bout.prolonged,
        "gait": [{k: _number(v) for k, v in asdict(piece).items()} for piece in bout.gait],
    }


def _number(value: float | int | None) -> float | int | None:
    return value if isinstance(value, int) else _rounded(value, 4)


def _gait_signs(
    findings: Findings | None, context: SensorContext, p: GaitParameters
) -> list[dict[str, Any]]:
    """The figures of all walks of a recording."""
    bouts = [b for b in findings.walking_bouts if b.gait] if findings else []
    if not bouts:
        return []
    span = {
        "start_s": round(bouts[0].start_ns / SECOND_NS, 3),
        "end_s": round(bouts[-1].end_ns / SECOND_NS, 3),
    }
    pieces = [piece for bout in bouts for piece in bout.gait]
    return [span | sign_body(sign) for sign in gait_signs(pieces, context.step_scale, p)]


def sign_body(sign: GaitSign) -> dict[str, Any]:
    """JSON of a figure of the gait: value and 95 % interval."""
    pooled = sign.pooled
    return {
        "kind": sign.kind,
        "unit": sign.unit,
        "value": _rounded(pooled.value, 3),
        "low": _rounded(pooled.low, 3),
        "high": _rounded(pooled.high, 3),
        "strides": round(pooled.strides),
        "calibrated": sign.calibrated,
    }


def breathing_body(breathing: Breathing) -> dict[str, Any]:
    """JSON of a stretch of quiet breathing without its times."""
    posture = breathing.posture
    return {
        "breaths_per_min": _rounded(breathing.breaths_per_min, 1),
        "confidence": _rounded(breathing.confidence, 2),
        "posture": None if posture is Posture.UNKNOWN else posture.word,
    }


def sway_body(sway: Sway) -> dict[str, Any]:
    """JSON of a quiet stand without its times."""
    return {
        "rms_deg": _rounded(sway.rms_deg, 3),
        "rms_forward_deg": _rounded(sway.rms_forward_deg, 3),
        "rms_lateral_deg": _rounded(sway.rms_lateral_deg, 3),
        "path_deg": _rounded(sway.path_deg, 2),
        "frequency_hz": _rounded(sway.frequency_hz, 3),
    }


def _timed(item: Item, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "start_s": round(item.start_ns / SECOND_NS, 3),
        "end_s": round(item.end_ns / SECOND_NS, 3),
        **body,
    }


def _timed_bout(bout: WalkingBout, context: SensorContext) -> dict[str, Any]:
    steps = [round(float(v), 3) for v in bout.step_ns / SECOND_NS]
    return _timed(bout, {**bout_body(bout, context.step_scale), "step_times_s": steps})


def _timeline(parts: Sequence[Timeline]) -> dict[str, Any]:
    out: dict[str, list[Any]] = {
        name: []
        for name in (
            "time_s",
            "posture",
            "trunk_flexion_deg",
            "trunk_lateral_deg",
            "slouched",
            "worn",
            "probability",
        )
    }
    for part in parts:
        out["time_s"] += [part.first_s + i + 0.5 for i in range(len(part))]
        columns = _columns(part)
        columns["posture"] = [word or Posture.UNKNOWN.word for word in columns["posture"]]
        for name, values in columns.items():
            out[name] += values
    return out


def _columns(part: Timeline) -> dict[str, list[Any]]:
    """Columns of a timeline as JSON values, None where nothing is known."""
    measured = part.worn >= 0
    words = [
        _WORDS[code] if there else None for code, there in zip(part.posture, measured, strict=True)
    ]
    return {
        "posture": words,
        "trunk_flexion_deg": _floats(part.flexion_deg, 1),
        "trunk_lateral_deg": _floats(part.lateral_deg, 1),
        "slouched": _flags(part.slouched),
        "worn": _flags(part.worn),
        "probability": _floats(part.probability, 2),
    }


def _minutes(parts: Sequence[Timeline]) -> Iterator[Result]:
    """One result per minute that has rows; a minute may hold the end of one part and the
    beginning of the next."""
    bodies: dict[int, dict[str, Any]] = {}
    for part in parts:
        columns = _columns(part)
        last_s = part.first_s + len(part) - 1
        for minute in range(part.first_s // MINUTE_S, last_s // MINUTE_S + 1):
            body = bodies.setdefault(minute, {name: [None] * MINUTE_S for name in columns})
            low = max(part.first_s, minute * MINUTE_S)
            high = min(last_s + 1, (minute + 1) * MINUTE_S)
            for name, values in columns.items():
                body[name][low % MINUTE_S : low % MINUTE_S + high - low] = values[
                    low - part.first_s : high - part.first_s
                ]
    for minute, body in sorted(bodies.items()):
        start_ns = minute * MINUTE_S * SECOND_NS
        whole = {"step_s": 1, **body}
        end_ns = start_ns + MINUTE_S * SECOND_NS
        yield Result("timeline", start_ns, end_ns, whole)
        yield Result("timeline_runs", start_ns, end_ns, runs_of(whole))


def _floats(values: NDArray[np.float32], digits: int) -> list[float | None]:
    rounded = np.round(values.astype(np.float64), digits) + 0.0
    known = np.isfinite(rounded)
    return [v if ok else None for v, ok in zip(rounded.tolist(), known.tolist(), strict=True)]


def _flags(values: NDArray[np.int8]) -> list[bool | None]:
    return [None if v < 0 else bool(v) for v in values.tolist()]


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), digits)
