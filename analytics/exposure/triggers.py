"""The triggers that are counted, as one number each for an hour, a day or a week."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from analytics.exposure.summary import Exposure

Amount = Callable[[Exposure], float | None]


def _count(*kinds: str) -> Amount:
    def amount(exposure: Exposure) -> float | None:
        counts = [exposure.movements[kind] for kind in kinds]
        return None if None in counts else float(sum(count or 0 for count in counts))

    return amount


TRIGGERS: Final[Mapping[str, Amount]] = {
    "slouched_min": lambda e: None if e.slouched_min is None else e.slouched_min.mid,
    "walking_min": lambda e: e.walking_min,
    "sit_to_stand_count": _count("sit_to_stand", "lie_to_stand"),
    "bed_roll_count": _count("bed_roll"),
    "squat_count": _count("squat"),
    "forward_bend_count": _count("forward_bend"),
    "lateral_bend_count": _count("lateral_bend"),
    "trunk_rotation_count": _count("trunk_rotation"),
}
"""Declared beforehand: these eight are asked about, see docs/association.md."""
DETAILS: Final[Mapping[str, Amount]] = {
    "slouched_min_low": lambda e: None if e.slouched_min is None else e.slouched_min.low,
    "slouched_min_high": lambda e: None if e.slouched_min is None else e.slouched_min.high,
    "slouch_known_min": lambda e: e.slouch_known_min,
    "slouch_episodes": lambda e: e.slouch_episodes,
    "slouch_dose": lambda e: e.slouch_dose,
    "longest_slouch_min": lambda e: e.longest_slouch_min,
    "sitting_min": lambda e: None if e.posture_min is None else e.posture_min["sitting"],
    "walking_bouts": lambda e: e.walking_bouts,
    "prolonged_bouts": lambda e: e.prolonged_bouts,
    "longest_walk_min": lambda e: e.longest_walk_min,
}
"""More figures of the same table: bands, denominators, bouts, dose, longest."""
