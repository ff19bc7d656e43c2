"""Identifiers that may travel: pseudonyms, sensor ids, session ids. Never a name or an address."""

from __future__ import annotations

import re

from ulid import ULID

_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
RESERVED_SENSOR_IDS = frozenset({"agent", "mark", "state", "alert"})
"""Third topic level words that a sensor must not be called (see wire.topics)."""
RESERVED_WEARER_IDS = frozenset({"server", "home-assistant"})
"""Broker accounts that are not a wearer's agent."""


class IdError(ValueError):
    """An identifier that must not travel; the message says what one looks like."""


def check_wearer(wearer: str) -> str:
    """Return `wearer` if it is a pseudonym fit for topics and URLs, else raise IdError."""
    if not _SLUG.fullmatch(wearer) or wearer in RESERVED_WEARER_IDS:
        raise IdError(
            f"wearer id {wearer[:40]!r} is not valid: use 1-32 of a-z, 0-9 and '-', "
            f"not '-' at either end, and none of {', '.join(sorted(RESERVED_WEARER_IDS))}"
        )
    return wearer


def check_sensor(sensor: str) -> str:
    """Return `sensor` if it is a sensor id fit for topics, else raise IdError."""
    if not _SLUG.fullmatch(sensor) or sensor in RESERVED_SENSOR_IDS:
        raise IdError(
            f"sensor id {sensor[:40]!r} is not valid: use 1-32 of a-z, 0-9 and '-', "
            f"and none of {', '.join(sorted(RESERVED_SENSOR_IDS))}"
        )
    return sensor


def new_session(after: str | None = None) -> str:
    """A new sensor-session id: a ULID, so that sessions sort by the time they began; behind
    `after`, whatever the clock says meanwhile."""
    made = str(ULID())
    if after is None or made > after:
        return made
    return str(ULID.from_int(int(ULID.from_str(after)) + (1 << 80)))


def check_session(session: str) -> str:
    """Return `session` if it is a ULID as we write it, else raise IdError."""
    if not _ULID.fullmatch(session):
        raise IdError(f"session id {session[:40]!r} is not a ULID")
    return session


def session_bytes(session: str) -> bytes:
    """The 16 bytes of a session id as it travels."""
    try:
        return ULID.from_str(session).bytes
    except ValueError as error:
        raise IdError(f"session id {session[:40]!r} is not a ULID") from error


def session_text(raw: bytes) -> str:
    """The text form of 16 session bytes."""
    if len(raw) != 16:
        raise IdError(f"session id has {len(raw)} bytes, expected 16")
    return str(ULID.from_bytes(raw))
