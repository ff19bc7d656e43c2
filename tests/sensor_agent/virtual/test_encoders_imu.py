"""Virtual Verity Sense, DOT and MetaMotion refuse, round and saturate as the real ones do."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from sensor_agent.virtual.encoders import ENCODERS
from sensor_agent.virtual.encoders.metamotion import MetaMotionEncoder
from sensor_agent.virtual.encoders.movella_dot import MovellaDotEncoder
from sensor_agent.virtual.encoders.polar_verity import PolarVerityEncoder

PMD_CONTROL = "fb005c81-02e7-f387-1cad-8acd2d8df0c8"
DOT_CONTROL = "15172001-4947-11e9-8646-d663bd873d93"
DOT_SETTINGS = "15171002-4947-11e9-8646-d663bd873d93"
MW_COMMAND = "326a9001-85cb-9195-d9dd-464cfbbae75a"
ACC = "0202 00013400 01011000 02010800 040103"
GYRO = "0205 00013400 01011000 0201d007 040103"
ACC_SDK = "0202 0001a001 01011000 02011000 040103"


def verity(encoder: PolarVerityEncoder, command: str, mtu: int = 247) -> int:
    data = bytes.fromhex(command)
    (push,) = encoder.write(PMD_CONTROL, data, mtu)
    assert push.data[:2] == bytes((0xF0, data[0]))
    return push.data[3]


@pytest.mark.parametrize(
    ("command", "mtu", "status"),
    [
        (ACC, 232, 0),
        (GYRO, 247, 0),
        (ACC, 231, 10),
        (ACC_SDK, 247, 8),
        ("0202 00013400 01011000 02010800", 247, 5),
        ("0202 00013400 01011000 02010800 0401", 247, 4),
        ("0202 00013400 01010e00 02010800 040103", 247, 7),
        ("0202 00013400 01011000 02010400 040103", 247, 9),
        ("0202 00013400 01011000 02010800 040104", 247, 11),
        ("0102", 247, 0),
        ("0101", 247, 3),
        ("0302", 247, 6),
        ("0309", 247, 6),
        ("7702", 247, 1),
        ("02", 247, 4),
    ],
)
def test_verity_statuses(command: str, mtu: int, status: int) -> None:
    encoder = PolarVerityEncoder("1")
    assert verity(encoder, command, mtu) == status
    is_start = bytes.fromhex(command)[0] == 2
    assert (encoder.stream is not None) is (status == 0 and is_start)


def test_verity_sdk_mode_needs_idle_and_offers_more() -> None:
    encoder = PolarVerityEncoder("1")
    assert verity(encoder, ACC) == 0
    assert verity(encoder, ACC) == 6
    assert verity(encoder, "0209") == 12
    assert [verity(encoder, text) for text in ("0302", "0209", "0209", ACC_SDK)] == [0, 0, 6, 0]
    encoder.link_lost()
    assert encoder.stream is not None
    encoder.reboot()
    assert (encoder.stream, encoder.is_sdk_mode) == (None, False)


@pytest.mark.parametrize("mtu", [232, 247, 512])
def test_verity_frames_fit_the_link(mtu: int) -> None:
    encoder = PolarVerityEncoder("1")
    assert verity(encoder, ACC, mtu) == verity(encoder, GYRO, mtu) == 0
    rng = np.random.default_rng(1)
    n = encoder.stream.samples_per_frame if encoder.stream else 0
    times = np.arange(n, dtype=np.int64) * 10**7
    frame = encoder.encode(times, rng.normal(0, 50, (n, 3)), rng.normal(0, 20, (n, 3)))
    assert max(len(push.data) for push in frame.pushes) <= mtu - 3
    stamps = [struct.unpack("<Q", push.data[1:9])[0] for push in frame.pushes]
    assert set(stamps) <= set(times.tolist())
    assert stamps.count(times[-1]) == 2, "each stream ends with the frame"


def test_dot_does_only_what_is_possible() -> None:
    encoder = MovellaDotEncoder("1")

    def state() -> tuple[str, int]:
        settings = encoder.read(DOT_SETTINGS)
        return encoder.read(DOT_CONTROL).hex(), struct.unpack_from("<H", settings, 24)[0]

    def set_rate(rate_hz: int, mask: int = 0x10) -> None:
        data = bytes((mask,)) + bytes(23) + struct.pack("<H", rate_hz) + bytes(6)
        encoder.write(DOT_SETTINGS, data, 247)

    assert state() == ("010000", 60)
    set_rate(50)
    set_rate(30, mask=1)
    assert state() == ("010000", 60), "no such rate, and a rate that was not to be visited"
    set_rate(120)
    encoder.write(DOT_CONTROL, b"\1\1\x15", 247)
    assert state() == ("010000", 120), "120 Hz only records"
    set_rate(30)
    encoder.write(DOT_CONTROL, b"\1\1\x63", 247)
    assert encoder.stream is None, "no such mode"
    encoder.write(DOT_CONTROL, b"\1\1\x15", 247)
    set_rate(20)
    assert state() == ("010115", 30), "settings rest while it measures"
    encoder.write(DOT_CONTROL, b"\1\0\x15", 247)
    assert encoder.stream is None


@pytest.mark.parametrize(("chip", "accel", "gyro"), [("BMI160", 1, 0), ("BMI270", 4, 1)])
def test_metamotion_tells_its_chip(chip: str, accel: int, gyro: int) -> None:
    encoder = MetaMotionEncoder("1", chip)

    def ask(text: str) -> bytes:
        (push,) = encoder.write(MW_COMMAND, bytes.fromhex(text), 23)
        return push.data

    assert ask("0380")[2] == accel
    assert ask("1380")[2] == gyro
    assert ask("1980") == b"\x19\x80", "no such module"
    before = ask("0383")
    other = {"BMI160": "0303a802", "BMI270": "03032808"}[chip]
    assert encoder.write(MW_COMMAND, bytes.fromhex(other), 23) == []
    assert ask("0383") == before, "a setting of the other chip"


def test_metamotion_starts_only_what_is_enabled() -> None:
    encoder = MetaMotionEncoder("1")
    encoder.write(MW_COMMAND, b"\x03\x01\x01", 23)
    assert encoder.stream is None
    for command in (b"\x03\x02\x01\x00", b"\x03\x01\x01"):
        encoder.write(MW_COMMAND, command, 23)
    assert encoder.stream is not None
    encoder.link_lost()
    assert encoder.stream is not None
    encoder.write(MW_COMMAND, b"\x03\x01\x00", 23)
    assert encoder.stream is None


def test_values_saturate_at_full_scale() -> None:
    n, times = 3, np.arange(3, dtype=np.int64) * 10**7
    accel, gyro = np.full((n, 3), 1e6), np.full((n, 3), -1e6)
    limits = {"polar_verity": (78.45, 2293.8), "movella_dot": (156.9, 2000.0)}
    starts = {
        "polar_verity": [(PMD_CONTROL, ACC), (PMD_CONTROL, GYRO)],
        "movella_dot": [(DOT_CONTROL, "010115")],
        "metamotion": [
            (MW_COMMAND, text)
            for text in ("03032808", "03020100", "13020100", "130101", "030101", "031c01")
        ],
    }
    for name, commands in starts.items():
        encoder = ENCODERS[name]("1")
        for characteristic, text in commands:
            encoder.write(characteristic, bytes.fromhex(text), 247)
        frame = encoder.encode(times, accel, gyro)
        g, dps = limits.get(name, (78.45, 1998.0))
        np.testing.assert_allclose(frame.values["accel"], g, rtol=1e-3)
        np.testing.assert_allclose(np.degrees(frame.values["gyro"]), -dps, rtol=1e-3)
        assert max(len(push.data) for push in frame.pushes) <= 244


@pytest.mark.parametrize("name", ["polar_verity", "movella_dot", "metamotion"])
def test_stray_writes_are_ignored(name: str) -> None:
    encoder = ENCODERS[name]("1")
    for characteristic in ("0000180d-0000-1000-8000-00805f9b34fb", PMD_CONTROL, MW_COMMAND):
        assert encoder.write(characteristic, b"", 247) == []
    for service in encoder.services:
        for characteristic in (c.uuid for c in service.characteristics if "write" in c.properties):
            encoder.write(characteristic, b"\xff", 247)
    assert encoder.stream is None
