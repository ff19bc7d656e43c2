"""Encoders refuse what the real sensors refuse, and round and saturate as they do."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from sensor_agent.virtual.encoders import ENCODERS
from sensor_agent.virtual.encoders.movesense import MovesenseEncoder
from sensor_agent.virtual.encoders.polar_h10 import PolarH10Encoder
from sensor_agent.virtual.motion import Motion, MotionError
from sensor_agent.virtual.world import VirtualWorld

COMMANDS = "34800001-7185-4d5d-b431-630e7050e8f0"
CONTROL = "fb005c81-02e7-f387-1cad-8acd2d8df0c8"
START = bytes.fromhex("0202 00013200 01011000 02010800")


def gsp_status(encoder: MovesenseEncoder, command: bytes) -> int:
    (push,) = encoder.write(COMMANDS, command, 185)
    kind, reference, status = struct.unpack("<BBH", push.data)
    assert (kind, reference) == (1, command[1])
    return int(status)


def pmd_status(encoder: PolarH10Encoder, command: bytes, mtu: int = 247) -> int:
    (push,) = encoder.write(CONTROL, command, mtu)
    assert push.characteristic == CONTROL
    assert push.data[:2] == bytes((0xF0, command[0]))
    return push.data[3]


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (b"\x01\x63/Meas/IMU6/52", 200),
        (b"\x01\x63/Meas/IMU6/52\0", 200),
        (b"\x01\x63/Meas/Acc/13", 200),
        (b"\x01\x63/Meas/IMU9/52", 404),
        (b"\x01\x63/Meas/IMU6/50", 404),
        (b"\x01\x63\xff\xfe", 404),
        (b"\x02\x63", 404),
        (b"\x08\x01" + bytes(8), 200),
        (b"\x08\x01" + bytes(7), 400),
        (b"\x4d\x01", 400),
    ],
)
def test_movesense_statuses(command: bytes, status: int) -> None:
    encoder = MovesenseEncoder("1")
    assert gsp_status(encoder, command) == status
    assert (encoder.stream is not None) is (status == 200 and command[0] == 1)


def test_movesense_has_resources_for_one_stream() -> None:
    encoder = MovesenseEncoder("1")
    assert gsp_status(encoder, b"\x01\x63/Meas/IMU6/52") == 200
    assert gsp_status(encoder, b"\x01\x64/Meas/Acc/52") == 429
    assert gsp_status(encoder, b"\x02\x64") == 404
    assert gsp_status(encoder, b"\x02\x63") == 200
    assert encoder.stream is None


@pytest.mark.parametrize(
    ("command", "mtu", "status"),
    [
        (START, 247, 0),
        (START, 232, 0),
        (START, 231, 10),
        (START[:6], 247, 5),
        (START[:-1], 247, 4),
        (b"\x02", 247, 4),
        (START.replace(b"\x32", b"\x34"), 247, 8),
        (START.replace(b"\x10", b"\x0e"), 247, 7),
        (START.replace(b"\x08", b"\x10"), 247, 9),
        (START + b"\x04\x01\x03\x00", 247, 5),
        (b"\x01\x02", 247, 0),
        (b"\x01\x05", 247, 3),
        (b"\x03\x02", 247, 6),
        (b"\x77\x02", 247, 1),
    ],
)
def test_polar_statuses(command: bytes, mtu: int, status: int) -> None:
    encoder = PolarH10Encoder("1")
    assert pmd_status(encoder, command, mtu) == status
    assert (encoder.stream is not None) is (status == 0 and command[0] == 2)


def test_polar_streams_once_and_over_a_lost_link() -> None:
    encoder = PolarH10Encoder("1")
    assert pmd_status(encoder, START) == 0
    encoder.link_lost()
    assert pmd_status(encoder, START) == 6
    assert pmd_status(encoder, b"\x03\x02") == 0
    assert pmd_status(encoder, START) == 0
    encoder.reboot()
    assert encoder.stream is None


@pytest.mark.parametrize("name", ["movesense", "polar_h10"])
def test_values_saturate_at_full_scale(name: str) -> None:
    encoder = ENCODERS[name]("1")
    if name == "movesense":
        encoder.write(COMMANDS, b"\x01\x63/Meas/IMU6/52", 185)
    else:
        encoder.write(CONTROL, START, 247)
    assert encoder.stream is not None
    n = encoder.stream.samples_per_frame
    times = np.arange(n, dtype=np.int64) * 10**7
    frame = encoder.encode(times, np.full((n, 3), 1e6), np.full((n, 3), -1e6))
    assert np.all(np.abs(frame.values["accel"] - 78.4) < 0.1)  # 8 g
    if "gyro" in frame.values:
        assert np.all(np.abs(np.degrees(frame.values["gyro"]) + 2294) < 1)  # 16 bits of 0.07 deg/s


@pytest.mark.parametrize("name", ENCODERS)
def test_stray_writes_are_ignored(name: str) -> None:
    encoder = ENCODERS[name]("1")
    assert encoder.write("0000180d-0000-1000-8000-00805f9b34fb", b"\x01", 247) == []
    assert encoder.write(COMMANDS if name == "movesense" else CONTROL, b"", 247) == []
    assert encoder.stream is None


async def test_recording_without_rotation_is_refused_by_a_sensor_that_measures_it() -> None:
    async with VirtualWorld() as world:
        still = Motion(50.0, np.zeros((50, 3)))
        with pytest.raises(MotionError, match=r"no rotation.*polar_h10"):
            await world.add_sensor("movesense", still)
        assert (await world.add_sensor("polar_h10", still)).name.startswith("Polar H10 ")
