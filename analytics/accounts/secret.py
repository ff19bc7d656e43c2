"""Random secrets that are given out once and kept as digests only."""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

BYTES: Final = 32


def new_secret() -> str:
    """256 random bits as text that fits into a URL."""
    return secrets.token_urlsafe(BYTES)


def digest(secret: str) -> bytes:
    """SHA-256. Nobody can guess a random secret, so that a slow hash would gain nothing."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
