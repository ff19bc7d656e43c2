"""Movella DOT: recognising it, the order of its prerequisites, and what keeps it from starting."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from firmware_profiles.base import (
    Advertisement,
    BatteryLevel,
    ConfigurationError,
    DecodeError,
    SampleBlock,
    StreamRequest,
    Subscribe,
    Write,
)
from firmware_profiles.movella_dot import MovellaDot
from firmware_profiles.movella_dot_notes import (
    BATTERY_UUID,
    CONTROL_UUID,
    MESSAGE_UUID,
    REPORT_UUID,
    SETTINGS_UUID,
)
from firmware_profiles.movella_dot_payload import MEDIUM_UUID

VECTORS = json.loads((Path(__file__).parent / "vectors_movella_dot.json").read_text())
FULL = next(v for v in VECTORS if v["kind"] == "full")["packets"][0]


@pytest.fixture
def answers() -> dict[str, Any]:
    found: dict[str, Any] = copy.deepcopy(next(v for v in VECTORS if v["name"] == "start"))
    return dict(found["answers"])


def start(sensor: Any, **request: float) -> Any:
    return sensor.run(MovellaDot().configure(StreamRequest(**request), 247))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Xsens DOT", True), ("Movella DOT", True), ("Movella", False), ("DOT", False), (None, False)],
)
def test_match(name: str | None, expected: bool) -> None:
    assert MovellaDot().matches(Advertisement(name)) is expected


def test_it_listens_before_it_starts(scripted: Any, answers: dict[str, Any]) -> None:
    steps: list[Any] = []
    sensor = scripted(answers)
    carry_out = sensor._do
    sensor._do = lambda step: steps.append(step) or carry_out(step)
    start(sensor)
    assert sensor.subscribed.keys() == {MEDIUM_UUID, BATTERY_UUID, REPORT_UUID}
    listens = steps.index(Subscribe(MEDIUM_UUID))
    starts = next(i for i, s in enumerate(steps) if isinstance(s, Write) and s.data == b"\1\1\x15")
    assert listens < starts


def test_charge_at_the_start_comes_with_the_first_sample(
    scripted: Any, answers: dict[str, Any]
) -> None:
    decoder = start(scripted(answers))
    events = decoder.decode(FULL["characteristic"], bytes.fromhex(FULL["hex"]))
    assert events[0] == BatteryLevel(0x49)
    assert isinstance(events[-1], SampleBlock)
    assert len(decoder.decode(FULL["characteristic"], bytes.fromhex(FULL["hex"]))) == 1


def test_rate_that_does_not_stick_is_refused(scripted: Any, answers: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="keeps 60 Hz, not 30 Hz") as caught:
        start(scripted(answers), rate_hz=30.0)
    assert "off and on" in caught.value.advice


@pytest.mark.parametrize("state", ["010015", "010105", "", "01"])
def test_measurement_that_does_not_start_is_refused(
    state: str, scripted: Any, answers: dict[str, Any]
) -> None:
    answers[f"read {CONTROL_UUID}"] = ["010000", state]
    with pytest.raises(ConfigurationError, match="does not start"):
        start(scripted(answers))


@pytest.mark.parametrize("settings", ["", "00" * 25])
def test_settings_cut_off_are_refused(
    settings: str, scripted: Any, answers: dict[str, Any]
) -> None:
    answers[f"read {SETTINGS_UUID}"] = settings
    with pytest.raises(ConfigurationError, match="keeps None Hz"):
        start(scripted(answers))


def test_battery_that_cannot_be_read_does_not_matter(
    scripted: Any, answers: dict[str, Any]
) -> None:
    answers[f"read {BATTERY_UUID}"] = "ff"
    assert start(scripted(answers)).first_events == []


def test_small_mtu_is_refused_before_anything_is_sent(scripted: Any) -> None:
    sensor = scripted({})
    with pytest.raises(ConfigurationError, match="42 bytes"):
        sensor.run(MovellaDot().configure(StreamRequest(), 42))
    assert sensor.writes == []


def test_stop_ends_idle(scripted: Any) -> None:
    sensor = scripted({})
    sensor.subscribed = dict.fromkeys((MEDIUM_UUID, BATTERY_UUID, REPORT_UUID), "notify")
    sensor.run(MovellaDot().stop())
    assert (sensor.writes, sensor.subscribed) == (["010015"], {})


@pytest.mark.parametrize("config", [{"mode": 1}, {"mode": "x"}, {"rate_hz": 0}, {"rate_hz": "nan"}])
def test_unusable_config_is_refused(config: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        MovellaDot().decoder(config)


@pytest.mark.parametrize(
    ("characteristic", "data"),
    [
        (MESSAGE_UUID, ""),
        (MESSAGE_UUID, "0100ff00"),
        (MESSAGE_UUID, "0105020000"),
        (CONTROL_UUID, "0101"),
        (CONTROL_UUID, "020115"),
        (SETTINGS_UUID, "10"),
        (BATTERY_UUID, "65"),
        (BATTERY_UUID, "6500"),
        (REPORT_UUID, ""),
        ("0000180d-0000-1000-8000-00805f9b34fb", "00"),
    ],
)
def test_malformed_messages_are_refused(characteristic: str, data: str) -> None:
    with pytest.raises(DecodeError):
        MovellaDot().decoder({}).decode(characteristic, bytes.fromhex(data))
