"""Pages for clinicians: every wearer at a glance, and one wearer's week."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, current_app, render_template
from flask.typing import ResponseReturnValue
from flask_login import current_user

from analytics.dashboard import charts, tables
from analytics.dashboard.access import Permission, clinic, readings, requires
from analytics.dashboard.diary import text_of
from analytics.dashboard.live import now_json
from analytics.dashboard.readings import COMPARED_DAYS
from analytics.dashboard.ribbon import ribbon
from analytics.dashboard.wanted import day_of, zone_of
from analytics.dashboard.words import local
from analytics.exposure.days import Day
from analytics.exposure.summary import Exposure

blueprint = Blueprint("clinician", __name__)

WEEK = 7
ENOUGH_MIN = 60.0
"""A day with less wear than this says nothing about a habit and is left out of the comparison."""


@dataclass(frozen=True, slots=True)
class Row:
    """One wearer in the list."""

    wearer: str
    now: dict[str, Any]
    exposure: Exposure
    change_min_per_h: float | None
    """Slouched minutes per worn hour today less the mean of the previous days"""
    compared_days: int


@blueprint.get("/wearers")
@requires(Permission.STAFF)
def wearers() -> ResponseReturnValue:
    """Every wearer that this user may see."""
    ids = clinic().visible_wearers(current_user.name)
    current_app.extensions["view_log"].page(current_user.name, ids, "list")
    return render_template(
        "wearers.html", compared_days=COMPARED_DAYS, rows=[_row(wearer) for wearer in ids]
    )


@blueprint.get("/wearers/<wearer>")
@requires(Permission.WEARER)
def wearer(wearer: str) -> ResponseReturnValue:
    """The last seven days, today chosen."""
    return _week(wearer, readings().today(zone_of(wearer)))


@blueprint.get("/wearers/<wearer>/<on>")
@requires(Permission.WEARER)
def wearer_on(wearer: str, on: str) -> ResponseReturnValue:
    """Seven days with the given one (YYYY-MM-DD) among them and chosen."""
    return _week(wearer, day_of(on, zone_of(wearer)))


def seven_days(day: Day, today: Day) -> tuple[Day, ...]:
    """The seven days that end today, or one of the sevens before them, with `day` in it."""
    back = (today.date - day.date).days
    last = today.plus(-(back - back % WEEK))
    return tuple(last.plus(-n) for n in reversed(range(WEEK)))


def _week(wearer: str, day: Day) -> ResponseReturnValue:
    current_app.extensions["view_log"].page(current_user.name, [wearer], f"week {day.date}")
    found = readings()
    today = found.today(day.zone)
    week = seven_days(day, today)
    days = {each.date: found.day(wearer, each) for each in week}
    chosen = days[day.date]
    exposures = [reading.exposure for reading in days.values()]
    week_diary = clinic().diary(wearer, week[0].start_ns, week[-1].end_ns)
    day_diary = [e for e in week_diary if day.start_ns <= e.at_ns < day.end_ns]
    return render_template(
        "week.html",
        wearer=wearer,
        day=day,
        today=today,
        week=week,
        now=now_json(found.now(wearer), found.clock_ns(), day.zone),
        chosen=chosen.exposure,
        ribbon=ribbon(day, chosen.line, day_diary, chosen.items),
        day_charts=charts.of_hours(chosen.exposure, day_diary, day.zone),
        week_charts=charts.of_days(exposures, week_diary, day.zone, "week"),
        by_day=tables.exposure_by_day(exposures),
        by_hour=tables.exposure_by_hour(chosen.exposure),
        movements_by_day=tables.movements_by_day(exposures),
        movements_by_hour=tables.movements_by_hour(chosen.exposure),
        symptoms=[(local(e.at_ns, day.zone), text_of(e)) for e in week_diary],
    )


def _row(wearer: str) -> Row:
    found, zone = readings(), zone_of(wearer)
    today = found.today(zone)
    exposure = found.day(wearer, today).exposure.exposure
    change, compared = change_against(exposure, found.before(wearer, today))
    return Row(
        wearer=wearer,
        now=now_json(found.now(wearer), found.clock_ns(), zone),
        exposure=exposure,
        change_min_per_h=change,
        compared_days=compared,
    )


def change_against(today: Exposure, earlier: list[Exposure]) -> tuple[float | None, int]:
    """Slouched minutes per worn hour, today less the mean of earlier days, and how many of those
    had enough wear. None when today or all of them have too little."""

    def rate(exposure: Exposure) -> float | None:
        if exposure.slouched_min is None or (exposure.worn_min or 0) < ENOUGH_MIN:
            return None
        return exposure.per_worn_hour(exposure.slouched_min.mid)

    rates = [value for value in map(rate, earlier) if value is not None]
    now = rate(today)
    if now is None or not rates:
        return None, len(rates)
    return now - sum(rates) / len(rates), len(rates)
