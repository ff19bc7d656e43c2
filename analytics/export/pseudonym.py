"""Names and dates that say less: pseudonyms by a key, dates moved by whole weeks, k-anonymity.

A pseudonym is HMAC-SHA-256 (RFC 2104) of the wearer's id under a secret key: with the key the same
wearer has the same name in every export, without it nobody can say who it is or try ids out. It is
not anonymity: whoever knows what somebody did in a week may find the week.
"""

from __future__ import annotations

import base64
import hmac
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from analytics.export.errors import ExportError
from wire.ids import IdError, check_wearer

MIN_KEY_BYTES: Final = 32
NAME_CHARACTERS: Final = 12
"""60 bits: two of a million wearers share a name with a probability of one in two million."""
MAX_WEEKS: Final = 52
WEEK_NS: Final = 7 * 86_400 * 1_000_000_000
SMALL_K: Final = 5
"""Groups smaller than this are warned of: a common least size of published cells, for example
in the anonymisation guidance of statistical offices (3 to 10)."""
MAKE_KEY: Final = 'python3 -c "import secrets; print(secrets.token_hex(32))"'


@dataclass(frozen=True, slots=True)
class Naming:
    """How wearers are called in the files. Without a key or a given name: by their own ids."""

    key: bytes | None = field(default=None, repr=False)
    given: Mapping[str, str] = field(default_factory=dict)
    """wearer -> name, before the key."""
    shift_dates: bool = False

    def name(self, wearer: str) -> str:
        """The wearer's name in the files."""
        if wearer in self.given:
            return self.given[wearer]
        if self.key is None:
            return wearer
        digest = base64.b32encode(_hmac(self.key, "name", wearer)).decode().lower()
        return f"s{digest[:NAME_CHARACTERS]}"

    def shift_ns(self, wearer: str) -> int:
        """By how much every time is moved: 1 to 52 whole weeks into the past, the same in every
        export with this key, so that the day of the week and the time of day stay."""
        if not self.shift_dates or self.key is None:
            return 0
        weeks = 1 + int.from_bytes(_hmac(self.key, "dates", wearer)[:8]) % MAX_WEEKS
        return -weeks * WEEK_NS


def read_key(path: Path) -> bytes:
    """The key in a file; ExportError when it is not there or too short."""
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise ExportError(
            f"cannot read the key {path.name} ({error.strerror}); make one with: "
            f"{MAKE_KEY} > {path.name}"
        ) from error
    if len(key) < MIN_KEY_BYTES:
        raise ExportError(
            f"the key in {path.name} is shorter than {MIN_KEY_BYTES} bytes; make one with: "
            f"{MAKE_KEY} > {path.name}"
        )
    return key


def naming(
    wearers: Iterable[str], *, key: bytes | None, pseudonym: str | None, shift_dates: bool
) -> Naming:
    """The wishes of a command or a form as a Naming; ExportError where they do not fit."""
    everybody = list(wearers)
    if shift_dates and key is None:
        raise ExportError("dates are shifted by a key; give --key-file")
    if pseudonym is None:
        return Naming(key, {}, shift_dates)
    if len(everybody) != 1:
        raise ExportError("one --pseudonym is for one wearer; for several give --key-file")
    try:
        return Naming(key, {everybody[0]: check_wearer(pseudonym)}, shift_dates)
    except IdError as error:
        raise ExportError(str(error)) from error


def smallest_group(people: Iterable[Hashable]) -> int:
    """k of k-anonymity (Sweeney 2002): how many people the rarest combination of what the files
    tell beside the measurements has; 0 of nobody."""
    return min(Counter(people).values(), default=0)


def _hmac(key: bytes, purpose: str, wearer: str) -> bytes:
    return hmac.digest(key, f"trunkline export {purpose}: {wearer}".encode(), "sha256")
