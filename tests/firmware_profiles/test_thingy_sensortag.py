"""Thingy:52 and SensorTag: recognising, configuring, refusing, stopping."""

from __future__ import annotations

from typing import Any

import pytest

from firmware_profiles.base import (
    Advertisement,
    ConfigurationError,
    DecodeError,
    Quantity,
    SampleBlock,
    StreamRequest,
)
from firmware_profiles.sensortag import ADVERTISED_UUID, SensorTag
from firmware_profiles.sensortag import DATA_UUID as TAG_DATA
from firmware_profiles.thingy52 import CONFIGURATION_SERVICE_UUID, RAW_UUID, Thingy52

CONFIG_20HZ = "e803e803f401140001"
CONFIG_50HZ = "e803e803f401320001"


@pytest.mark.parametrize(
    ("name", "uuids", "expected"),
    [
        ("Thingy", (), True),
        ("Grandma", (CONFIGURATION_SERVICE_UUID,), True),
        ("Thingy:91", (), False),
        (None, (), False),
    ],
)
def test_thingy_by_name_or_service(
    name: str | None, uuids: tuple[str, ...], expected: bool
) -> None:
    assert Thingy52().matches(Advertisement(name, uuids)) is expected


@pytest.mark.parametrize(
    ("name", "uuids", "expected"),
    [
        ("CC2650 SensorTag", (), True),
        ("SensorTag 2.0", (), True),
        ("x", (ADVERTISED_UUID,), True),
        ("SensorTag", (), False),
        (None, (), False),
    ],
)
def test_sensortag_but_not_the_older_one(
    name: str | None, uuids: tuple[str, ...], expected: bool
) -> None:
    assert SensorTag().matches(Advertisement(name, uuids)) is expected


@pytest.mark.parametrize(
    ("reads", "match"),
    [
        (["020200", CONFIG_20HZ, CONFIG_20HZ], "stays at 20 Hz, 50 Hz was asked"),
        (["020200", CONFIG_20HZ[:-2]], "not 9 bytes"),
        (["", CONFIG_20HZ, ""], "not 9 bytes"),
    ],
)
def test_thingy_that_does_not_obey(reads: list[str], match: str, scripted: Any) -> None:
    sensor = scripted({"read": reads})
    with pytest.raises(ConfigurationError, match=match):
        sensor.run(Thingy52().configure(StreamRequest(rate_hz=50.0), 23))
    assert sensor.subscribed == {}


def test_thingy_without_firmware_version(scripted: Any) -> None:
    sensor = scripted({"read": ["", CONFIG_20HZ, CONFIG_50HZ]})
    decoder = sensor.run(Thingy52().configure(StreamRequest(rate_hz=50.0), 23))
    assert decoder.settings.firmware is None
    assert sensor.subscribed == {RAW_UUID: "notify"}
    sensor.run(Thingy52().stop())
    assert sensor.subscribed == {}


def test_sensortag_that_does_not_obey(scripted: Any) -> None:
    sensor = scripted({"read": "0000"})
    with pytest.raises(ConfigurationError, match="stays at 0000, 7f02 was asked"):
        sensor.run(SensorTag().configure(StreamRequest(), 23))


def test_sensortag_is_switched_off_on_exit(scripted: Any) -> None:
    sensor = scripted({})
    sensor.subscribed = {TAG_DATA: "notify"}
    sensor.run(SensorTag().stop())
    assert (sensor.writes, sensor.subscribed) == (["0000"], {})


def test_piece_of_a_raw_packet() -> None:
    decoder = Thingy52().decoder({"field": "gyro part"})
    (block,) = decoder.decode(RAW_UUID, bytes(6))
    assert isinstance(block, SampleBlock)
    assert set(block.values) == {Quantity.GYRO}


@pytest.mark.parametrize("found", [Thingy52(), SensorTag()], ids=lambda p: p.info.id)
def test_foreign_characteristic_and_config_are_refused(found: Any) -> None:
    with pytest.raises(DecodeError, match="characteristic"):
        found.decoder({}).decode("0000180d-0000-1000-8000-00805f9b34fb", b"\x00")
    for config in ({"rate_hz": "x"}, {"rate_hz": 0}, {"rate_hz": "nan"}):
        with pytest.raises(ConfigurationError):
            found.decoder(config)
    with pytest.raises(ConfigurationError):
        SensorTag().decoder({"range_g": 3})
