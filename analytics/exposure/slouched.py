"""Slouched minutes with their sensitivity band."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from analytics.exposure.observable import SLOUCH, Observable
from analytics.exposure.timeline import CODE, NO_DATA, Item, Timeline


@dataclass(frozen=True, slots=True)
class Band:
    """A figure with its sensitivity band: slouch threshold +3° (low) and -3° (high)."""

    mid: float
    low: float
    high: float

    def __add__(self, other: Band) -> Band:
        return Band(self.mid + other.mid, self.low + other.low, self.high + other.high)


def slouched_minutes(
    part: Timeline, items: Iterable[Item], observable: Observable, start_ns: int, end_ns: int
) -> Band | None:
    """Slouched minutes of `part`, which is [start_ns, end_ns); None where they cannot be told.

    Inside episodes the episode's own low and high replace the nominal time. Outside episodes
    (short slouches) no other threshold was tried, so that time is the same in all three. The
    timeline says nothing of slouching while not sitting: an hour without sitting has zero slouched
    minutes only where slouching was observable.
    """
    worn = part.worn == 1
    known = worn & (part.slouched != NO_DATA)
    sat = worn & (part.posture == CODE["sitting"])
    if observable.denied(SLOUCH):
        return None
    if not known.any() and (sat.any() or not observable.confirmed(SLOUCH)):
        return None
    mid = float((part.slouched[worn] == 1).sum()) / 60
    low = high = mid
    for item in items:
        if item.kind != "slouch_episode":
            continue
        first_ns, last_ns = max(item.start_ns, start_ns), min(item.end_ns, end_ns)
        inside = part.between(first_ns, last_ns)
        nominal = float(((inside.slouched == 1) & (inside.worn == 1)).sum()) / 60
        share = (last_ns - first_ns) / max(item.end_ns - item.start_ns, 1)
        low -= max(nominal - item.body["minutes_low"] * share, 0.0)
        high += max(item.body["minutes_high"] * share - nominal, 0.0)
    return Band(mid, max(low, 0.0), high)
