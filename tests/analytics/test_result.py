"""Findings as JSON: the document and the results of the store."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from analytics.detect.findings import (
    Breathing,
    Findings,
    Movement,
    MovementKind,
    Posture,
    SlouchEpisode,
    Timeline,
    WalkingBout,
)
from analytics.detect.parameters import ALGORITHM_VERSION, Parameters
from analytics.result import document, observable, provenance, results
from analytics.sensor_context import SensorContext
from analytics.signal.calibration import SlouchRange, calibrate

NOTHING = (np.empty(0, np.int64), np.empty((0, 3)), None)
S = 10**9


def context(placement: str | None = "T12", **axes: str | None) -> SensorContext:
    calibration = calibrate(*NOTHING, reference_ns=None, axes=axes)
    return SensorContext(placement, 50.0, has_gyro=True, calibration=calibration)


def timeline(first_s: int, n: int, *, gap: int | None = None) -> Timeline:
    worn = np.ones(n, np.int8)
    flexion = np.full(n, 12.345, np.float32)
    slouched = np.ones(n, np.int8)
    if gap is not None:
        worn[gap], flexion[gap], slouched[gap] = -1, np.nan, -1
    return Timeline(
        first_s,
        np.full(n, Posture.SITTING, np.int8),
        np.full(n, 0.987, np.float32),
        flexion,
        flexion,
        slouched,
        worn,
    )


def findings() -> Findings:
    return Findings(
        0,
        240 * S,
        timelines=(timeline(10, 60, gap=3), timeline(100, 100)),
        movements=(Movement(MovementKind.SQUAT, 12 * S, 14 * S, None, float("nan"), 0.5),),
        slouch_episodes=(SlouchEpisode(20 * S, 60 * S, 12.34, 1.0, 0.5, 0.25, 0.75),),
        walking_bouts=(WalkingBout(100 * S, 110 * S, np.array([101 * S, 102 * S]), 60.0, 0.9),),
        breathing=(Breathing(110 * S, 150 * S, 14.04, 0.847, Posture.SITTING),),
    )


def test_the_document_is_strict_json_with_relative_times() -> None:
    made = json.loads(json.dumps(document(findings(), context(), Parameters()), allow_nan=False))
    assert made["timeline"]["time_s"][0] == 10.5
    assert made["timeline"]["posture"][:4] == ["sitting"] * 3 + ["unknown"]
    assert made["timeline"]["trunk_flexion_deg"][2:4] == [12.3, None]
    assert made["timeline"]["slouched"][2:4] == [True, None]
    assert made["movements"][0]["peak_deg"] is None
    assert made["walking_bouts"][0]["step_times_s"] == [101.0, 102.0]
    assert made["respiration"] == [
        {
            "start_s": 110.0,
            "end_s": 150.0,
            "breaths_per_min": 14.0,
            "confidence": 0.85,
            "posture": "sitting",
        }
    ]
    assert made["quality"]["worn_s"] == 159
    assert made["quality"]["gap_s"] == 31
    assert made["provenance"]["algorithm_version"] == ALGORITHM_VERSION
    empty = document(None, context(), Parameters())
    assert empty["timeline"]["time_s"] == []
    assert empty["movements"] == []


def test_a_lean_is_told_from_a_slouch_only_within_the_range_that_was_shown() -> None:
    def told(deepest_deg: float | None) -> tuple[str, float | None]:
        known = None if deepest_deg is None else SlouchRange(-4.0, deepest_deg)
        shown = replace(context().calibration, slouch_range=known)
        (made,) = document(findings(), replace(context(), calibration=shown), Parameters())[
            "slouch_episodes"
        ]
        return made["told_as"], made["mean_range_pct"]

    assert told(None) == ("flexed_trunk", None)
    assert told(20.0) == ("slouch", 68.0)
    assert told(9.0) == ("flexed_trunk", 126.0)


def test_every_minute_with_rows_is_one_result() -> None:
    made = results(findings(), context())
    minutes = [r for r in made if r.kind == "timeline"]
    assert [r.start_ns for r in minutes] == [0, 60 * S, 120 * S, 180 * S]
    for result in minutes:
        assert result.end_ns == result.start_ns + 60 * S
        assert {len(v) for k, v in result.body.items() if k != "step_s"} == {60}
    second = minutes[1].body
    assert second["posture"][9] == "sitting"
    assert second["posture"][10:40] == [None] * 30
    assert second["posture"][40] == "sitting"
    assert minutes[0].body["posture"][13] is None
    (bout,) = [r for r in made if r.kind == "walking_bout"]
    assert bout.body["step_times_s"] == [1.0, 2.0]
    assert "start_s" not in bout.body
    assert {r.kind for r in made} >= {"timeline", "movement", "slouch_episode", "quality"}
    assert [r.start_ns for r in made] == sorted(r.start_ns for r in made)


def test_what_cannot_be_known_is_said_in_a_word() -> None:
    waist = observable(context("waist", up="+z", forward="+x"))
    assert waist["slouch"] == waist["lateral_bend"] == waist["trunk_rotation"] == "placement"
    assert waist["squat"] is waist["sit_to_stand"] is waist["posture"] is True
    assert observable(context("L5", up="+z", forward="+x"))["trunk_rotation"] == "seated"
    assert observable(context("T12"))["slouch"] == "reference"
    blind = observable(context("T12", up="+z"))
    assert blind["trunk_flexion"] == blind["forward_bend"] == "axes"
    assert blind["slouch"] is True
    chest = observable(context("T12", up="+z", forward="+x"))
    assert chest.pop("standing_rotation") == "sensors"
    assert set(chest.values()) == {True}
    assert observable(context(None, up="+z", forward="+x"))["slouch"] == "placement"


def test_slow_sensors_and_those_without_gyroscope_tell_less() -> None:
    whole = context("T12", up="+z", forward="+x")
    slow = observable(replace(whole, rate_hz=2.0))
    assert slow["walking"] == slow["squat"] == slow["forward_bend"] == "rate"
    assert slow["posture"] is True
    plain = observable(replace(whole, has_gyro=False))
    assert plain["squat"] == plain["trunk_rotation"] == "gyroscope"
    assert plain["sit_to_stand"] is plain["forward_bend"] is True


def test_provenance_names_version_and_parameters() -> None:
    assert provenance(Parameters()).params_hash == Parameters().hash()
