"""Writing the symptom diary, with the audit that belongs to it: for pages, API and command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from analytics.store.clinic import Clinic
from analytics.store.records import ClinicError, DiaryEntry

_AUDITED = ("at_ns", "symptom", "site", "side", "severity")


def add(clinic: Clinic, entry: DiaryEntry, by: str) -> DiaryEntry:
    """Store a new entry; returns it with its id. ClinicError when the diary says something of this
    time, symptom, site and side already, or the wearer is unknown."""
    with clinic.transaction():
        clinic.wearer(entry.wearer)
        if not clinic.add_diary(entry):
            raise ClinicError("the diary says something of this time, symptom and site already")
        said = (entry.symptom, entry.site, entry.side)
        same_time = clinic.diary(entry.wearer, entry.at_ns, entry.at_ns + 1)
        stored = next(e for e in same_time if (e.symptom, e.site, e.side) == said)
        clinic.audit(by, "diary add", entry.wearer, f"entry {stored.id}")
    return stored


def change(clinic: Clinic, before: DiaryEntry, changes: Mapping[str, Any], by: str) -> DiaryEntry:
    """Change fields of a stored entry; the audit keeps what they were. ClinicError as for add."""
    after = dataclasses.replace(before, **changes)
    with clinic.transaction():
        clinic.change_diary(after)
        clinic.audit(by, "diary edit", before.wearer, difference(before, after))
    return after


def remove(clinic: Clinic, entry: DiaryEntry, by: str) -> None:
    """Delete a stored entry; the audit keeps what it said, without the note."""
    with clinic.transaction():
        clinic.delete_diary(entry.wearer, entry.id or 0)
        said = " ".join(str(getattr(entry, name)) for name in _AUDITED)
        clinic.audit(by, "diary delete", entry.wearer, f"entry {entry.id}: {said}")


def difference(before: DiaryEntry, after: DiaryEntry) -> str:
    """ "entry 17: severity 6 -> 4" for the audit; of a note only that it changed."""
    changes = []
    for name in _AUDITED:
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            changes.append(f"{name} {old} -> {new}")
    if before.note != after.note:
        changes.append("note")
    return f"entry {after.id}: " + ", ".join(changes or ["nothing"])
