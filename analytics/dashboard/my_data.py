"""The patient's own data: download, who has seen it, and the wish to have it erased."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from analytics.dashboard.access import (
    Permission,
    clinic,
    export_jobs,
    readings,
    requires,
    view_log,
)
from analytics.dashboard.account import refused
from analytics.dashboard.language import gettext, lazy
from analytics.dashboard.words import local
from analytics.export.formats import RAW, RESULTS
from analytics.export_request import ExportRequest
from analytics.exposure.days import Day
from analytics.store.records import EraseRequest

blueprint = Blueprint("my_data", __name__, url_prefix="/me/data")

PAGE: Final = 50
ACTION_WORDS: Final = {
    "view": lazy("looked at"),
    "export": lazy("exported"),
    "download": lazy("downloaded"),
    "diary add": lazy("added to the diary"),
    "diary edit": lazy("changed the diary"),
    "diary delete": lazy("deleted from the diary"),
    "login": lazy("logged in"),
    "logout": lazy("logged out"),
    "grant": lazy("was let in by"),
    "revoke": lazy("was shut out by"),
}
"""What stands in the audit, in words; everything else stands as it is."""


@blueprint.get("")
@requires(Permission.PATIENT)
def show() -> ResponseReturnValue:
    """What can be done with the own data."""
    view_log().page(current_user.name, [current_user.wearer], "my data")
    return _page()


@blueprint.post("/export")
@requires(Permission.PATIENT)
def export() -> ResponseReturnValue:
    """Everything that there is, as one file; samples only when asked for, they are large."""
    parts = (RAW, RESULTS) if "raw" in request.form else (RESULTS,)
    export_jobs().ask(current_user.name, _everything(parts))
    flash(gettext("Your file is being made. It appears below."))
    return redirect(url_for("my_data.show"), 303)


@blueprint.get("/seen")
@requires(Permission.PATIENT)
def seen() -> ResponseReturnValue:
    """Who saw and changed what, newest first."""
    wearer = current_user.wearer
    view_log().page(current_user.name, [wearer], "who saw my data")
    text = request.args.get("page", "1")
    page = int(text) if text.isascii() and text.isdecimal() and 0 < len(text) < 7 else 1
    page = max(1, page)
    zone = clinic().wearer(wearer).zone
    entries = clinic().audit_entries(wearer, PAGE, (page - 1) * PAGE)
    return render_template(
        "my_data_seen.html",
        entries=[
            (local(entry.at_ns, zone), entry, ACTION_WORDS.get(entry.action, entry.action))
            for entry in entries
        ],
        page=page,
        pages=-(-clinic().audit_count(wearer) // PAGE),
    )


@blueprint.get("/erase")
@requires(Permission.PATIENT)
def erase() -> ResponseReturnValue:
    """What erasing means, and the second step."""
    view_log().page(current_user.name, [current_user.wearer], "erase")
    return render_template("my_data_erase.html")


@blueprint.post("/erase")
@requires(Permission.PATIENT)
def request_erase() -> ResponseReturnValue:
    """Put the wish on record; the clinic carries it out."""
    if answer := refused():
        return answer
    wearer = current_user.wearer
    with clinic().transaction():
        clinic().request_erase(EraseRequest(wearer, current_user.name, readings().clock_ns()))
        clinic().audit(current_user.name, "erase requested", wearer)
    flash(gettext("Your clinic sees your wish. You can take it back until it is carried out."))
    return redirect(url_for("my_data.show"), 303)


@blueprint.post("/erase/withdraw")
@requires(Permission.PATIENT)
def withdraw_erase() -> ResponseReturnValue:
    """Keep the data after all."""
    if clinic().withdraw_erase(current_user.wearer):
        clinic().audit(current_user.name, "erase request withdrawn", current_user.wearer)
        flash(gettext("Nothing will be erased."))
    return redirect(url_for("my_data.show"), 303)


def _everything(parts: tuple[str, ...]) -> ExportRequest:
    """From the first sample or result to today."""
    wearer = current_user.wearer
    zone = clinic().wearer(wearer).zone
    today = readings().today(zone)
    known = [span.first_ns for span in readings().sensors(wearer)]
    known += [span.first_ns for span in readings().result_spans(wearer)]
    known += [clinic().wearer(wearer).created_ns]
    first = min(Day.at(min(known), zone).date, today.date)
    return ExportRequest((wearer,), first, today.date, "csv", parts, own=True)


def _page() -> ResponseReturnValue:
    wearer = current_user.wearer
    zone = clinic().wearer(wearer).zone
    wishes = clinic().erase_requests(wearer)
    return render_template(
        "my_data.html",
        jobs=clinic().exports(current_user.name),
        size=readings().estimate(_everything((RAW, RESULTS))),
        erase_at=local(wishes[0].at_ns, zone) if wishes else None,
    )
