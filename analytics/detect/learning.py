"""Learn from walking how a sensor is mounted, where neither its maker nor a reference says so."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytics.detect.parameters import Parameters
from analytics.detect.walking import walking_seconds
from analytics.signal.calibration import Calibration, ForwardSource, UpSource, with_mounting
from analytics.signal.frames import Frames, frames_of
from analytics.signal.grid import GRID_HZ, Gridder
from analytics.signal.mounting import WalkingEvidence
from analytics.signal.orientation import UpFilter, slow_up

_PIECE_S = 600
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
    gridder = Gridder(channels=values.shape[1], rate_hz=rate_hz, parameters=parameters.grid)
    chunk = gridder.push(t_ns[measured], np.ascontiguousarray(values[measured].T))
    if chunk is None:
        return calibration
    evidence = WalkingEvidence()
    up_filter = UpFilter(calibration.gyro_bias_radps)
    frames = frames_of(chunk)
    for start in range(0, len(frames.valid), _PIECE_S * GRID_HZ):
        part = frames.part(start, start + _PIECE_S * GRID_HZ)
        if part.gyro is not None:
            up = up_filter.push(part.accel, part.gyro)
        else:
            up = slow_up(part.accel)
        part = Frames(part.k0, part.valid, up, part.accel, part.gyro)
        evidence.add(part, walking_seconds(part, parameters.walking), p)
        if evidence.seconds >= _ENOUGH_S:
            break
    up_known = evidence.up(p)
    found = with_mounting(calibration, up_known, None)
    if found.up is UpSource.UNKNOWN:
        return found
    return with_mounting(found, None, evidence.forward(found.rotation[2], p))
