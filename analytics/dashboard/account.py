"""A user's own account: password, devices, second factor, tokens."""

from __future__ import annotations

from typing import Final

import segno
from flask import (
    Blueprint,
    current_app,
    flash,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_login import current_user

from analytics.accounts import lockout, second_factor, tokens
from analytics.accounts.passwords import MIN_PASSWORD, hashed, verify
from analytics.accounts.secret import digest
from analytics.accounts.sessions import MINUTE_NS
from analytics.dashboard.access import ROLES, Permission, clinic, readings, requires
from analytics.dashboard.auth import enter, too_many
from analytics.dashboard.language import gettext
from analytics.store.records import ClinicError

blueprint = Blueprint("account", __name__, url_prefix="/account")
SET_UP_NS: Final = 10 * MINUTE_NS
"""How long after the password the secret of a second factor is shown."""
_SETTING_UP: Final = "setting_up"


@blueprint.get("")
@requires(Permission.LOGGED_IN)
def show() -> ResponseReturnValue:
    """Everything about the own log-in."""
    return _page()


@blueprint.post("/password")
@requires(Permission.LOGGED_IN)
def password() -> ResponseReturnValue:
    """A new password; every session ends but this one, which gets a new secret."""
    if answer := refused():
        return answer
    new = request.form.get("new", "")
    if new != request.form.get("again", ""):
        return _page(gettext("The new password was not the same twice."), 400)
    try:
        password_hash = hashed(new, current_user.name)
    except ClinicError as error:
        return _page(str(error), 400)
    with clinic().transaction():
        clinic().set_password(current_user.name, password_hash)
        enter(current_user.user, "password changed")
    flash(gettext("Your password is changed. All other devices are logged out."))
    return redirect(url_for("account.show"), 303)


@blueprint.post("/sessions/end")
@requires(Permission.LOGGED_IN)
def end_sessions() -> ResponseReturnValue:
    """Log out everywhere, here as well."""
    clinic().audit(current_user.name, "sessions ended", current_user.wearer)
    clinic().end_sessions(current_user.name)
    flash(gettext("You are logged out on every device."))
    return redirect(url_for("auth.login"), 303)


@blueprint.post("/second-factor")
@requires(Permission.LOGGED_IN)
def start_factor() -> ResponseReturnValue:
    """The picture that the authenticator app reads."""
    if answer := refused():
        return answer
    session[_SETTING_UP] = readings().clock_ns() + SET_UP_NS
    return _factor_page()


@blueprint.post("/second-factor/confirm")
@requires(Permission.LOGGED_IN)
def confirm_factor() -> ResponseReturnValue:
    """The first code switches it on; the recovery codes are shown once."""
    now_ns = readings().clock_ns()
    if now_ns >= session.get(_SETTING_UP, 0):
        return redirect(url_for("account.show"), 303)
    try:
        codes = second_factor.confirm(
            clinic(), current_user.user, request.form.get("code", ""), now_ns
        )
    except ClinicError as error:
        return _factor_page(str(error), 400)
    clinic().end_sessions(current_user.name)
    enter(current_user.user, "session renewed")
    return render_template("account_codes.html", codes=codes)


@blueprint.post("/second-factor/off")
@requires(Permission.LOGGED_IN)
def stop_factor() -> ResponseReturnValue:
    """The password is enough again."""
    if answer := refused():
        return answer
    second_factor.switch_off(clinic(), current_user.user, by=current_user.name)
    enter(current_user.user, "session renewed")
    flash(gettext("The second factor is off."))
    return redirect(url_for("account.show"), 303)


@blueprint.post("/tokens")
@requires(Permission.LOGGED_IN)
def add_token() -> ResponseReturnValue:
    """A new token, shown once."""
    if answer := refused():
        return answer
    days = request.form.get("days", "")
    try:
        secret = tokens.issue(
            clinic(),
            current_user.user,
            request.form.get("name", "").strip(),
            request.form.getlist("scope"),
            int(days) if days.isascii() and days.isdecimal() and len(days) < 5 else 0,
            now_ns=readings().clock_ns(),
            by=current_user.name,
        )
    except ClinicError as error:
        return _page(str(error), 400)
    return render_template("account_token.html", secret=secret)


@blueprint.post("/tokens/<int:token_id>/revoke")
@requires(Permission.LOGGED_IN)
def revoke_token(token_id: int) -> ResponseReturnValue:
    """The token is good for nothing from now on."""
    known = token_id < 2**63
    tokens.revoke(clinic(), current_user.user, token_id if known else 0, by=current_user.name)
    flash(gettext("The token is revoked."))
    return redirect(url_for("account.show"), 303)


def refused() -> ResponseReturnValue | None:
    """The page with a complaint unless the form has the present password: whoever finds an open
    browser must not take the account over."""
    now_ns = readings().clock_ns()
    if wait_ns := lockout.wait_ns(clinic(), current_user.name, now_ns):
        return too_many(wait_ns)
    if verify(current_user.user.password_hash, request.form.get("password", "")):
        lockout.succeeded(clinic(), current_user.name)
        return None
    lockout.failed(clinic(), current_user.name, now_ns)
    return _page(gettext("The present password does not fit."), 403)


def _page(problem: str | None = None, status: int = 200) -> ResponseReturnValue:
    name = current_user.name
    factor = clinic().second_factor(name)
    now_ns = readings().clock_ns()
    return render_template(
        "account.html",
        problem=problem,
        now_ns=now_ns,
        sessions=clinic().sessions(name),
        here=clinic().session(digest(current_user.session)),
        factor=factor if factor and factor.confirmed else None,
        tokens=clinic().tokens(name),
        scopes=[
            scope
            for scope in tokens.SCOPES
            if scope != tokens.LIMITS or current_user.role in ROLES[Permission.CLINICIAN]
        ],
        max_days=tokens.MAX_DAYS,
        min_password=MIN_PASSWORD,
        provider=current_app.extensions.get("identity_provider"),
        identities=clinic().identities(name),
    ), status


def _factor_page(problem: str | None = None, status: int = 200) -> ResponseReturnValue:
    try:
        secret = second_factor.start(clinic(), current_user.user)
    except ClinicError as error:
        return _page(str(error), 400)
    picture = segno.make(second_factor.address(current_user.user, secret), error="m")
    return render_template(
        "account_factor.html",
        picture=picture.svg_data_uri(scale=5, border=4, light="#fff"),
        secret=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        problem=problem,
    ), status
