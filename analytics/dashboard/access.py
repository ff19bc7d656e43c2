"""Who may do what: every endpoint says what it requires, and one that says nothing is refused.

The check runs before any view, so a route cannot forget it; a test walks the URL map.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum
from typing import Any, Final, TypeVar

from flask import Flask, abort, current_app, request
from flask.typing import ResponseReturnValue
from flask_login import current_user

from analytics.dashboard.readings import Readings
from analytics.export_jobs import ExportJobs
from analytics.store.clinic import Clinic
from analytics.store.records import Role

View = TypeVar("View", bound=Callable[..., Any])
_MARK: Final = "required_permission"
_SCOPE: Final = "required_scope"
_BACKGROUND: Final = "in_background"
LIVE_AUDIT_S: Final = 3600.0
"""Polling is on record once in this time per user, wearer and view, pages every time."""


class Permission(Enum):
    """What a request must bring."""

    PUBLIC = "anybody"
    LOGGED_IN = "any log-in"
    PATIENT = "a patient, about the own wearer"
    STAFF = "anybody but a patient"
    INVITES = "a clinician or an admin"
    RESEARCHER = "a researcher"
    ADMIN = "an admin"
    WEARER = "may_see() of the <wearer> in the URL"
    CLINICIAN = "a clinician or admin, and may_see() of the <wearer> in the URL"
    EXPORT = "the <job> in the URL is the own one, of wearers who may still be seen"


def requires(
    permission: Permission, *, scope: str | None = None, background: bool = False
) -> Callable[[View], View]:
    """Mark a view with the permission it requires; goes below the route decorator.

    scope: what a token must be good for; None: no token opens this view. background: pages ask
    this by themselves, so that it is no sign of a person.
    """

    def mark(view: View) -> View:
        setattr(view, _MARK, permission)
        setattr(view, _SCOPE, scope)
        setattr(view, _BACKGROUND, background)
        return view

    return mark


def permission_of(app: Flask, endpoint: str) -> Permission | None:
    """The permission an endpoint requires; None (refused) when it was never marked."""
    return getattr(app.view_functions[endpoint], _MARK, None)


def scope_of(app: Flask, endpoint: str) -> str | None:
    """The scope of tokens that an endpoint takes; None: it takes none."""
    return getattr(app.view_functions[endpoint], _SCOPE, None)


def keeps_alive(app: Flask, endpoint: str | None) -> bool:
    """Whether asking this shows that a person is there."""
    return endpoint is not None and not getattr(app.view_functions[endpoint], _BACKGROUND, False)


def check_request() -> ResponseReturnValue | None:
    """Refuse what is not allowed; registered as the app's `before_request`."""
    if request.endpoint is None:
        return None  # no such route: Flask answers 404
    permission = permission_of(current_app, request.endpoint)
    if permission is Permission.PUBLIC:
        if current_app.config["WTF_CSRF_ENABLED"]:
            current_app.extensions["csrf"].protect()
        return None
    if permission is None:
        abort(403)
    if not current_user.is_authenticated:
        answer: ResponseReturnValue = current_app.login_manager.unauthorized()  # type: ignore[attr-defined]
        return answer
    token = current_user.token
    if token is not None and scope_of(current_app, request.endpoint) not in token.scopes:
        abort(403)
    if permission in ABOUT_ONE and not _may_see_wearer():
        abort(403)
    if permission is Permission.EXPORT and not _may_have_export():
        abort(403)
    if current_user.role not in ROLES[permission]:
        abort(403)
    if token is None and current_app.config["WTF_CSRF_ENABLED"]:
        current_app.extensions["csrf"].protect()
    return None


ROLES: Final = {
    Permission.LOGGED_IN: frozenset(Role),
    Permission.PATIENT: frozenset({Role.PATIENT}),
    Permission.STAFF: frozenset(Role) - {Role.PATIENT},
    Permission.INVITES: frozenset({Role.CLINICIAN, Role.ADMIN}),
    Permission.RESEARCHER: frozenset({Role.RESEARCHER}),
    Permission.ADMIN: frozenset({Role.ADMIN}),
    Permission.WEARER: frozenset(Role),
    Permission.CLINICIAN: frozenset({Role.CLINICIAN, Role.ADMIN}),
    Permission.EXPORT: frozenset(Role),
}
ABOUT_ONE: Final = frozenset({Permission.WEARER, Permission.CLINICIAN})
"""The wearer in the address must be one that the user may see."""


def _may_see_wearer() -> bool:
    wearer = (request.view_args or {}).get("wearer")
    return isinstance(wearer, str) and clinic().may_see(current_user.name, wearer)


def _may_have_export() -> bool:
    job = (request.view_args or {}).get("job")
    found = clinic().export(job) if isinstance(job, str) else None
    if found is None or found.user != current_user.name:
        return False
    return set(clinic().export_wearers(found.id)) <= set(
        clinic().visible_wearers(current_user.name)
    )


def clinic() -> Clinic:
    found: Clinic = current_app.extensions["clinic"]
    return found


def readings() -> Readings:
    found: Readings = current_app.extensions["readings"]
    return found


def export_jobs() -> ExportJobs:
    found: ExportJobs = current_app.extensions["export_jobs"]
    return found


def view_log() -> ViewLog:
    found: ViewLog = current_app.extensions["view_log"]
    return found


class ViewLog:
    """Puts on record who saw whom."""

    def __init__(self, clinic: Clinic) -> None:
        self._clinic = clinic
        self._polled_s: dict[tuple[str, str, str], float] = {}

    def page(self, user: str, wearers: list[str], detail: str) -> None:
        """A page about these wearers was shown."""
        with self._clinic.transaction():
            for wearer in wearers:
                self._clinic.audit(user, "view", wearer, detail)

    def poll(self, user: str, wearers: list[str], detail: str) -> None:
        """Live data of these wearers was asked for; repeated questions count as one view."""
        now_s = time.monotonic()
        new = [
            wearer
            for wearer in wearers
            if now_s - self._polled_s.get((user, wearer, detail), -LIVE_AUDIT_S) >= LIVE_AUDIT_S
        ]
        if new:
            self.page(user, new, detail)
            self._polled_s.update({(user, wearer, detail): now_s for wearer in new})
