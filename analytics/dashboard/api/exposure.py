"""Exposure by local day and hour, and the timeline of a day."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import marshmallow as ma
import numpy as np

from analytics.accounts.tokens import READ
from analytics.dashboard.access import Permission, readings, requires
from analytics.dashboard.api.blueprint import blueprint, page_of, seen
from analytics.dashboard.api.fields import NS_PER_S, Dates, Instant
from analytics.dashboard.wanted import day_of, zone_of
from analytics.exposure.days import Day
from analytics.exposure.summary import DayExposure
from analytics.exposure.timeline import POSTURES, Timeline

_MINUTES = {"description": "minutes; null: cannot be said"}


class BandSchema(ma.Schema):
    """Minutes with the threshold 3 degrees higher, as set, and 3 degrees lower."""

    low = ma.fields.Float()
    mid = ma.fields.Float()
    high = ma.fields.Float()


class ExposureSchema(ma.Schema):
    """What happened in an interval."""

    start_utc = Instant(attribute="start_ns")
    end_utc = Instant(attribute="end_ns")
    worn_min = ma.fields.Float(allow_none=True, metadata=_MINUTES)
    posture_min = ma.fields.Dict(
        keys=ma.fields.String(), values=ma.fields.Float(allow_none=True), allow_none=True
    )
    slouch_known_min = ma.fields.Float(allow_none=True, metadata=_MINUTES)
    slouched_min = ma.fields.Nested(BandSchema, allow_none=True)
    slouch_episodes = ma.fields.Integer(allow_none=True)
    walking_bouts = ma.fields.Integer(allow_none=True)
    prolonged_bouts = ma.fields.Integer(allow_none=True)
    movements = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.Integer(allow_none=True))
    gap_min = ma.fields.Float(metadata=_MINUTES)
    slouch_dose = ma.fields.Float(allow_none=True)
    longest_slouch_min = ma.fields.Float(allow_none=True, metadata=_MINUTES)
    longest_walk_min = ma.fields.Float(allow_none=True, metadata=_MINUTES)


class DaySchema(ExposureSchema):
    """A local day."""

    date = ma.fields.Date()
    time_zone = ma.fields.String()
    longest_sitting_min = ma.fields.Float(allow_none=True, metadata=_MINUTES)


class HourSchema(ExposureSchema):
    """An hour of the wall clock."""

    date = ma.fields.Date()
    hour = ma.fields.String(metadata={"description": "14:00; a repeated hour: 02:00 (2nd)"})


class WholeDaySchema(DaySchema):
    """A local day and its hours."""

    hours = ma.fields.List(ma.fields.Nested(HourSchema))


class RunSchema(ma.Schema):
    """Seconds in which the state did not change."""

    start_utc = Instant(attribute="start_ns")
    seconds = ma.fields.Integer()
    posture = ma.fields.String(allow_none=True)
    slouched = ma.fields.Boolean(allow_none=True)
    worn = ma.fields.Boolean(allow_none=True, metadata={"description": "null: no data"})


class TimelineSchema(ma.Schema):
    """A local day by state; seconds without data are left out."""

    date = ma.fields.Date()
    time_zone = ma.fields.String()
    runs = ma.fields.List(ma.fields.Nested(RunSchema))


@blueprint.get("/wearers/<wearer>/days")
@requires(Permission.WEARER, scope=READ)
@blueprint.arguments(Dates, location="query")
@blueprint.response(200, DaySchema(many=True))
@blueprint.paginate(page_size=31, max_page_size=100)
def days(chosen: dict[str, date], wearer: str, pagination_parameters: Any) -> Any:
    """Exposure of local days, in order."""
    wanted = _days(wearer, chosen, pagination_parameters)
    return [_day(found, zone_of(wearer)) for found in readings().days(wearer, wanted)]


@blueprint.get("/wearers/<wearer>/days/<on>")
@requires(Permission.WEARER, scope=READ)
@blueprint.response(200, WholeDaySchema)
def day(wearer: str, on: str) -> Any:
    """Exposure of a local day (YYYY-MM-DD) and of its hours."""
    wanted = day_of(on, zone_of(wearer))
    seen(wearer, f"day {wanted.date}")
    (found,) = readings().days(wearer, [wanted])
    return {**_day(found, wanted.zone), "hours": _hours(found)}


@blueprint.get("/wearers/<wearer>/hours")
@requires(Permission.WEARER, scope=READ)
@blueprint.arguments(Dates, location="query")
@blueprint.response(200, HourSchema(many=True))
@blueprint.paginate(page_size=31, max_page_size=100)
def hours(chosen: dict[str, date], wearer: str, pagination_parameters: Any) -> Any:
    """Exposure of the hours of local days, in order. Pages count days."""
    wanted = _days(wearer, chosen, pagination_parameters)
    return [hour for found in readings().days(wearer, wanted) for hour in _hours(found)]


@blueprint.get("/wearers/<wearer>/days/<on>/timeline")
@requires(Permission.WEARER, scope=READ)
@blueprint.response(200, TimelineSchema)
def timeline(wearer: str, on: str) -> Any:
    """The states of a local day as runs. Angles by the second are results of kind timeline."""
    wanted = day_of(on, zone_of(wearer))
    seen(wearer, f"timeline {wanted.date}")
    line = readings().day(wearer, wanted).line
    return {
        "date": wanted.date,
        "time_zone": wanted.zone.key,
        "runs": _runs(line),
    }


def _days(wearer: str, chosen: dict[str, date], pages: Any) -> list[Day]:
    """The days of the page that was asked for; on record as seen."""
    first = Day(chosen["first"], zone_of(wearer))
    count = (chosen["last"] - chosen["first"]).days + 1
    part: list[int] = page_of(list(range(count)), pages)
    found = [first.plus(n) for n in part]
    if found:
        seen(wearer, f"days {found[0].date} to {found[-1].date}")
    return found


def _day(found: DayExposure, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "date": found.date,
        "time_zone": zone.key,
        "longest_sitting_min": found.longest_sitting_min,
        **asdict(found.exposure),
    }


def _hours(found: DayExposure) -> list[dict[str, Any]]:
    return [
        {"date": found.date, "hour": hour.hour.label, **asdict(hour.exposure)}
        for hour in found.hours
    ]


def _runs(line: Timeline) -> list[dict[str, Any]]:
    """Runs of equal state; what has no data is left out."""
    states = np.stack([line.posture, line.slouched, line.worn])
    change = np.flatnonzero((states[:, 1:] != states[:, :-1]).any(axis=0)) + 1
    edges = np.concatenate([[0], change, [len(line)]])
    found = []
    for first, after in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        posture, slouched, worn = (int(code) for code in states[:, first])
        if worn < 0:
            continue
        found.append(
            {
                "start_ns": (line.start_s + first) * NS_PER_S,
                "seconds": after - first,
                "posture": POSTURES[posture] if posture >= 0 else None,
                "slouched": None if slouched < 0 else bool(slouched),
                "worn": bool(worn),
            }
        )
    return found
