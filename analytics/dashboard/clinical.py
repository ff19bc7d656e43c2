"""What a clinician writes: personal limits, with their history, and notes, with every wording."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from analytics.alert_watch import settings_of
from analytics.dashboard.access import Permission, clinic, requires, view_log
from analytics.dashboard.language import clock, gettext, lazy, number, short_day
from analytics.dashboard.wanted import zone_of
from analytics.dashboard.words import local
from analytics.limits import RANGES, ChangedMeanwhileError, change_limits, tag_of
from analytics.store.clinical import MAX_NOTE
from analytics.store.records import ClinicError, LimitChange, Note

blueprint = Blueprint("clinical", __name__)

LIMITS: Final = {
    "slouch_enter_deg": (lazy("Slouched from this many degrees of flexion"), 1.0),
    "slouch_bout_min_s": (lazy("A slouch is an episode from this many minutes"), 60.0),
    "walking_limit_s": (lazy("Walking is prolonged from this many minutes"), 60.0),
}
"""Field of WearerSettings: its words, and how many of its unit are one of the form's."""
NAMES: Final = {name: word for name, (word, _) in LIMITS.items()} | {
    "alerts_on": lazy("Alerts wanted")
}


@blueprint.get("/wearers/<wearer>/limits")
@requires(Permission.CLINICIAN)
def limits(wearer: str) -> ResponseReturnValue:
    """The limits, what the wearer set, and who changed what."""
    view_log().page(current_user.name, [wearer], "limits")
    person = clinic().wearer(wearer)
    values = {
        name: _form_text(getattr(person.settings, name), unit) for name, (_, unit) in LIMITS.items()
    }
    zone = zone_of(wearer)
    return render_template(
        "limits.html",
        wearer=wearer,
        tab="limits",
        tag=tag_of(person.settings),
        limits={name: (word, values[name]) for name, (word, _) in LIMITS.items()},
        own=settings_of(clinic(), person),
        alerts_on=person.settings.alerts_on,
        changes=[
            (
                _when(change.at_ns, zone),
                change.user,
                str(NAMES.get(change.name, change.name)),
                _shown(change, change.old),
                _shown(change, change.new),
            )
            for change in clinic().limit_changes(wearer)
        ],
    )


@blueprint.post("/wearers/<wearer>/limits")
@requires(Permission.CLINICIAN)
def set_limits(wearer: str) -> ResponseReturnValue:
    """Replace the limits; days gone by keep theirs until they are computed again."""
    try:
        changes, tag = _changes(request.form), request.form.get("tag", "")
        change_limits(clinic(), wearer, changes, tag=tag, by=current_user.name)
    except ChangedMeanwhileError:
        flash(gettext("Not saved: somebody else changed these limits. Look at them again."))
    except ClinicError as error:
        flash(gettext("Not saved: %(why)s", why=error))
    else:
        flash(gettext("Saved"))
    return redirect(url_for("clinical.limits", wearer=wearer), 303)


def _changes(form: Mapping[str, str]) -> dict[str, float | None]:
    """The limits that a form says. ClinicError, in the reader's words, for what is none."""
    changes: dict[str, float | None] = {}
    for name, (word, unit) in LIMITS.items():
        text = form.get(name, "").strip().replace(",", ".")
        if not text and name == "slouch_enter_deg":
            changes[name] = None
            continue
        try:
            value = float(text)
        except ValueError as error:
            raise ClinicError(gettext("“%(what)s” must be a number", what=word)) from error
        low, high = RANGES[name]
        if not low < value * unit <= high:
            most = number(high / unit)
            raise ClinicError(
                gettext("“%(what)s” must be above 0 and at most %(most)s", what=word, most=most)
            )
        changes[name] = value * unit
    return changes


def _form_text(value: float | None, unit: float) -> str:
    return "" if value is None else f"{value / unit:g}"


def _shown(change: LimitChange, value: float | None) -> str:
    if change.name == "alerts_on":
        return gettext("yes") if value else gettext("no")
    if value is None:
        return gettext("the detector's own")
    unit = LIMITS[change.name][1] if change.name in LIMITS else 1.0
    return number(value / unit, 1)


@blueprint.get("/wearers/<wearer>/notes")
@requires(Permission.CLINICIAN)
def notes(wearer: str) -> ResponseReturnValue:
    """Notes, newest first, each with its earlier wordings."""
    view_log().page(current_user.name, [wearer], "notes")
    return render_template(
        "notes.html",
        wearer=wearer,
        tab="notes",
        notes=latest(clinic().notes(wearer), zone_of(wearer)),
        edited=request.args.get("edit", type=int),
        most=MAX_NOTE,
    )


@blueprint.post("/wearers/<wearer>/notes")
@requires(Permission.CLINICIAN)
def add_note(wearer: str) -> ResponseReturnValue:
    """A new note, or (with `replaces`) a new wording of one."""
    try:
        replaces = request.form.get("replaces", type=int)
        clinic().add_note(wearer, current_user.name, request.form.get("text", ""), replaces)
        clinic().audit(current_user.name, "note", wearer)
        flash(gettext("Saved"))
    except ClinicError as error:
        flash(gettext("Not saved: %(why)s", why=error))
    return redirect(url_for("clinical.notes", wearer=wearer), 303)


def latest(notes: list[Note], zone: Any) -> list[dict[str, Any]]:
    """Each note in its latest wording, newest first, with the wordings before it."""
    by_id = {note.id: note for note in notes}
    replaced = {note.replaces for note in notes}
    found = []
    for note in reversed(notes):
        if note.id in replaced:
            continue
        earlier, at = [], note
        while at.replaces is not None and at.replaces in by_id:
            at = by_id[at.replaces]
            earlier.append({"when": _when(at.at_ns, zone), "user": at.user, "text": at.text})
        found.append(
            {
                "id": note.id,
                "when": _when(note.at_ns, zone),
                "user": note.user,
                "text": note.text,
                "earlier": earlier,
            }
        )
    return found


def _when(at_ns: int, zone: Any) -> str:
    at = local(at_ns, zone)
    return f"{short_day(at.date())} {at.year}, {clock(at)}"
