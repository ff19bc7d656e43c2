"""Sessions of browsers: how long they last, and what ends them."""

from __future__ import annotations

from typing import Final

from analytics.accounts.secret import digest, new_secret
from analytics.store.clinic import Clinic
from analytics.store.records import LoginSession, Role, User

MINUTE_NS: Final = 60_000_000_000
HOUR_NS: Final = 60 * MINUTE_NS
DAY_NS: Final = 24 * HOUR_NS

STAFF_IDLE_NS: Final = 30 * MINUTE_NS
STAFF_LIFETIME_NS: Final = 12 * HOUR_NS
PATIENT_IDLE_NS: Final = 14 * DAY_NS
PATIENT_LIFETIME_NS: Final = 30 * DAY_NS
"""A patient sees one person's data, on the own phone, many times a day: the diary is worth nothing
if it is a burden. Everybody else follows ASVS 3.3.2 (30 minutes, 12 hours)."""
TOUCH_NS: Final = MINUTE_NS
"""The last use is written no more often than this: reading pages must not write."""


def idle_ns(role: Role) -> int:
    """How long a session lives without being used."""
    return PATIENT_IDLE_NS if role is Role.PATIENT else STAFF_IDLE_NS


def lifetime_ns(role: Role) -> int:
    """How long a session lives however much it is used."""
    return PATIENT_LIFETIME_NS if role is Role.PATIENT else STAFF_LIFETIME_NS


def begin(clinic: Clinic, user: User, device: str, now_ns: int) -> str:
    """A new session; returns its secret, which nobody had before."""
    secret = new_secret()
    ends_ns = now_ns + lifetime_ns(user.role)
    clinic.add_session(digest(secret), LoginSession(user.name, device, now_ns, now_ns, ends_ns))
    return secret


def user_of(clinic: Clinic, secret: str, now_ns: int, *, used: bool) -> User | None:
    """Whose session this is; None when it is over or never was. used: a person did something,
    not a page that refreshes itself."""
    found = clinic.session(digest(secret))
    if found is None:
        return None
    user, session = found
    if now_ns >= min(session.ends_ns, session.seen_ns + idle_ns(user.role)):
        return None
    if used and now_ns - session.seen_ns >= TOUCH_NS:
        clinic.touch_session(digest(secret), now_ns)
    return user
