"""A person's local time where the person was: a home zone, and other zones from instants on.

An itinerary is a zone like any other, so that days, clocks and charts need not know of journeys.
Only days ask more of it (`analytics.exposure.days`): flying west the same date may come twice,
flying east one may be skipped. A day begins when its date is first reached, and what comes twice
belongs to the day that had begun.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

NS_PER_S = 1_000_000_000
_EVER_S = 1 << 60


def zone_of(home: str, changes: Sequence[tuple[int, str]] = ()) -> ZoneInfo:
    """The zone of somebody at home in `home` and, from each instant (UTC ns, ascending) on, in
    another one. Raises what ZoneInfo raises for names that are none."""
    return Itinerary.of(home, tuple(changes)) if changes else ZoneInfo(home)


class Itinerary(ZoneInfo):
    """See the module; made by `zone_of`. Its key is that of the present zone."""

    _legs: tuple[tuple[int, ZoneInfo], ...]
    """(first second, zone), ascending; the first one is for ever before."""

    @classmethod
    def of(cls, home: str, changes: tuple[tuple[int, str], ...]) -> Itinerary:
        made = cls.no_cache(changes[-1][1])
        legs = ((at_ns // NS_PER_S, ZoneInfo(name)) for at_ns, name in changes)
        made._legs = ((-_EVER_S, ZoneInfo(home)), *legs)
        return made

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Itinerary) and other._legs == self._legs

    def __hash__(self) -> int:
        return hash(self._legs)

    @property
    def change_s(self) -> tuple[int, ...]:
        """When it changes, UTC seconds."""
        return tuple(at_s for at_s, _ in self._legs[1:])

    def date_at(self, at_s: int) -> date:
        """The latest date that has been reached."""
        return max(
            datetime.fromtimestamp(min(at_s, end_s - 1), zone).date()
            for start_s, end_s, zone in self._spans()
            if start_s <= at_s
        )

    def reaches_s(self, on: date) -> int:
        """When a date, or a later one, is first reached."""
        for start_s, end_s, zone in self._spans():
            midnight = datetime(on.year, on.month, on.day, tzinfo=zone)
            at_s = max(int(midnight.timestamp()), start_s)
            if at_s < end_s:
                return at_s
        raise AssertionError("the last leg never ends")

    # --- what datetime asks of a zone ----------------------------------------------------------

    def fromutc(self, dt: datetime) -> datetime:
        at = dt.replace(tzinfo=UTC)
        wall = at.astimezone(self._zone_at(int(at.timestamp()))).replace(tzinfo=None, fold=0)
        is_repeated = any(instant < at for instant, _ in self._instants(wall))
        return wall.replace(tzinfo=self, fold=int(is_repeated))

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        return None if dt is None else self._meant(dt).utcoffset()

    def dst(self, dt: datetime | None) -> timedelta | None:
        return None if dt is None else self._meant(dt).dst()

    def tzname(self, dt: datetime | None) -> str | None:
        return None if dt is None else self._meant(dt).tzname()

    def _meant(self, dt: datetime) -> datetime:
        """The same moment in the zone of its leg; `fold` chooses among two. A time that is skipped
        is taken in the zone before."""
        wall = dt.replace(tzinfo=None, fold=0)
        found = [local for _, local in self._instants(wall)]
        if found:
            return found[min(dt.fold, len(found) - 1)]
        before = self._legs[0][1]
        for start_s, zone in self._legs[1:]:
            if wall.replace(tzinfo=before).timestamp() >= start_s:
                before = zone if wall.replace(tzinfo=zone).timestamp() >= start_s else before
        return wall.replace(tzinfo=before)

    def _instants(self, wall: datetime) -> list[tuple[datetime, datetime]]:
        """(UTC, local) of every moment at which the clock shows `wall`, in the order of time."""
        found = {}
        for start_s, end_s, zone in self._spans():
            for fold in (0, 1):
                local = wall.replace(tzinfo=zone, fold=fold)
                at = local.astimezone(UTC)
                shows = at.astimezone(zone).replace(tzinfo=None, fold=0) == wall
                if shows and start_s <= at.timestamp() < end_s:
                    found[at] = local
        return sorted(found.items())

    def _zone_at(self, at_s: int) -> tzinfo:
        return next(zone for start_s, _, zone in reversed(list(self._spans())) if start_s <= at_s)

    def _spans(self) -> Iterator[tuple[int, int, ZoneInfo]]:
        """(first second, after the last one, zone) of each leg."""
        ends = [*self.change_s, _EVER_S]
        for (start_s, zone), end_s in zip(self._legs, ends, strict=True):
            if start_s < end_s:
                yield start_s, end_s, zone
