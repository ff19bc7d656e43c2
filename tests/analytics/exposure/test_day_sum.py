"""The sum of a day says what the day's timeline says, to the last bit."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.day_reading import keep_day, read_day, read_days
from analytics.exposure.day_sum import _LAYOUT, FORMAT, _packed, body_of, exposure_of, figure_of
from analytics.exposure.days import Day
from analytics.exposure.summary import DayExposure, day_exposure
from analytics.exposure.timeline import timeline
from analytics.store.base import Result
from analytics.store.embedded import EmbeddedStore
from tests.analytics.dashboard.synthetic import PROVENANCE, synthetic_day

T = TypeVar("T")
ZONE = ZoneInfo("Europe/Berlin")
FIRST = Day(date(2026, 3, 27), ZONE)
DAYS = [FIRST.plus(n) for n in range(4)]
"""Friday to Monday; the Sunday has 23 hours."""
MINUTE_NS = 60 * 10**9
RESULTS = {day: synthetic_day(day, n) for n, day in enumerate(DAYS)}


def parts(day: Day, hours: list[int], seed: int) -> list[tuple[int, int, list[Result]]]:
    """(start_ns, end_ns, results) of some hours of a day, shuffled."""
    found = []
    for number in hours:
        low = day.start_ns + number * 60 * MINUTE_NS
        inside = [r for r in RESULTS[day] if low <= r.start_ns < low + 60 * MINUTE_NS]
        found.append((low, low + 60 * MINUTE_NS, inside))
    np.random.default_rng(seed).shuffle(found)  # type: ignore[arg-type]
    return found


def each_day(values: st.SearchStrategy[T]) -> st.SearchStrategy[list[T]]:
    return st.lists(values, min_size=len(DAYS), max_size=len(DAYS))


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    hours=st.lists(
        st.lists(st.integers(0, 22), max_size=6, unique=True),
        min_size=len(DAYS),
        max_size=len(DAYS),
    ),
    kept=st.lists(st.booleans(), min_size=len(DAYS), max_size=len(DAYS)),
    again=st.integers(0, len(DAYS) - 1),
    seed=st.integers(0, 99),
)
def test_days_read_by_their_sums_are_the_days(
    tmp_path_factory: pytest.TempPathFactory,
    hours: list[list[int]],
    kept: list[bool],
    again: int,
    seed: int,
) -> None:
    """Whatever hours there are, whichever days are summed up, and what comes late or twice."""
    store = EmbeddedStore(tmp_path_factory.mktemp("sums") / "samples.db")
    for day, some, keep in zip(DAYS, hours, kept, strict=True):
        for low, high, results in parts(day, some, seed):
            store.write_results("w", low, high, results, PROVENANCE)
        assert not keep or keep_day(store, "w", day) == bool(some)
    late = DAYS[again]
    for low, high, results in parts(late, [*hours[again], 12], seed):
        store.write_results("w", low, high, results, PROVENANCE)
    wanted = [read_day(store, "w", day).exposure for day in DAYS]
    assert read_days(store, "w", DAYS) == wanted
    assert read_days(store, "w", DAYS[1:3]) == wanted[1:3]
    for day in DAYS:
        keep_day(store, "w", day)
    assert read_days(store, "w", DAYS) == wanted
    store.close()


def test_a_sum_survives_json_and_is_small(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "samples.db")
    for day in DAYS:
        store.write_results("w", day.start_ns, day.end_ns, RESULTS[day], PROVENANCE)
        found = read_day(store, "w", day).exposure
        text = json.dumps(body_of(found))
        assert len(text) < 10_000
        assert exposure_of(day, json.loads(text)) == found
    store.close()


def test_a_sum_of_another_format_or_of_other_hours_is_none(tmp_path: Path) -> None:
    found = whole_day(tmp_path)
    body = body_of(found)
    assert exposure_of(FIRST, body) == found
    assert exposure_of(FIRST, body | {"format": "older"}) is None
    assert exposure_of(Day(FIRST.date, ZoneInfo("Asia/Kathmandu")), body) is None


def test_the_format_tells_every_layout_that_was_ever_written() -> None:
    """Whoever changes what `body_of` writes changes FORMAT: else sums at rest would be misread."""
    assert list(body_of(not_a_day())) == ["format", *_LAYOUT]
    # Of rows with lists in them, with or without `day`; of hours as a list.
    assert FORMAT not in {"a60961ad", "71bf17b1"}


@pytest.mark.parametrize("gone", [*_LAYOUT, "format"])
def test_a_sum_without_one_of_its_parts_is_none(tmp_path: Path, gone: str) -> None:
    """Whatever an older or newer program wrote is made again, and never a fault of a page."""
    body = body_of(whole_day(tmp_path))
    assert figure_of(body, "worn_min") is not None
    for bad in (
        {name: value for name, value in body.items() if name != gone},
        body | {"day": body["day"][:-1]},
    ):
        assert exposure_of(FIRST, bad) is None
        assert figure_of(bad, "worn_min") is None


@pytest.mark.parametrize("hours", [None, 7, "", "x", "[]", [[], []], _packed([1], [[1.0]])])
def test_hours_that_cannot_be_read_are_made_again(tmp_path: Path, hours: object) -> None:
    body = body_of(whole_day(tmp_path)) | {"hours": hours}
    assert exposure_of(FIRST, body) is None
    assert exposure_of(FIRST, body | {"hours": body_of(not_a_day())["hours"][:-8]}) is None


def test_figures_of_a_sum_are_those_of_the_day(tmp_path: Path) -> None:
    found = whole_day(tmp_path)
    body, day = body_of(found), found.exposure
    assert figure_of(body, "worn_min") == day.worn_min
    assert day.slouched_min is not None
    assert figure_of(body, "slouched_min") == day.slouched_min.mid
    assert figure_of(body, "walking_bouts") == day.walking_bouts
    assert figure_of(body, "longest_walk_min") == day.longest_walk_min
    assert figure_of(body_of(not_a_day()), "worn_min") is None


def whole_day(folder: Path) -> DayExposure:
    store = EmbeddedStore(folder / "samples.db")
    store.write_results("w", FIRST.start_ns, FIRST.end_ns, RESULTS[FIRST], PROVENANCE)
    found = read_day(store, "w", FIRST).exposure
    store.close()
    return found


def not_a_day() -> DayExposure:
    """Without any data."""
    return day_exposure(FIRST, timeline([], FIRST.start_ns, FIRST.end_ns), [])
