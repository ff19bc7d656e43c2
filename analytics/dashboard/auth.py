"""Log-in, with a second factor where there is one, and log-out."""

from __future__ import annotations

import logging
import re
from typing import Final

from flask import Blueprint, current_app, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import current_user, login_user, logout_user

from analytics.accounts import lockout, second_factor, sessions
from analytics.accounts.passwords import verify
from analytics.accounts.secret import digest
from analytics.dashboard import errors
from analytics.dashboard.access import Permission, clinic, readings, requires
from analytics.dashboard.account_of import Account, device_of, login_manager
from analytics.dashboard.language import gettext
from analytics.store.records import Role, User

logger = logging.getLogger(__name__)
blueprint = Blueprint("auth", __name__)
limiter = Limiter(get_remote_address, storage_uri="memory://", strategy="moving-window")
BY_ADDRESS: Final = "5/minute;30/hour"
"""Failed log-ins from one address, under whatever names. Guessing at one name is the affair of
analytics.accounts.lockout."""

HALF_NS: Final = 5 * sessions.MINUTE_NS
"""Time between the password and the code."""
_HALF: Final = "half"
_OUR_PAGE = re.compile(r"/[a-z0-9][a-zA-Z0-9/?=&_.-]*")
"""Addresses to go on to after log-in: a path of this server, nothing a browser could read as
another host."""


@login_manager.unauthorized_handler
def ask_for_login() -> ResponseReturnValue:
    """401 for programs, the form for people."""
    if errors.wants_json():
        return errors.as_json(401, "log in first")
    onward = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("auth.login", next=onward if onward != "/" else None))


def failed(response: object) -> bool:
    """Whether an answer to a log-in counts against the limit of an address."""
    return getattr(response, "status_code", 200) != 303


@blueprint.route("/login", methods=["GET", "POST"])
@requires(Permission.PUBLIC)
@limiter.limit(BY_ADDRESS, methods=["POST"], deduct_when=failed)
def login() -> ResponseReturnValue:
    """The log-in form, and its answer. Only failures count against the limits."""
    if request.method == "GET":
        if current_user.is_authenticated:
            return redirect(url_for("auth.home"))
        return _form()
    name, password = request.form.get("name", ""), request.form.get("password", "")
    now_ns = readings().clock_ns()
    if wait_ns := lockout.wait_ns(clinic(), name, now_ns):
        return too_many(wait_ns)
    user = clinic().user(name)
    if not verify(user.password_hash if user else None, password) or user is None:
        logger.info("a log-in failed")
        lockout.failed(clinic(), name, now_ns)
        return _form(gettext("Name and password do not fit together."), 401)
    if not second_factor.is_on(clinic(), user):
        lockout.succeeded(clinic(), name)
    return proceed(user, _onward())


def proceed(user: User, onward: str) -> ResponseReturnValue:
    """In, or to the second factor where there is one, after the first was right."""
    if not second_factor.is_on(clinic(), user):
        enter(user)
        return redirect(onward, 303)
    session.clear()
    session[_HALF] = {"name": user.name, "ends_ns": readings().clock_ns() + HALF_NS}
    return redirect(url_for("auth.code", next=request.args.get("next")), 303)


@blueprint.route("/login/code", methods=["GET", "POST"])
@requires(Permission.PUBLIC)
@limiter.limit(BY_ADDRESS, methods=["POST"], deduct_when=failed)
def code() -> ResponseReturnValue:
    """The code of the authenticator app, after the password."""
    half = session.get(_HALF)
    now_ns = readings().clock_ns()
    user = clinic().user(half["name"]) if half and now_ns < half["ends_ns"] else None
    if user is None:
        return redirect(url_for("auth.login", next=request.args.get("next")))
    if request.method == "GET":
        return render_template("login_code.html", problem=None)
    if wait_ns := lockout.wait_ns(clinic(), user.name, now_ns):
        return too_many(wait_ns)
    if not second_factor.check(clinic(), user, request.form.get("code", ""), now_ns):
        logger.info("a second factor did not fit")
        lockout.failed(clinic(), user.name, now_ns)
        problem = gettext("This code does not fit, or was used already.")
        return render_template("login_code.html", problem=problem), 401
    lockout.succeeded(clinic(), user.name)
    enter(user)
    return redirect(_onward(), 303)


def enter(user: User, action: str = "login") -> None:
    """Begin a session in this browser: a new secret, nothing of what was there before."""
    if current_user.is_authenticated and current_user.session:
        clinic().end_session(digest(current_user.session))
    kept = session.get("_flashes")
    session.clear()
    if kept:
        session["_flashes"] = kept
    session.permanent = True
    secret = sessions.begin(clinic(), user, device_of(request), readings().clock_ns())
    login_user(Account(user, session=secret))
    clinic().audit(user.name, action, user.wearer)


def too_many(wait_ns: int) -> ResponseReturnValue:
    """429, and how long to wait."""
    minutes = -(-wait_ns // sessions.MINUTE_NS)
    text = gettext("Too many attempts under this name. Wait %(n)d min, then try again.", n=minutes)
    return errors.answer(429, text)


def _form(problem: str | None = None, status: int = 200) -> ResponseReturnValue:
    provider = current_app.extensions.get("identity_provider")
    return render_template("login.html", problem=problem, provider=provider), status


def _onward() -> str:
    """Where the user wanted to go, if that is a page of ours."""
    target = request.args.get("next", "")
    return target if _OUR_PAGE.fullmatch(target) else url_for("auth.home")


@blueprint.post("/logout")
@requires(Permission.LOGGED_IN)
def logout() -> ResponseReturnValue:
    """End this session, here and on the server."""
    clinic().audit(current_user.name, "logout", current_user.wearer)
    clinic().end_session(digest(current_user.session))
    logout_user()
    session.clear()
    return redirect(url_for("auth.login"), 303)


@blueprint.get("/")
@requires(Permission.LOGGED_IN)
def home() -> ResponseReturnValue:
    """To the page that is this user's own."""
    pages = {
        Role.PATIENT: "patient.me",
        Role.RESEARCHER: "research.show",
        Role.ADMIN: "invitations.people",
    }
    return redirect(url_for(pages.get(current_user.role, "clinician.wearers")))
