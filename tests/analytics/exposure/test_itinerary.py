"""Who travels: every moment is in one day and one hour, on the wall clock of the place."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.exposure.days import NS_PER_S, Day
from analytics.exposure.itinerary import Itinerary, zone_of

HOUR_NS = 3600 * NS_PER_S
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "Pacific/Auckland")
BASE_S = int(datetime(2026, 3, 20, tzinfo=UTC).timestamp())
"""A month in which clocks change on both sides of the Atlantic."""


def ns(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp()) * NS_PER_S


itineraries = st.builds(
    lambda home, legs: zone_of(
        home, sorted((BASE_S * NS_PER_S + 900 * NS_PER_S * n, zone) for n, zone in legs.items())
    ),
    st.sampled_from(ZONES),
    st.dictionaries(st.integers(0, 4 * 24 * 14), st.sampled_from(ZONES), min_size=1, max_size=4),
)


@given(zone=itineraries, hours=st.integers(-48, 24 * 18))
def test_days_and_hours_leave_nothing_out_and_count_nothing_twice(
    zone: Itinerary, hours: int
) -> None:
    t_ns = (BASE_S + 3600 * hours + 777) * NS_PER_S
    day = Day.at(t_ns, zone)
    assert day.start_ns <= t_ns < day.end_ns
    assert Day.at(day.end_ns - 1, zone) == day
    assert Day.at(day.start_ns, zone) == day
    assert day.plus(1).start_ns == day.end_ns
    edges = [hour.start_ns for hour in day.hours()] + [day.end_ns]
    assert edges[0] == day.start_ns
    assert edges[1:] == [hour.end_ns for hour in day.hours()]
    assert edges == sorted(set(edges))
    for hour in day.hours():
        assert hour.end_ns - hour.start_ns <= HOUR_NS
        assert datetime.fromtimestamp(hour.start_ns // NS_PER_S, zone).hour == hour.hour
    labels = [(hour.hour, hour.fold) for hour in day.hours()]
    assert len(labels) == len(set(labels))


@given(zone=itineraries, minutes=st.integers(-2880, 60 * 24 * 18))
def test_the_clock_is_that_of_the_place_and_leads_back(zone: Itinerary, minutes: int) -> None:
    at = datetime.fromtimestamp(BASE_S + 60 * minutes, UTC)
    here = at.astimezone(zone)
    assert here.astimezone(UTC) == at or _third_time(zone, here)
    legs = [ZoneInfo(key) for key in ZONES]
    assert here.replace(tzinfo=None, fold=0) in {
        at.astimezone(leg).replace(tzinfo=None, fold=0) for leg in legs
    }


def _third_time(zone: Itinerary, here: datetime) -> bool:
    """A clock that shows the same more than twice cannot say which."""
    return len(zone._instants(here.replace(tzinfo=None, fold=0))) > 2


def test_a_flight_west_makes_a_long_day() -> None:
    zone = zone_of("Europe/Berlin", [(ns(2026, 5, 4, 14, 30), "America/New_York")])
    day = Day(date(2026, 5, 4), zone)
    assert (day.start_ns, day.end_ns) == (ns(2026, 5, 3, 22), ns(2026, 5, 5, 4))
    labels = [hour.label for hour in day.hours()]
    assert labels[16:18] == ["16:00", "10:00 (2nd)"]
    assert labels[-1] == "23:00"
    assert day.hours()[16].end_ns == ns(2026, 5, 4, 14, 30)
    before = Day(date(2026, 5, 3), zone)
    assert before.start_ns == Day(date(2026, 5, 3), ZoneInfo("Europe/Berlin")).start_ns


def test_over_the_date_line_a_day_is_left_out_or_goes_on() -> None:
    east = zone_of("America/Los_Angeles", [(ns(2026, 6, 2, 10), "Pacific/Auckland")])
    assert Day.at(ns(2026, 6, 2, 9, 59), east).date == date(2026, 6, 2)
    late = zone_of("Pacific/Honolulu", [(ns(2026, 6, 2, 9), "Pacific/Auckland")])
    assert Day.at(ns(2026, 6, 2, 9), late).date == date(2026, 6, 2)
    skipping = zone_of("Pacific/Honolulu", [(ns(2026, 6, 2, 12, 30), "Pacific/Auckland")])
    gone = Day(date(2026, 6, 2), skipping)
    assert gone.end_ns - gone.start_ns == timedelta(hours=2.5).total_seconds() * NS_PER_S
    back = zone_of("Pacific/Auckland", [(ns(2026, 6, 2, 0), "Pacific/Honolulu")])
    day = Day.at(ns(2026, 6, 2, 1), back)
    assert day.date == date(2026, 6, 2)  # there it is the first again
    assert day.end_ns == ns(2026, 6, 3, 10)


def test_without_a_journey_it_is_the_zone_itself() -> None:
    assert zone_of("Europe/Berlin") is ZoneInfo("Europe/Berlin")
    one, same = (zone_of("UTC", [(5 * NS_PER_S, "Asia/Kolkata")]) for _ in range(2))
    assert one == same
    assert hash(one) == hash(same)
    assert one != zone_of("UTC", [(6 * NS_PER_S, "Asia/Kolkata")])
    assert one.key == "Asia/Kolkata"
    with pytest.raises(KeyError):
        zone_of("UTC", [(5, "Nowhere/Land")])
