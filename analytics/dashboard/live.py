"""The state of this moment in words, made once on the server for pages and pollers alike."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from analytics.dashboard import words
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
        "battery": "" if now.battery_pct is None else f"Battery {now.battery_pct} %",
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
        late = "" if now.age_s is None else f" by {now.age_s:.0f} s"
        return "Catching up", f"The sensor sends, the analysis is late{late}."
    if not now.live:
        return "No live data", "The sensor is off, out of reach, or its data is late."
    if now.worn is False or now.posture == "not_worn":
        return words.POSTURES["not_worn"], "Put the sensor on to go on recording."
    headline = words.POSTURES.get(now.posture or "unknown", words.POSTURES["unknown"])
    detail = []
    if now.slouched is not None:
        detail.append("slouched" if now.slouched else "not slouched")
    if now.flexion_deg is not None:
        lean = round(abs(now.flexion_deg))
        side = "upright" if lean == 0 else f"trunk {lean}° {_way(now.flexion_deg)}"
        detail.append(side)
    return headline, ", ".join(detail).capitalize() or "Angle not known"


def _way(flexion_deg: float) -> str:
    return "forward" if flexion_deg > 0 else "back"


def _seen(now: Now, now_ns: int, zone: ZoneInfo) -> str:
    if now.live:
        return "Live"
    if now.last_seen_ns is None:
        return "Never seen"
    at = words.local(now.last_seen_ns, zone)
    today = words.local(now_ns, zone).date()
    clock = f"{at:%H:%M}" if at.date() == today else f"{at.day} {at:%b, %H:%M}"
    return f"Last seen {clock} ({words.ago((now_ns - now.last_seen_ns) / NS_PER_S)})"
