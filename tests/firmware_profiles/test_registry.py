"""The registry finds profiles by id and by advertisement, and docs/sensors.md shows them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_profiles.base import Advertisement, Quantity
from firmware_profiles.catalogue import markdown
from firmware_profiles.registry import PROFILES, UnknownProfileError, match, profile

DOCS = Path(__file__).parents[2] / "docs" / "sensors.md"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Movesense 174430000001", ["movesense"]),
        ("Polar H10 1A2B3C4D", ["polar_h10"]),
        ("Polar Sense 1A2B3C4D", ["polar_verity"]),
        ("WT901BLE67", ["witmotion_ble5"]),
        ("WTVB01-BT50", []),
        ("Xsens DOT", ["movella_dot"]),
        ("Movella DOT", ["movella_dot"]),
        ("MetaWear", []),
        ("Thingy", ["thingy52"]),
        ("CC2650 SensorTag", ["sensortag_cc2650"]),
        ("Movesense", []),
        ("movesense 1", []),
        ("", []),
        (None, []),
    ],
)
def test_match_by_name(name: str | None, expected: list[str]) -> None:
    assert [found.info.id for found in match(Advertisement(name=name))] == expected


def test_match_by_service() -> None:
    board = Advertisement("left hip", ("326a9000-85cb-9195-d9dd-464cfbbae75a",))
    assert [found.info.id for found in match(board)] == ["metamotion"]


def test_the_makers_service_alone_is_no_match() -> None:
    suunto_watch = Advertisement(service_uuids=("0000fdf3-0000-1000-8000-00805f9b34fb",))
    assert match(suunto_watch) == []


def test_capture2go_by_its_service() -> None:
    imu = Advertisement("IMU_1234ab", ("80030001-e629-4c98-9324-aa7fc0c66de7",))
    assert [found.info.id for found in match(imu)] == ["capture2go"]
    assert match(Advertisement("IMU_1234ab")) == []


def test_unknown_profile_names_the_known_ones() -> None:
    with pytest.raises(UnknownProfileError, match="movesense, polar_h10"):
        profile("xsens")


@pytest.mark.parametrize("name", PROFILES)
def test_info_is_complete(name: str) -> None:
    info = profile(name).info
    assert info.id == name
    assert Quantity.ACCEL in info.quantities
    assert list(info.rates_hz) == sorted(info.rates_hz)
    assert any(10 <= rate <= 100 for rate in info.rates_hz), "no rate for a day of streaming"
    assert 23 <= info.requires_mtu <= 517
    for text in (info.label, info.vendor, info.timestamp, info.loss_detection, info.axes):
        assert text.strip() == text != ""
    assert info.sources
    assert info.placement_advice
    assert not info.bench_verified, "nobody has compared a real unit on a bench yet"


def test_the_sensor_page_is_up_to_date() -> None:
    infos = [found.info for found in PROFILES.values()]
    assert DOCS.read_text() == markdown(infos), "run: trunkline profiles docs --out docs/sensors.md"
