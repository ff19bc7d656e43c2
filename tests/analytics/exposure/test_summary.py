"""Exposure: known small days by hand, and the sum over hours for any day."""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.exposure.days import NS_PER_S, Day
from analytics.exposure.observable import MOVEMENTS
from analytics.exposure.slouched import Band
from analytics.exposure.summary import DayExposure, Exposure, total
from analytics.exposure.summary import day_exposure as exposure_of_line
from analytics.exposure.timeline import runs_of, timeline
from analytics.store.base import Result

MINUTE_NS = 60 * NS_PER_S
BERLIN = ZoneInfo("Europe/Berlin")
DAY = Day(date(2026, 6, 10), BERLIN)


def day_exposure(day: Day, line: list[Result], items: list[Result]) -> DayExposure:
    runs = [Result("timeline_runs", m.start_ns, m.end_ns, runs_of(m.body)) for m in line]
    return exposure_of_line(day, timeline(runs, day.start_ns, day.end_ns), items)


def at(minute: float, day: Day = DAY) -> int:
    return day.start_ns + round(minute * MINUTE_NS)


def minutes(
    first: int,
    count: int,
    posture: str | None = "sitting",
    slouched: bool | None = False,
    worn: bool | None = True,
    *,
    day: Day = DAY,
) -> list[Result]:
    body = {"posture": [posture] * 60, "slouched": [slouched] * 60, "worn": [worn] * 60}
    return [
        Result("timeline", at(n, day), at(n + 1, day), body) for n in range(first, first + count)
    ]


def movement(kind: str, minute: float) -> Result:
    return Result("movement", at(minute), at(minute + 0.05), {"kind": kind})


def quality(minute: float, length: float, **observable: bool | str) -> Result:
    return Result("quality", at(minute), at(minute + length), {"observable": observable})


def test_a_small_day_by_hand() -> None:
    line = (
        minutes(540, 40)
        + minutes(580, 20, slouched=True)
        + minutes(600, 15, "walking")
        + minutes(615, 5, None, None, None)
        + minutes(620, 30, "not_worn", None, worn=False)
    )
    items = [
        Result("slouch_episode", at(580), at(600), {"minutes_low": 12.0, "minutes_high": 26.0}),
        Result("walking_bout", at(600), at(611), {"prolonged": True}),
        Result("walking_bout", at(612), at(614), {"prolonged": False}),
        movement("sit_to_stand", 600),
        movement("squat", 605),
        movement("squat", 606),
    ]
    day = day_exposure(DAY, line, items)
    whole = day.exposure
    assert whole.worn_min == 75
    assert whole.posture_min is not None
    assert whole.posture_min["sitting"] == 60
    assert whole.walking_min == 15
    assert whole.slouched_min == Band(20, 12, 26)
    assert whole.slouch_known_min == 75
    assert whole.slouch_episodes == 1
    assert (whole.walking_bouts, whole.prolonged_bouts) == (2, 1)
    assert whole.movements["squat"] == 2
    assert whole.movements["bed_roll"] == 0
    assert day.longest_sitting_min == 60
    assert whole.per_worn_hour(whole.movements["squat"]) == pytest.approx(1.6)
    assert whole.slouched_share == pytest.approx(20 / 75)
    by_hour = {h.hour.hour: h.exposure for h in day.hours}
    assert by_hour[9].slouched_min == Band(20, 12, 26)
    assert by_hour[10].slouched_min == Band(0, 0, 0)
    assert by_hour[8].worn_min is None
    assert by_hour[8].movements["squat"] is None


def test_no_data_is_none_and_not_worn_is_no_minutes() -> None:
    nothing = day_exposure(DAY, [], [])
    assert nothing.exposure.worn_min is None
    assert nothing.longest_sitting_min is None
    aside = day_exposure(DAY, minutes(60, 60, "not_worn", None, worn=False), []).exposure
    assert aside.worn_min == 0
    for exposure in (nothing.exposure, aside):
        assert exposure.posture_min is None
        assert exposure.walking_min is None
        assert exposure.slouched_min is None
        assert exposure.slouch_episodes is None
        assert exposure.prolonged_bouts is None
        assert set(exposure.movements.values()) == {None}
        assert exposure.per_worn_hour(3) is None
        assert exposure.slouched_share is None


def test_what_the_sensor_cannot_tell_is_none() -> None:
    line = minutes(540, 60)
    items = [quality(540, 60, slouch="placement", bed_roll=True, squat="placement")]
    whole = day_exposure(DAY, line, items).exposure
    assert whole.slouched_min is None
    assert whole.slouch_episodes is None
    assert whole.movements["squat"] is None
    assert whole.movements["bed_roll"] == 0
    assert day_exposure(DAY, minutes(540, 60, slouched=None), []).exposure.slouched_min is None


def test_without_a_known_upright_only_walking_is_told() -> None:
    line = minutes(540, 30, "unknown", slouched=None) + minutes(570, 30, "walking", slouched=None)
    items = [quality(540, 60, posture="reference", trunk_flexion="reference", walking=True)]
    found = day_exposure(DAY, line, items)
    whole = found.exposure
    assert whole.posture_min is not None
    assert whole.posture_min["sitting"] is None
    assert whole.posture_min["lying_left"] is None
    assert (whole.posture_min["unknown"], whole.walking_min) == (30, 30)
    assert set(whole.movements.values()) == {None}
    assert found.longest_sitting_min is None
    assert whole.walking_bouts == 0


def test_without_known_axes_no_bend_is_counted() -> None:
    items = [quality(540, 60, posture=True, trunk_flexion="axes", walking=True)]
    counts = day_exposure(DAY, minutes(540, 60), items).exposure.movements
    assert {kind for kind, count in counts.items() if count is None} == {
        "forward_bend",
        "lateral_bend",
    }


def test_walking_that_cannot_be_told() -> None:
    whole = day_exposure(DAY, minutes(540, 60), [quality(540, 60, walking="rate")]).exposure
    assert whole.walking_min is None
    assert whole.walking_bouts is None
    assert whole.prolonged_bouts is None


def test_an_event_on_the_edge_of_an_hour_counts_once() -> None:
    line = minutes(540, 120)
    edge = [
        Result("movement", at(600), at(600), {"kind": "squat"}),
        Result("movement", at(600) - 1, at(600), {"kind": "squat"}),
        Result("movement", at(600) - 1, at(660), {"kind": "bed_roll"}),
    ]
    found = day_exposure(DAY, line, edge)
    by_hour = {hour.hour.hour: hour.exposure.movements for hour in found.hours}
    assert (by_hour[9]["squat"], by_hour[10]["squat"]) == (1, 1)
    assert (by_hour[9]["bed_roll"], by_hour[10]["bed_roll"]) == (1, 0)


def test_an_hour_that_can_be_judged_is_enough_for_the_day() -> None:
    items = [quality(540, 60, slouch="placement"), quality(600, 60, slouch=True)]
    whole = day_exposure(DAY, minutes(540, 60) + minutes(600, 60, slouched=True), items).exposure
    assert whole.slouched_min == Band(60, 60, 60)
    assert whole.slouch_known_min == 60
    assert whole.slouched_share == 1


def test_an_hour_without_sitting_has_no_slouching_only_if_it_was_observable() -> None:
    line = minutes(540, 60, "walking", slouched=None)
    assert day_exposure(DAY, line, []).exposure.slouched_min is None
    seen = day_exposure(DAY, line, [quality(540, 60, slouch=True)]).exposure
    assert seen.slouched_min == Band(0, 0, 0)
    assert seen.slouched_share is None


def test_a_short_stand_does_not_break_sitting_a_minute_does() -> None:
    line = minutes(540, 30) + minutes(571, 30)
    line[0:0] = [
        Result(
            "timeline",
            at(570),
            at(571),
            {
                "posture": ["standing"] * 50 + ["sitting"] * 10,
                "slouched": [False] * 60,
                "worn": [True] * 60,
            },
        )
    ]
    assert day_exposure(DAY, line, []).longest_sitting_min == 61
    line = minutes(540, 30) + minutes(570, 1, "standing") + minutes(571, 30)
    assert day_exposure(DAY, line, []).longest_sitting_min == 30


DAYS = st.sampled_from(
    [
        DAY,
        Day(date(2026, 3, 29), BERLIN),
        Day(date(2026, 10, 25), BERLIN),
        Day(date(2026, 4, 5), ZoneInfo("Australia/Lord_Howe")),
    ]
)


@st.composite
def filled_days(draw: st.DrawFn) -> tuple[Day, list[Result], list[Result]]:
    day = draw(DAYS)
    length = (day.end_ns - day.start_ns) // MINUTE_NS
    line: list[Result] = []
    edge = draw(st.integers(-90, 300))
    for _ in range(draw(st.integers(0, 6))):
        count = draw(st.integers(1, 150))
        line += minutes(
            edge,
            count,
            draw(st.sampled_from(["sitting", "walking", "unknown", None])),
            draw(st.sampled_from([True, False, None])),
            draw(st.sampled_from([True, True, True, False, None])),
            day=day,
        )
        edge += count + draw(st.integers(0, 200))
    instants = st.integers(day.start_ns - 60 * MINUTE_NS, day.start_ns + length * MINUTE_NS)
    items = [
        Result("movement", t, t + NS_PER_S, {"kind": draw(st.sampled_from(MOVEMENTS))})
        for t in draw(st.lists(instants, max_size=20))
    ]
    for t in draw(st.lists(instants.map(lambda t: t // NS_PER_S * NS_PER_S), max_size=4)):
        span = draw(st.integers(2, 100))
        low, high = sorted((draw(st.floats(0, span)), draw(st.floats(0, span))))
        body = {"minutes_low": low, "minutes_high": high}
        items.append(Result("slouch_episode", t, t + span * MINUTE_NS, body))
    return day, line, items


@given(filled_days())
@settings(deadline=None, max_examples=60)
def test_hours_add_up_to_the_day(filled: tuple[Day, list[Result], list[Result]]) -> None:
    day, line, items = filled
    found = day_exposure(day, line, items)
    whole = found.exposure
    parts = [hour.exposure for hour in found.hours]
    assert total(parts, day.start_ns, day.end_ns) == whole
    worn = np.zeros((day.end_ns - day.start_ns) // NS_PER_S, bool)
    for item in line:
        first = (item.start_ns - day.start_ns) // NS_PER_S
        for second, flag in enumerate(item.body["worn"], first):
            if flag and 0 <= second < len(worn):
                worn[second] = True
    if whole.worn_min is not None:
        assert whole.worn_min == pytest.approx(worn.sum() / 60)
    if whole.posture_min is not None:
        assert sum(v or 0 for v in whole.posture_min.values()) == pytest.approx(whole.worn_min)
    if whole.slouched_min is not None:
        band = whole.slouched_min
        assert 0 <= band.low <= band.mid + 1e-9
        assert band.mid <= band.high + 1e-9
        assert band.mid <= (whole.slouch_known_min or 0) + 1e-9
    for kind in MOVEMENTS:
        counts = [part.movements[kind] for part in parts if part.movements[kind] is not None]
        assert whole.movements[kind] == (sum(c or 0 for c in counts) if counts else None)


def test_every_figure_is_summed() -> None:
    """A new field cannot be forgotten in `total`."""
    one = Exposure(
        0, 1, 1.0, {"walking": 2.0}, 3.0, Band(1, 1, 1), 4, 5, 6, dict.fromkeys(MOVEMENTS, 7),
        8.0, 9.0, 10.0, 11.0,
    )  # fmt: skip
    two = total([one, one], 0, 1)
    for field in fields(Exposure):
        if field.name in {"start_ns", "end_ns"}:
            continue
        single, double = getattr(one, field.name), getattr(two, field.name)
        if field.name in {"slouch_dose", "longest_slouch_min", "longest_walk_min"}:
            assert double == single  # the highest, not the sum
        elif isinstance(single, dict):
            assert double == {key: 2 * value for key, value in single.items()}
        else:
            assert double == single + single
