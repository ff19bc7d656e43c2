"""Blocks -> batches: nothing twice, nothing silently missing, int16 only when lossless."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_profiles.base import Quantity, SampleBlock
from sensor_agent.batcher import Batcher, is_plausible
from sensor_agent.device_clock import DeviceClock, HostUtc
from sensor_agent.outbox import StreamEnd
from tests.sensor_agent.timebase import SECOND_NS, UTC0_NS, Sensor, StillClock
from wire.batch import Batch, Flag
from wire.ids import new_session


@pytest.fixture
def host() -> StillClock:
    return StillClock()


@pytest.fixture
def batcher(host: StillClock) -> Batcher:
    return Batcher(new_session(), DeviceClock(HostUtc(host)))


def feed(batcher: Batcher, sensor: Sensor, blocks: list[int], **changes: object) -> list[Batch]:
    out: list[Batch] = []
    for k in blocks:
        arrival_ns = sensor.true_ns((k + 1) * sensor.per_block - 1) + 5_000_000
        out += batcher.add(sensor.block(k, **changes), arrival_ns)
    return out


def numbers(batches: list[Batch]) -> list[int]:
    return [int(x) for b in batches for x in b.channels["accel"].si()[:, 0]]


def test_batches_are_about_a_second_and_numbered(batcher: Batcher) -> None:
    batches = feed(batcher, Sensor(), list(range(125))) + batcher.flush()
    assert numbers(batches) == list(range(500))
    assert [b.seq for b in batches] == list(range(len(batches)))
    assert {b.n for b in batches[:-1]} == {52}
    assert {b.session for b in batches} == {batcher.session}
    assert all(b.flags == Flag.NONE and b.lost == 0 for b in batches)
    assert batcher.counters.samples == 500


def test_nothing_is_stamped_before_the_clock_has_settled(batcher: Batcher) -> None:
    assert feed(batcher, Sensor(), list(range(25))) == []
    assert sum(b.n for b in feed(batcher, Sensor(), list(range(25, 27)))) >= 100


def test_flush_of_nothing(batcher: Batcher) -> None:
    assert batcher.flush() == []


def test_receive_time_is_of_the_last_packet(batcher: Batcher) -> None:
    batches = feed(batcher, Sensor(), list(range(50)))
    for batch in batches:
        assert 0 <= batch.rx_ns - int(batch.t_ns[-1]) <= 20_000_000


def test_reported_loss_splits_the_batch(batcher: Batcher) -> None:
    sensor = Sensor()
    batches = feed(batcher, sensor, list(range(40)))
    batches += feed(batcher, sensor, [43], lost_before=12)
    batches += feed(batcher, sensor, list(range(44, 60))) + batcher.flush()
    after = next(b for b in batches if b.flags & Flag.GAP_BEFORE)
    assert after.lost == 12
    assert numbers([after])[0] == 43 * 4
    assert batcher.counters.lost_samples == 12
    assert sum(b.lost for b in batches) == 12


def test_a_jump_that_the_decoder_did_not_report_is_a_gap(batcher: Batcher) -> None:
    sensor = Sensor()
    batches = feed(batcher, sensor, [*range(40), *range(50, 60)]) + batcher.flush()
    assert [b.lost for b in batches if b.flags & Flag.GAP_BEFORE] == [40]


def test_loss_without_stamps_shifts_the_count(batcher: Batcher) -> None:
    sensor = Sensor(stamped=False)
    batches = feed(batcher, sensor, list(range(40)))
    batches += feed(batcher, sensor, [43], lost_before=12)
    batches += feed(batcher, sensor, list(range(44, 60))) + batcher.flush()
    after = next(b for b in batches if b.flags & Flag.GAP_BEFORE)
    before = batches[batches.index(after) - 1]
    gap_ns = after.t0_ns - int(before.t_ns[-1])
    assert gap_ns == pytest.approx(13 * 20_000_000, abs=1_000_000)


@given(order=st.lists(st.integers(0, 5), min_size=60, max_size=60))
@settings(max_examples=15, deadline=None)
def test_no_sample_twice(order: list[int]) -> None:
    batcher, sensor = Batcher(new_session(), DeviceClock(HostUtc(StillClock()))), Sensor()
    batches, repeats = [], 0
    for k in range(60):
        again = [j for j in range(k - order[k], k) if j >= 0] if order[k] else []
        repeats += len(again)
        batches += feed(batcher, sensor, [k, *again])
    batches += batcher.flush()
    assert numbers(batches) == list(range(240))
    assert batcher.counters.duplicate_blocks == repeats
    assert np.all(np.diff(np.concatenate([b.t_ns for b in batches])) > 0)


def test_an_overlapping_head_is_cut_off(batcher: Batcher) -> None:
    sensor = Sensor()
    batches = feed(batcher, sensor, list(range(30)))
    wide = Sensor(per_block=8)
    batches += feed(batcher, wide, [14, 15, 16]) + batcher.flush()  # samples 112..135, have 0..119
    assert numbers(batches) == list(range(136))
    assert batcher.counters.duplicate_blocks == 1


def test_a_device_with_millisecond_stamps_gets_even_times(batcher: Batcher) -> None:
    sensor = Sensor(rate_hz=1666.0, per_block=128, resolution_ns=1_000_000)
    batches = feed(batcher, sensor, list(range(100))) + batcher.flush()
    steps = np.diff(np.concatenate([b.t_ns for b in batches]))
    assert np.all(steps > 0)
    assert np.abs(steps - 1e9 / 1666.0).max() < 0.6e6
    assert numbers(batches) == list(range(12_800))


def values_block(values: np.ndarray, lsb: float | None) -> SampleBlock:
    lsbs = {Quantity.ACCEL: lsb} if lsb else {}
    return SampleBlock(len(values), 0, 20e6, {Quantity.ACCEL: values}, lsbs)


@given(counts=st.lists(st.integers(-32768 + 1, 32767), min_size=3, max_size=60), exp=st.integers())
@settings(max_examples=40, deadline=None)
def test_whole_steps_travel_as_int16(counts: list[int], exp: int) -> None:
    batcher = Batcher(new_session(), DeviceClock(HostUtc(StillClock())))
    raw = np.array(counts[: len(counts) // 3 * 3]).reshape(-1, 3)
    lsb = 9.80665 / (4096 + exp % 977)
    values = raw.astype(np.float32) * np.float32(lsb)
    batcher.add(values_block(values, lsb), 5 * SECOND_NS)
    (batch,) = batcher.flush()
    assert batch.channels["accel"].raw.dtype == np.int16
    assert np.array_equal(batch.channels["accel"].raw, raw)
    assert np.allclose(batch.channels["accel"].si(), values, rtol=3e-7, atol=0)


@pytest.mark.parametrize(
    "values",
    [
        np.full((4, 3), 0.3, np.float32) * 0.01,  # between two steps
        np.full((4, 3), 40_000.0, np.float32) * 0.01,  # more steps than int16 has
    ],
)
def test_everything_else_travels_as_it_is(batcher: Batcher, values: np.ndarray) -> None:
    batcher.add(values_block(values, 0.01), 5 * SECOND_NS)
    (batch,) = batcher.flush()
    assert batch.channels["accel"].raw.dtype == np.float32
    assert np.array_equal(batch.channels["accel"].si(), values)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 2e9])
def test_values_that_no_sensor_gives_are_told(value: float) -> None:
    values = np.full((4, 3), 9.8, np.float32)
    assert is_plausible(values_block(values, 0.01))
    values[2, 1] = value
    assert not is_plausible(values_block(values, 0.01))


def test_another_set_of_quantities_begins_another_batch(batcher: Batcher) -> None:
    sensor = Sensor()
    batches = feed(batcher, sensor, list(range(30)))
    both = sensor.block(30)
    both = SampleBlock(
        both.n,
        both.device_t0_ns,
        both.device_dt_ns,
        {**both.values, Quantity.GYRO: both.values[Quantity.ACCEL]},
    )
    batches += batcher.add(both, sensor.true_ns(124)) + batcher.flush()
    assert [sorted(b.channels) for b in batches][-2:] == [["accel"], ["accel", "gyro"]]
    assert numbers(batches) == list(range(124))


def test_what_is_missing_since_an_earlier_run_is_a_gap(batcher: Batcher) -> None:
    sensor = Sensor()
    batcher.follows = StreamEnd(UTC0_NS + sensor.true_ns(0) - 10 * SECOND_NS, 20_000_000)
    batches = feed(batcher, sensor, list(range(60)))
    assert batches[0].flags & Flag.GAP_BEFORE
    assert batches[0].lost in {499, 500}  # 5 ms of delay lie in the stamps
    assert not any(b.flags or b.lost for b in batches[1:])


def test_a_stream_that_ended_days_ago_is_a_gap_of_unknown_size(batcher: Batcher) -> None:
    batcher.follows = StreamEnd(UTC0_NS - 3 * 86_400 * SECOND_NS, 20_000_000)
    (first, *_) = feed(batcher, Sensor(), list(range(60)))
    assert first.flags & Flag.GAP_BEFORE
    assert first.lost == 0


def test_a_few_samples_missing_over_a_new_connection_are_a_gap(batcher: Batcher) -> None:
    sensor = Sensor(per_block=1)
    batches = feed(batcher, sensor, list(range(200))) + batcher.flush()
    batcher.link_started()
    batches += feed(batcher, sensor, list(range(203, 400))) + batcher.flush()
    assert [b.lost for b in batches if b.lost] == [3]
    assert sum(bool(b.flags & Flag.GAP_BEFORE) for b in batches) == 1
