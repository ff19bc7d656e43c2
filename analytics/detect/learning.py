"""Learn from walking how a sensor is mounted, where neither its maker nor a reference says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analytics.detect.parameters import Parameters
from analytics.detect.walking import walking_seconds
from analytics.signal.calibration import Calibration, ForwardSource, UpSource, with_mounting
from analytics.signal.mounting import WalkingEvidence
from analytics.signal.orientation import slow_up
from analytics.signal.stream import FrameStream

_PIECE = 1 << 15
"""Samples looked at at once."""
_ENOUGH_S = 120.0
"""Walking after which no more is looked at."""


def learn_mounting(
    t_ns: NDArray[np.int64],
    accel: NDArray[np.float64],
    gyro: NDArray[np.float64] | None,
    *,
    rate_hz: float,
    calibration: Calibration,
    parameters: Parameters,
) -> Calibration:
    """`calibration` with up and forward learned from the walking in the samples, as far as it
    does not know them and the walking tells. t_ns (n,), accel and gyro (n, 3) in sensor axes."""
    complete = calibration.up is UpSource.REFERENCE or calibration.up is UpSource.WALKING
    if complete and calibration.forward is not ForwardSource.UNKNOWN:
        return calibration
    p = parameters.mounting
    values = accel if gyro is None else np.concatenate((accel, gyro), axis=1)
    measured = np.isfinite(values).all(axis=1)
    t_ns, values = t_ns[measured], values[measured]
    stream = FrameStream(
        has_gyro=gyro is not None,
        rate_hz=rate_hz,
        calibration=replace(calibration, rotation=np.eye(3)),
        grid=parameters.grid,
    )
    evidence = WalkingEvidence()
    for start in range(0, len(t_ns), _PIECE):
        frames = stream.push(t_ns[start : start + _PIECE], values[start : start + _PIECE])
        if evidence.seconds >= _ENOUGH_S:
            break
        if frames is None:
            continue
        frames = frames.whole_seconds()
        if gyro is None:
            frames = replace(frames, up=slow_up(frames.up))
        evidence.add(frames, walking_seconds(frames, parameters.walking), p)
    up_known = evidence.up(p)
    found = with_mounting(calibration, up_known, None)
    if found.up is UpSource.UNKNOWN:
        return found
    return with_mounting(found, None, evidence.forward(found.rotation[2], p))
