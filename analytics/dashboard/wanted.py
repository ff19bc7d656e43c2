"""What an address names: a day, in the time zone of the wearer."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

from flask import abort

from analytics.dashboard.access import clinic
from analytics.exposure.days import Day


def zone_of(wearer: str) -> ZoneInfo:
    """Where the wearer's days are counted."""
    return clinic().wearer(wearer).zone


def day_of(text: str, zone: ZoneInfo) -> Day:
    """The day that a URL names; 404 when it is none."""
    try:
        on = date.fromisoformat(text)
    except ValueError:
        abort(404)
    if on.isoformat() != text or not 1970 < on.year < 2100:
        abort(404)
    return Day(on, zone)
