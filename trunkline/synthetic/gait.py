"""Walking as rhythms of the trunk.

Amplitudes are medians over public recordings of walkers with a sensor at L5, the waist or the
sternum (Voisard, SisFall, DSADS), band by band of the step frequency; docs/synthetic.md has the
comparison.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trunkline.synthetic.trajectory import Channel, Harmonic, Wave

_ACCEL_MPS2 = (
    # channel, multiple of the step frequency, amplitude, moment of its peak in steps after contact
    (Channel.UP, 1.0, 2.30, 0.10),
    (Channel.UP, 2.0, 0.60, 0.10),
    (Channel.UP, 3.0, 0.70, 0.08),
    (Channel.UP, 4.0, 0.50, 0.08),
    (Channel.UP, 5.0, 0.40, 0.08),
    (Channel.FORWARD, 0.5, 0.25, 0.20),
    (Channel.FORWARD, 1.0, 1.30, -0.05),
    (Channel.FORWARD, 2.0, 0.50, -0.05),
    (Channel.FORWARD, 3.0, 0.35, -0.10),
    (Channel.LEFT, 0.5, 0.25, 0.15),
    (Channel.LEFT, 1.5, 0.40, 0.10),
    (Channel.LEFT, 2.5, 0.30, 0.10),
)
_RATE_RADPS = (
    # the same for the trunk's own rotation; the last number is the moment of the largest angle
    (Channel.AXIAL, 0.5, math.radians(21.0), 0.00),
    (Channel.PITCH, 1.0, math.radians(11.0), 0.10),
    (Channel.LATERAL, 0.5, math.radians(13.0), 0.40),
)
_IRREGULAR_ACCEL_MPS2 = {
    # multiple of the step frequency -> RMS, in no fixed relation to the contacts
    Channel.UP: {0.5: 0.20, 1.5: 0.30, 2.2: 0.25, 4.4: 0.40, 7.0: 0.35},
    Channel.FORWARD: {0.5: 0.15, 1.5: 0.20, 2.2: 0.20, 4.4: 0.25, 7.0: 0.25},
    Channel.LEFT: {1.0: 0.20, 1.5: 0.20, 2.8: 0.30, 4.4: 0.40, 7.0: 0.28},
}
_IRREGULAR_RATE_RADPS = {
    Channel.TISSUE_YAW: {1.0: 0.10, 1.5: 0.09, 2.0: 0.06, 2.8: 0.08, 4.4: 0.07, 7.0: 0.05},
    Channel.TISSUE_PITCH: {0.5: 0.07, 1.5: 0.05, 2.0: 0.07, 2.8: 0.08, 4.4: 0.09, 7.0: 0.07},
    Channel.TISSUE_ROLL: {1.0: 0.06, 1.5: 0.07, 2.0: 0.04, 2.8: 0.05, 4.4: 0.04, 7.0: 0.03},
}
_IRREGULARITY_S = 0.02
"""SD by which the irregular part's cycles miss the contacts; smears its spectrum above 5 Hz."""
_NOMINAL_STEP_HZ = 110.0 / 60.0
RAMP_S = 0.9
"""About two steps to get going and to come to rest."""


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


def walking_waves(rng: Generator, contacts_s: NDArray[np.float64], vigour: float) -> list[Wave]:
    """The trunk's rhythms for these foot contacts; `vigour` scales them (1 = 110 steps/min)."""
    omega = 2.0 * math.pi * _NOMINAL_STEP_HZ
    regular = [
        Harmonic(channel, multiple, vigour * accel / (omega * multiple) ** 2, 0.5 - multiple * peak)
        for channel, multiple, accel, peak in _ACCEL_MPS2
    ]
    regular += [
        Harmonic(channel, multiple, vigour * rate / (omega * multiple), -multiple * peak)
        for channel, multiple, rate, peak in _RATE_RADPS
    ]
    irregular = [
        Harmonic(channel, multiple, vigour * math.sqrt(2) * rms / (omega * multiple) ** order)
        for table, order in ((_IRREGULAR_ACCEL_MPS2, 2), (_IRREGULAR_RATE_RADPS, 1))
        for channel, parts in table.items()
        for multiple, rms in parts.items()
    ]
    waves = [Wave(contacts_s, tuple(regular), RAMP_S)]
    for channel in sorted({harmonic.channel for harmonic in irregular}):
        parts = tuple(
            replace(harmonic, offset=rng.random())
            for harmonic in irregular
            if harmonic.channel == channel
        )
        misses_s = _IRREGULARITY_S * np.clip(rng.standard_normal(len(contacts_s)), -2, 2)
        waves.append(Wave(np.sort(contacts_s + misses_s), parts, RAMP_S))
    return waves
