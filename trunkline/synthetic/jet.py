"""A signal together with its first two time derivatives, exact through products and sines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Jet:
    """(n,) arrays: the value, its rate (per s) and its acceleration (per s²)."""

    value: NDArray[np.float64]
    rate: NDArray[np.float64]
    accel: NDArray[np.float64]

    def __add__(self, other: Jet) -> Jet:
        return Jet(self.value + other.value, self.rate + other.rate, self.accel + other.accel)

    def __sub__(self, other: Jet) -> Jet:
        return Jet(self.value - other.value, self.rate - other.rate, self.accel - other.accel)

    def __mul__(self, other: Jet | float) -> Jet:
        if not isinstance(other, Jet):
            return Jet(self.value * other, self.rate * other, self.accel * other)
        return Jet(
            self.value * other.value,
            self.rate * other.value + self.value * other.rate,
            self.accel * other.value + 2.0 * self.rate * other.rate + self.value * other.accel,
        )

    def sin_cos(self) -> tuple[Jet, Jet]:
        """Sine and cosine of an angle in rad."""
        sine, cosine = np.sin(self.value), np.cos(self.value)
        square = self.rate * self.rate
        return (
            Jet(sine, cosine * self.rate, cosine * self.accel - sine * square),
            Jet(cosine, -sine * self.rate, -sine * self.accel - cosine * square),
        )


def minimum_jerk(phase: NDArray[np.float64], duration_s: float) -> Jet:
    """The 0 → 1 profile of a human reach (Flash & Hogan 1985); `phase` (n,) is clipped to 0..1.

    Rate and acceleration are zero at both ends, so pieces join without a jump in the readings.
    """
    x = np.clip(phase, 0.0, 1.0)
    y = 1.0 - x
    return Jet(
        x**3 * (10.0 - 15.0 * x + 6.0 * x * x),
        30.0 * (x * y) ** 2 / duration_s,
        60.0 * x * y * (y - x) / duration_s**2,
    )
