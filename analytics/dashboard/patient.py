"""The patient's own page: now, how it feels, today."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from analytics.dashboard import tables, words
from analytics.dashboard.access import Permission, clinic, readings, requires
from analytics.dashboard.diary import entry_of, may_undo, text_of
from analytics.dashboard.given_alerts import alerts_today
from analytics.dashboard.language import gettext
from analytics.dashboard.live import now_json
from analytics.dashboard.ribbon import ribbon
from analytics.store.records import DiaryEntry

blueprint = Blueprint("patient", __name__)


@blueprint.get("/me")
@requires(Permission.PATIENT)
def me() -> ResponseReturnValue:
    """The whole page."""
    current_app.extensions["view_log"].page(current_user.name, [current_user.wearer], "me")
    zone = own_zone()
    found = readings()
    return render_template(
        "me.html",
        now=now_json(found.now(current_user.wearer), found.clock_ns(), zone),
        **_today(),
    )


@blueprint.get("/me/today")
@requires(Permission.PATIENT)
def today() -> ResponseReturnValue:
    """The part of the page that is loaded again while it is open."""
    current_app.extensions["view_log"].poll(current_user.name, [current_user.wearer], "me")
    return render_template("me_today.html", **_today())


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
    return ZoneInfo(clinic().wearer(current_user.wearer).time_zone)


def _entries() -> list[DiaryEntry]:
    """Today's entries, newest first."""
    day = readings().today(own_zone())
    entries = clinic().diary(current_user.wearer, day.start_ns, day.end_ns)
    return entries[::-1]


def _today() -> dict[str, Any]:
    found, zone = readings(), own_zone()
    reading = found.day(current_user.wearer, found.today(zone))
    exposure = reading.exposure.exposure
    now_ns, entries = found.clock_ns(), _entries()
    return {
        **alerts_today(clinic(), found, clinic().wearer(current_user.wearer)),
        "day": reading.day,
        "exposure": exposure,
        "longest_sitting": words.minutes_or_why(reading.exposure.longest_sitting_min, exposure),
        "ribbon": ribbon(reading.day, reading.line, entries),
        "hours": tables.exposure_by_hour(reading.exposure),
        "movements": tables.movements_by_hour(reading.exposure),
        "entries": [
            (words.local(entry.at_ns, zone), text_of(entry), entry.id, may_undo(entry, now_ns))
            for entry in entries
        ],
    }
