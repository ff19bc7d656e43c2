"""Two stretches of days beside each other, each with its wear."""

from __future__ import annotations

from datetime import date

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user

from analytics.dashboard import periods
from analytics.dashboard.access import Permission, readings, requires, view_log
from analytics.dashboard.clinician import stretch
from analytics.dashboard.language import gettext
from analytics.dashboard.wanted import zone_of
from analytics.exposure.days import Day

blueprint = Blueprint("compare", __name__)

MOST_DAYS = 366
STANDARD_DAYS = 28


@blueprint.get("/wearers/<wearer>/compare")
@requires(Permission.WEARER)
def show(wearer: str) -> ResponseReturnValue:
    """from_a..to_a against from_b..to_b (YYYY-MM-DD, the last day included)."""
    view_log().page(current_user.name, [wearer], "compare")
    today = readings().today(zone_of(wearer))
    standard = {
        "from_a": today.plus(-2 * STANDARD_DAYS),
        "to_a": today.plus(-STANDARD_DAYS - 1),
        "from_b": today.plus(-STANDARD_DAYS),
        "to_b": today.plus(-1),
    }
    days, problem = dict(standard), ""
    for name in standard:
        if name in request.args:
            try:
                days[name] = Day(date.fromisoformat(request.args[name]), today.zone)
            except ValueError:
                problem = gettext("A day is written as 2026-03-02.")
    for begin, end in (("from_a", "to_a"), ("from_b", "to_b")):
        length = (days[end].date - days[begin].date).days + 1
        if not 1 <= length <= MOST_DAYS:
            problem = problem or gettext(
                "A stretch has 1 to %(most)d days and ends after it begins.", most=MOST_DAYS
            )
    if problem:
        days = standard
    first = stretch(wearer, days["from_a"], days["to_a"])
    second = stretch(wearer, days["from_b"], days["to_b"])
    return render_template(
        "compare.html",
        wearer=wearer,
        tab="compare",
        chosen={name: day.date for name, day in days.items()},
        problem=problem,
        lines=periods.lines((first.days, first.diary), (second.days, second.diary)),
    ), 400 if problem else 200
