"""JSON for the pages' own scripts and for programs. Errors have one shape: {"error": text}."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, current_app, jsonify
from flask.typing import ResponseReturnValue
from flask_login import current_user

from analytics.dashboard import patient
from analytics.dashboard.access import Permission, clinic, requires
from analytics.dashboard.clinician import day_of, zone_of
from analytics.dashboard.diary import UNDO_NS, text_of
from analytics.dashboard.live import now_json
from analytics.dashboard.patient import readings
from analytics.exposure.summary import Exposure

blueprint = Blueprint("api", __name__, url_prefix="/api")


@blueprint.get("/now")
@requires(Permission.LOGGED_IN)
def now_of_all() -> ResponseReturnValue:
    """wearer -> the state of this moment, for every wearer that the user may see."""
    ids = clinic().visible_wearers(current_user.name)
    current_app.extensions["view_log"].poll(current_user.name, ids, "now")
    return jsonify({wearer: _now(wearer) for wearer in ids})


@blueprint.get("/wearers/<wearer>/now")
@requires(Permission.WEARER)
def now(wearer: str) -> ResponseReturnValue:
    """The state of this moment."""
    current_app.extensions["view_log"].poll(current_user.name, [wearer], "now")
    return jsonify(_now(wearer))


@blueprint.get("/wearers/<wearer>/days/<on>")
@requires(Permission.WEARER)
def day(wearer: str, on: str) -> ResponseReturnValue:
    """Exposure of a local day (YYYY-MM-DD) and of its hours. null: cannot be said."""
    wanted = day_of(on, zone_of(wearer))
    current_app.extensions["view_log"].page(current_user.name, [wearer], f"day {wanted.date}")
    found = readings().day(wearer, wanted).exposure
    return jsonify(
        date=found.date.isoformat(),
        time_zone=wanted.zone.key,
        longest_sitting_min=found.longest_sitting_min,
        hours=[{"hour": hour.hour.label, **_exposure(hour.exposure)} for hour in found.hours],
        **_exposure(found.exposure),
    )


@blueprint.post("/me/diary")
@requires(Permission.PATIENT)
def add_diary() -> ResponseReturnValue:
    """A diary entry, as a form: what=pain.groin, severity=0..10, side=left|right|both or none."""
    entry = patient.add_entry()
    stored = clinic().diary(entry.wearer, entry.at_ns, entry.at_ns + 1)
    return jsonify(id=stored[-1].id, text=text_of(entry), undo_s=UNDO_NS // 10**9), 201


@blueprint.delete("/me/diary/<int:entry_id>")
@requires(Permission.PATIENT)
def undo_diary(entry_id: int) -> ResponseReturnValue:
    """Take an own entry back within a minute."""
    patient.undo_entry(entry_id)
    return jsonify(removed=entry_id)


def _now(wearer: str) -> dict[str, Any]:
    found = readings()
    return now_json(found.now(wearer), found.clock_ns(), zone_of(wearer))


def _exposure(exposure: Exposure) -> dict[str, Any]:
    return asdict(exposure)
