"""Pages for clinicians: every wearer at a glance, one wearer's weeks, and one day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, abort, current_app, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user

from analytics.dashboard import (
    association,
    association_words,
    charts,
    glance,
    periods,
    tables,
)
from analytics.dashboard.access import Permission, clinic, readings, requires, view_log
from analytics.dashboard.diary import text_of
from analytics.dashboard.given_alerts import in_words
from analytics.dashboard.heat import MEASURES, heat
from analytics.dashboard.language import clock, gettext, short_day
from analytics.dashboard.live import page_state
from analytics.dashboard.ribbon import ribbon
from analytics.dashboard.roster import (
    BASELINE_DAYS,
    ORDERS,
    RECENT_DAYS,
    Row,
    in_order,
    unexplained,
)
from analytics.dashboard.wanted import day_of, zone_of
from analytics.dashboard.words import ago, local
from analytics.exposure.days import NS_PER_S, Day
from analytics.exposure.summary import DayExposure
from analytics.store.records import DiaryEntry

blueprint = Blueprint("clinician", __name__)

WEEK: Final = 7
WEEKS_SHOWN: Final = 8
FALLING_FIRST: Final = frozenset({"flags", "worn", "slouched", "change", "pain"})
MAX_FILTER: Final = 40


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive days and what was felt in them."""

    days: list[DayExposure]
    diary: list[DiaryEntry]


@blueprint.get("/wearers")
@requires(Permission.STAFF)
def wearers() -> ResponseReturnValue:
    """Every wearer that this user may see, those that need a look first."""
    order, way = request.args.get("order", "flags"), request.args.get("way", "")
    wanted, flagged = request.args.get("name", "")[:MAX_FILTER], "flagged" in request.args
    if order not in ORDERS or way not in {"", "up", "down"}:
        abort(404)
    falling = way == "down" if way else order in FALLING_FIRST
    visible = set(clinic().visible_wearers(current_user.name))
    people = [
        person
        for person in clinic().wearers()
        if person.wearer in visible and wanted.lower() in person.wearer.lower()
    ]
    view_log().page(current_user.name, [person.wearer for person in people], "list")
    rows = current_app.extensions["roster"].rows(people)
    rows = [row for row in rows if row.flags or not flagged]
    zones = {person.wearer: person.time_zone for person in people}
    return render_template(
        "wearers.html",
        rows=in_order(rows, order, falling=falling),
        seen={row.wearer: _seen(row) for row in rows},
        zones=zones,
        granted=len(visible),
        order=order,
        falling=falling,
        falling_first=FALLING_FIRST,
        name=wanted,
        flagged=flagged,
        recent_days=RECENT_DAYS,
        baseline_days=BASELINE_DAYS,
    )


def _seen(row: Row) -> str:
    if row.last_seen_ns is None:
        return gettext("never seen")
    return ago(max(0, readings().clock_ns() - row.last_seen_ns) / NS_PER_S)


@blueprint.get("/wearers/<wearer>")
@requires(Permission.WEARER)
def wearer(wearer: str) -> ResponseReturnValue:
    """Eight weeks: what changed, when in the day, and what was felt."""
    measure = request.args.get("heat", "slouched")
    if measure not in MEASURES:
        abort(404)
    view_log().page(current_user.name, [wearer], "weeks")
    today = readings().today(zone_of(wearer))
    ago = stretch(wearer, today.plus(-association.DAYS), today)
    found = association.answer_from(wearer, today.plus(-association.DAYS), ago.days[:-1], ago.diary)
    shown = ago.days[-WEEK * WEEKS_SHOWN :]
    begin_ns = shown[0].exposure.start_ns
    whole = Stretch(shown, [entry for entry in ago.diary if entry.at_ns >= begin_ns])
    half = len(whole.days) // 2
    middle_ns = today.plus(1 - half).start_ns
    before = [entry for entry in whole.diary if entry.at_ns < middle_ns]
    after = [entry for entry in whole.diary if entry.at_ns >= middle_ns]
    lines = periods.lines((whole.days[:half], before), (whole.days[half:], after))
    settings = clinic().wearer(wearer).settings
    missing = unexplained(clinic(), wearer, today, glance.RECENT_DAYS)
    return render_template(
        "wearer.html",
        wearer=wearer,
        tab="weeks",
        now=page_state(wearer),
        days=whole.days,
        half=half,
        answers=glance.glance(lines, whole.days, settings, found, missing),
        caution=association_words.caution(),
        lines=lines,
        heat=heat(whole.days, measure),
        measures={name: word for name, (word, _, _) in MEASURES.items()},
        charts=charts.of_days(whole.days, whole.diary, today.zone, "weeks"),
        by_day=tables.exposure_by_day(whole.days),
        movements_by_day=tables.movements_by_day(whole.days),
        symptoms=_in_words(whole.diary, today),
    )


@blueprint.get("/wearers/<wearer>/<on>")
@requires(Permission.WEARER)
def wearer_on(wearer: str, on: str) -> ResponseReturnValue:
    """A day (YYYY-MM-DD) and the seven days that it is among."""
    day = day_of(on, zone_of(wearer))
    view_log().page(current_user.name, [wearer], f"week {day.date}")
    found = readings()
    today = found.today(day.zone)
    week = seven_days(day, today)
    chosen = found.day(wearer, day)
    around = stretch(wearer, week[0], week[-1])
    day_diary = [e for e in around.diary if day.start_ns <= e.at_ns < day.end_ns]
    return render_template(
        "week.html",
        wearer=wearer,
        tab="day",
        now=page_state(wearer),
        day=day,
        today=today,
        week=week,
        chosen=chosen.exposure,
        ribbon=ribbon(day, chosen.line, day_diary, chosen.items),
        day_charts=charts.of_hours(chosen.exposure, day_diary, day.zone),
        week_charts=charts.of_days(around.days, around.diary, day.zone, "week"),
        by_day=tables.exposure_by_day(around.days),
        by_hour=tables.exposure_by_hour(chosen.exposure),
        movements_by_day=tables.movements_by_day(around.days),
        movements_by_hour=tables.movements_by_hour(chosen.exposure),
        symptoms=_in_words(around.diary, day),
        alerts=[
            (local(alert.at_ns, day.zone), in_words(alert))
            for alert in clinic().alerts(wearer, day.start_ns, day.end_ns)
        ],
    )


def stretch(wearer: str, first: Day, last: Day) -> Stretch:
    """The days first .. last with their diary."""
    days = [first.plus(n) for n in range((last.date - first.date).days + 1)]
    return Stretch(
        readings().days(wearer, days), clinic().diary(wearer, first.start_ns, last.end_ns)
    )


def seven_days(day: Day, today: Day) -> tuple[Day, ...]:
    """The seven days that end today, or one of the sevens before them, with `day` in it."""
    back = (today.date - day.date).days
    last = today.plus(-(back - back % WEEK))
    return tuple(last.plus(-n) for n in reversed(range(WEEK)))


def _in_words(diary: list[DiaryEntry], day: Day) -> list[tuple[Any, str, str]]:
    """(time, when in words, what) of each entry."""
    found = []
    for entry in diary:
        at = local(entry.at_ns, day.zone)
        found.append((at, f"{short_day(at.date())}, {clock(at)}", text_of(entry)))
    return found
