"""What the computation of a day rests on besides the samples, from what the clinic knows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from analytics.calibration import Reference, Worn, calibration_of, references, step_scale_of
from analytics.detect.parameters import Parameters
from analytics.exposure.days import Day
from analytics.sensor_context import SensorContext
from analytics.store.archive import checksum_of_batches
from analytics.store.base import MAX_BATCH_NS, Store
from analytics.store.clinic import Clinic
from analytics.store.records import WearerSettings
from analytics.track import TrackKey
from analytics.trunk_sensor import trunk_sensor
from wire.messages import Birth


@dataclass(frozen=True, slots=True)
class Setup:
    """Sensor, calibrations and settings: when they differ, the day is computed again."""

    placement: str
    rate_hz: float
    has_gyro: bool
    axes: tuple[tuple[str, str], ...]
    references: tuple[Reference, ...]
    settings: WearerSettings


@dataclass(frozen=True, slots=True)
class DayBasis:
    """Of every wearer of one store and clinic."""

    store: Store
    clinic: Clinic
    defaults: Parameters
    overrides: Mapping[str, Mapping[str, Any]]
    """Go beyond what a clinician has set for a wearer."""

    def setup(self, key: TrackKey) -> Setup:
        """As it is now."""
        birth = self._birth(key.wearer, key.sensor)
        return Setup(
            placement=birth.placement,
            rate_hz=birth.rate_hz,
            has_gyro="gyro" in birth.quantities,
            axes=tuple(sorted((birth.axes or {}).items())),
            references=references(self.clinic, key.wearer, key.sensor, key.day),
            settings=self.clinic.wearer(key.wearer).settings,
        )

    def contexts(
        self, key: TrackKey, setup: Setup, parameters: Parameters
    ) -> list[tuple[int, SensorContext]]:
        """See `Track`: one for each calibration of the day."""
        worn = Worn(key.wearer, key.sensor, self._birth(key.wearer, key.sensor))
        found = []
        for reference in setup.references or (None,):
            context = SensorContext(
                placement=setup.placement,
                rate_hz=setup.rate_hz,
                has_gyro=setup.has_gyro,
                calibration=calibration_of(reference, self.store, worn, parameters),
            )
            scale = step_scale_of(reference, self.store, worn, context, parameters)
            from_ns = reference.from_ns if reference else key.day.start_ns
            found.append((from_ns, replace(context, step_scale=scale)))
        return found

    def contexts_of(self, wearer: str, day: Day) -> list[tuple[int, SensorContext]]:
        """Of the trunk's sensor on a day; none without one."""
        sensor = trunk_sensor(self.clinic, wearer)
        if sensor is None:
            return []
        key = TrackKey(wearer, sensor, day)
        return self.contexts(key, self.setup(key), self.parameters(wearer))

    def parameters(self, wearer: str) -> Parameters:
        """The wearer's own."""
        settings = self.clinic.wearer(wearer).settings
        return personal(self.defaults, settings).override(self.overrides)

    def checksum(self, wearer: str, day: Day) -> str | None:
        """A text that changes with the sensor, the setup and the batches of samples. None without a
        trunk sensor."""
        sensor = trunk_sensor(self.clinic, wearer)
        if sensor is None:
            return None
        setup = self.setup(TrackKey(wearer, sensor, day))
        batches = self.store.read_batches(wearer, sensor, day.start_ns - MAX_BATCH_NS, day.end_ns)
        return hashlib.sha256(
            f"{sensor} {setup} {checksum_of_batches(batches)}".encode()
        ).hexdigest()

    def _birth(self, wearer: str, sensor: str) -> Birth:
        birth = {s.sensor: s.birth for s in self.clinic.sensors(wearer)}[sensor]
        assert birth is not None  # noqa: S101 - trunk_sensor chose this one by its birth
        return birth


def personal(parameters: Parameters, settings: WearerSettings) -> Parameters:
    """The parameters with what a clinician has set for this wearer."""
    slouch = {"min_episode_min": settings.slouch_bout_min_s / 60}
    if settings.slouch_enter_deg is not None:
        slouch |= dict.fromkeys(
            ("enter_low_trunk_deg", "enter_high_trunk_deg"), settings.slouch_enter_deg
        )
    walking = {"prolonged_min": settings.walking_limit_s / 60}
    return parameters.override({"slouch": slouch, "walking": walking})
