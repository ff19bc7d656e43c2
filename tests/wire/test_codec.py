"""The batch codec: exact round trips, and one clear error for anything else."""

from __future__ import annotations

from typing import Any

import cbor2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from wire.batch import MAX_T_NS, UNITS, Batch, BatchError, Channel, Flag
from wire.codec import MAX_BYTES, decode, encode
from wire.ids import new_session
from wire.topics import Kind, sensor_topic

DTYPES = (np.int16, np.int32, np.float32)
VALUES = st.floats(-1e6, 1e6, width=32)


def make(n: int = 50, **changes: Any) -> Batch:
    raw = np.arange(3 * n, dtype=np.int16).reshape(n, 3)
    fields: dict[str, Any] = {
        "session": new_session(),
        "seq": 7,
        "floor_seq": 3,
        "t0_ns": 1_700_000_000_000_000_000,
        "dt_ns": 20_000_000,
        "n": n,
        "channels": {"accel": Channel(raw, 0.01), "gyro": Channel(raw, 0.001)},
        "rx_ns": 1_700_000_001_000_000_000,
        "clock_err_ns": 3_000_000,
    }
    return Batch(**(fields | changes))


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    n = draw(st.integers(1, 60))
    channels = {}
    for name in draw(st.sets(st.sampled_from(sorted(UNITS)), min_size=1)):
        dtype = draw(st.sampled_from(DTYPES))
        channels[name] = Channel(
            draw(hnp.arrays(dtype, (n, 3), elements=VALUES if dtype == np.float32 else None)),
            draw(st.floats(1e-9, 0.4)) if dtype != np.float32 else 1.0,
        )
    seq = draw(st.integers(0, 2**40))
    return Batch(
        session=new_session(),
        seq=seq,
        floor_seq=draw(st.integers(0, seq)),
        t0_ns=draw(st.integers(0, MAX_T_NS - 1)),
        dt_ns=draw(st.integers(1, 10**9)),
        n=n,
        channels=channels,
        rx_ns=draw(st.integers(0, 2**62)),
        clock_err_ns=draw(st.integers(0, 2**62)),
        lost=draw(st.integers(0, 10**6)),
        flags=Flag(draw(st.integers(0, 7))),
    )


@given(batches())
def test_round_trip_is_exact(batch: Batch) -> None:
    back = decode(encode(batch))
    for field in ("session", "seq", "floor_seq", "t0_ns", "dt_ns", "n", "rx_ns", "lost", "flags"):
        assert getattr(back, field) == getattr(batch, field)
    assert back.clock_err_ns == batch.clock_err_ns
    assert back.channels.keys() == batch.channels.keys()
    for name, channel in batch.channels.items():
        assert back.channels[name].scale == channel.scale
        assert back.channels[name].raw.dtype == channel.raw.dtype
        np.testing.assert_array_equal(back.channels[name].raw, channel.raw)


def test_sample_times_and_si_values() -> None:
    batch = make(3)
    assert batch.t_ns.tolist() == [batch.t0_ns + i * 20_000_000 for i in range(3)]
    np.testing.assert_allclose(batch.channels["accel"].si()[1], [0.03, 0.04, 0.05], rtol=1e-6)


def test_a_second_of_six_axes_costs_less_than_16_bytes_a_sample() -> None:
    topic = sensor_topic("p-017", "trunk", Kind.IMU)
    mqtt_overhead = 2 + 3 + 2  # fixed header, remaining length, topic length and packet id
    total = len(encode(make(50))) + len(topic) + mqtt_overhead
    assert total / 50 <= 16


@given(st.binary(max_size=300))
@settings(max_examples=300)
def test_any_bytes_give_a_batch_or_a_batch_error(payload: bytes) -> None:
    with pytest.raises(BatchError):
        decode(payload)


@given(st.data())
@settings(max_examples=300)
def test_damaged_batches_give_a_batch_or_a_batch_error(data: st.DataObject) -> None:
    payload = bytearray(encode(make(4)))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    try:
        batch = decode(bytes(payload))
    except BatchError:
        return
    assert batch.n == len(batch.t_ns)


def replace(key: int, value: object) -> bytes:
    message = cbor2.loads(encode(make(2)))
    message[key] = value
    return cbor2.dumps(message)


def floats(last: list[float]) -> dict[str, object]:
    """Channels of two samples of which the second is as given."""
    raw = np.array([[0, 0, 0], last], "<f4")
    return {"accel": ["m/s2", 1.0, cbor2.CBORTag(85, raw.tobytes())]}


def twice(pair: bytes) -> bytes:
    """A good batch with a pair more than its map has keys."""
    payload = encode(make(2))
    assert payload[0] == 0xAC
    return b"\xad" + payload[1:] + pair


def channel_twice() -> bytes:
    channel = cbor2.dumps("accel") + cbor2.dumps(["m/s2", 1.0, cbor2.CBORTag(77, bytes(12))])
    one = cbor2.dumps({"accel": ["m/s2", 1.0, cbor2.CBORTag(77, bytes(12))]})
    message = cbor2.loads(encode(make(2))) | {
        7: {"accel": ["m/s2", 1.0, cbor2.CBORTag(77, bytes(12))]}
    }
    return cbor2.dumps(message).replace(one, b"\xa2" + 2 * channel)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\xff" * 8, "not CBOR"),
        (cbor2.dumps([1]), "not a CBOR map"),
        (cbor2.dumps({}), "version"),
        (replace(0, 2), "version 2 is not supported"),
        (replace(1, b"short"), "session"),
        (replace(2, -1), "seq"),
        (replace(2, "7"), "seq"),
        (replace(3, 100), "floor_seq"),
        (replace(5, True), "dt_ns"),
        (replace(5, 0), "dt_ns"),
        (replace(6, 0), "n=0"),
        (replace(6, 5), "n=5"),
        (replace(6, 10**6), "accel"),
        (replace(7, {}), "channel"),
        (replace(7, {"ecg": []}), "ecg"),
        (replace(7, {"accel": ["g", 1.0, b""]}), "unit"),
        (replace(7, {"accel": ["m/s2", "1", b""]}), "scale"),
        (replace(7, {"accel": ["m/s2", 1.0, b""]}), "typed array"),
        (replace(7, {"accel": ["m/s2", 1.0, cbor2.CBORTag(64, bytes(12))]}), "tag 64"),
        (replace(7, {"accel": ["m/s2", -1.0, cbor2.CBORTag(77, bytes(12))]}), "scale"),
        (bytes(MAX_BYTES + 1), "more than"),
        (encode(make(2))[:-1], "not CBOR"),
        (encode(make(2)) + b"\0", "1 bytes stand behind"),
        (replace(0, 1.0), "version"),
        (replace(2, 7.0), "seq"),
        (replace(2, 2**60), "seq"),
        (replace(4, -1), "t0_ns"),
        (replace(4, 2**62), "t0_ns"),
        (replace(5, -20_000_000), "dt_ns"),
        (replace(5, 4000 * 10**9), "more than 4096 s"),
        (replace(6, 2**62), "n=4611686018427387904"),
        (replace(10, 2**60), "lost"),
        (replace(7, floats([1, 2, np.nan])), "no sensor gives"),
        (replace(7, floats([1, 2, np.inf])), "no sensor gives"),
        (replace(7, floats([1, 2, 3e38])), "no sensor gives"),
        (replace(7, {"accel": ["m/s2", np.inf, cbor2.CBORTag(77, bytes(12))]}), "scale"),
        (replace(7, {"accel": ["m/s2", np.nan, cbor2.CBORTag(77, bytes(12))]}), "scale"),
        (replace(7, {"accel": ["m/s2", 1e9, cbor2.CBORTag(77, b"\1" * 12)]}), "no sensor gives"),
        (replace(7, {"accel": ["m/s2", 1.0, cbor2.CBORTag(77, bytes(11))]}), "11 bytes"),
        (twice(b"\x02\x07"), "stands twice"),
        (channel_twice(), "stands twice"),
        (b"\xbf" + encode(make(2))[1:] + b"\xff", "indefinite"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_breach_of_the_contract_is_named(payload: bytes, reason: str) -> None:
    with pytest.raises(BatchError, match=reason):
        decode(payload)


def test_what_does_not_travel_is_refused_before_it_is_sent() -> None:
    with pytest.raises(BatchError, match="dtype"):
        encode(make(2, channels={"accel": Channel(np.zeros((2, 3)))}))  # type: ignore[arg-type]
