"""Whose data are exported, under which name, and which part of their time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from analytics.export.pseudonym import Naming
from analytics.exposure.days import Day
from analytics.store.clinic import Clinic
from analytics.store.records import DiaryEntry

Diary = Callable[[int, int], Sequence[DiaryEntry]]
"""Entries with start_ns <= at_ns < end_ns."""


@dataclass(frozen=True, slots=True)
class SensorAbout:
    """What the clinic knows of a sensor; None where it said nothing."""

    sensor: str
    profile: str | None = None
    placement: str | None = None
    rate_hz: float | None = None
    firmware: str | None = None
    accel_range_g: float | None = None
    gyro_range_dps: float | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """One wearer in an export: rows that begin in [start_ns, end_ns)."""

    wearer: str
    """Who it is in the store; never written into a file."""
    name: str
    """Who it is in the files."""
    start_ns: int
    end_ns: int
    zone: ZoneInfo
    """Where the wearer's days are counted."""
    diary: Diary
    sensors: tuple[SensorAbout, ...] = ()
    shift_ns: int = 0
    """Added to every time in the files: whole weeks."""

    def days(self) -> Iterator[tuple[Day, int, int]]:
        """Local days that the range touches, each with the part of the range inside it."""
        day = Day.at(self.start_ns, self.zone)
        while day.start_ns < self.end_ns:
            yield day, max(day.start_ns, self.start_ns), min(day.end_ns, self.end_ns)
            day = day.plus(1)

    def about(self, sensor: str) -> SensorAbout:
        """What is known of one sensor."""
        known = (about for about in self.sensors if about.sensor == sensor)
        return next(known, SensorAbout(sensor))


def subject_of(
    clinic: Clinic, wearer: str, zone: ZoneInfo, range_ns: tuple[int, int], naming: Naming
) -> Subject:
    """A wearer of the clinic database as a subject; range_ns: from inclusive, to exclusive."""
    births = [(known.sensor, known.birth) for known in clinic.sensors(wearer)]
    return Subject(
        wearer=wearer,
        name=naming.name(wearer),
        start_ns=range_ns[0],
        end_ns=range_ns[1],
        zone=zone,
        diary=lambda low, high: clinic.diary(wearer, low, high),
        sensors=tuple(
            SensorAbout(
                sensor,
                birth.profile,
                birth.placement,
                birth.rate_hz,
                birth.firmware,
                birth.accel_range_g,
                birth.gyro_range_dps,
            )
            for sensor, birth in births
            if birth is not None
        ),
        shift_ns=naming.shift_ns(wearer),
    )
