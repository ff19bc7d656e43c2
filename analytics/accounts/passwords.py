"""Argon2 passwords. An unknown user costs the same time as a wrong password."""

from __future__ import annotations

from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from analytics.store.records import ClinicError

_HASHER = PasswordHasher()  # argon2id with the parameters of RFC 9106, low memory
MIN_PASSWORD: Final = 12
MAX_PASSWORD: Final = 1024
"""Longer input is refused before it is hashed."""
MIN_LETTERS: Final = 5
"""Different characters: "aaaaaaaaaaaa" is no secret."""
OWN_NAME: Final = 3
"""A name shorter than this is in every other word."""


def hashed(password: str, name: str) -> str:
    """The hash to keep of a new password of `name`; ClinicError, with what to do, for one that is
    easy to guess."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise ClinicError(
            f"the password has {len(password)} characters; use {MIN_PASSWORD} to {MAX_PASSWORD}"
        )
    if len(set(password)) < MIN_LETTERS:
        raise ClinicError(f"the password repeats itself; use {MIN_LETTERS} different characters")
    if len(name) >= OWN_NAME and name.casefold() in password.casefold():
        raise ClinicError("the password contains the name of the log-in; choose another")
    return _HASHER.hash(password)


def verify(password_hash: str | None, password: str) -> bool:
    """Whether the password fits; False for no such user (None), after the same work."""
    if len(password) > MAX_PASSWORD:
        return False
    try:
        fits = _HASHER.verify(password_hash or _decoy(), password)
    except (VerificationError, InvalidHashError):
        return False
    return fits and password_hash is not None


@cache
def _decoy() -> str:
    return _HASHER.hash("a password that no user has")
