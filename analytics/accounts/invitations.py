"""Invitations: a link with which somebody sets the own password, once and within a few days."""

from __future__ import annotations

from typing import Final

from analytics.accounts.passwords import hashed
from analytics.accounts.secret import digest, new_secret
from analytics.accounts.sessions import DAY_NS
from analytics.store.clinic import Clinic
from analytics.store.people import check_user
from analytics.store.records import ClinicError, Invitation, Role, User

LIFETIME_NS: Final = 7 * DAY_NS


def may_invite(inviter: User, role: Role) -> bool:
    """A clinician invites patients, an admin everybody."""
    return inviter.role is Role.ADMIN or (inviter.role is Role.CLINICIAN and role is Role.PATIENT)


def invite(
    clinic: Clinic, inviter: User, name: str, role: Role, wearer: str | None, *, now_ns: int
) -> str:
    """An invitation to a new log-in `name`; returns its secret. ClinicError when the inviter may
    not, the name is taken or not valid, or the wearer is not one that the inviter may see."""
    if not may_invite(inviter, role):
        raise ClinicError(f"a {inviter.role} cannot invite a {role}")
    check_user(name, role, wearer)
    if clinic.user(name) is not None:
        raise ClinicError(f"user {name!r} exists already; choose another name")
    if wearer is not None and inviter.role is not Role.ADMIN:
        if not clinic.may_see(inviter.name, wearer):
            raise ClinicError("invite only wearers whom you may see")
    elif wearer is not None:
        clinic.wearer(wearer)
    return _add(clinic, Invitation(name, role, wearer, inviter.name, now_ns, now_ns + LIFETIME_NS))


def invite_again(clinic: Clinic, inviter: User, name: str, *, now_ns: int) -> str:
    """A link to a new password for a log-in that is there; an admin's affair."""
    if inviter.role is not Role.ADMIN:
        raise ClinicError("only an admin gives out new passwords")
    if clinic.user(name) is None:
        raise ClinicError(f"there is no user {name!r}")
    return _add(clinic, Invitation(name, None, None, inviter.name, now_ns, now_ns + LIFETIME_NS))


def opened(clinic: Clinic, secret: str, now_ns: int) -> Invitation | None:
    """The invitation behind a link; None when it was used, is over, or never was."""
    found = clinic.invitation(digest(secret))
    return found if found is not None and now_ns < found.ends_ns else None


def accept(clinic: Clinic, secret: str, password: str, *, now_ns: int) -> User:
    """Make the log-in, or give it the password; the link is void then. ClinicError for a password
    that is too easy, and for a link that is not good any more."""
    found = opened(clinic, secret, now_ns)
    if found is None:
        raise ClinicError("this link is not good any more; ask for a new one")
    password_hash = hashed(password, found.name)
    with clinic.transaction():
        if not clinic.remove_invitation(digest(secret)):
            raise ClinicError("this link is not good any more; ask for a new one")
        if found.role is None:
            clinic.set_password(found.name, password_hash)
        else:
            clinic.add_user(found.name, password_hash, found.role, found.wearer)
        clinic.audit(found.name, "invitation accepted", found.wearer, f"by {found.made_by}")
        user = clinic.user(found.name)
    if user is None:
        raise ClinicError("this link is not good any more; ask for a new one")
    return user


def _add(clinic: Clinic, invitation: Invitation) -> str:
    secret = new_secret()
    what = "new password" if invitation.role is None else str(invitation.role)
    with clinic.transaction():
        clinic.add_invitation(digest(secret), invitation)
        clinic.audit(invitation.made_by, "invite", invitation.wearer, f"{invitation.name} {what}")
    return secret
