"""The live state of a wearer: posture, since when, the timers, and the day so far. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from analytics.dashboard.readings import Now
from analytics.day_reading import DayReading
from analytics.exposure.timeline import CODE, NO_DATA, NS_PER_S

_SILENCE_S: Final = 120
"""The day's timeline may end this long before now and still belong to the present."""


@dataclass(frozen=True, slots=True)
class Since:
    """When the present began; None where it is not so, or not known."""

    posture_ns: int | None
    slouch_ns: int | None
    walk_ns: int | None


def since(reading: DayReading, now: Now, now_ns: int) -> Since:
    """When this moment's posture, slouching and walking began, today at the earliest."""
    line = reading.line
    known = np.flatnonzero(line.posture != NO_DATA)
    if not now.live or now.posture is None or not len(known):
        return Since(None, None, None)
    last = int(known[-1])
    if line.start_s + last < now_ns // NS_PER_S - _SILENCE_S:
        return Since(None, None, None)
    code = CODE.get(now.posture, CODE["unknown"])

    def began(states: NDArray[np.int8], state: int) -> int:
        """Of the run that lasts until now; it may begin after the last known second."""
        others = np.flatnonzero(states[: last + 1] != state)
        first = int(others[-1]) + 1 if len(others) else 0
        return min((line.start_s + first) * NS_PER_S, now_ns)

    posture_ns = began(line.posture, code)
    return Since(
        posture_ns=posture_ns,
        slouch_ns=began(line.slouched, 1) if now.slouched else None,
        walk_ns=posture_ns if now.posture == "walking" else None,
    )


def live_state(reading: DayReading, now: Now, now_ns: int) -> dict[str, Any]:
    """The JSON object of the topic `state`; null is "not known", never zero."""
    begun, exposure = since(reading, now, now_ns), reading.exposure.exposure
    slouched = exposure.slouched_min
    return {
        "at_ns": now_ns,
        "live": now.live,
        "worn": now.worn if now.live else None,
        "posture": now.posture if now.live else None,
        "posture_since_ns": begun.posture_ns,
        "trunk_flexion_deg": now.flexion_deg if now.live else None,
        "slouched": now.slouched if now.live else None,
        "slouched_s": _seconds(begun.slouch_ns, now_ns),
        "walking_s": _seconds(begun.walk_ns, now_ns),
        "last_seen_ns": now.last_seen_ns,
        "battery_pct": now.battery_pct,
        "today": {
            "date": reading.exposure.date.isoformat(),
            "worn_min": _minutes(exposure.worn_min),
            "sitting_min": _minutes((exposure.posture_min or {}).get("sitting")),
            "walking_min": _minutes(exposure.walking_min),
            "slouched_min": _minutes(slouched.mid if slouched else None),
            "slouch_episodes": exposure.slouch_episodes,
            "prolonged_walks": exposure.prolonged_bouts,
            "movements": dict(exposure.movements),
        },
    }


def _seconds(from_ns: int | None, now_ns: int) -> int | None:
    return None if from_ns is None else (now_ns - from_ns) // NS_PER_S


def _minutes(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
