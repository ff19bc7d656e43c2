"""Diary entries from a form: what was tapped, checked against the words of the wire format."""

from __future__ import annotations

from collections.abc import Mapping

from analytics.dashboard import words
from analytics.dashboard.language import gettext, locale
from analytics.store.records import ClinicError, DiaryEntry
from wire.messages import SIDES, SITES, SYMPTOMS

UNDO_NS = 60_000_000_000
"""How long an entry can be taken back."""


def entry_of(wearer: str, form: Mapping[str, str], now_ns: int) -> DiaryEntry:
    """The entry that a form describes: what ("pain.groin"), severity, side (may be missing).

    Raises ClinicError when a value is not one of the choices.
    """
    symptom, _, site = form.get("what", "").partition(".")
    side = form.get("side") or None
    severity = form.get("severity", "")
    if symptom not in SYMPTOMS or site not in SITES:
        raise ClinicError(gettext("choose what you feel and where"))
    if side is not None and side not in SIDES:
        raise ClinicError(gettext("the side is left, right or both"))
    if severity not in {str(n) for n in range(11)}:
        raise ClinicError(gettext("choose how strong it is, from 0 to 10"))
    return DiaryEntry(
        wearer=wearer,
        at_ns=now_ns,
        symptom=symptom,
        site=site,
        side=side,
        severity=int(severity),
        entered_ns=now_ns,
        source="dashboard",
    )


def text_of(entry: DiaryEntry) -> str:
    """ "Pain, low back, left: 6 of 10"."""
    parts = [str(words.SYMPTOMS.get(entry.symptom, entry.symptom))]
    if entry.site:
        parts.append(_inside(str(words.SITES.get(entry.site, entry.site))))
    if entry.side:
        parts.append(_inside(str(words.SIDES[entry.side])))
    what = ", ".join(parts)
    if entry.severity is None:
        return what
    return gettext("%(what)s: %(strength)d of 10", what=what, strength=entry.severity)


def _inside(word: str) -> str:
    """A word in the middle of a sentence; German nouns keep their capital."""
    return word.lower() if locale().language == "en" else word


def may_undo(entry: DiaryEntry, now_ns: int) -> bool:
    """Only what was entered here, and only for a minute."""
    return entry.source == "dashboard" and now_ns - entry.entered_ns <= UNDO_NS
