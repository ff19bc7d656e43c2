"""Local days: 23, 24 and 25 hours, midnights that do not exist, half-hour changes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.exposure.days import NS_PER_S, Day

HOUR_NS = 3600 * NS_PER_S
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Pacific/Apia",
    "Africa/Cairo",
    "UTC",
)


@pytest.mark.parametrize(
    ("zone", "on", "hours"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23.0),
        ("Europe/Berlin", date(2026, 3, 30), 24.0),
        ("Europe/Berlin", date(2026, 10, 25), 25.0),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("America/Santiago", date(2026, 9, 6), 23.0),
        ("Pacific/Apia", date(2011, 12, 30), 0.0),
    ],
)
def test_length_of_a_day(zone: str, on: date, hours: float) -> None:
    day = Day(on, ZoneInfo(zone))
    assert (day.end_ns - day.start_ns) / HOUR_NS == hours


def test_the_repeated_hour_is_there_twice_and_the_skipped_one_not_at_all() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    autumn = [hour.label for hour in Day(date(2026, 10, 25), berlin).hours()]
    assert autumn[1:5] == ["01:00", "02:00", "02:00 (2nd)", "03:00"]
    spring = [hour.label for hour in Day(date(2026, 3, 29), berlin).hours()]
    assert spring[:3] == ["00:00", "01:00", "03:00"]
    assert (len(autumn), len(spring)) == (25, 23)


def test_a_day_without_midnight_begins_at_the_change() -> None:
    day = Day(date(2026, 9, 6), ZoneInfo("America/Santiago"))
    first = day.hours()[0]
    assert first.label == "01:00"
    assert day.start_ns == int(datetime(2026, 9, 6, 4, tzinfo=UTC).timestamp()) * NS_PER_S


@given(
    zone=st.sampled_from(ZONES),
    on=st.dates(date(2000, 1, 1), date(2037, 12, 31)),
)
def test_hours_tile_the_day_and_days_tile_time(zone: str, on: date) -> None:
    day = Day(on, ZoneInfo(zone))
    hours = day.hours()
    edges = [day.start_ns, *(hour.end_ns for hour in hours)]
    assert [hour.start_ns for hour in hours] == edges[:-1]
    assert edges[-1] == day.end_ns == day.plus(1).start_ns
    assert all(0 < hour.end_ns - hour.start_ns <= HOUR_NS for hour in hours)
    assert len({(hour.hour, hour.fold) for hour in hours}) == len(hours)


@given(zone=st.sampled_from(ZONES), t_s=st.integers(946_684_800, 2_145_916_800))
def test_an_instant_lies_in_its_day(zone: str, t_s: int) -> None:
    day = Day.at(t_s * NS_PER_S, ZoneInfo(zone))
    assert day.start_ns <= t_s * NS_PER_S < day.end_ns
