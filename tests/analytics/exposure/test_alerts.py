"""Alerts: never more than is allowed, whatever the sensor says; and each rule by itself."""

from __future__ import annotations

import dataclasses
from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.exposure.alerts import (
    BATTERY,
    KINDS,
    SILENT,
    SLOUCH,
    TRANSITIONS,
    WALKING,
    AlertSettings,
    AlertSettingsError,
    Memory,
    Present,
    decide,
    text,
)
from analytics.exposure.present import present, spell_s
from analytics.exposure.timeline import CODE, NS_PER_S, Timeline
from analytics.store.base import Result

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Berlin")
OPEN = AlertSettings(
    slouch_after_min=10, walking_after_min=10, quiet_from_min=0, quiet_to_min=0, between_min=0
)


def ns(at: datetime) -> int:
    return round(at.timestamp()) * NS_PER_S


def ask(
    memory: Memory,
    now: Present,
    allowed: AlertSettings = OPEN,
    at: datetime = NOON,
    *,
    on: bool = True,
    resting: bool = False,
) -> tuple[Memory, str | None]:
    return decide(
        memory,
        now,
        allowed,
        on=on,
        resting=resting,
        now_ns=ns(at),
        local=at.astimezone(ZONE),
    )


presents = st.builds(
    Present,
    slouched_s=st.none() | st.floats(0, 3600),
    walking_s=st.none() | st.floats(0, 3600),
    transitions=st.none() | st.integers(0, 60),
    silent_s=st.none() | st.floats(0, 7200),
    battery_pct=st.none() | st.integers(0, 100),
)
allowed = st.builds(
    AlertSettings,
    study=st.booleans(),
    kinds=st.lists(st.sampled_from(KINDS), unique=True).map(tuple),
    slouch_after_min=st.floats(0.5, 30),
    walking_after_min=st.floats(0.5, 30),
    transitions_in_an_hour=st.integers(1, 40),
    silent_after_min=st.floats(1, 60),
    battery_below_pct=st.integers(1, 90),
    delay_s=st.floats(0, 300),
    between_min=st.floats(0, 60),
    quiet_from_min=st.integers(0, 1439),
    quiet_to_min=st.integers(0, 1439),
    daily_most=st.integers(0, 5),
)
looks = st.lists(
    st.tuples(presents, st.integers(1, 20_000), st.booleans(), st.booleans()), max_size=60
)


@settings(max_examples=200, deadline=None)
@given(allowed=allowed, looks=looks)
def test_never_more_than_the_wearer_allows(
    allowed: AlertSettings, looks: list[tuple[Present, int, bool, bool]]
) -> None:
    memory, at = Memory(), datetime(2026, 3, 27, 9, 0, tzinfo=UTC)
    days: Counter[object] = Counter()
    last: datetime | None = None
    for now, later_s, on, resting in looks:
        at += timedelta(seconds=later_s)
        memory, kind = ask(memory, now, allowed, at, on=on, resting=resting)
        if kind is None:
            continue
        local = at.astimezone(ZONE)
        assert on
        assert not resting
        assert not allowed.study
        assert kind in allowed.kinds
        assert not allowed.quiet(local)
        days[local.date()] += 1
        assert days[local.date()] <= allowed.daily_most
        assert last is None or (at - last).total_seconds() >= allowed.between_min * 60 - 1e-3
        last = at


@pytest.mark.parametrize(
    ("now", "kind"),
    [
        (Present(slouched_s=600), SLOUCH),
        (Present(walking_s=600), WALKING),
        (Present(transitions=25), TRANSITIONS),
        (Present(silent_s=1800), SILENT),
        (Present(battery_pct=14), BATTERY),
        (
            Present(slouched_s=599, walking_s=599, transitions=24, silent_s=1799, battery_pct=15),
            None,
        ),
        (Present(), None),
    ],
)
def test_each_limit(now: Present, kind: str | None) -> None:
    assert ask(Memory(), now)[1] == kind
    if kind:
        assert len(text(kind, now)) < 120


def test_a_spell_is_spoken_of_once_and_a_new_one_again() -> None:
    memory, kind = ask(Memory(), Present(slouched_s=600))
    assert kind == SLOUCH
    memory, kind = ask(memory, Present(slouched_s=900), at=NOON + timedelta(minutes=5))
    assert kind is None
    memory, kind = ask(memory, Present(slouched_s=0), at=NOON + timedelta(minutes=6))
    memory, kind = ask(memory, Present(slouched_s=601), at=NOON + timedelta(minutes=17))
    assert kind == SLOUCH


def test_a_battery_that_wavers_is_one_spell() -> None:
    memory, said = Memory(), []
    for n, level in enumerate((14, 15, 14, 16, 13, 40, 14)):
        memory, kind = ask(memory, Present(battery_pct=level), at=NOON + timedelta(minutes=n))
        said.append(kind)
    assert said == [BATTERY, None, None, None, None, None, BATTERY]


def test_the_delay_counts_from_the_crossing() -> None:
    waiting = dataclasses.replace(OPEN, delay_s=60)
    memory, kind = ask(Memory(), Present(walking_s=600), waiting)
    assert kind is None
    memory, kind = ask(memory, Present(walking_s=650), waiting, NOON + timedelta(seconds=59))
    assert kind is None
    memory, kind = ask(memory, Present(walking_s=660), waiting, NOON + timedelta(seconds=60))
    assert kind == WALKING


def test_what_was_held_back_comes_when_it_is_allowed_if_it_still_lasts() -> None:
    memory, kind = ask(Memory(), Present(slouched_s=700), resting=True)
    assert kind is None
    memory, kind = ask(memory, Present(slouched_s=1300), at=NOON + timedelta(minutes=10))
    assert kind == SLOUCH


def test_quiet_hours_go_over_midnight_in_the_wearers_zone() -> None:
    usual = AlertSettings()
    for hour, quiet in ((21, False), (22, True), (23, True), (0, True), (6, True), (7, False)):
        assert usual.quiet(datetime(2026, 3, 2, hour, 30 if hour == 21 else 0)) is quiet
    assert not OPEN.quiet(NOON)
    night = datetime(2026, 3, 2, 21, 30, tzinfo=UTC)  # 22:30 in Berlin
    quiet_hours = dataclasses.replace(OPEN, quiet_from_min=22 * 60, quiet_to_min=7 * 60)
    assert ask(Memory(), Present(slouched_s=700), quiet_hours, night)[1] is None


@pytest.mark.parametrize(
    "change",
    [
        {"daily_most": -1},
        {"quiet_from_min": 1440},
        {"kinds": ["shout"]},
        {"slouch_after_min": 0},
        {"rest_min": 0},
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(AlertSettingsError):
        AlertSettings.from_dict(change)


def test_settings_survive_their_way_through_json() -> None:
    assert AlertSettings.from_dict(OPEN.to_dict()) == OPEN
    assert AlertSettings.from_dict({"of_a_later_version": 1}) == AlertSettings()


def test_a_spell_survives_short_corrections_only() -> None:
    state = np.ones(600, bool)
    assert spell_s(state) == 600
    state[300:330] = False
    assert spell_s(state) == 600
    state[300:361] = False
    assert spell_s(state) == 600 - 361
    state[585:592] = False
    assert spell_s(state) == 8  # not settled yet
    state[-1] = False
    assert spell_s(state) == 0
    assert spell_s(np.zeros(0, bool)) == 0


def test_the_present_is_read_from_the_timeline() -> None:
    now_ns = ns(NOON)
    slouched = np.full(1200, 1, np.int8)
    posture = np.full(1200, CODE["sitting"], np.int8)
    line = Timeline(now_ns // NS_PER_S - 1200, posture, slouched, np.ones(1200, np.int8))
    items = [
        Result("movement", now_ns - m * 60 * NS_PER_S, now_ns, {"kind": kind})
        for m, kind in (
            (5, "sit_to_stand"),
            (20, "squat"),
            (50, "stand_to_sit"),
            (70, "sit_to_lie"),
        )
    ]
    about = {"now_ns": now_ns, "last_sample_ns": now_ns - NS_PER_S, "battery_pct": 50}
    assert present(line, items, **about) == Present(1200.0, 0.0, 2, 1.0, 50)
    line.worn[-1] = 0
    assert present(line, items, **about).slouched_s is None
    late = about | {"now_ns": now_ns + 60 * NS_PER_S}
    assert present(line, items, **late).slouched_s is None
    away = about | {"last_sample_ns": now_ns - 13 * 3600 * NS_PER_S}
    assert present(line, items, **away).silent_s is None
