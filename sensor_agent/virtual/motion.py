"""What a virtual sensor feels: a recording in SI units, and the same at another rate."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly


class MotionError(ValueError):
    """A recording that a virtual sensor cannot play; the message says what is wrong."""


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """A recording in the sensor's own axes; sample i is at i / rate_hz seconds.

    accel: (n, 3) m/s2, specific force including gravity; gyro: (n, 3) rad/s or None.
    Raises MotionError when shapes differ, there is no sample, or a value is not finite.
    """

    rate_hz: float
    accel: NDArray[np.floating]
    gyro: NDArray[np.floating] | None = None

    def __post_init__(self) -> None:
        if not 0 < self.rate_hz < 1e5:
            raise MotionError(f"rate_hz is {self.rate_hz}, must be positive")
        for name, values in (("accel", self.accel), ("gyro", self.gyro)):
            if values is None:
                continue
            if values.ndim != 2 or values.shape[1] != 3 or len(values) == 0:
                raise MotionError(f"{name} has shape {values.shape}, must be (n, 3) with n > 0")
            if len(values) != len(self.accel):
                raise MotionError(f"{name} has {len(values)} samples, accel {len(self.accel)}")
            if not np.isfinite(values).all():
                raise MotionError(f"{name} has values that are not finite: fill the gaps first")

    def __len__(self) -> int:
        return len(self.accel)

    def at_rate(self, rate_hz: float) -> Motion:
        """The same motion sampled at `rate_hz` (anti-aliased); itself when the rates are equal.

        The ratio of the rates is taken as a fraction with a denominator of at most 1000.
        """
        if rate_hz == self.rate_hz:
            return self
        ratio = Fraction(rate_hz / self.rate_hz).limit_denominator(1000)
        if ratio == 1:
            return Motion(rate_hz, self.accel, self.gyro)

        def resample(values: NDArray[np.floating]) -> NDArray[np.floating]:
            new: NDArray[np.floating] = resample_poly(
                values, ratio.numerator, ratio.denominator, axis=0, padtype="line"
            )
            return new

        gyro = None if self.gyro is None else resample(self.gyro)
        return Motion(rate_hz, resample(self.accel), gyro)
