"""The course of a guided calibration for whoever guides the wearer: a page or a command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from analytics.store.clinic import Clinic
from analytics.store.records import CalibrationStep
from wire.ids import new_session

SECOND_NS: Final = 1_000_000_000
READY_S: Final = 5
"""From the start of a step until it counts: to get into the posture."""
STEP_S: Final = {"stand": 8, "sit_tall": 8, "slouch": 8, "bend": 8, "walk": 20}
"""How long each step is watched: holds two breaths and more, a bend at leisure, ten metres at
half a metre a second."""
DISTANCE_M: Final = 10.0
GOES_ON_NS: Final = 3600 * SECOND_NS
"""Steps that are further apart than this are of two calibrations: the sensor may have slipped."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a step stands at a moment."""

    state: str
    """open, ready (it is about to begin), running, checking, passed or failed"""
    left_s: int
    """whole seconds until it begins or ends; 0 otherwise"""


def plan(step: str, now_ns: int, distance_m: float | None = None) -> CalibrationStep:
    """A step that is started now."""
    start_ns = now_ns + READY_S * SECOND_NS
    return CalibrationStep(step, start_ns, start_ns + STEP_S[step] * SECOND_NS, distance_m)


def open_session(clinic: Clinic, wearer: str, sensor: str, now_ns: int) -> str:
    """The session that the next step belongs to: the one that is under way, or a new one."""
    for found in clinic.calibrations(wearer, sensor)[:1]:
        fresh = any(now_ns - step.end_ns < GOES_ON_NS for step in found.steps)
        if found.version is None and fresh:
            return found.session
    return new_session()


def standing(step: CalibrationStep | None, now_ns: int) -> Standing:
    """Of the latest attempt at a step; None: it was never done."""
    if step is None:
        return Standing("open", 0)
    if step.passed is not None:
        return Standing("passed" if step.passed else "failed", 0)
    if now_ns < step.start_ns:
        return Standing("ready", _up(step.start_ns - now_ns))
    if now_ns < step.end_ns:
        return Standing("running", _up(step.end_ns - now_ns))
    return Standing("checking", 0)


def _up(span_ns: int) -> int:
    return -(-span_ns // SECOND_NS)
