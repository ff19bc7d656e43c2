"""A day's exposure as one small result, so that pages of months read rows and not timelines.

Day and hours are what `day_exposure` said to the last bit. An hour without any data is null.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from analytics.exposure.days import Day
from analytics.exposure.observable import MOVEMENTS
from analytics.exposure.slouched import Band
from analytics.exposure.summary import (
    WORN_POSTURES,
    DayExposure,
    Exposure,
    HourExposure,
    not_worn,
)

_MEANING: Final = 1
"""Count up when a figure of the same name gets another meaning."""
_NAMES: Final = tuple(field.name for field in fields(Exposure))[2:]
"""Without start_ns and end_ns: those are the hour's."""
_KEYS: Final = {"posture_min": WORN_POSTURES, "movements": MOVEMENTS}
_KEYED: Final = tuple((_NAMES.index(name), keys) for name, keys in _KEYS.items())
_BAND: Final = _NAMES.index("slouched_min")
FORMAT: Final = hashlib.sha256(repr((_MEANING, _NAMES, _KEYS)).encode()).hexdigest()[:8]
"""A sum of another format is none: figures were added since, or mean something else."""


def body_of(found: DayExposure) -> dict[str, Any]:
    """The JSON object of a day's sum."""
    return {
        "format": FORMAT,
        "longest_sitting_min": found.longest_sitting_min,
        "day": _row(found.exposure),
        "hour_starts_ns": [hour.hour.start_ns for hour in found.hours],
        "hours": [_row(hour.exposure) for hour in found.hours],
    }


def exposure_of(day: Day, body: Mapping[str, Any]) -> DayExposure | None:
    """The exposure that `body_of` was made of; None when it is of another format, or of a day
    whose hours lie elsewhere (the wearer's time zone was changed since)."""
    hours = day.hours()
    if body["format"] != FORMAT or body["hour_starts_ns"] != [hour.start_ns for hour in hours]:
        return None
    parts = [
        _exposure(row, hour.start_ns, hour.end_ns)
        for row, hour in zip(body["hours"], hours, strict=True)
    ]
    return DayExposure(
        date=day.date,
        exposure=_exposure(body["day"], day.start_ns, day.end_ns),
        longest_sitting_min=body["longest_sitting_min"],
        hours=tuple(HourExposure(*pair) for pair in zip(hours, parts, strict=True)),
    )


def figure_of(body: Mapping[str, Any], name: str) -> float | None:
    """One figure of a sum without building the rest: minutes or a count of the whole day, of a band
    its middle. None where it cannot be said, and for a sum of another format."""
    if body["format"] != FORMAT:
        return None
    value = None if body["day"] is None else body["day"][_NAMES.index(name)]
    return value[0] if isinstance(value, list) else value


def _row(exposure: Exposure) -> list[Any] | None:
    if exposure.worn_min is None:
        return None
    return [_json(name, getattr(exposure, name)) for name in _NAMES]


def _json(name: str, value: Any) -> Any:
    if isinstance(value, Band):
        return [value.mid, value.low, value.high]
    return [value[key] for key in _KEYS[name]] if isinstance(value, Mapping) else value


def _exposure(row: Sequence[Any] | None, start_ns: int, end_ns: int) -> Exposure:
    if row is None:
        return not_worn(start_ns, end_ns, worn_min=None)
    values = list(row)  # thousands on one page: no names here
    for at, keys in _KEYED:
        if values[at] is not None:
            values[at] = dict(zip(keys, values[at], strict=True))
    if values[_BAND] is not None:
        values[_BAND] = Band(*values[_BAND])
    return Exposure(start_ns, end_ns, *values)
