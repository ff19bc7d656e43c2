"""A wearer in a minute: the four answers at the top of the page."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from analytics.dashboard import glance, periods
from analytics.dashboard.glance import Answer
from analytics.exposure.association.answer import ASSOCIATED, Association, Effect, TriggerAnswer
from analytics.exposure.slouched import Band
from analytics.exposure.summary import DayExposure
from analytics.store.records import WearerSettings
from tests.analytics.dashboard.synthetic import TODAY, Site
from tests.analytics.dashboard.test_drawing import WORN

QUIET = Association(90, 0, 0, (), 0, False, (), (), ())


def days(count: int, slouched_min: float, episodes: int = 0) -> list[DayExposure]:
    exposure = replace(
        WORN,
        slouched_min=Band(slouched_min, slouched_min, slouched_min),
        slouch_episodes=episodes,
    )
    return [DayExposure(TODAY.date - timedelta(days=n), exposure, 10.0, ()) for n in range(count)]


def answers(
    before: list[DayExposure],
    now: list[DayExposure],
    found: Association = QUIET,
    unexplained: int = 0,
) -> tuple[Answer, ...]:
    lines = periods.lines((before, []), (now, []))
    return glance.glance(lines, [*before, *now], WearerSettings(), found, unexplained)


def test_what_changed_most_comes_first() -> None:
    changed, *_ = answers(days(9, 20.0), days(9, 300.0))
    assert changed.stands_out
    assert any(line.startswith("Slouched per worn hour: 150.0 min/h") for line in changed.says)
    assert ", before " in changed.says[0]
    same, *_ = answers(days(9, 20.0), days(9, 21.0))
    assert (same.says, same.stands_out) == (("Nothing by more than a quarter.",), False)


def test_two_days_are_no_comparison() -> None:
    changed, *_ = answers(days(2, 20.0), days(9, 90.0))
    assert changed.says == ("Not enough days worn yet to compare with.",)


def test_what_is_over_the_limit() -> None:
    _, over, *_ = answers(days(9, 20.0), days(7, 20.0, episodes=2))
    assert over.says[0] == "14 slouches of 10 min or longer, on 7 of 7 days worn"
    _, under, *_ = answers(days(9, 20.0), days(7, 20.0))
    assert (under.says, under.stands_out) == (("Nothing.",), False)


def test_what_goes_together_with_pain() -> None:
    effect = Effect(0.1, 0.05, 0.2, 1.2, 12.0)
    called = TriggerAnswer("squat_count", "same_day", ASSOCIATED, 40, 0.001, 0.01, effect, None)
    *_, pain, _ = answers(days(1, 0.0), days(1, 0.0), replace(QUIET, answers=(called,)))
    assert pain.says[0].startswith("More squatting (times) is associated with more pain")
    *_, pain, _ = answers(days(1, 0.0), days(1, 0.0))
    assert pain.says == ("Nothing is associated with pain so far.",)


@pytest.mark.parametrize("unexplained", [0, 1200])
def test_whether_the_data_are_good(unexplained: int) -> None:
    *_, data = answers(days(9, 20.0), days(7, 20.0), unexplained=unexplained)
    assert data.says[0].startswith("Worn on 7 of the last 7 days, ")
    assert data.stands_out == bool(unexplained)
    assert ("1,200 samples" in data.says[1]) == bool(unexplained)


def test_a_wearer_without_data(site: Site) -> None:
    client: FlaskClient = site.client("dr-lee")
    page = client.get("/wearers/anna").text
    assert page.count("Not worn in these days.") == 2
    assert "Not enough days worn yet to compare with." in page
