"""Every profile against its own vectors: bytes and values computed from the documented layout,
with `struct` and by hand, not with the decoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_profiles.base import (
    BatteryLevel,
    ConfigurationError,
    DecodeError,
    Event,
    Note,
    SampleBlock,
    StreamEnded,
    StreamRequest,
)
from firmware_profiles.registry import PROFILES, profile

HERE = Path(__file__).parent
VECTORS = {
    path.stem.removeprefix("vectors_"): json.loads(path.read_text())
    for path in sorted(HERE.glob("vectors_*.json"))
}
ALL = [(name, vector) for name, vectors in VECTORS.items() for vector in vectors]
EVERY_PROFILE_NEEDS = {"full", "too_short", "extreme", "gap", "command", "battery"}


def select(*, command: bool) -> Any:
    chosen = [
        pytest.param(name, vector, id=f"{name}-{vector['name']}")
        for name, vector in ALL
        if (vector["kind"] == "command") is command
    ]
    return pytest.mark.parametrize(("name", "vector"), chosen)


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_has_every_kind_of_vector(name: str) -> None:
    assert {vector["kind"] for vector in VECTORS[name]} >= EVERY_PROFILE_NEEDS


@select(command=False)
def test_decode(name: str, vector: dict[str, Any]) -> None:
    decoder = profile(name).decoder(vector["config"])
    events: list[Event] = []
    if vector.get("error"):
        with pytest.raises(DecodeError):
            decode_all(decoder, vector, events)
        return
    decode_all(decoder, vector, events)
    assert len(events) == len(vector["events"])
    for event, expected in zip(events, vector["events"], strict=True):
        check(event, expected)


def decode_all(decoder: Any, vector: dict[str, Any], events: list[Event]) -> None:
    for packet in vector["packets"]:
        events += decoder.decode(packet["characteristic"], bytes.fromhex(packet["hex"]))


def check(event: Event, expected: dict[str, Any]) -> None:
    if expected["type"] == "battery":
        assert event == BatteryLevel(expected["percent"])
        return
    if expected["type"] == "note":
        assert isinstance(event, Note)
        assert event.topic == expected["topic"]
        assert {key: event.values[key] for key in expected["values"]} == expected["values"]
        return
    if expected["type"] == "ended":
        assert isinstance(event, StreamEnded)
        return
    assert isinstance(event, SampleBlock)
    if expected["t0_ns"] is None:
        assert event.device_t0_ns is None
    else:
        assert event.device_t0_ns == pytest.approx(expected["t0_ns"], abs=1, rel=0)
    assert event.device_dt_ns == pytest.approx(expected["dt_ns"], rel=1e-9)
    assert event.lost_before == expected.get("lost_before", 0)
    assert event.restarted is expected.get("restarted", False)
    wanted = {key: value for key, value in expected.items() if key in {"accel", "gyro", "mag"}}
    assert set(event.values) == set(wanted)
    for quantity, rows in event.values.items():
        assert rows.dtype == np.float32
        assert rows.shape == (event.n, 3)
        np.testing.assert_allclose(rows, wanted[quantity], rtol=2e-7, atol=1e-9)


@select(command=True)
def test_command_and_answer(name: str, vector: dict[str, Any], scripted: Any) -> None:
    sensor = scripted(vector["answers"])
    steps = profile(name).configure(StreamRequest(**vector["request"]), vector["mtu"])
    if "refused" in vector:
        with pytest.raises(ConfigurationError, match=f"status {vector['refused']}:") as caught:
            sensor.run(steps)
        assert caught.value.advice
        return
    decoder = sensor.run(steps)
    assert sensor.writes == vector["writes"]
    for key, value in vector["settings"].items():
        found = getattr(decoder.settings, key)
        assert found == (tuple(value) if isinstance(value, list) else value)


@pytest.mark.parametrize("name", PROFILES)
def test_decoder_goes_on_after_an_error(name: str) -> None:
    full = next(v for v in VECTORS[name] if v["kind"] == "full")
    decoder = profile(name).decoder(full["config"])
    for vector in VECTORS[name]:
        if vector.get("error") and vector["config"] == full["config"]:
            with pytest.raises(DecodeError):
                decode_all(decoder, vector, [])
    events: list[Event] = []
    decode_all(decoder, full, events)
    check(events[0], full["events"][0])
