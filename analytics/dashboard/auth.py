"""Log-in and log-out, rate-limited; who the session belongs to."""

from __future__ import annotations

import hashlib
import logging
import re

from flask import Blueprint, current_app, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user

from analytics.dashboard import errors
from analytics.dashboard.access import Permission, clinic, requires
from analytics.dashboard.passwords import verify
from analytics.store.records import Role, User

logger = logging.getLogger(__name__)
blueprint = Blueprint("auth", __name__)
login_manager = LoginManager()
limiter = Limiter(get_remote_address, storage_uri="memory://", strategy="moving-window")

LIFETIME_NS = {Role.PATIENT: 30 * 86_400_000_000_000}
"""A patient's phone stays logged in for a month: the diary is worth nothing if it is a burden."""
STAFF_LIFETIME_NS = 12 * 3_600_000_000_000

_OUR_PAGE = re.compile(r"/[a-z0-9][a-z0-9/?=&-]*")
"""Addresses to go on to after log-in: a path of this server, nothing a browser could read as
another host."""


class Account(UserMixin):
    """A logged-in user."""

    def __init__(self, user: User) -> None:
        self.name = user.name
        self.role = user.role
        self.wearer = user.wearer
        self._stamp = _stamp(user)

    def get_id(self) -> str:
        """Contains a digest of the password hash: a changed password ends every session."""
        return f"{self._stamp}:{self.name}"


def _stamp(user: User) -> str:
    return hashlib.sha256(user.password_hash.encode()).hexdigest()[:16]


@login_manager.user_loader
def load_account(session_id: str) -> Account | None:
    stamp, _, name = session_id.partition(":")
    user = clinic().user(name)
    if user is None or stamp != _stamp(user):
        return None
    if session.get("ends_ns", 0) <= current_app.extensions["readings"].clock_ns():
        return None
    return Account(user)


@login_manager.unauthorized_handler
def ask_for_login() -> ResponseReturnValue:
    if errors.wants_json():
        return errors.as_json(401, "log in first")
    onward = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("auth.login", next=onward if onward != "/" else None))


def _account_key() -> str:
    return f"account:{request.form.get('name', '')}"


def _failed(response: object) -> bool:
    return getattr(response, "status_code", 200) != 303


@blueprint.route("/login", methods=["GET", "POST"])
@requires(Permission.PUBLIC)
@limiter.limit("5/minute;30/hour", methods=["POST"], deduct_when=_failed)
@limiter.limit("20/hour", key_func=_account_key, methods=["POST"], deduct_when=_failed)
def login() -> ResponseReturnValue:
    """The log-in form, and its answer. Only failures count against the limits."""
    if request.method == "GET":
        if current_user.is_authenticated:
            return redirect(url_for("auth.home"))
        return render_template("login.html", failed=False)
    user = clinic().user(request.form.get("name", ""))
    password = request.form.get("password", "")
    if not verify(user.password_hash if user else None, password) or user is None:
        logger.info("a log-in failed")
        return render_template("login.html", failed=True), 401
    session.clear()
    session.permanent = True
    lifetime_ns = LIFETIME_NS.get(user.role, STAFF_LIFETIME_NS)
    session["ends_ns"] = current_app.extensions["readings"].clock_ns() + lifetime_ns
    login_user(Account(user))
    clinic().audit(user.name, "login", user.wearer)
    return redirect(_onward(), 303)


def _onward() -> str:
    """Where the user wanted to go, if that is a page of ours."""
    target = request.args.get("next", "")
    return target if _OUR_PAGE.fullmatch(target) else url_for("auth.home")


@blueprint.post("/logout")
@requires(Permission.LOGGED_IN)
def logout() -> ResponseReturnValue:
    clinic().audit(current_user.name, "logout", current_user.wearer)
    logout_user()
    session.clear()
    return redirect(url_for("auth.login"), 303)


@blueprint.get("/")
@requires(Permission.LOGGED_IN)
def home() -> ResponseReturnValue:
    """To the page that is this user's own."""
    if current_user.role is Role.PATIENT:
        return redirect(url_for("patient.me"))
    return redirect(url_for("clinician.wearers"))
