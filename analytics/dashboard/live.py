"""The state of this moment in words, made once on the server for pages and pollers alike."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from analytics.dashboard import words
from analytics.dashboard.language import clock, gettext, short_day
from analytics.dashboard.readings import Now
from analytics.exposure.days import NS_PER_S


def now_json(now: Now, now_ns: int, zone: ZoneInfo) -> dict[str, Any]:
    """JSON of GET /api/.../now; `headline`, `detail` and `seen` are what the page shows."""
    headline, detail = _words(now)
    return {
        "live": now.live,
        "age_s": None if now.age_s is None else round(now.age_s, 1),
        "posture": now.posture if now.live else None,
        "flexion_deg": now.flexion_deg if now.live else None,
        "slouched": now.slouched if now.live else None,
        "worn": now.worn if now.live else None,
        "battery_pct": now.battery_pct,
        "last_seen_ns": now.last_seen_ns,
        "state": _state(now),
        "headline": headline,
        "detail": detail,
        "seen": _seen(now, now_ns, zone),
        "battery": ""
        if now.battery_pct is None
        else gettext("Battery %(percent)d %%", percent=now.battery_pct),
    }


def _state(now: Now) -> str:
    """One word for the look of it: stale, not_worn, slouched or a posture band."""
    if not now.live or now.posture is None:
        return "stale"
    if now.slouched:
        return "slouched"
    return "lying" if now.posture in words.LYING else now.posture


def _words(now: Now) -> tuple[str, str]:
    if now.behind:
        late = (
            gettext("The sensor sends, the analysis is late.")
            if now.age_s is None
            else gettext("The sensor sends, the analysis is late by %(n)d s.", n=round(now.age_s))
        )
        return gettext("Catching up"), late
    if not now.live:
        return gettext("No live data"), gettext(
            "The sensor is off, out of reach, or its data is late."
        )
    if now.worn is False or now.posture == "not_worn":
        return str(words.POSTURES["not_worn"]), gettext("Put the sensor on to go on recording.")
    headline = str(words.POSTURES.get(now.posture or "unknown", words.POSTURES["unknown"]))
    detail = []
    if now.slouched is not None:
        detail.append(gettext("slouched") if now.slouched else gettext("not slouched"))
    if now.flexion_deg is not None:
        detail.append(lean(now.flexion_deg))
    text = ", ".join(detail) or gettext("angle not known")
    return headline, text[:1].upper() + text[1:]


def lean(flexion_deg: float) -> str:
    """ "upright", "trunk 12° forward"."""
    degrees = round(abs(flexion_deg))
    if degrees == 0:
        return gettext("upright")
    if flexion_deg > 0:
        return gettext("trunk %(degrees)d° forward", degrees=degrees)
    return gettext("trunk %(degrees)d° back", degrees=degrees)


def _seen(now: Now, now_ns: int, zone: ZoneInfo) -> str:
    if now.live:
        return gettext("Live")
    if now.last_seen_ns is None:
        return gettext("Never seen")
    at = words.local(now.last_seen_ns, zone)
    today = words.local(now_ns, zone).date()
    when = clock(at) if at.date() == today else f"{short_day(at.date())}, {clock(at)}"
    ago = words.ago((now_ns - now.last_seen_ns) / NS_PER_S)
    return gettext("Last seen %(when)s (%(ago)s)", when=when, ago=ago)
