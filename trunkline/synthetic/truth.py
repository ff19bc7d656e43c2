"""What the script did, second for second, in the form of the validation recordings' truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Truth:
    """Grows while a script runs; `as_dict` cuts it at the end of the recording. Times in s."""

    posture: list[tuple[float, float, str]] = field(default_factory=list)
    movements: list[dict[str, Any]] = field(default_factory=list)
    slouch: list[tuple[float, float, str]] = field(default_factory=list)
    walking_bouts: list[dict[str, Any]] = field(default_factory=list)
    steps: list[tuple[float, str]] = field(default_factory=list)
    turns: list[tuple[float, float]] = field(default_factory=list)
    breaths: list[tuple[float, float, float]] = field(default_factory=list)
    handling: list[tuple[float, float]] = field(default_factory=list)
    """Somebody has the sensor in hand: outside the scope of the truth."""

    def as_dict(self, duration_s: float) -> dict[str, Any]:
        """The JSON object; a movement that the end cuts off leaves the scope of the truth."""
        scope_end_s = min(
            [m["start_s"] for m in self.movements if m["start_s"] < duration_s < m["end_s"]],
            default=duration_s,
        )
        bouts = [_cut_bout(bout, duration_s) for bout in self.walking_bouts]
        return {
            "duration_s": _ms(duration_s),
            "posture": _cut(self.posture, duration_s),
            "movements": [
                {**m, "start_s": _ms(m["start_s"]), "end_s": _ms(m["end_s"])}
                for m in self.movements
                if m["end_s"] <= duration_s
            ],
            "movement_scope": _cut(self._scope(), scope_end_s),
            "slouch": _cut(self.slouch, duration_s),
            "walking_bouts": _cut(
                [(bout["start_s"], bout["end_s"]) for bout in self.walking_bouts], duration_s
            ),
            "bouts": [bout for bout in bouts if bout["start_s"] < duration_s],
            "steps": [
                {"time_s": _ms(time_s), "side": side}
                for time_s, side in self.steps
                if time_s < duration_s
            ],
            "steps_scope": [[0.0, _ms(duration_s)]],
            "turns": _cut(self.turns, duration_s),
            "breaths_per_min": [
                [_ms(start_s), _ms(end_s), round(rate, 2)]
                for start_s, end_s, rate in self.breaths
                if end_s <= duration_s
            ],
        }

    def _scope(self) -> list[tuple[float, float]]:
        starts = [0.0, *(end_s for _, end_s in self.handling)]
        ends = [*(start_s for start_s, _ in self.handling), math.inf]
        return list(zip(starts, ends, strict=True))


def _ms(time_s: float) -> float:
    return round(time_s, 3)


def _cut(intervals: Sequence[tuple[Any, ...]], duration_s: float) -> list[list[Any]]:
    return [
        [_ms(start_s), _ms(min(end_s, duration_s)), *label]
        for start_s, end_s, *label in intervals
        if start_s < duration_s
    ]


def _cut_bout(bout: dict[str, Any], duration_s: float) -> dict[str, Any]:
    return {
        **bout,
        "start_s": _ms(bout["start_s"]),
        "end_s": _ms(min(bout["end_s"], duration_s)),
    }
