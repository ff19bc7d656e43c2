"""The small JSON messages: round trips and refusals."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.ids import new_session
from wire.messages import (
    AgentStatus,
    Birth,
    Committed,
    Loss,
    Losses,
    Mark,
    MessageError,
    Status,
    Taken,
    digest,
    load_json,
)

SESSION = new_session()
GOOD = [
    Birth(SESSION, "movesense", "T12", 52.0, ["accel", "gyro"], 8.0, 2000.0, "2.3.0", {"up": "+x"}),
    Status(SESSION, 1, "streaming", battery_pct=80, rssi_dbm=-60, samples=10),
    Committed(SESSION, 0),
    AgentStatus(SESSION, "ready", 1),
    Mark(1, "symptom", symptom="pain", site="iliac_crest", side="left", severity=4),
    Mark(1, "upright", sensor="trunk", end_ns=2, posture="sitting"),
    Mark(
        1, "calibration_step", sensor="t", end_ns=2, session=SESSION, step="walk", distance_m=10.0
    ),
    Mark(1, "calibration_accepted", sensor="t", session=SESSION),
    Losses.of([Loss(SESSION, 3, 7, 250)]),
    Taken([digest(b"a mark")]),
]


STEP = {"sensor": "t", "end_ns": 2, "session": SESSION, "step": "walk"}


@pytest.mark.parametrize(
    "changes",
    [
        {"sensor": None},
        {"session": "short"},
        {"step": "jump"},
        {"end_ns": 1},
        {"end_ns": 1 + 3601 * 10**9},
        {"distance_m": 0.0},
        {"distance_m": 2000.0},
    ],
    ids=str,
)
def test_a_step_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    mark = Mark(1, "calibration_step", **(STEP | changes))
    with pytest.raises(MessageError):
        Mark.load(mark.dump())


@pytest.mark.parametrize("message", GOOD, ids=lambda m: type(m).__name__)
def test_messages_round_trip(message: Any) -> None:
    assert type(message).load(message.dump()) == message


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (0, {"placement": "hat"}),
        (0, {"rate_hz": 0}),
        (0, {"rate_hz": "fast"}),
        (0, {"quantities": "accel"}),
        (0, {"surprise": 1}),
        (0, {"axes": {"up": "x"}}),
        (0, {"axes": {"down": "+x"}}),
        (0, {"axes": ["+x"]}),
        (1, {"at_ns": "now"}),
        (2, {"seq": -1}),
        (2, {"session": "x"}),
        (3, {"state": "fine"}),
        (4, {"severity": 11}),
        (4, {"severity": True}),
        (4, {"symptom": "joy"}),
        (4, {"symptom": None}),
        (4, {"kind": "poem"}),
        (4, {"site": ["x"]}),
        (5, {"end_ns": 1}),
        (5, {"sensor": None}),
        (5, {"posture": "lying"}),
        (6, {"losses": {}}),
        (6, {"losses": [1]}),
        (6, {"losses": [{"session": SESSION}]}),
        (6, {"losses": [Loss("x", 3, 7, 250)]}),
        (6, {"losses": [Loss(SESSION, 8, 7, 250)]}),
        (6, {"losses": [Loss(SESSION, -1, 7, 250)]}),
        (6, {"losses": [Loss(SESSION, 3, 7, True)]}),
        (6, {"losses": [Loss(SESSION, 3, 7, 250)] * 201}),
        (0, {"session": "U" * 26}),
        (0, {"rate_hz": float("nan")}),
        (0, {"accel_range_g": float("inf")}),
        (0, {"firmware": "x" * 65}),
        (0, {"firmware": "\ud800"}),
        (0, {"quantities": ["accel"] * 40}),
        (1, {"session": "8" * 26}),
        (1, {"clock_drift_ppm": float("nan")}),
        (1, {"samples": -1}),
        (1, {"samples": 1.0}),
        (1, {"lost_samples": 2**63}),
        (1, {"battery_pct": 101}),
        (1, {"rssi_dbm": 10**30}),
        (1, {"state": "x" * 33}),
        (2, {"seq": 1.5}),
        (2, {"session": "u" * 26}),
        (3, {"run": "x"}),
        (3, {"at_ns": -1}),
        (4, {"at_ns": 1.0}),
        (4, {"at_ns": 2**63}),
        (4, {"note": "\udfff"}),
        (7, {"digests": ["x"]}),
        (7, {"digests": ["0" * 16] * 501}),
    ],
)
def test_each_breach_is_refused(kind: int, changes: dict[str, Any]) -> None:
    fields = json.loads(GOOD[kind].dump()) | changes
    with pytest.raises(MessageError):
        type(GOOD[kind]).load(json.dumps(fields, default=asdict).encode())


@given(st.sampled_from(GOOD), st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_any_bytes_give_a_message_error(message: Any, payload: bytes) -> None:
    with pytest.raises(MessageError):
        type(message).load(payload)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_wrong_types_give_a_message_error(value: Any) -> None:
    for message in GOOD:
        fields = json.loads(message.dump())
        for name in fields:
            damaged = json.dumps(fields | {name: {"x": value}}).encode()
            try:
                type(message).load(damaged)
            except MessageError:
                continue


def test_a_number_too_large_for_a_float_is_refused() -> None:
    payload = GOOD[1].dump().replace(b'"clock_drift_ppm":null', b'"clock_drift_ppm":1e999')
    with pytest.raises(MessageError):
        Status.load(payload)


def test_load_json_refuses_what_is_not_json() -> None:
    assert load_json(b"[1]") == [1]
    with pytest.raises(MessageError):
        load_json(b"\xff{")
