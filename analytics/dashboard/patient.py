"""The patient's own page: now, how it feels, today."""

from __future__ import annotations

from typing import Any, Final
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from analytics.alert_watch import settings_of
from analytics.dashboard import tables, timers, words
from analytics.dashboard.access import Permission, clinic, readings, requires
from analytics.dashboard.diary import entry_of, may_undo, text_of
from analytics.dashboard.given_alerts import alerts_today
from analytics.dashboard.language import gettext, lazy
from analytics.dashboard.live import page_state
from analytics.dashboard.ribbon import ribbon
from analytics.dashboard.wanted import day_of
from analytics.exposure.days import Day
from analytics.store.records import DiaryEntry

blueprint = Blueprint("patient", __name__)

MAX_WEEKS_BACK: Final = 520
FURTHER: Final = (
    ("my_data.show", lazy("My data: download, erase, who has seen it")),
    ("account.show", lazy("My log-in: password, devices, second factor")),
)
"""Pages that "More" leads to."""


@blueprint.get("/me")
@requires(Permission.PATIENT)
def me() -> ResponseReturnValue:
    """The whole page."""
    current_app.extensions["view_log"].page(current_user.name, [current_user.wearer], "me")
    return render_template("me.html", now=page_state(current_user.wearer), **_today())


@blueprint.get("/me/today")
@requires(Permission.PATIENT, background=True)
def today() -> ResponseReturnValue:
    """The part of the page that is loaded again while it is open."""
    current_app.extensions["view_log"].poll(current_user.name, [current_user.wearer], "me")
    return render_template("me_today.html", **_today())


@blueprint.get("/me/week")
@requires(Permission.PATIENT)
def week() -> ResponseReturnValue:
    """Seven days as ribbons, today's first; `back` is a number of weeks."""
    back = request.args.get("back", 0, type=int)
    if not 0 <= back <= MAX_WEEKS_BACK:
        abort(404)
    current_app.extensions["view_log"].page(current_user.name, [current_user.wearer], "my week")
    found, zone = readings(), own_zone()
    last = found.today(zone).plus(-7 * back)
    days = [last.plus(n) for n in range(-6, 1)]
    diary = clinic().diary(current_user.wearer, days[0].start_ns, days[-1].end_ns)
    read = found.days(current_user.wearer, days)
    lines = found.lines(current_user.wearer, days)
    exposures = read[::-1]
    return render_template(
        "me_week.html",
        back=back,
        days=[
            {
                "day": day,
                "exposure": exposure.exposure,
                "ribbon": ribbon(day, line, _of_day(diary, day)),
            }
            for day, exposure, line in zip(days[::-1], exposures, lines[::-1], strict=True)
        ],
        by_day=tables.exposure_by_day(exposures),
        movements_by_day=tables.movements_by_day(exposures),
    )


@blueprint.get("/me/days/<on>")
@requires(Permission.PATIENT)
def day(on: str) -> ResponseReturnValue:
    """One of the own days (YYYY-MM-DD)."""
    wanted = day_of(on, own_zone())
    detail = f"my day {wanted.date}"
    current_app.extensions["view_log"].page(current_user.name, [current_user.wearer], detail)
    return render_template("me_day.html", **_day(wanted))


@blueprint.get("/me/more")
@requires(Permission.PATIENT)
def more() -> ResponseReturnValue:
    """Everything that is not needed every day."""
    offered = [(endpoint, title) for endpoint, title in FURTHER if _is_there(endpoint)]
    return render_template("me_more.html", further=offered)


@blueprint.post("/me/diary")
@requires(Permission.PATIENT)
def add() -> ResponseReturnValue:
    """A diary entry from the form."""
    entry = add_entry()
    flash(gettext("Saved: %(what)s", what=text_of(entry)))
    return redirect(url_for("patient.me"), 303)


@blueprint.post("/me/diary/<int:entry_id>/undo")
@requires(Permission.PATIENT)
def undo(entry_id: int) -> ResponseReturnValue:
    """Take an entry back within a minute."""
    undo_entry(entry_id)
    flash(gettext("Taken back"))
    return redirect(url_for("patient.me"), 303)


def add_entry() -> DiaryEntry:
    """Store the entry in the request's form for the patient who is logged in."""
    entry = entry_of(current_user.wearer, request.form, readings().clock_ns())
    clinic().add_diary(entry)
    clinic().audit(current_user.name, "diary add", current_user.wearer)
    return entry


def undo_entry(entry_id: int) -> None:
    """Delete an own entry; 404 when there is none, 409 when the minute is over."""
    found = [entry for entry in _entries() if entry.id == entry_id]
    if not found:
        abort(404)
    if not may_undo(found[0], readings().clock_ns()):
        abort(409)
    clinic().delete_diary(current_user.wearer, entry_id)
    clinic().audit(current_user.name, "diary undo", current_user.wearer)


def own_zone() -> ZoneInfo:
    return clinic().wearer(current_user.wearer).zone


def _is_there(endpoint: str) -> bool:
    return endpoint in current_app.view_functions


def _entries() -> list[DiaryEntry]:
    """Today's entries, newest first."""
    day = readings().today(own_zone())
    entries = clinic().diary(current_user.wearer, day.start_ns, day.end_ns)
    return entries[::-1]


def _of_day(diary: list[DiaryEntry], day: Day) -> list[DiaryEntry]:
    return [entry for entry in diary if day.start_ns <= entry.at_ns < day.end_ns]


def _today() -> dict[str, Any]:
    found = readings()
    wearer = clinic().wearer(current_user.wearer)
    return alerts_today(clinic(), found, wearer) | _day(found.today(own_zone()))


def _day(day: Day) -> dict[str, Any]:
    found, now_ns = readings(), readings().clock_ns()
    reading = found.day(current_user.wearer, day)
    exposure = reading.exposure.exposure
    entries = clinic().diary(current_user.wearer, day.start_ns, day.end_ns)[::-1]
    settings = settings_of(clinic(), clinic().wearer(current_user.wearer))
    return {
        "day": day,
        "is_today": day == found.today(day.zone),
        "exposure": exposure,
        "limits": timers.today(exposure, settings),
        "longest_sitting": words.minutes_or_why(reading.exposure.longest_sitting_min, exposure),
        "ribbon": ribbon(day, reading.line, entries, reading.items),
        "hours": tables.exposure_by_hour(reading.exposure),
        "movements": tables.movements_by_hour(reading.exposure),
        "entries": [
            (words.local(entry.at_ns, day.zone), text_of(entry), entry.id, may_undo(entry, now_ns))
            for entry in entries
        ],
    }
