"""Diary entries from a form: what was tapped, checked against the words of the wire format."""

from __future__ import annotations

from collections.abc import Mapping

from analytics.dashboard import words
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
        raise ClinicError("choose what you feel and where")
    if side is not None and side not in SIDES:
        raise ClinicError("the side is left, right or both")
    if severity not in {str(n) for n in range(11)}:
        raise ClinicError("choose how strong it is, from 0 to 10")
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
    parts = [words.SYMPTOMS.get(entry.symptom, entry.symptom)]
    if entry.site:
        parts.append(words.SITES.get(entry.site, entry.site).lower())
    if entry.side:
        parts.append(words.SIDES[entry.side].lower())
    strength = "" if entry.severity is None else f": {entry.severity} of 10"
    return ", ".join(parts) + strength


def may_undo(entry: DiaryEntry, now_ns: int) -> bool:
    """Only what was entered here, and only for a minute."""
    return entry.source == "dashboard" and now_ns - entry.entered_ns <= UNDO_NS
