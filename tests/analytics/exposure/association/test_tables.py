"""Exposure and diary tables: what is read, and what is said of those that cannot be."""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.exposure.association.tables import (
    TableError,
    check_clocks,
    read_exposures,
    read_pain,
)

MONDAY = date(2026, 3, 2)


def lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def test_daily_rows_in_any_order_with_holes() -> None:
    table = read_exposures(
        lines("\ufeffDate ; Worn_min;slouched_min\n2026-03-04;600;12.5\n\n2026-03-02;0;3\n")
    )
    found = table.exposures
    assert (found.first_day, found.days, found.triggers) == (MONDAY, 3, ("slouched_min",))
    np.testing.assert_array_equal(found.amount, [[math.nan, math.nan, 12.5]])
    np.testing.assert_array_equal(found.worn_min, [0, math.nan, 600])
    assert table.wear_stated
    assert not table.hourly


def test_wear_may_be_left_out_and_missing_has_several_names() -> None:
    table = read_exposures(lines("date,a,b\n2026-03-02,1,NA\n2026-03-03,,-2.5\n"))
    np.testing.assert_array_equal(table.exposures.amount, [[1, math.nan], [math.nan, -2.5]])
    assert not table.wear_stated
    only = read_exposures(lines("date,a,b\n2026-03-02,1,x\n"), triggers=["a"])
    assert only.exposures.triggers == ("a",)


def test_hours_are_summed_to_days_and_the_hour_that_comes_twice_is_one() -> None:
    table = read_exposures(
        lines(
            "time,worn_min,a\n2026-10-25T01:00+02:00,60,1\n2026-10-25T02:00+02:00,60,2\n"
            "2026-10-25T02:00+01:00,50,4\n2026-10-25T04:00+01:00,0,9\n"
        )
    )
    found = table.exposures
    assert found.hourly_amount is not None
    np.testing.assert_array_equal(found.hourly_amount[0, 0, :4], [math.nan, 1, 6, math.nan])
    assert found.amount[0, 0] == 7
    assert found.worn_min[0] == 170


def test_utc_times_become_local_days() -> None:
    text = lines("time,worn_min,a\n2026-03-02T23:00:00Z,60,1\n")
    berlin = read_exposures(text, zone=ZoneInfo("Europe/Berlin"))
    assert berlin.exposures.first_day == date(2026, 3, 3)
    assert not berlin.in_utc
    plain = read_exposures(text)
    assert plain.exposures.first_day == MONDAY
    assert plain.in_utc
    local = read_pain(lines("time,pain\n2026-03-03T09:30:00+01:00,4\n"), MONDAY)
    with pytest.raises(TableError, match="--time-zone"):
        check_clocks(plain, local)
    check_clocks(berlin, local)


def test_diaries_with_pain_or_with_symptoms() -> None:
    daily = read_pain(lines("date\tpain\n2026-03-03\t2.5\n2026-03-02\t\n"), MONDAY)
    assert daily.pain.day.tolist() == [1]
    assert not daily.timed
    text = lines(
        "time,symptom,site,severity,note\n2026-03-02T08:15:00+01:00,pain,groin,3,\n"
        "2026-03-02T09:00:00+01:00,numbness,groin,5,\n"
        '2026-03-02T10:00:00+01:00,pain,other,7,"a, b"\n'
    )
    assert read_pain(text, MONDAY).pain.severity.tolist() == [3, 7]
    assert read_pain(text, MONDAY, symptom="numbness").pain.hour.tolist() == [9.0]
    assert read_pain(text, MONDAY, site="groin").pain.hour.tolist() == [8.25]
    several = read_pain(lines("date,pain\n2026-03-02,2\n2026-03-02,5\n"), MONDAY)
    assert several.pain.by_day(2)[0] == 3.5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the first line must name the columns"),
        ("date,a\n", "no rows below"),
        ("day,a\n1,2\n", "needs one column date .* it has day, a"),
        ("date,time,a\n1,2,3\n", "not both"),
        ("date,worn_min\n2026-03-02,5\n", "no trigger column"),
        ("date,a,A\n2026-03-02,1,2\n", "column 'a' is there twice"),
        ("date,,a\n2026-03-02,1,2\n", "column 2 has no name"),
        ("date,a\n02.03.2026,1\n", "line 2, column date: '02.03.2026' is not like 2026-03-02"),
        ("time,a\n2026-03-02,1\n", "line 2, column time: '2026-03-02' is not like 2026-03-02T14"),
        ("date,a\n2026-03-02,1\n2026-03-02,2\n", "line 3: 2026-03-02 stands in line 2 already"),
        ("date,a\n2026-03-02,many\n", "line 2, column a: 'many' is no number"),
        ("date,a\n2026-03-02,inf\n", "'inf' is no number"),
        ("date,a\n2026-03-02,1,2\n", "line 2: 3 cells where the first line names 2 columns"),
        ("date,worn_min,a\n2026-03-02,-1,1\n", "line 2, column worn_min: -1 is not 0..1500"),
        ("time,worn_min,a\n2026-03-02T08:00,600,1\n", "600 is not 0..120 minutes"),
        ("date,a\n1926-03-02,1\n2026-03-02,1\n", "check the years"),
        ('date,a\n2026-03-02,"1\n', "not a CSV table"),
    ],
)
def test_exposures_that_cannot_be_used(text: str, says: str) -> None:
    with pytest.raises(TableError, match=says):
        read_exposures(lines(text), name="e.csv")


def test_a_trigger_that_is_not_there() -> None:
    with pytest.raises(TableError, match="no trigger column 'b'; there are a"):
        read_exposures(lines("date,a\n2026-03-02,1\n"), triggers=["b"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("date,ache\n2026-03-02,1\n", "column 'ache' is not known; known are date, time, pain"),
        ("date,note\n2026-03-02,1\n", "no column pain"),
        ("date,pain,severity\n2026-03-02,1,1\n", "both there"),
        ("date,pain\n2026-03-02,11\n", "line 2, column pain: 11 is not 0..10"),
        ("date,pain\n2026-03-02,\n", "no row has a value for pain"),
        ("date,symptom,severity\n2026-03-02,numbness,3\n", "no row has a value for pain"),
    ],
)
def test_diaries_that_cannot_be_used(text: str, says: str) -> None:
    with pytest.raises(TableError, match=says):
        read_pain(lines(text), MONDAY, name="d.csv")


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (read_exposures, lambda x: read_pain(x, MONDAY)):
        with suppress(TableError):
            read(lines(text))
