"""Characteristics that are the same on every sensor, from the Bluetooth SIG's layouts."""

from __future__ import annotations

import pytest

from firmware_profiles.base import Advertisement, BatteryLevel, DecodeError, Note
from firmware_profiles.registry import PROFILES
from firmware_profiles.standard import advertised_battery_pct, standard_events

SIG = "0000{}-0000-1000-8000-00805f9b34fb"


def reading(short: str, data: str) -> dict[str, object]:
    (note,) = standard_events(SIG.format(short), bytes.fromhex(data))
    assert isinstance(note, Note)
    return dict(note.values)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("0048", {"heart_rate_bpm": 72, "rr_ms": []}),
        ("012c01", {"heart_rate_bpm": 300, "rr_ms": []}),
        ("10480004", {"heart_rate_bpm": 72, "rr_ms": [1000.0]}),
        ("1e480a0000040002", {"energy_kj": 10, "has_contact": True, "rr_ms": [1000.0, 500.0]}),
        ("0448", {"has_contact": False}),
    ],
)
def test_heart_rate(data: str, expected: dict[str, object]) -> None:
    found = reading("2a37", data)
    assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize("data", ["", "00", "0148", "00480004", "104800", "0848"])
def test_heart_rate_that_does_not_fit_is_refused(data: str) -> None:
    with pytest.raises(DecodeError):
        reading("2a37", data)


def test_device_information_is_text() -> None:
    assert reading("2a26", "322e332e3000") == {"firmware": "2.3.0"}
    assert reading("2a24", "35") == {"model": "5"}
    with pytest.raises(DecodeError):
        reading("2a29", "ff")


@pytest.mark.parametrize("data", ["", "ea070b1706050401800000", "ea070d17060504018000"])
def test_no_time_is_refused(data: str) -> None:
    with pytest.raises(DecodeError):
        reading("2a2b", data)


@pytest.mark.parametrize("name", PROFILES)
def test_every_decoder_knows_them(name: str) -> None:
    decoder = PROFILES[name].decoder({})
    assert decoder.decode(SIG.format("2a19"), b"\x2a") == [BatteryLevel(42)]
    assert decoder.decode(SIG.format("2a37"), b"\0\x48")[0] == Note(
        "reading", {"heart_rate_bpm": 72, "rr_ms": []}
    )
    with pytest.raises(DecodeError, match="not one of this sensor's"):
        decoder.decode(SIG.format("2a99"), b"\0")


@pytest.mark.parametrize(
    ("service_data", "percent"),
    [
        ({SIG.format("180f"): b"\x2a"}, 42),
        ({SIG.format("2a19"): b"\x64"}, 100),
        ({SIG.format("180f"): b"\x65"}, None),
        ({SIG.format("180f"): b"\x2a\0"}, None),
        ({SIG.format("180d"): b"\x2a"}, None),
        ({}, None),
    ],
)
def test_battery_in_the_advertisement(service_data: dict[str, bytes], percent: int | None) -> None:
    assert advertised_battery_pct(Advertisement("x", service_data=service_data)) == percent
