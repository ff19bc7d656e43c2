"""Guided calibration: start a step, do it while the time runs, see how it went."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from analytics.dashboard.access import Permission, clinic, readings, requires, view_log
from analytics.dashboard.calibration_words import in_words
from analytics.dashboard.language import gettext, lazy
from analytics.dashboard.wanted import zone_of
from analytics.dashboard.words import local
from analytics.guidance import DISTANCE_M, open_session, plan, standing
from analytics.store.records import CalibrationStep, ClinicError, GuidedCalibration
from analytics.trunk_sensor import trunk_sensor
from wire.messages import CALIBRATION_STEPS, MAX_DISTANCE_M

blueprint = Blueprint("calibration", __name__, url_prefix="/wearers/<wearer>/calibration")

NAMES: Final = {
    "stand": lazy("Stand"),
    "sit_tall": lazy("Sit tall"),
    "slouch": lazy("Slouch"),
    "bend": lazy("Bend forward"),
    "walk": lazy("Walk ten metres"),
}
WHAT_TO_DO: Final = {
    "stand": lazy("Stand upright as you usually do, arms down, and keep still."),
    "sit_tall": lazy("Sit on the edge of a seat, as tall as you can, and keep still."),
    "slouch": lazy("Stay seated, sink down with a round back as far as you can, and keep still."),
    "bend": lazy("Stand, bend straight forward as if to touch your knees, and come back up."),
    "walk": lazy("Stand at the beginning of a straight way, walk along it as usual, and stop."),
}
QUALITIES: Final = {
    "good": lazy("good"),
    "rough": lazy("rough"),
    "failed": lazy("cannot be used"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One step on the page."""

    step: str
    name: Any
    what_to_do: Any
    state: str
    """open, ready, running, checking, passed or failed"""
    said: str


@blueprint.get("")
@requires(Permission.WEARER)
def show(wearer: str) -> ResponseReturnValue:
    """The steps, and the calibrations that were made."""
    view_log().page(current_user.name, [wearer], "calibration")
    return render_template("calibration.html", **_now(wearer))


@blueprint.get("/steps")
@requires(Permission.WEARER)
def steps(wearer: str) -> ResponseReturnValue:
    """The part of the page that is loaded again while a step is done."""
    view_log().poll(current_user.name, [wearer], "calibration")
    return render_template("calibration_steps.html", **_now(wearer))


@blueprint.post("/step")
@requires(Permission.WEARER)
def start(wearer: str) -> ResponseReturnValue:
    """A step is done now: it begins in a few seconds and ends by itself."""
    step = request.form.get("step", CALIBRATION_STEPS[0])
    if step not in CALIBRATION_STEPS:
        abort(400)
    now_ns = readings().clock_ns()
    planned = plan(step, now_ns, _distance_m() if step == "walk" else None)
    clinic().audit(current_user.name, "calibration step", wearer, step)
    sensor = trunk_sensor(clinic(), wearer)
    if sensor is None:
        flash(gettext("No sensor on the trunk is known yet: switch it on and wait a moment"))
        return redirect(url_for("calibration.show", wearer=wearer), 303)
    session = open_session(clinic(), wearer, sensor, now_ns)
    try:
        clinic().add_calibration_step(wearer, sensor, session, planned, source="dashboard")
    except ClinicError as error:
        flash(gettext("Not saved: %(why)s", why=error))
    return redirect(url_for("calibration.show", wearer=wearer, _anchor=step), 303)


@blueprint.post("/accept")
@requires(Permission.WEARER)
def accept(wearer: str) -> ResponseReturnValue:
    """Use what there is, though not every step was done."""
    clinic().audit(current_user.name, "calibration accept", wearer)
    found = _newest(wearer)
    if found is not None and _may_accept(found):
        clinic().accept_calibration(wearer, found.session)
        flash(gettext("The calibration is used from now on"))
    else:
        flash(gettext("There is nothing to use yet: stand still first"))
    return redirect(url_for("calibration.show", wearer=wearer), 303)


def _may_accept(found: GuidedCalibration) -> bool:
    return found.version is None and found.quality in {"good", "rough"}


def _distance_m() -> float:
    text = request.form.get("distance_m", "").strip().replace(",", ".")
    try:
        distance_m = float(text or DISTANCE_M)
    except ValueError:
        abort(400)
    if not (math.isfinite(distance_m) and 1 <= distance_m <= MAX_DISTANCE_M):
        abort(400)
    return distance_m


def _newest(wearer: str) -> GuidedCalibration | None:
    found = clinic().calibrations(wearer, trunk_sensor(clinic(), wearer))
    return found[0] if found else None


def _now(wearer: str) -> dict[str, Any]:
    now_ns, found = readings().clock_ns(), _newest(wearer)
    done = {step.step: step for step in found.steps} if found else {}
    rows = [_row(step, done.get(step), now_ns) for step in CALIBRATION_STEPS]
    zone = zone_of(wearer)
    made = [
        (local(found.valid_from_ns, zone), found.version, QUALITIES.get(found.quality or ""))
        for found in clinic().calibrations(wearer)
        if found.valid_from_ns is not None
    ]
    return {
        "made": made,
        "wearer": wearer,
        "rows": rows,
        "pending": any(row.state in {"ready", "running", "checking"} for row in rows),
        "may_accept": found is not None and _may_accept(found),
        "version": found.version if found else None,
        "distance_m": DISTANCE_M,
    }


def _row(step: str, done: CalibrationStep | None, now_ns: int) -> Row:
    now = standing(done, now_ns)
    words = {
        "open": "",
        "ready": gettext("Get ready: %(seconds)s", seconds=now.left_s),
        "running": gettext("Now: %(seconds)s", seconds=now.left_s),
        "checking": gettext("Done. It is being looked at …"),
        "passed": gettext("Well done."),
        "failed": "",
    }
    said = " ".join(filter(None, (words[now.state], in_words(done.message) if done else "")))
    return Row(step, NAMES[step], WHAT_TO_DO[step], now.state, said)
