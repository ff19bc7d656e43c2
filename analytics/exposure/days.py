"""Local days and their hours: what a wearer calls Monday, on days of 23, 24 and 25 hours.

Storage is UTC; a day exists only together with the wearer's time zone. An hour bucket is an hour
of the wall clock: the day when clocks go back has its 02:00 twice (told apart by `fold`), the day
when they go forward has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from analytics.exposure.itinerary import Itinerary

NS_PER_S = 1_000_000_000
HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Hour:
    """One wall-clock hour of a day: [start_ns, end_ns) in UTC."""

    hour: int
    fold: int
    """1 for the repetition of an hour, when clocks go back or the wearer travels; 2 for the next"""
    start_ns: int
    end_ns: int

    @property
    def label(self) -> str:
        """ "14:00"; the repeated hour is marked "02:00 (2nd)"."""
        return f"{self.hour:02d}:00" + ("", " (2nd)", " (3rd)")[min(self.fold, 2)]


@dataclass(frozen=True, slots=True)
class Day:
    """A calendar day in a time zone."""

    date: date
    zone: ZoneInfo

    @classmethod
    def at(cls, t_ns: int, zone: ZoneInfo) -> Day:
        """The local day that contains a UTC instant."""
        if isinstance(zone, Itinerary):
            return cls(zone.date_at(t_ns // NS_PER_S), zone)
        return cls(datetime.fromtimestamp(t_ns // NS_PER_S, zone).date(), zone)

    @property
    def start_ns(self) -> int:
        """First instant of the day. Where midnight does not exist it is the moment of the change
        (PEP 495 resolves a missing wall time with the offset before the change). Who travels begins
        it when the date is first reached."""
        if isinstance(self.zone, Itinerary):
            return self.zone.reaches_s(self.date) * NS_PER_S
        midnight = datetime(self.date.year, self.date.month, self.date.day, tzinfo=self.zone)
        return int(midnight.timestamp()) * NS_PER_S

    @property
    def end_ns(self) -> int:
        """First instant of the next day."""
        return self.plus(1).start_ns

    def plus(self, days: int) -> Day:
        """The day `days` later (earlier when negative) on the calendar."""
        return Day(self.date + timedelta(days=days), self.zone)

    @lru_cache(maxsize=1024)  # noqa: B019 - days are few and small
    def hours(self) -> tuple[Hour, ...]:
        """The wall-clock hours of the day in order, without gap or overlap."""
        at_s, end_s = self.start_ns // NS_PER_S, self.end_ns // NS_PER_S
        changes_s = self.zone.change_s if isinstance(self.zone, Itinerary) else ()
        found: list[Hour] = []
        while at_s < end_s:
            local = datetime.fromtimestamp(at_s, UTC).astimezone(self.zone)
            past_s = local.minute * 60 + local.second
            next_s = min([at_s + HOUR_S - past_s, end_s, *(c for c in changes_s if c > at_s)])
            before = sum(hour.hour == local.hour for hour in found) if changes_s else local.fold
            found.append(Hour(local.hour, before, at_s * NS_PER_S, next_s * NS_PER_S))
            at_s = next_s
        return tuple(found)
