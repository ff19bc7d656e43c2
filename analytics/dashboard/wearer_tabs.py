"""The pages about one wearer, as tabs; each reader is offered the ones that open for them."""

from __future__ import annotations

from typing import Final

from flask import Flask, current_app, url_for
from flask_login import current_user

from analytics.dashboard.access import ROLES, Permission, permission_of, readings
from analytics.dashboard.language import lazy
from analytics.dashboard.wanted import zone_of
from analytics.store.records import Role

_TABS: Final = (
    ("weeks", "clinician.wearer", lazy("Weeks")),
    ("day", "clinician.wearer_on", lazy("Day")),
    ("signals", "signals.show", lazy("Signals")),
    ("trends", "trends.show", lazy("Gait and breathing")),
    ("association", "association.show", lazy("Associations")),
    ("compare", "compare.show", lazy("Compare")),
    ("limits", "clinical.limits", lazy("Limits")),
    ("notes", "clinical.notes", lazy("Notes")),
    ("quality", "quality.show", lazy("Quality")),
    ("calibration", "calibration.show", lazy("Calibration")),
    ("report", "report.show", lazy("Report")),
)


def register(app: Flask) -> None:
    """Offer the tabs to templates."""
    app.jinja_env.globals.update(
        wearer_tabs=wearer_tabs, is_patient=is_patient, may_invite=may_invite
    )


def is_patient() -> bool:
    """Whether the reader is the wearer."""
    return current_user.is_authenticated and current_user.role is Role.PATIENT


def may_invite() -> bool:
    """Whether the reader may make log-ins."""
    return current_user.is_authenticated and current_user.role in ROLES[Permission.INVITES]


def wearer_tabs(wearer: str) -> list[tuple[str, str, str]]:
    """(name, address, title) of each page that the reader may open."""
    found = []
    for name, endpoint, title in _TABS:
        if is_patient() and permission_of(current_app, endpoint) is not Permission.WEARER:
            continue
        on = readings().today(zone_of(wearer)).date.isoformat() if name == "day" else None
        found.append((name, url_for(endpoint, wearer=wearer, on=on), str(title)))
    return found
