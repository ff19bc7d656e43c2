"""Guessing is made to wait: longer with every failure under one name, whoever guesses from where.

It also keeps out the person whose name is guessed at, but never for longer than MAX_WAIT_NS.
"""

from __future__ import annotations

from typing import Final

from analytics.accounts.secret import digest
from analytics.accounts.sessions import DAY_NS, MINUTE_NS
from analytics.store.clinic import Clinic

FREE: Final = 5
"""Failures in a row that cost nothing: a person who tries to remember."""
FIRST_WAIT_NS: Final = MINUTE_NS // 2
MAX_WAIT_NS: Final = 15 * MINUTE_NS
"""At one guess in this time, 12 characters outlive everybody."""
FORGET_NS: Final = DAY_NS


def wait_ns(clinic: Clinic, name: str, now_ns: int) -> int:
    """How long nobody may try under this name; 0 when one may. A name that is nobody's counts
    like any other, so that this tells nothing."""
    failures, last_ns = clinic.failures(digest(name))
    if failures < FREE or now_ns - last_ns > FORGET_NS:
        return 0
    doubled = min(failures - FREE, 10)
    return max(0, last_ns + min(FIRST_WAIT_NS << doubled, MAX_WAIT_NS) - now_ns)


def failed(clinic: Clinic, name: str, now_ns: int) -> None:
    """A wrong password or code."""
    clinic.add_failure(digest(name), now_ns, now_ns - FORGET_NS)


def succeeded(clinic: Clinic, name: str) -> None:
    """Failures in a row end here."""
    clinic.forget_failures(digest(name))
