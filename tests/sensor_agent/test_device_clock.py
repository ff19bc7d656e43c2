"""Device time -> UTC under delays, bursts, drift, restarts and a host clock that is set."""

from __future__ import annotations

import logging
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor_agent.batcher import Batcher
from sensor_agent.device_clock import LINK_DELAY_NS, DeviceClock, HostUtc
from tests.sensor_agent.timebase import SECOND_NS, UTC0_NS, Sensor, StillClock
from wire.batch import Batch, Flag
from wire.ids import new_session

MS = 1_000_000
WARM_NS = 90 * SECOND_NS
"""After this the fit knows the drift (it needs 60 s) and the stamps have approached it."""


class Rig:
    """One sensor -> clock -> batcher, driven by arrivals."""

    def __init__(self, sensor: Sensor, host: StillClock | None = None) -> None:
        self.sensor = sensor
        self.host = host or StillClock()
        self.clock = DeviceClock(HostUtc(self.host))
        self.batcher = Batcher(new_session(), self.clock)
        self.batches: list[Batch] = []

    def feed(self, arrivals: list[tuple[int, int]], **changes: object) -> None:
        for k, arrival_ns in arrivals:
            self.host.now_ns = max(self.host.now_ns, arrival_ns)
            self.batches += self.batcher.add(self.sensor.block(k, **changes), arrival_ns)

    def flush(self) -> None:
        self.batches += self.batcher.flush()

    def stamps(self) -> tuple[np.ndarray, np.ndarray]:
        """(sample numbers, UTC stamps) of everything stamped."""
        numbers = np.concatenate([b.channels["accel"].si()[:, 0] for b in self.batches])
        return numbers.astype(np.int64), np.concatenate([b.t_ns for b in self.batches])

    def errors_ns(self) -> np.ndarray:
        """Stamp minus truth for every sample."""
        numbers, stamps = self.stamps()
        truth = UTC0_NS + np.array([self.sensor.true_ns(int(i)) for i in numbers])
        return stamps - truth


def ble_delay(seed: int, *, jitter_s: float = 0.03, burst_every: int = 40, burst_s: float = 1.0):
    """Connection-interval jitter from 4 ms up, and now and then a held-back packet."""
    rng = random.Random(seed)

    def delay_s(k: int) -> float:
        held = rng.random() * burst_s if rng.randrange(burst_every) == 0 else 0.0
        return 0.004 + rng.random() * jitter_s + held

    return delay_s


@settings(max_examples=12, deadline=None)
@given(
    drift_ppm=st.floats(-100, 100),
    jitter_s=st.floats(0.0, 0.045),
    burst_every=st.integers(5, 200),
    resolution_ns=st.sampled_from([1, MS]),
    seed=st.integers(0, 2**20),
)
def test_stamps_stay_within_the_bound_and_grow(
    drift_ppm: float, jitter_s: float, burst_every: int, resolution_ns: int, seed: int
) -> None:
    rig = Rig(Sensor(drift_ppm=drift_ppm, resolution_ns=resolution_ns))
    delay = ble_delay(seed, jitter_s=jitter_s, burst_every=burst_every)
    rig.feed(rig.sensor.arrivals(12 * 240, delay))
    rig.flush()
    numbers, stamps = rig.stamps()
    errors = rig.errors_ns()
    assert np.array_equal(numbers, np.arange(len(numbers)))
    assert np.all(np.diff(stamps) > 0)
    late = numbers * rig.sensor.dt_ns > WARM_NS
    assert np.abs(errors[late]).max() < 20 * MS
    bound = np.concatenate([np.full(b.n, b.clock_err_ns) for b in rig.batches])
    assert np.all(np.abs(errors) <= bound)


@settings(max_examples=6, deadline=None)
@given(drifts=st.tuples(st.floats(-100, 100), st.floats(-100, 100)), seed=st.integers(0, 2**20))
def test_two_sensors_of_a_wearer_agree(drifts: tuple[float, float], seed: int) -> None:
    host = StillClock()
    left = Rig(Sensor(drift_ppm=drifts[0]), host)
    right = Rig(Sensor(drift_ppm=drifts[1], per_block=8, epoch_ns=3), host)
    left.feed(left.sensor.arrivals(2500, ble_delay(seed)))
    right.feed(right.sensor.arrivals(1250, ble_delay(seed + 1)))
    (n_left, t_left), (n_right, t_right) = left.stamps(), right.stamps()
    both = min(len(n_left), len(n_right))
    late = n_left[:both] * left.sensor.dt_ns > WARM_NS
    assert np.abs(t_left[:both] - t_right[:both])[late].max() < 3 * MS


@settings(max_examples=6, deadline=None)
@given(
    drift_ppm=st.floats(-100, 100),
    jitter_s=st.floats(0.0, 0.03),
    burst_every=st.integers(20, 200),
    seed=st.integers(0, 2**20),
)
def test_stamps_come_within_a_millisecond_of_the_links_smallest_delay(
    drift_ppm: float, jitter_s: float, burst_every: int, seed: int
) -> None:
    rig = Rig(Sensor(drift_ppm=drift_ppm))
    delay = ble_delay(seed, jitter_s=jitter_s, burst_every=burst_every)
    rig.feed(rig.sensor.arrivals(12 * 130, delay))
    numbers, _ = rig.stamps()
    errors = rig.errors_ns() - 4 * MS
    seconds = numbers * rig.sensor.dt_ns / SECOND_NS
    assert np.abs(errors[(seconds > 20) & (seconds < 60)]).max() < 4 * MS
    assert np.abs(errors[seconds > WARM_NS / SECOND_NS]).max() < MS


def test_coarse_stamps_do_not_shift_the_time() -> None:
    rig = Rig(Sensor(drift_ppm=37.0, resolution_ns=1_464_843))
    rig.clock.stamp_step_ns = 1_464_843
    rig.feed(rig.sensor.arrivals(12 * 130, ble_delay(1, jitter_s=0.01)))
    numbers, _ = rig.stamps()
    errors = rig.errors_ns()[numbers * rig.sensor.dt_ns > WARM_NS] - 4 * MS
    assert abs(np.median(errors)) < MS / 2


def test_drift_is_found() -> None:
    rig = Rig(Sensor(drift_ppm=60.0))
    rig.feed(rig.sensor.arrivals(12 * 300, ble_delay(1)))
    assert rig.clock.drift_ppm == pytest.approx(-60.0, abs=10.0)


def test_a_sensor_without_stamps_goes_by_count_and_arrival() -> None:
    rig = Rig(Sensor(rate_hz=50.6, stamped=False))  # 1.2 % fast, as IMU oscillators are
    rig.feed(rig.sensor.arrivals(12 * 120, ble_delay(2)), device_dt_ns=20e6)
    errors = rig.errors_ns()
    numbers, stamps = rig.stamps()
    assert np.all(np.diff(stamps) > 0)
    assert np.abs(errors[numbers > 50 * 30]).max() < 50 * MS


def test_undetected_loss_without_stamps_is_put_right() -> None:
    rig = Rig(Sensor(stamped=False))
    arrivals = rig.sensor.arrivals(12 * 60, lambda k: 0.01)
    rig.feed(arrivals[:360] + arrivals[384:])  # 1.9 s vanish without a trace
    errors, (numbers, _) = rig.errors_ns(), rig.stamps()
    assert np.abs(errors[numbers > 4 * 384 + 50 * 8]).max() < 50 * MS
    assert any(b.flags & Flag.CLOCK_RESET for b in rig.batches)


def test_a_late_start_is_slewed_not_stepped() -> None:
    rig = Rig(Sensor())
    arrivals = rig.sensor.arrivals(12 * 60, lambda k: 0.8 if k < 30 else 0.01)
    rig.feed(arrivals)
    _, stamps = rig.stamps()
    steps = np.diff(stamps)
    assert steps.min() > 0.94 * 20 * MS
    assert abs(rig.errors_ns()[-1]) < 20 * MS


def test_restart_begins_a_new_fit() -> None:
    rig = Rig(Sensor())
    rig.feed(rig.sensor.arrivals(200, lambda k: 0.01))
    rig.sensor.epoch_ns = 5  # the device booted: its clock is small again
    later = rig.sensor.arrivals(400, lambda k: 0.01)[250:]
    rig.feed(later[:1], restarted=True)
    rig.feed(later[1:])
    rig.flush()
    resets = [b for b in rig.batches if b.flags & Flag.CLOCK_RESET]
    assert len(resets) == 1
    assert resets[0].flags & Flag.GAP_BEFORE
    assert np.abs(rig.errors_ns()).max() < 20 * MS


@pytest.mark.parametrize("epoch_ns", [5, 10**17])
def test_an_unannounced_other_epoch_begins_a_new_fit(epoch_ns: int) -> None:
    rig = Rig(Sensor())
    rig.feed(rig.sensor.arrivals(200, lambda k: 0.01))
    rig.batches += rig.batcher.flush()
    rig.clock.link_started()
    rig.sensor.epoch_ns = epoch_ns
    rig.feed(rig.sensor.arrivals(400, lambda k: 0.01)[250:])
    rig.flush()
    assert sum(bool(b.flags & Flag.CLOCK_RESET) for b in rig.batches) == 1
    assert np.abs(rig.errors_ns()).max() < 20 * MS


def test_a_reconnect_keeps_the_fit_and_counts_what_was_lost() -> None:
    rig = Rig(Sensor())
    arrivals = rig.sensor.arrivals(400, lambda k: 0.01)
    rig.feed(arrivals[:200])
    rig.batches += rig.batcher.flush()
    rig.clock.link_started()
    rig.feed(arrivals[250:])
    rig.flush()
    after = next(b for b in rig.batches if b.flags & Flag.GAP_BEFORE)
    assert after.lost == 200
    assert not after.flags & Flag.CLOCK_RESET
    assert np.abs(rig.errors_ns()).max() < 20 * MS


def test_a_slow_host_after_a_reconnect_is_no_other_clock() -> None:
    rig = Rig(Sensor())
    before = rig.sensor.arrivals(200, lambda k: 0.01)
    rig.feed(before)
    rig.batches += rig.batcher.flush()
    rig.clock.link_started()
    rig.feed(rig.sensor.arrivals(400, lambda k: 3.0 if k < 270 else 0.01)[250:])
    rig.flush()
    after = next(b for b in rig.batches if b.flags & Flag.GAP_BEFORE)
    assert after.lost == 200
    assert not any(b.flags & Flag.CLOCK_RESET for b in rig.batches)
    assert np.abs(rig.errors_ns()).max() < 20 * MS


def test_host_utc_set_forward_is_followed_at_once() -> None:
    rig = Rig(Sensor())
    arrivals = rig.sensor.arrivals(300, lambda k: 0.01)
    rig.feed(arrivals[:150])
    rig.host.utc_step_ns = 3600 * SECOND_NS
    rig.feed(arrivals[150:])
    errors, (_, stamps) = rig.errors_ns(), rig.stamps()
    assert np.all(np.diff(stamps) > 0)
    assert abs(errors[0]) < 20 * MS
    assert abs(errors[-1] - 3600 * SECOND_NS) < 20 * MS
    assert sum(bool(b.flags & Flag.CLOCK_RESET) for b in rig.batches) == 1


def test_host_utc_set_back_a_little_is_slewed() -> None:
    rig = Rig(Sensor())
    arrivals = rig.sensor.arrivals(12 * 60, lambda k: 0.01)
    rig.feed(arrivals[:120])
    rig.host.utc_step_ns = -SECOND_NS
    rig.feed(arrivals[120:])
    errors, (_, stamps) = rig.errors_ns(), rig.stamps()
    assert np.diff(stamps).min() > 0.94 * 20 * MS
    assert abs(errors[-1] + SECOND_NS) < 20 * MS


def test_host_utc_set_back_far_begins_a_new_era_and_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig(Sensor())
    arrivals = rig.sensor.arrivals(300, lambda k: 0.01)
    rig.feed(arrivals[:150])
    rig.host.utc_step_ns = -3600 * SECOND_NS
    with caplog.at_level(logging.WARNING):
        assert rig.clock.is_over
        rig.feed(arrivals[150:])
    assert np.abs(rig.errors_ns()).max() < 20 * MS  # what belongs to the old era keeps its time
    assert len([r for r in caplog.records if "set back by 3600 s" in r.message]) == 1
    later = DeviceClock(rig.clock._utc)
    assert not later.is_over
    assert later.utc_ns(0) - rig.clock.utc_ns(0) == -3600 * SECOND_NS


def test_a_clock_that_is_set_before_the_first_stamp_is_no_news(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig(Sensor())
    rig.host.utc_step_ns = -(10**9) * SECOND_NS
    assert not rig.clock.is_over
    assert not caplog.records


def test_a_stamp_needs_a_fit() -> None:
    clock = DeviceClock(HostUtc(StillClock()))
    assert clock.drift_ppm is None
    assert not clock.settled(10**18)
    with pytest.raises(RuntimeError, match="observe"):
        clock.stamp(0, 1.0, 1, gap=False)


def test_the_bound_names_the_unseen_link_delay() -> None:
    rig = Rig(Sensor())
    rig.feed(rig.sensor.arrivals(12 * 120, lambda k: 0.004))
    assert LINK_DELAY_NS <= rig.batches[-1].clock_err_ns < LINK_DELAY_NS + 2 * MS
