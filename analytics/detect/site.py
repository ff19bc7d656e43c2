"""What a sensor can tell, from where it sits, what it measures and what is known of its axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from analytics.signal.calibration import Calibration, ForwardSource, UpSource

LOW: Final = frozenset({"waist", "pelvis", "L5"})
"""Placements that follow the pelvis: sitting tilts them backward, bending hardly turns them."""
_FIXED_LOW: Final = frozenset({"pelvis", "L5"})
"""Fixed to the body, so that small bends of a seated wearer can be told; on a belt they cannot."""
_LEAST_RATE_HZ: Final = 10.0
"""Slower sensors miss the course of a movement; they tell postures only."""


@dataclass(frozen=True, slots=True)
class Site:
    """One sensor as the detectors see it."""

    low: bool
    """Follows the pelvis rather than the chest."""
    fixed_low: bool
    gyro: bool
    slow: bool
    """Sampled too slowly for movements."""
    upright: bool
    """Up of an upright trunk is known."""
    sagittal: bool
    """Forward is known too, so that flexion and sides have a meaning."""

    @classmethod
    def of(
        cls, placement: str | None, *, has_gyro: bool, rate_hz: float, calibration: Calibration
    ) -> Self:
        """The site of a placement and what is known of its mounting."""
        upright = calibration.up is not UpSource.UNKNOWN
        return cls(
            low=placement in LOW,
            fixed_low=placement in _FIXED_LOW,
            gyro=has_gyro,
            slow=rate_hz < _LEAST_RATE_HZ,
            upright=upright,
            sagittal=upright and calibration.forward is not ForwardSource.UNKNOWN,
        )
