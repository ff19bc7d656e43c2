"""Pages for researchers: cohorts, exports, the data dictionary, where figures come from."""

from __future__ import annotations

from datetime import date
from typing import Any, Final
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
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
from analytics.dashboard.language import gettext, lazy
from analytics.export import dictionary as data_dictionary
from analytics.export.errors import ExportError
from analytics.export.formats import FORMATS, PARTS
from analytics.export_request import ExportRequest
from analytics.store.records import ClinicError

blueprint = Blueprint("research", __name__, url_prefix="/research")
MAX_COHORTS: Final = 50
MAX_NAME: Final = 60
FINE: Final = {
    "rate_hz": (
        lazy("Samples"),
        {
            "full": lazy("every sample"),
            "50": lazy("means, 50 a second"),
            "25": lazy("means, 25 a second"),
            "10": lazy("means, 10 a second"),
            "5": lazy("means, 5 a second"),
            "1": lazy("means of each second"),
        },
    ),
    "resolution": (
        lazy("Results"),
        {
            "second": lazy("by the second"),
            "minute": lazy("by the minute"),
            "hour": lazy("by the hour"),
            "day": lazy("by the day"),
        },
    ),
}
"""Options of the formats that have them: what they are about, and their choices in words."""
USUAL: Final = {"rate_hz": "full", "resolution": "second"}
"""What is not asked for; a format without the choice takes no other."""


@blueprint.get("")
@requires(Permission.RESEARCHER)
def show() -> ResponseReturnValue:
    """Choose wearers, days and a format; what was asked for and how far it is."""
    return _page()


@blueprint.post("/estimate")
@requires(Permission.RESEARCHER)
def estimate() -> ResponseReturnValue:
    """How large it would be, and which computations made the results."""
    try:
        wanted = _wanted()
        wanted.check()
    except (ExportError, ValueError) as error:
        return _page(problem=_told(error), status=400)
    view_log().page(current_user.name, list(wanted.wearers), "size of an export")
    made_by: dict[str, set[str]] = {}
    for wearer in wanted.wearers:
        days = wanted.days(clinic().wearer(wearer).zone)
        for each in readings().provenances(wearer, days[0].start_ns, days[-1].end_ns):
            key = f"{each.algorithm_version}, {each.params_hash}"
            made_by.setdefault(key, set()).add(wearer)
    return _page(size=readings().estimate(wanted), made_by=sorted(made_by.items()))


@blueprint.post("/exports")
@requires(Permission.RESEARCHER)
def export() -> ResponseReturnValue:
    """Ask for the export."""
    try:
        export_jobs().ask(current_user.name, _wanted())
    except (ExportError, ClinicError, ValueError) as error:
        return _page(problem=_told(error), status=400)
    flash(gettext("Your export is being made. It appears below."))
    return redirect(url_for("research.show"), 303)


@blueprint.post("/exports/<job>/delete")
@requires(Permission.EXPORT)
def remove(job: str) -> ResponseReturnValue:
    """Stop an export, or delete its file."""
    export_jobs().remove(job)
    return redirect((request.form.get("back") == "me" and "/me/data") or "/research", 303)


@blueprint.post("/cohorts")
@requires(Permission.RESEARCHER)
def keep_cohort() -> ResponseReturnValue:
    """Keep the chosen wearers under a name."""
    name = request.form.get("cohort", "").strip()
    chosen = _chosen()
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable() or not chosen:
        return _page(problem=gettext("Choose wearers and a name for the cohort."), status=400)
    others = [cohort for cohort in clinic().cohorts(current_user.name) if cohort.name != name]
    if len(others) >= MAX_COHORTS:
        return _page(problem=gettext("There are too many cohorts; delete one."), status=400)
    clinic().set_cohort(current_user.name, name, chosen)
    flash(gettext("Cohort kept"))
    return redirect(url_for("research.show"), 303)


@blueprint.post("/cohorts/<int:cohort>/delete")
@requires(Permission.RESEARCHER)
def remove_cohort(cohort: int) -> ResponseReturnValue:
    """Forget a cohort; nothing happens to its wearers."""
    clinic().remove_cohort(current_user.name, cohort if cohort < 2**63 else 0)
    return redirect(url_for("research.show"), 303)


@blueprint.get("/dictionary")
@requires(Permission.STAFF)
def dictionary() -> ResponseReturnValue:
    """Every table and column of an export."""
    return render_template("research_dictionary.html", tables=data_dictionary.TABLES)


def _chosen() -> list[str]:
    """Wearers of the form and of the cohorts in it; 403 for one who may not be seen."""
    chosen = dict.fromkeys(request.form.getlist("wearer"))
    picked = set(request.form.getlist("in_cohort"))
    for cohort in clinic().cohorts(current_user.name):
        if str(cohort.id) in picked:
            chosen |= dict.fromkeys(cohort.wearers)
    if not set(chosen) <= set(clinic().visible_wearers(current_user.name)):
        abort(403)
    return list(chosen)


def _wanted() -> ExportRequest:
    """What the form says. Raises ValueError for a day that is none, ExportError."""
    form = request.form
    return ExportRequest(
        wearers=tuple(_chosen()),
        first=date.fromisoformat(form.get("first", "")),
        last=date.fromisoformat(form.get("last", "")),
        format=form.get("format", ""),
        parts=tuple(dict.fromkeys(form.getlist("part"))),
        options={name: form[name] for name in FINE if form.get(name, USUAL[name]) != USUAL[name]},
        renamed="renamed" in form,
        shift_dates="shift_dates" in form,
    )


def _told(error: Exception) -> str:
    if isinstance(error, ExportError | ClinicError):
        return str(error)
    return gettext("Choose the first and the last day.")


def _page(status: int = 200, **more: Any) -> ResponseReturnValue:
    name = current_user.name
    ids = clinic().visible_wearers(name)
    view_log().page(name, ids, "research")
    today = readings().today(ZoneInfo("UTC")).date
    return render_template(
        "research.html",
        **{"problem": None, "size": None, "made_by": [], **more},
        wearers=ids,
        cohorts=clinic().cohorts(name),
        formats=FORMATS,
        parts=PARTS,
        fine=FINE,
        form=request.form,
        today=today.isoformat(),
        jobs=clinic().exports(name),
    ), status
