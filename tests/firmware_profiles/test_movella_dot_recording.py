"""The DOT's own memory: messages after the sheet's vectors, refusals, and its data."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_profiles.base import (
    ConfigurationError,
    DecodeError,
    Quantity,
    Recorder,
    Recording,
    SampleBlock,
    StreamEnded,
    Vibrator,
)
from firmware_profiles.movella_dot import MovellaDot
from firmware_profiles.movella_dot_notes import ACKNOWLEDGE_UUID, CONTROL_UUID, MESSAGE_NOTIFY_UUID
from firmware_profiles.movella_dot_recording import (
    MIN_MTU,
    RecordingDecoder,
    body_of,
    forget,
    message,
    recall,
    record,
)
from firmware_profiles.registry import PROFILES

OURS = Recording(number=1, is_ours=True, rate_hz=60.0)
ACKNOWLEDGED = f"read {ACKNOWLEDGE_UUID}"


def ack(reid: int, result: int = 0) -> str:
    body = bytes((1, 3, 1, result, reid))
    return (body + bytes((-sum(body) % 256,))).ljust(160, b"\0").hex()


def test_messages_are_those_of_the_specification(shared_dir: Path) -> None:
    path = shared_dir / "protocols" / "vectors" / "movella_dot.json"
    vectors = {vector["name"]: vector for vector in json.loads(path.read_text())}
    select = message(0x74, bytes((0, 1, 5, 6, 7, 8, 9, 10)))
    assert select.hex() == vectors["msg_select_export_data"]["hex"]
    assert message(0x41).hex() == "010141bd"
    start = message(0x40, struct.pack("<IH", 1530613983, 1800)).hex()
    # the printed example has a wrong sum; the rest is the same
    assert start[:-2] == vectors["msg_start_recording_30min"]["hex"][:-2]
    with pytest.raises(DecodeError, match="checksum"):
        body_of(bytes.fromhex(vectors["msg_start_recording_30min"]["hex"]))
    for name in ("msg_ack_stop_recording", "msg_ack_request_file_data"):
        body = body_of(bytes.fromhex(vectors[name]["hex"]))
        assert (body[0], body[1]) == (1, vectors[name]["expected"]["result"])
        assert body[2] == vectors[name]["expected"]["acked_reid"]


@pytest.mark.parametrize(("files", "is_ours"), [(0, True), (2, False)])
def test_recording_starts_behind_what_is_there(scripted: Any, files: int, is_ours: bool) -> None:
    answers = [ack(0x41, 6), *[ack(0x60)] * files, ack(0x60, 2), ack(0x40)]
    sensor = scripted({ACKNOWLEDGED: answers})
    found = sensor.run(record(60.0, MIN_MTU, 1_530_613_983_000_000))
    assert found == Recording(files + 1, is_ours, 60.0)
    assert sensor.writes[-1] == message(0x40, struct.pack("<IH", 1530613983, 0xFFFF)).hex()


def test_no_recording_where_it_is_refused_or_could_not_be_read_out(scripted: Any) -> None:
    refuses = scripted({ACKNOWLEDGED: [ack(0x41, 6), ack(0x60, 2), ack(0x40, 0x30)]})
    assert refuses.run(record(60.0, MIN_MTU, None)) is None
    silent = scripted({})
    assert silent.run(record(60.0, MIN_MTU - 1, None)) is None
    assert silent.writes == []


def test_a_measurement_is_stopped_before_the_memory_is_read_out(scripted: Any) -> None:
    sensor = scripted(
        {
            f"read {CONTROL_UUID}": "010115",
            ACKNOWLEDGED: [ack(0x41), ack(0x74), ack(0x70)],
        }
    )
    decoder = sensor.run(MovellaDot().recall(OURS))
    asked = [message(0x41), message(0x74, bytes((0, 7, 8))), message(0x70, b"\1")]
    assert sensor.writes == ["010015", *(data.hex() for data in asked)]
    assert MESSAGE_NOTIFY_UUID in sensor.subscribed
    assert decoder.settings.rate_hz == 60.0


def test_a_recording_that_is_not_given_out_is_said(scripted: Any) -> None:
    sensor = scripted({ACKNOWLEDGED: [ack(0x41), ack(0x74), ack(0x70, 2)]})
    with pytest.raises(ConfigurationError, match="answer 0x02"):
        sensor.run(recall(OURS))


def test_an_answer_to_something_else_is_no_answer(scripted: Any) -> None:
    sensor = scripted({ACKNOWLEDGED: [ack(0x50)]})
    with pytest.raises(DecodeError, match="does not acknowledge"):
        sensor.run(recall(OURS))


@pytest.mark.parametrize("told", [0x31, 0x33])
def test_only_our_own_memory_is_cleared(scripted: Any, told: int) -> None:
    erase = message(0x30, bytes(4))
    sensor = scripted(
        {ACKNOWLEDGED: [ack(0x73, 6), ack(0x41, 6)], erase.hex(): message(told).hex()}
    )
    sensor.run(forget(OURS))
    assert sensor.writes[-1] == erase.hex()
    assert not sensor.subscribed

    others = scripted({ACKNOWLEDGED: [ack(0x73, 6), ack(0x41, 6)]})
    others.subscribed[MESSAGE_NOTIFY_UUID] = "notify"
    others.run(forget(Recording(3, False, 60.0)))
    assert erase.hex() not in others.writes


def sample(counter: int, time_us: int, acc: float = 1.0) -> bytes:
    return message(0x71, struct.pack("<II6f", counter, time_us, acc, 0, 9.81, 180, 0, 0))


def test_samples_come_with_the_streams_time_and_losses() -> None:
    decoder = RecordingDecoder(60.0)
    blocks = []
    for counter, time_us in ((0, 2**32 - 16667), (1, 0), (2, 16667), (5, 4 * 16667)):
        (block,) = decoder.decode(MESSAGE_NOTIFY_UUID, sample(counter, time_us))
        assert isinstance(block, SampleBlock)
        blocks.append(block)
    steps = np.diff([block.device_t0_ns or 0 for block in blocks])
    assert steps.tolist() == [16_667_000, 16_667_000, 3 * 16_667_000]
    assert [block.lost_before for block in blocks] == [0, 0, 0, 2]
    assert blocks[0].values[Quantity.GYRO][0, 0] == pytest.approx(np.pi)
    (end,) = decoder.decode(MESSAGE_NOTIFY_UUID, message(0x72))
    assert isinstance(end, StreamEnded)
    assert decoder.decode(MESSAGE_NOTIFY_UUID, message(0x61, b"\1")) == []
    assert decoder.decode(CONTROL_UUID, b"\1\1\x15") == []


def test_what_is_no_sample_is_refused() -> None:
    decoder = RecordingDecoder(60.0)
    damaged = bytearray(sample(0, 0))
    damaged[9] ^= 1
    for data in (b"", bytes(damaged), message(0x71, bytes(31)), sample(0, 0, float("nan"))):
        with pytest.raises(DecodeError):
            decoder.decode(MESSAGE_NOTIFY_UUID, data)


@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda data: message(0x71, data)))
def test_any_bytes_give_events_or_a_decode_error(data: bytes) -> None:
    try:
        RecordingDecoder(60.0).decode(MESSAGE_NOTIFY_UUID, data)
    except DecodeError:
        return


def test_the_flag_says_what_the_profile_can() -> None:
    for found in PROFILES.values():
        assert found.info.backfills == isinstance(found, Recorder), found.info.id
        assert found.info.vibrates == isinstance(found, Vibrator), found.info.id
    assert MovellaDot().info.backfills
