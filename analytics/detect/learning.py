"""Learn from walking how a sensor is mounted, where neither its maker nor a reference says so."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytics.detect.parameters import Parameters
from analytics.detect.walking import walking_seconds
from analytics.signal.calibration import Calibration, ForwardSource, UpSource, with_mounting
from analytics.signal.mounting import WalkingEvidence
from analytics.signal.orientation import Bias, frames_of
from analytics.signal.stream import ReadingStream

_PIECE = 1 << 15
"""Samples looked at at once."""
_ENOUGH_S = 120.0
"""Walking after which no more is looked at."""
_LONGEST_NS = 6 * 3600 * 10**9
"""Who does not walk in six hours will not tell."""


class MountingLearner:
    """Collects walking from samples in the sensor's axes until it knows enough."""

    def __init__(
        self, *, has_gyro: bool, rate_hz: float, calibration: Calibration, parameters: Parameters
    ) -> None:
        self._calibration = calibration
        self._parameters = parameters
        self._has_gyro = has_gyro
        self._evidence = WalkingEvidence()
        self._first_ns: int | None = None
        self._late = False
        self._bias = Bias.of(calibration)
        self._stream = ReadingStream(
            has_gyro=has_gyro, rate_hz=rate_hz, calibration=calibration, grid=parameters.grid
        )

    @property
    def wanted(self) -> bool:
        """True while the calibration lacks something that walking can tell."""
        known = self._calibration
        upright = known.up in {UpSource.REFERENCE, UpSource.WALKING}
        return not upright or known.forward is ForwardSource.UNKNOWN

    @property
    def done(self) -> bool:
        """True when more samples would not help."""
        return self._evidence.seconds >= _ENOUGH_S or self._late

    def push(
        self,
        t_ns: NDArray[np.int64],
        accel: NDArray[np.float64],
        gyro: NDArray[np.float64] | None,
    ) -> None:
        """Samples in time order: t_ns (n,), accel and gyro (n, 3), NaN where one is missing."""
        values = accel
        if self._has_gyro:
            turning = np.full_like(accel, np.nan) if gyro is None else gyro
            values = np.concatenate((accel, turning), axis=1)
        measured = np.isfinite(values).all(axis=1)
        t_ns, values = t_ns[measured], values[measured]
        for start in range(0, len(t_ns), _PIECE):
            if self.done:
                return
            self._push_piece(t_ns[start : start + _PIECE], values[start : start + _PIECE])

    def learned(self) -> Calibration:
        """The calibration with up and forward from walking, as far as it did not know them."""
        p = self._parameters.mounting
        found = with_mounting(self._calibration, self._evidence.up(p), None)
        if found.up is UpSource.UNKNOWN:
            return found
        return with_mounting(found, None, self._evidence.forward(found.rotation[2], p))

    def _push_piece(self, t_ns: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        self._first_ns = int(t_ns[0]) if self._first_ns is None else self._first_ns
        self._late = int(t_ns[-1]) - self._first_ns > _LONGEST_NS
        readings = self._stream.push(t_ns, np.ascontiguousarray(values.T))
        if readings is None:
            return
        readings = readings.whole_seconds()
        frames = frames_of(readings, np.eye(3), self._bias)
        walking = walking_seconds(frames, self._parameters.walking)
        self._evidence.add(readings, frames.up, walking, self._parameters.mounting)
