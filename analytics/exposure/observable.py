"""What could be observed at all, as the quality results of an interval say."""

from __future__ import annotations

from collections.abc import Iterable

from analytics.exposure.timeline import Item

MOVEMENTS = (
    "sit_to_stand",
    "stand_to_sit",
    "sit_to_lie",
    "lie_to_sit",
    "stand_to_lie",
    "lie_to_stand",
    "bed_roll",
    "squat",
    "lateral_bend",
    "trunk_rotation",
    "forward_bend",
)
POSTURE, WALKING, SLOUCH, FLEXION = "posture", "walking", "slouch", "trunk_flexion"
"""Features of a quality result's `observable`; the kinds of movement may be there, too."""
_DIRECTED = frozenset({"lateral_bend", "forward_bend"})
"""Movements that are told by a direction, so that the sensor's axes must be known."""


class Observable:
    """Answers per feature; a feature that no result speaks of is taken as observable."""

    def __init__(self, items: Iterable[Item]) -> None:
        """`items` overlap the interval; a feature counts when any of them could observe it. A
        reason in place of true ("placement") means that it could not."""
        self._said: dict[str, bool] = {}
        for item in items:
            if item.kind == "quality":
                for feature, answer in item.body.get("observable", {}).items():
                    self._said[feature] = self._said.get(feature, False) or answer is True

    def denied(self, feature: str) -> bool:
        """It was said that this could not be observed."""
        return self._said.get(feature) is False

    def confirmed(self, feature: str) -> bool:
        """It was said that this could be observed."""
        return self._said.get(feature) is True

    def movement(self, kind: str) -> bool:
        """Whether a count of this kind of movement means anything: none of them is told without
        knowing where up is."""
        needs = (POSTURE, kind, FLEXION) if kind in _DIRECTED else (POSTURE, kind)
        return not any(self.denied(feature) for feature in needs)
