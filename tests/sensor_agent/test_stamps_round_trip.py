"""Every sensor's samples at their time: encoded, sent over a link with the delays of BLE, decoded,
fitted, stamped.

The link's smallest delay cannot be seen from one end and is left out of the comparison.
"""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from firmware_profiles.base import DecodeError, SampleBlock
from firmware_profiles.bulk import decode_all
from firmware_profiles.registry import PROFILES, profile
from sensor_agent.batcher import Batcher
from sensor_agent.device_clock import DeviceClock, HostUtc
from sensor_agent.virtual.encoders import ENCODERS
from tests.firmware_profiles.streams import connect
from tests.sensor_agent.timebase import SECOND_NS, UTC0_NS, StillClock
from wire.batch import Batch
from wire.ids import new_session

MINUTES = 2.5
DRIFT_PPM = -60.0
FITTED_S = 90
SMALLEST_DELAY_S = 0.004
INTERVAL_S = 0.015
"""A packet waits for the next connection event."""
MARK = 200
STEP_MPS2 = 0.1
TOLERANCE_MS = {
    # 1 ms and 1.46 ms are one step of their stamps
    "movesense": 1.25,
    "metamotion": 1.5,
    # no stamps: by count and arrival, where a 300th of the rate has to be found out
    **dict.fromkeys(("witmotion_ble5", "thingy52", "sensortag_cc2650"), 2.5),
}


def stream(name: str, drift_ppm: float, seed: int) -> tuple[list[Batch], float]:
    """(batches of the whole stream, rate); the x axis tells the sample's number modulo MARK."""
    encoder = ENCODERS[name]("0001")
    host = StillClock()
    decoder = connect(profile(name), encoder, rate_hz=50.0)
    clock = DeviceClock(HostUtc(host))
    clock.stamp_step_ns = decoder.settings.stamp_step_ns
    batcher = Batcher(new_session(), clock)
    assert encoder.stream is not None
    rate_hz, n = encoder.stream.rate_hz, encoder.stream.samples_per_frame
    start_ns, rng, newest_ns = host.now_ns, Random(seed), 0
    batches: list[Batch] = []
    for number in range(round(60 * MINUTES * rate_hz / n)):
        index = number * n + np.arange(n)
        elapsed_ns = np.rint(index * 1e9 / rate_hz)
        shown_ns = 10**12 + np.rint(elapsed_ns * (1 + drift_ppm * 1e-6)).astype(np.int64)
        accel = np.tile((index % MARK * STEP_MPS2 - 10)[:, None], 3)
        frame = encoder.encode(shown_ns, accel, accel / 10 if encoder.measures_rotation else None)
        held_s = rng.random() * 0.3 if rng.randrange(40) == 0 else 0.0
        wait_s = SMALLEST_DELAY_S + INTERVAL_S * rng.random() + held_s
        newest_ns = max(newest_ns, start_ns + int(elapsed_ns[-1]) + round(wait_s * 1e9))
        host.now_ns = max(host.now_ns, newest_ns)
        pushed = [(push.characteristic, push.data) for push in frame.pushes]
        for _, found in decode_all(decoder, pushed):
            if isinstance(found, SampleBlock):
                batches += batcher.add(found, newest_ns)
            else:
                assert not isinstance(found, DecodeError), found
    return [*batches, *batcher.flush()], rate_hz


@pytest.mark.parametrize("name", PROFILES)
def test_stamps_are_right_once_the_fit_has_seen_enough(name: str) -> None:
    batches, rate_hz = stream(name, DRIFT_PPM, seed=3)
    x = np.concatenate([batch.channels["accel"].si()[:, 0] for batch in batches])
    first = round((float(x[0]) + 10) / STEP_MPS2)
    index = first + np.arange(len(x))
    np.testing.assert_allclose(x, index % MARK * STEP_MPS2 - 10, atol=0.03)
    truth_ns = UTC0_NS + 5 * SECOND_NS + np.rint(index * 1e9 / rate_hz).astype(np.int64)
    stamps_ns = np.concatenate([batch.t_ns for batch in batches])
    error_ms = (stamps_ns - truth_ns) / 1e6 - 1000 * SMALLEST_DELAY_S
    assert len(index) > (60 * MINUTES - 10) * rate_hz
    assert np.all(np.diff(stamps_ns) > 0)
    fitted = error_ms[index > FITTED_S * rate_hz]
    assert np.abs(fitted).max() < TOLERANCE_MS.get(name, 1.0)
