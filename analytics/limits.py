"""Changing a wearer's personal limits, with the audit that belongs to it: for pages and API."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Final

from analytics.store.clinic import Clinic
from analytics.store.records import ClinicError, WearerSettings

RANGES: Final = {
    "slouch_enter_deg": (0.0, 90.0),
    "slouch_bout_min_s": (0.0, 86_400.0),
    "walking_limit_s": (0.0, 86_400.0),
}
"""What a clinician may set: field of WearerSettings, above the first and up to the second value."""


class ChangedMeanwhileError(ClinicError):
    """Somebody else changed the limits since they were read."""


def tag_of(settings: WearerSettings) -> str:
    """Changes with every change of the settings: what was read shows by it what it was."""
    return hashlib.sha256(repr(dataclasses.astuple(settings)).encode()).hexdigest()[:16]


def change_limits(
    clinic: Clinic,
    wearer: str,
    changes: Mapping[str, float | None],
    *,
    tag: str,
    by: str,
    via: str = "",
) -> WearerSettings:
    """Change fields of RANGES and put on record who did; returns the settings after that. None is
    for `slouch_enter_deg` only: what the analysis uses by itself.

    tag: `tag_of` of the settings that the change was made for. via: further words of the audit.
    Raises ChangedMeanwhileError, and ClinicError for a value out of range.
    """
    for name, value in changes.items():
        low, high = RANGES[name]
        is_own = value is None and name == "slouch_enter_deg"
        if not is_own and (value is None or not low < value <= high):
            raise ClinicError(f"{name} is above {low:g} and up to {high:g}")
    with clinic.transaction():
        before = clinic.wearer(wearer).settings
        if tag_of(before) != tag:
            raise ChangedMeanwhileError("somebody else changed the limits; read them again")
        after = dataclasses.replace(before, **changes)  # type: ignore[arg-type]
        clinic.set_settings(wearer, after, by=by)
        clinic.audit(by, "limits", wearer, via)
    return after
