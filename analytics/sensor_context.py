"""What is known of a sensor before its first sample."""

from __future__ import annotations

from dataclasses import dataclass, field

from analytics.detect.site import Site
from analytics.signal.calibration import Calibration


@dataclass(frozen=True)
class SensorContext:
    """Where a sensor sits, what it measures and how its axes lie."""

    placement: str | None
    """A wire.messages.Placement value (or None): decides what is observable."""
    rate_hz: float
    has_gyro: bool
    calibration: Calibration = field(repr=False)
    step_scale: float | None = None
    """True step length over the pendulum's, from a known walk; None without one."""

    @property
    def site(self) -> Site:
        """What the sensor can tell."""
        return Site.of(
            self.placement,
            has_gyro=self.has_gyro,
            rate_hz=self.rate_hz,
            calibration=self.calibration,
        )
