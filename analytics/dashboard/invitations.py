"""Invitations: who makes them, and the page behind their link."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from analytics.accounts import invitations
from analytics.accounts.passwords import MIN_PASSWORD
from analytics.dashboard.access import Permission, clinic, readings, requires
from analytics.dashboard.auth import BY_ADDRESS, enter, limiter
from analytics.dashboard.language import gettext, lazy
from analytics.store.records import ClinicError, Role

blueprint = Blueprint("invitations", __name__)

ROLE_WORDS: Final = {
    Role.PATIENT: lazy("Patient"),
    Role.CLINICIAN: lazy("Clinician"),
    Role.RESEARCHER: lazy("Researcher"),
    Role.ADMIN: lazy("Administrator"),
}


@blueprint.get("/people")
@requires(Permission.INVITES)
def people() -> ResponseReturnValue:
    """Invite somebody; an admin sees the log-ins as well."""
    return _page()


@blueprint.post("/people/invite")
@requires(Permission.INVITES)
def invite() -> ResponseReturnValue:
    """The link, shown once, to hand over."""
    form = request.form
    try:
        role = Role(form.get("role", ""))
        secret = invitations.invite(
            clinic(),
            current_user.user,
            form.get("name", "").strip(),
            role,
            form.get("wearer") or None if role is Role.PATIENT else None,
            now_ns=readings().clock_ns(),
        )
    except ClinicError as error:
        return _page(str(error), 400)
    except ValueError:
        abort(400)
    return _link(secret)


@blueprint.post("/people/invite-again")
@requires(Permission.ADMIN)
def invite_again() -> ResponseReturnValue:
    """A link to a new password for a log-in that is there."""
    name = request.form.get("name", "")
    return _link(
        invitations.invite_again(clinic(), current_user.user, name, now_ns=readings().clock_ns())
    )


@blueprint.post("/people/withdraw")
@requires(Permission.INVITES)
def withdraw() -> ResponseReturnValue:
    """Take an own invitation back."""
    name = request.form.get("name", "")
    if not clinic().withdraw_invitation(current_user.name, name):
        abort(404)
    clinic().audit(current_user.name, "invitation withdrawn", None, name)
    flash(gettext("The invitation is withdrawn."))
    return redirect(url_for("invitations.people"), 303)


def _refused(response: object) -> bool:
    return getattr(response, "status_code", 200) == 404


@blueprint.route("/invitation/<secret>", methods=["GET", "POST"])
@requires(Permission.PUBLIC)
@limiter.limit(BY_ADDRESS, deduct_when=_refused)
def accept(secret: str) -> ResponseReturnValue:
    """Set the own password and be logged in."""
    now_ns = readings().clock_ns()
    found = invitations.opened(clinic(), secret, now_ns)
    if found is None:
        return render_template("invitation.html", invitation=None, problem=None), 404
    problem = None
    if request.method == "POST":
        try:
            if request.form.get("new", "") != request.form.get("again", ""):
                raise ClinicError(gettext("The password was not the same twice."))
            user = invitations.accept(clinic(), secret, request.form.get("new", ""), now_ns=now_ns)
            enter(user)
            return redirect(url_for("auth.home"), 303)
        except ClinicError as error:
            problem = str(error)
    return render_template(
        "invitation.html", invitation=found, problem=problem, min_password=MIN_PASSWORD
    ), 400 if problem else 200


def _page(problem: str | None = None, status: int = 200) -> ResponseReturnValue:
    is_admin = current_user.role is Role.ADMIN
    wearers = (
        [wearer.wearer for wearer in clinic().wearers()]
        if is_admin
        else clinic().visible_wearers(current_user.name)
    )
    return render_template(
        "people.html",
        problem=problem,
        role_words=ROLE_WORDS,
        roles=[role for role in Role if invitations.may_invite(current_user.user, role)],
        wearers=wearers,
        invitations=clinic().invitations(current_user.name),
        now_ns=readings().clock_ns(),
        users=clinic().users() if is_admin else [],
        wishes=clinic().erase_requests() if is_admin else [],
    ), status


def _link(secret: str) -> ResponseReturnValue:
    address = url_for("invitations.accept", secret=secret, _external=True)
    return render_template("people_link.html", address=address)
