"""Streams that a profile put together, through the batcher: in time, whole, without false gaps."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest

from firmware_profiles.base import DecodeError, SampleBlock, StreamRequest
from firmware_profiles.registry import profile
from sensor_agent.batcher import Batcher
from sensor_agent.device_clock import DeviceClock, HostUtc
from tests.sensor_agent.timebase import SECOND_NS, UTC0_NS, StillClock
from wire.batch import Batch, Flag
from wire.ids import new_session

PMD_DATA = "fb005c82-02e7-f387-1cad-8acd2d8df0c8"
DOT_DATA = "15172003-4947-11e9-8646-d663bd873d93"
DELAY_NS = 30_000_000
EPOCH_NS = 700_000_000 * SECOND_NS


def batches(host: StillClock, decoder: Any, packets: list[tuple[int, str, bytes]]) -> list[Batch]:
    """packets: (host time of the last sample, characteristic, data)."""
    batcher = Batcher(new_session(), DeviceClock(HostUtc(host)))
    out: list[Batch] = []
    for taken_ns, characteristic, data in sorted(packets):
        for event in decoder.decode(characteristic, data):
            if isinstance(event, SampleBlock):
                out += batcher.add(event, taken_ns + DELAY_NS)
    return out + batcher.flush()


def pmd_frames(kind: int, n: int, first: int, frames: int) -> list[tuple[int, str, bytes]]:
    """Frames of n samples at 50 Hz whose counts are the samples' numbers."""
    out = []
    for k in range(frames):
        numbers = np.arange(first + k * n, first + (k + 1) * n)
        last_ns = int(numbers[-1]) * 20_000_000
        # differences of one: two bits each, all of them 01
        body = struct.pack("<3h", *[int(numbers[0])] * 3) + bytes((2, n - 1))
        body += (int("01" * (3 * (n - 1)), 2)).to_bytes((6 * (n - 1) + 7) // 8, "little")
        form = 0x81 if kind == 2 else 0x80
        header = struct.pack("<BQB", kind, EPOCH_NS + last_ns, form)
        out.append((5 * SECOND_NS + last_ns, PMD_DATA, header + body))
    return out


@pytest.mark.parametrize("phase", [0, 28])
def test_verity_is_in_time_whatever_the_phase_of_its_frames(phase: int) -> None:
    decoder = profile("polar_verity").decoder({"stream": "imu", "rate_hz": 50})
    frames = pmd_frames(2, 57, 0, 60) + pmd_frames(5, 57, phase, 60)
    found = batches(StillClock(), decoder, frames)
    accel = np.concatenate([b.channels["accel"].raw[:, 0] for b in found])
    gyro = np.concatenate([b.channels["gyro"].raw[:, 0] for b in found])
    assert accel.dtype == gyro.dtype == np.int16
    assert accel.tolist() == gyro.tolist() == list(range(phase, 57 * 60))
    truth_ns = UTC0_NS + 5 * SECOND_NS + accel.astype(np.int64) * 20_000_000
    late_ns = np.concatenate([b.t_ns for b in found]) - truth_ns
    assert np.abs(late_ns[500:] - DELAY_NS).max() < 15_000_000
    assert all(b.lost == 0 and b.flags == Flag.NONE for b in found)
    assert all(b.clock_err_ns < 2 * SECOND_NS for b in found)


def test_verity_with_a_lost_frame_of_rotation_goes_on_without_it() -> None:
    decoder = profile("polar_verity").decoder({"stream": "imu", "rate_hz": 50})
    gyro = pmd_frames(5, 57, 0, 40)
    del gyro[20]
    found = batches(StillClock(), decoder, pmd_frames(2, 57, 0, 40) + gyro)
    assert sum(b.n for b in found) == 57 * 40
    assert sum(b.n for b in found if "gyro" not in b.channels) == 57
    assert all(b.lost == 0 and b.flags == Flag.NONE for b in found)


def test_dot_counts_what_was_lost() -> None:
    decoder = profile("movella_dot").decoder({"mode": 21, "rate_hz": 60})
    packets = [
        (
            5 * SECOND_NS + k * 16_666_667,
            DOT_DATA,
            struct.pack("<I6f", (2**32 - 5_000_000 + k * 16667) % 2**32, *[float(k)] * 6),
        )
        for k in range(900)
        if not 500 <= k < 507
    ]
    found = batches(StillClock(), decoder, packets)
    assert sum(b.n for b in found) == 893
    assert sum(b.lost for b in found) == 7
    assert [bool(b.flags & Flag.GAP_BEFORE) for b in found].count(True) == 1
    numbers = np.concatenate([b.channels["accel"].si()[:, 0] for b in found])
    truth_ns = UTC0_NS + 5 * SECOND_NS + (numbers * 16_666_667).astype(np.int64)
    late_ns = np.concatenate([b.t_ns for b in found]) - truth_ns
    assert np.abs(late_ns - DELAY_NS).max() < 2_000_000


@pytest.mark.parametrize("loss", [False, True])
def test_metamotion_ticks_become_even_times(loss: bool) -> None:
    answers = {"0380": "038004", "1380": "138001", "0383": "0383a702", "1383": "13832700"}
    made = _configure(profile("metamotion").configure(StreamRequest(rate_hz=50.0), 23), answers)
    uuid = "326a9006-85cb-9195-d9dd-464cfbbae75a"
    packets = []
    for k in range(1000):
        if loss and 600 <= k < 610:
            continue
        tick = int(k * 20_000_000 / 1464843.75)
        for processor in (0, 1):
            data = struct.pack("<BBBI3h", 9, 3, processor, tick, k, k, k)
            packets.append((5 * SECOND_NS + k * 20_000_000 + processor, uuid, data))
    found = batches(StillClock(), made, packets)
    accel = np.concatenate([b.channels["accel"].raw[:, 0] for b in found])
    gyro = np.concatenate([b.channels["gyro"].raw[:, 0] for b in found])
    assert accel.tolist() == gyro.tolist()
    assert len(accel) == (990 if loss else 1000)
    assert sum(b.lost for b in found) == (10 if loss else 0)
    truth_ns = UTC0_NS + 5 * SECOND_NS + accel.astype(np.int64) * 20_000_000
    late_ns = np.concatenate([b.t_ns for b in found]) - truth_ns
    assert np.abs(late_ns - DELAY_NS).max() < 3_000_000


def test_packets_that_were_not_asked_for_do_not_get_into_the_stream() -> None:
    answers = {"0380": "038001", "1380": "138000", "0383": "03832708", "1383": "13832700"}
    made = _configure(profile("metamotion").configure(StreamRequest(rate_hz=50.0), 23), answers)
    uuid = "326a9006-85cb-9195-d9dd-464cfbbae75a"
    for data in (b"\x03\x04" + bytes(6), b"\x03\x1c" + bytes(18), b"\x15\x05" + bytes(6)):
        with pytest.raises(DecodeError, match="not asked for"):
            made.decode(uuid, data)


def _configure(steps: Any, answers: dict[str, str]) -> Any:
    """Run the steps of a board that makes processors 0 and 1."""
    step, made = next(steps), 0
    try:
        while True:
            answer = b""
            if getattr(step, "reply", None):
                key = step.data.hex()
                if key.startswith("0902"):
                    answer, made = bytes((9, 2, made)), made + 1
                else:
                    answer = bytes.fromhex(answers[key])
            step = steps.send(answer)
    except StopIteration as end:
        return end.value
