"""The patient's alerts: what is allowed, and "I rest now"."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from analytics.alert_watch import settings_of
from analytics.dashboard.access import Permission, clinic, readings, requires
from analytics.dashboard.given_alerts import alerts_today
from analytics.dashboard.language import gettext, lazy
from analytics.exposure.alerts import KINDS, AlertSettings, AlertSettingsError
from analytics.store.records import TimeMark

blueprint = Blueprint("alerts", __name__)

KIND_WORDS: Final = {
    "slouch": lazy("Long slouched sitting"),
    "walking": lazy("Long walking without a rest"),
    "transitions": lazy("Many changes of posture in an hour"),
    "silent": lazy("Sensor silent"),
    "battery": lazy("Battery low"),
}
NUMBERS: Final = {
    "slouch_after_min": lazy("Slouched for (minutes)"),
    "walking_after_min": lazy("Walking for (minutes)"),
    "transitions_in_an_hour": lazy("Changes of posture in an hour"),
    "daily_most": lazy("Most alerts in a day"),
    "between_min": lazy("Minutes between two alerts"),
    "delay_s": lazy("Seconds to wait after a limit is crossed"),
    "rest_min": lazy('Minutes that "I rest now" holds'),
}
TIMES: Final = {"quiet_from_min": lazy("Quiet from"), "quiet_to_min": lazy("Quiet until")}
WHOLE: Final = frozenset({"transitions_in_an_hour", "daily_most"})


@blueprint.get("/me/alerts")
@requires(Permission.PATIENT)
def show() -> ResponseReturnValue:
    """Today's alerts and the settings."""
    current_app.extensions["view_log"].page(current_user.name, [current_user.wearer], "alerts")
    wearer = clinic().wearer(current_user.wearer)
    settings = settings_of(clinic(), wearer)
    return render_template(
        "me_alerts.html",
        on=wearer.settings.alerts_on,
        settings=settings,
        kinds=KIND_WORDS,
        numbers={name: (word, _number(getattr(settings, name))) for name, word in NUMBERS.items()},
        times={name: (word, _clock(getattr(settings, name))) for name, word in TIMES.items()},
        **alerts_today(clinic(), readings(), wearer),
    )


@blueprint.post("/me/alerts")
@requires(Permission.PATIENT)
def save() -> ResponseReturnValue:
    """Replace the settings. A study is set by the clinic, not here."""
    wearer = clinic().wearer(current_user.wearer)
    before = AlertSettings.from_dict(clinic().alert_settings(wearer.wearer))
    try:
        settings = _from_form(before, request.form)
    except (AlertSettingsError, ValueError) as error:
        known = isinstance(error, AlertSettingsError)
        flash(gettext("Not saved: %(why)s", why=error) if known else gettext("Not saved"))
        return redirect(url_for("alerts.show"), 303)
    with clinic().transaction():
        clinic().set_alert_settings(wearer.wearer, settings.to_dict())
        clinic().set_settings(
            wearer.wearer,
            dataclasses.replace(wearer.settings, alerts_on="on" in request.form),
            by=current_user.name,
        )
        clinic().audit(current_user.name, "alert settings", wearer.wearer)
    flash(gettext("Saved"))
    return redirect(url_for("alerts.show"), 303)


@blueprint.post("/me/rest")
@requires(Permission.PATIENT)
def rest() -> ResponseReturnValue:
    """ "I rest now", or its end; recorded as a mark."""
    kind = "resume" if request.form.get("end") else "pause"
    clinic().add_mark(TimeMark(current_user.wearer, readings().clock_ns(), kind))
    clinic().audit(current_user.name, kind, current_user.wearer)
    flash(
        gettext("Alerts are on again")
        if kind == "resume"
        else gettext("Have a good rest: no alerts for now")
    )
    return redirect(url_for("patient.me"), 303)


def _from_form(before: AlertSettings, form: Mapping[str, str]) -> AlertSettings:
    changes: dict[str, Any] = {
        "kinds": tuple(kind for kind in KINDS if f"kind_{kind}" in form),
        "vibrate": "vibrate" in form,
    }
    for name, word in NUMBERS.items():
        text = form.get(name, "").strip().replace(",", ".")
        try:
            changes[name] = int(text) if name in WHOLE else float(text)
        except ValueError as error:
            raise AlertSettingsError(gettext("%(what)s must be a number", what=word)) from error
    for name, word in TIMES.items():
        hour, _, minute = form.get(name, "").partition(":")
        if not (hour.isdecimal() and minute.isdecimal() and int(hour) < 24 and int(minute) < 60):
            raise AlertSettingsError(gettext("%(what)s must be a time such as 22:00", what=word))
        changes[name] = int(hour) * 60 + int(minute)
    settings = dataclasses.replace(before, **changes)
    settings.check()
    return settings


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
