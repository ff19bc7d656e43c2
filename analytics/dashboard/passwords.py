"""Argon2 passwords. An unknown user costs the same time as a wrong password."""

from __future__ import annotations

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_HASHER = PasswordHasher()  # argon2id with the parameters of RFC 9106, low memory
MAX_PASSWORD = 1024
"""Longer input is refused before it is hashed."""


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
