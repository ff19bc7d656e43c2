"""Tokens of the API: what a program shows in place of a log-in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from analytics.accounts.secret import digest, new_secret
from analytics.accounts.sessions import DAY_NS, HOUR_NS
from analytics.store.clinic import Clinic
from analytics.store.records import ApiToken, ClinicError, User

READ: Final = "read"
EXPORT: Final = "export"
LIMITS: Final = "limits"
SCOPES: Final = {
    READ: "read what I may see",
    EXPORT: "make and download exports",
    LIMITS: "change the limits of wearers",
}
PREFIX: Final = "trunkline_"
"""Tells people, and programs that search for leaked secrets, what this is."""
MAX_DAYS: Final = 366
MAX_NAME: Final = 60
MAX_TOKENS: Final = 20


def issue(
    clinic: Clinic,
    user: User,
    name: str,
    scopes: Iterable[str],
    days: int,
    *,
    now_ns: int,
    by: str,
) -> str:
    """A new token, which is shown now and never again. ClinicError when something does not fit."""
    wanted = tuple(scope for scope in SCOPES if scope in set(scopes))
    if not wanted or set(scopes) - set(SCOPES):
        raise ClinicError(f"choose what the token is good for: {', '.join(SCOPES)}")
    if not 1 <= days <= MAX_DAYS:
        raise ClinicError(f"a token lasts 1 to {MAX_DAYS} days")
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise ClinicError(f"say in up to {MAX_NAME} characters what the token is for")
    secret = PREFIX + new_secret()
    token = ApiToken(user.name, name, wanted, now_ns, now_ns + days * DAY_NS)
    with clinic.transaction():
        if len(clinic.tokens(user.name)) >= MAX_TOKENS:
            raise ClinicError(f"there are {MAX_TOKENS} tokens already; revoke one first")
        token_id = clinic.add_token(digest(secret), token)
        clinic.audit(by, "token add", user.wearer, f"{user.name} {token_id} {' '.join(wanted)}")
    return secret


def holder_of(clinic: Clinic, secret: str, now_ns: int) -> tuple[User, ApiToken] | None:
    """Whose token this is; None when it is over, revoked, or never was."""
    found = clinic.token(digest(secret)) if secret.startswith(PREFIX) else None
    if found is None or now_ns >= found[1].ends_ns:
        return None
    used_ns = found[1].used_ns
    if found[1].id is not None and (used_ns is None or now_ns - used_ns >= HOUR_NS):
        clinic.touch_token(found[1].id, now_ns)
    return found


def revoke(clinic: Clinic, user: User, token_id: int, *, by: str) -> None:
    """The token is good for nothing from now on; ClinicError when this user has none such."""
    with clinic.transaction():
        if not clinic.remove_token(user.name, token_id):
            raise ClinicError(f"{user.name} has no token {token_id}")
        clinic.audit(by, "token revoke", user.wearer, f"{user.name} {token_id}")
