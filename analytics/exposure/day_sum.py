"""A day's exposure as one small result, so that pages of months read rows and not timelines.

Day and hours are what `day_exposure` said to the last bit. An hour without any data is null. The
hours are packed into one text (base64 of zlib of JSON): a list of hundreds of wearers, which needs
the days only, passes over them instead of reading thousands of rows that nobody looks at.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from itertools import accumulate
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

_MEANING: Final = 2
"""Count up when a figure of the same name gets another meaning."""
_NAMES: Final = tuple(field.name for field in fields(Exposure))[2:]
"""Without start_ns and end_ns: those are the hour's."""
_KEYS: Final = {
    "posture_min": WORN_POSTURES,
    "slouched_min": tuple(field.name for field in fields(Band)),
    "movements": MOVEMENTS,
}
_WIDTH: Final = {name: len(_KEYS.get(name, " ")) for name in _NAMES}
_AT: Final = dict(zip(_NAMES, accumulate(_WIDTH.values(), initial=0), strict=False))
"""Where each figure begins in a row: the numbers of an interval, one after the other, in one list.
Months are read at once, and lists within lists are what reading them would cost most."""
_ROW: Final = sum(_WIDTH.values())
_LAYOUT: Final = ("longest_sitting_min", "day", "hours")
FORMAT: Final = hashlib.sha256(repr((_MEANING, _NAMES, _KEYS, _LAYOUT)).encode()).hexdigest()[:8]
"""A sum of another format is none: figures were added since, or mean something else."""


def body_of(found: DayExposure) -> dict[str, Any]:
    """The JSON object of a day's sum."""
    return {
        "format": FORMAT,
        "longest_sitting_min": found.longest_sitting_min,
        "day": _row(found.exposure),
        "hours": _packed(
            [hour.hour.start_ns for hour in found.hours],
            [_row(hour.exposure) for hour in found.hours],
        ),
    }


def exposure_of(day: Day, body: Mapping[str, Any]) -> DayExposure | None:
    """The exposure that `body_of` was made of; None when it is of another format or damaged, or of
    a day whose hours lie elsewhere (the wearer's time zone was changed since)."""
    hours = day.hours()
    starts_ns, rows = _unpacked(body["hours"]) if _is_ours(body) else ([], [])
    if starts_ns != [hour.start_ns for hour in hours]:
        return None
    parts = [
        _exposure(row, hour.start_ns, hour.end_ns) for row, hour in zip(rows, hours, strict=True)
    ]
    return DayExposure(
        date=day.date,
        exposure=_exposure(body["day"], day.start_ns, day.end_ns),
        longest_sitting_min=body["longest_sitting_min"],
        hours=tuple(HourExposure(*pair) for pair in zip(hours, parts, strict=True)),
    )


def figure_of(body: Mapping[str, Any], name: str) -> float | None:
    """One figure of a sum without building the rest: minutes or a count of the whole day, of a band
    its middle. None where it cannot be said, and for a sum that is none."""
    row = body["day"] if _is_ours(body) else None
    return None if row is None else row[_AT[name]]


def _is_ours(body: Mapping[str, Any]) -> bool:
    """Whether this program wrote it: everything else is made anew, whatever it holds."""
    if body.get("format") != FORMAT or not all(name in body for name in _LAYOUT):
        return False
    return body["day"] is None or len(body["day"]) == _ROW


def _packed(starts_ns: list[int], rows: list[list[Any] | None]) -> str:
    return base64.b64encode(zlib.compress(json.dumps([starts_ns, rows]).encode())).decode()


def _unpacked(text: Any) -> tuple[list[int], list[list[Any] | None]]:
    """What `_packed` was given; nothing of what it did not write."""
    try:
        starts_ns, rows = json.loads(zlib.decompress(base64.b64decode(text)))
    except (TypeError, ValueError, zlib.error):
        return [], []
    is_whole = len(starts_ns) == len(rows) and all(row is None or len(row) == _ROW for row in rows)
    return (starts_ns, rows) if is_whole else ([], [])


def _row(exposure: Exposure) -> list[Any] | None:
    if exposure.worn_min is None:
        return None
    row: list[Any] = []
    for name in _NAMES:
        value = getattr(exposure, name)
        if value is None:
            row += [None] * _WIDTH[name]
        elif isinstance(value, Band):
            row += [value.mid, value.low, value.high]
        elif isinstance(value, Mapping):
            row += [value[key] for key in _KEYS[name]]
        else:
            row.append(value)
    return row


def _exposure(row: Sequence[Any] | None, start_ns: int, end_ns: int) -> Exposure:
    if row is None:
        return not_worn(start_ns, end_ns, worn_min=None)
    values = list(row)
    for name, made_of in _FROM_THE_END:
        part = slice(_AT[name], _AT[name] + _WIDTH[name])
        values[part] = (made_of(values[part]),)
    return Exposure(start_ns, end_ns, *values)


def _postures(minutes: list[float | None]) -> dict[str, float | None] | None:
    """None of an interval that was not worn: of one that was, one posture at least is known."""
    known = minutes.count(None) < len(minutes)
    return dict(zip(WORN_POSTURES, minutes, strict=True)) if known else None


def _band(minutes: list[float | None]) -> Band | None:
    return None if None in minutes else Band(*minutes)  # type: ignore[arg-type]


def _movements(counts: list[int | None]) -> dict[str, int | None]:
    return dict(zip(MOVEMENTS, counts, strict=True))


_FROM_THE_END: Final = (
    ("movements", _movements),
    ("slouched_min", _band),
    ("posture_min", _postures),
)
