"""Rows of hours, days and weeks: the same whatever the zone, and in whatever order data came."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from analytics.day_reading import read_day
from analytics.exposure import rows
from analytics.exposure.association.tables import read_exposures
from analytics.exposure.days import Day
from analytics.exposure.observable import MOVEMENTS
from analytics.exposure.summary import DayExposure
from analytics.exposure.summary import day_exposure as exposure_of_line
from analytics.exposure.timeline import timeline
from analytics.exposure.triggers import DETAILS, TRIGGERS
from analytics.store.base import Result
from analytics.store.embedded import EmbeddedStore
from tests.analytics.dashboard.synthetic import PROVENANCE, synthetic_day
from tests.analytics.exposure.test_summary import day_exposure

MONDAY = date(2026, 3, 23)


def reading(day: Day, seed: int = 1) -> DayExposure:
    results = synthetic_day(day, seed)
    return day_exposure(
        day,
        [r for r in results if r.kind == "timeline"],
        [r for r in results if not r.kind.startswith("timeline")],
    )


@pytest.mark.parametrize(("on", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
def test_days_of_23_and_25_hours_go_into_the_association_whole(on: date, hours: int) -> None:
    day = Day(on, ZoneInfo("Europe/Berlin"))
    found = reading(day)
    table = list(rows.hour_rows(day, found))
    assert len(table) == len({row[0] for row in table}) == hours
    lines = [",".join(rows.columns("hour")) + "\n"]
    lines += [",".join("" if c is None else str(c) for c in row) + "\n" for row in table]
    read = read_exposures(lines, triggers=["slouched_min", "walking_min"]).exposures
    assert (read.first_day, read.days) == (on, 1)
    assert found.exposure.slouched_min is not None
    assert read.amount[0, 0] == pytest.approx(found.exposure.slouched_min.mid, abs=0.02)
    assert read.worn_min[0] == pytest.approx(found.exposure.worn_min, abs=0.02)


@pytest.mark.parametrize("on", [date(2026, 3, 29), date(2026, 6, 10), date(2026, 10, 25)])
def test_the_same_seconds_are_counted_once_in_every_zone(on: date) -> None:
    """Somebody travels: the days there hold what the day here holds, wherever midnight falls."""
    here = Day(on, ZoneInfo("Europe/Berlin"))
    results = synthetic_day(here, 3, until_minute=600)
    runs = [r for r in results if r.kind == "timeline_runs"]
    items = [r for r in results if not r.kind.startswith("timeline")]
    told = []
    for zone in ("Europe/Berlin", "America/Santiago", "Asia/Kathmandu", "Pacific/Auckland"):
        days = [Day(on, ZoneInfo(zone)).plus(n) for n in (-1, 0, 1)]
        found = [
            exposure_of_line(
                day,
                timeline(runs, day.start_ns, day.end_ns),
                [r for r in items if r.end_ns > day.start_ns and r.start_ns < day.end_ns],
            ).exposure
            for day in days
        ]
        told.append(
            (
                sum(e.worn_min or 0.0 for e in found),
                sum(e.slouched_min.mid for e in found if e.slouched_min),
                *(sum(e.movements[kind] or 0 for e in found) for kind in MOVEMENTS),
            )
        )
    for other in told[1:]:
        assert other == pytest.approx(told[0])


def test_a_week_is_the_sum_of_its_days_from_monday_on() -> None:
    zone = ZoneInfo("Europe/Berlin")
    days = [reading(Day(MONDAY, zone).plus(n), n) for n in (0, 5, 6, 7)]
    (first, whole), (second, rest) = rows.weeks(days)
    assert (first, second) == (MONDAY, date(2026, 3, 30))
    assert whole.worn_min == pytest.approx(sum(d.exposure.worn_min or 0 for d in days[:3]))
    assert whole.end_ns - whole.start_ns == (7 * 24 - 1) * 3600 * 10**9  # clocks change on Sunday
    assert rest == days[3].exposure
    assert whole.longest_slouch_min == max(d.exposure.longest_slouch_min or 0 for d in days[:3])
    assert whole.gap_min == 0


def test_nothing_changes_when_results_are_written_late_and_twice(tmp_path: Path) -> None:
    day = Day(date(2026, 10, 25), ZoneInfo("Europe/Berlin"))
    results = synthetic_day(day, 4)
    once, other = EmbeddedStore(tmp_path / "a.db"), EmbeddedStore(tmp_path / "b.db")
    once.write_results("w", day.start_ns, day.end_ns, results, PROVENANCE)
    hours = list(day.hours())
    np.random.default_rng(2).shuffle(hours)  # type: ignore[arg-type]
    for hour in [*hours, *hours[:5]]:
        part: list[Result] = [r for r in results if hour.start_ns <= r.start_ns < hour.end_ns]
        other.write_results("w", hour.start_ns, hour.end_ns, part, PROVENANCE)
    assert read_day(once, "w", day).exposure == read_day(other, "w", day).exposure
    once.close()
    other.close()


def test_a_day_without_data_is_empty_and_not_zero() -> None:
    day = Day(MONDAY, ZoneInfo("UTC"))
    found = day_exposure(day, [], [])
    row = dict(zip(rows.columns("day"), rows.day_row(found), strict=True))
    assert row["date"] == "2026-03-23"
    assert row["gap_min"] == 24 * 60
    assert all(row[name] is None for name in (*TRIGGERS, *DETAILS, "worn_min"))
    assert list(rows.hour_rows(day, found)) == []


def test_the_columns_are_explained() -> None:
    text = (Path(__file__).parents[3] / "docs" / "exposure.md").read_text()
    for by in ("hour", "day", "week"):
        assert all(f"`{name}`" in text for name in rows.columns(by))


def test_hours_say_their_offset() -> None:
    day = Day(date(2026, 10, 25), ZoneInfo("Europe/Berlin"))
    times = [datetime.fromisoformat(str(row[0])) for row in rows.hour_rows(day, reading(day))]
    assert [t.utcoffset() for t in times[2:4]] != [times[2].utcoffset()] * 2
