"""How a sensor is mounted, learned from walking: where up is, and which way is forward.

While walking the trunk is upright on average. Its forward acceleration at step frequency follows
the vertical one by a fixed phase: 118 degrees in HAPT and DSADS (waist and sternum), with a spread
of 25, and the sideways part at that frequency is a fifth of the forward part. SisFall and Voisard,
which were not used to find it, agree. So both the axis and its sign are known after a
few seconds, wherever the sensor sits and however it is turned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from analytics.signal.filters import band_pass
from analytics.signal.frames import MOTION_HZ, Readings, pair_means
from analytics.signal.parameter import parameter


@dataclass(frozen=True, slots=True)
class MountingParameters:
    """What walking must show before an axis is believed."""

    band_low_hz: float = parameter(1.0, unit="Hz", reason="slow step rate")
    band_high_hz: float = parameter(3.0, unit="Hz", reason="fast step rate")
    phase_deg: float = parameter(
        118.0, unit="deg", reason="forward against vertical acceleration", source="DSADS, HAPT"
    )
    least_s: float = parameter(8.0, unit="s", reason="a dozen steps")
    least_mps2: float = parameter(
        0.12, unit="m/s2", reason="coherent forward acceleration of slow walking"
    )
    least_ratio: float = parameter(
        1.8, unit="1", reason="in-phase part along the axis against that across it"
    )


@dataclass(slots=True)
class WalkingEvidence:
    """Sums over walking, in sensor axes."""

    seconds: float = 0.0
    up_sum: NDArray[np.float64] | None = None
    cross_sum: NDArray[np.complex128] | None = None
    """Sum of acceleration times conjugate analytic vertical acceleration, (3,)."""
    power: float = 0.0

    def add(
        self,
        readings: Readings,
        sensor_up: NDArray[np.float64],
        walking: NDArray[np.bool_],
        p: MountingParameters,
    ) -> None:
        """Add the walking seconds of some readings; sensor_up (3, n / 2) is up in sensor axes."""
        points = np.repeat(walking, MOTION_HZ) & readings.pairs_valid()
        if points.sum() < 2 * MOTION_HZ:
            return
        accel = band_pass(
            pair_means(readings.accel), p.band_low_hz, p.band_high_hz, rate_hz=MOTION_HZ
        )
        vertical = signal.hilbert(np.einsum("ij,ij->j", accel, sensor_up))
        up = sensor_up[:, points].sum(axis=1)
        cross = (accel[:, points] * np.conj(vertical[points])).sum(axis=1)
        self.up_sum = up if self.up_sum is None else self.up_sum + up
        self.cross_sum = cross if self.cross_sum is None else self.cross_sum + cross
        self.power += float((np.abs(vertical[points]) ** 2).sum())
        self.seconds += float(points.sum()) / MOTION_HZ

    def up(self, p: MountingParameters) -> NDArray[np.float64] | None:
        """(3,) unit vector of up while walking; None without enough walking."""
        if self.up_sum is None or self.seconds < p.least_s:
            return None
        return _unit(self.up_sum)

    def forward(self, up: NDArray[np.float64], p: MountingParameters) -> NDArray[np.float64] | None:
        """(3,) unit vector of forward, perpendicular to `up`; None when walking does not tell."""
        if self.cross_sum is None or self.seconds < p.least_s or self.power <= 0.0:
            return None
        points = self.seconds * MOTION_HZ
        cross = self.cross_sum / np.sqrt(self.power * points)
        turned = cross * np.exp(-1j * np.radians(p.phase_deg))
        ahead: NDArray[np.float64] = np.real(turned) - (np.real(turned) @ up) * up
        size = float(np.linalg.norm(ahead))
        if size < p.least_mps2:
            return None
        ahead = _unit(ahead)
        across = np.cross(up, ahead)
        if size < p.least_ratio * abs(complex(cross @ across)):
            return None
        return ahead


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    out: NDArray[np.float64] = vector / np.linalg.norm(vector)
    return out
