"""Walking as rhythms of the trunk.

Amplitudes are medians over public recordings of healthy walkers with a sensor at L5 or the sternum
(Voisard, HAPT, DSADS): vertical acceleration 2.4 m/s² at the step frequency and 0.7, 0.75, 0.5 and
0.4 at its multiples; fore-aft 1.3, 0.6, 0.4; sideways 0.8 at the stride frequency; trunk rates of
22 (yaw, stride), 12 (pitch, step) and 13 °/s (roll, stride).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trunkline.synthetic.trajectory import Channel, Harmonic, Wave

_ACCEL_MPS2 = (
    # channel, multiple of the step frequency, amplitude, moment of its peak in steps after contact
    (Channel.UP, 1.0, 2.40, 0.10),
    (Channel.UP, 2.0, 0.70, 0.10),
    (Channel.UP, 3.0, 0.75, 0.08),
    (Channel.UP, 4.0, 0.50, 0.08),
    (Channel.UP, 5.0, 0.40, 0.08),
    (Channel.FORWARD, 0.5, 0.35, 0.20),
    (Channel.FORWARD, 1.0, 1.00, -0.05),
    (Channel.FORWARD, 2.0, 0.60, -0.05),
    (Channel.FORWARD, 3.0, 0.40, -0.10),
    (Channel.LEFT, 0.5, 0.60, 0.15),
    (Channel.LEFT, 1.5, 0.45, 0.10),
    (Channel.LEFT, 2.5, 0.30, 0.10),
)
_RATE_RADPS = (
    # the same for the trunk's own rotation; the last number is the moment of the largest angle
    (Channel.AXIAL, 0.5, math.radians(22.0), 0.00),
    (Channel.PITCH, 1.0, math.radians(10.0), 0.10),
    (Channel.LATERAL, 0.5, math.radians(12.0), 0.40),
)
_NOMINAL_STEP_HZ = 110.0 / 60.0


def step_times(
    rng: Generator, start_s: float, duration_s: float, cadence_spm: float, asymmetry: float
) -> NDArray[np.float64]:
    """Heel strikes that fill the bout: 3 % jitter (SD), every other step longer by `asymmetry`.

    asymmetry: difference of the two sides' mean step times over their mean.
    """
    count = max(6, int(duration_s * cadence_spm / 60.0))
    intervals = (60.0 / cadence_spm) * (1.0 + 0.03 * np.clip(rng.standard_normal(count), -2, 2))
    intervals[::2] *= 1.0 + asymmetry / 2.0
    intervals[1::2] *= 1.0 - asymmetry / 2.0
    return start_s + np.concatenate(([0.0], np.cumsum(intervals)))


def walking_wave(heel_strikes_s: NDArray[np.float64], vigour: float) -> Wave:
    """The trunk's rhythm for these heel strikes; `vigour` scales it (1 = 110 steps/min)."""
    omega = 2.0 * math.pi * _NOMINAL_STEP_HZ
    shapes = [
        Harmonic(channel, multiple, vigour * accel / (omega * multiple) ** 2, 0.5 - multiple * peak)
        for channel, multiple, accel, peak in _ACCEL_MPS2
    ]
    shapes += [
        Harmonic(channel, multiple, vigour * rate / (omega * multiple), -multiple * peak)
        for channel, multiple, rate, peak in _RATE_RADPS
    ]
    return Wave(heel_strikes_s, tuple(shapes), ramp_s=0.9)
