"""What accuracy is aimed at, and how each figure is taken from truth and result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class Scored:
    """One recording: its truth, the scorer's group of it alone, and the movements counted in it."""

    truth: dict[str, Any]
    group: Any
    counts: Counter[str]
    """Movements of each kind inside the scope of the truth."""


Measure = Callable[[Sequence[Scored]], float | None]


def score_one(scorer: ModuleType, truth: dict[str, Any], result: dict[str, Any] | None) -> Scored:
    group = scorer.Group()
    group.add(truth, result)
    scope = truth.get("movement_scope") or [[0.0, truth["duration_s"] + 1]]
    inside = (m["kind"] for m in scorer.movements(result) if scorer.inside(m["mid"], scope))
    return Scored(truth, group, Counter(inside))


def merged(items: Sequence[Scored]) -> Any:
    """The scorer's group of all of them: its sums are added, its lists are joined."""
    make = type(items[0].group)
    total, blank = make(), make()
    for item in items:
        for name, value in vars(item.group).items():
            setattr(total, name, _sum(getattr(total, name), value, getattr(blank, name)))
    return total


def _sum(left: Any, right: Any, blank: Any) -> Any:
    """`blank` is what an empty group has there: a list that is not empty from the start is a row
    of sums, one that is empty collects."""
    if isinstance(blank, Counter):
        return left + right
    if isinstance(blank, dict):
        for key, value in right.items():
            start = blank[key] if key in blank else getattr(blank, "default_factory", list)()
            left[key] = _sum(left.get(key, copy(start)), value, start)
        return left
    if isinstance(blank, list) and blank:
        return [a + b for a, b in zip(left, right, strict=True)]
    return left + right


@dataclass(frozen=True)
class Target:
    """One figure on one set;"""

    name: str
    set: str
    limit: float
    measure: Measure
    at_least: bool = True
    digits: int = 3

    def reached(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit


def scored(*path: str) -> Measure:
    """A figure of the scorer's own result for the set."""

    def measure(items: Sequence[Scored]) -> float | None:
        value: Any = merged(items).result()
        for key in path:
            if not isinstance(value, dict) or key not in value:
                return None
            value = value[key]
        return None if value is None else float(value)

    return measure


def at_placements(measure: Measure, *placements: str) -> Measure:
    """The same on some placements only."""
    return lambda items: measure([i for i in items if i.truth.get("placement") in placements])


def share(holds: Callable[[Counter[str]], bool], *codes: str) -> Measure:
    """Share of the recordings of some activity codes whose counts fulfil a condition."""

    def measure(items: Sequence[Scored]) -> float | None:
        chosen = [i for i in items if i.truth.get("activity_code") in codes]
        return sum(holds(i.counts) for i in chosen) / len(chosen) if chosen else None

    return measure


CLASS_OF_CODE = {
    **dict.fromkeys(("D07", "D08", "D09", "D10"), "sit_rise"),
    "D15": "squat",
    "D16": "forward_bend",
}


def told_apart(kind: str) -> Measure:
    """F1 of one class among trials of squat, forward bend and sit-and-rise, one answer a trial."""

    def answer(counts: Counter[str]) -> str | None:
        if counts["sit_to_stand"] or counts["stand_to_sit"]:
            return "sit_rise"
        return next((k for k in ("squat", "forward_bend") if counts[k]), None)

    def measure(items: Sequence[Scored]) -> float | None:
        hit = false = missed = 0
        for item in items:
            true = CLASS_OF_CODE.get(item.truth.get("activity_code", ""))
            if true is None:
                continue
            got = answer(item.counts)
            hit += true == kind == got
            false += got == kind != true
            missed += true == kind != got
        return 2 * hit / (2 * hit + false + missed) if hit + false + missed else None

    return measure


def exact_blocks(*kinds: str) -> Measure:
    """Share of counted blocks with the exact number, over some kinds."""

    def measure(items: Sequence[Scored]) -> float | None:
        hits = [
            item.counts[kind] == item.truth["movement_counts"][kind]
            for item in items
            for kind in kinds
            if kind in item.truth.get("movement_counts", {})
        ]
        return sum(hits) / len(hits) if hits else None

    return measure


def squat_error(items: Sequence[Scored]) -> float | None:
    """Mean absolute error of the number of squats in a set."""
    errors = [
        abs(i.counts["squat"] - sum(m["kind"] == "squat" for m in i.truth.get("movements", [])))
        for i in items
    ]
    return sum(errors) / len(errors) if errors else None


def slouch_rate(label: str, slouched: bool) -> Measure:
    """Share of the holds of a label that were called slouched (or not slouched)."""

    def measure(items: Sequence[Scored]) -> float | None:
        holds = [
            hold[1] == slouched for item in items for hold in item.group.holds if hold[0] == label
        ]
        return sum(holds) / len(holds) if holds else None

    return measure


def known_walk_error(items: Sequence[Scored]) -> float | None:
    """Mean error of the step length in per cent: each trial once the known walk of its wearer, all
    other trials of the wearer told with its scale."""
    wearers: dict[str, dict[str, float]] = {}
    for item in items:
        true = item.truth.get("step_length_m")
        errors = item.group.slen
        if true and errors:
            own = wearers.setdefault(item.truth["subject"], {})
            own[item.truth["recording_id"]] = 1.0 + errors[0] / true
    misses = [
        abs(100.0 * (other / known - 1.0))
        for ratios in wearers.values()
        for first, known in ratios.items()
        for second, other in ratios.items()
        if first != second
    ]
    return sum(misses) / len(misses) if misses else None


def one_each(counts: Counter[str]) -> bool:
    return counts["stand_to_sit"] == counts["sit_to_stand"] == 1


STEADY_SETS = ("HAPT", "SingleChest", "DSADS", "UMAFall")

TARGETS = (
    Target("walking incl. stairs, seconds, F1", "HAPT", 0.993,
           scored("walking_seconds", "timeline", "f1")),
    Target("sit_to_stand, F1", "HAPT", 0.93, scored("movements", "kinds", "sit_to_stand", "f1")),
    Target("stand_to_sit, F1", "HAPT", 0.95, scored("movements", "kinds", "stand_to_sit", "f1")),
    Target("lying down (either way), F1", "HAPT", 0.90,
           scored("movements", "families", "to_lie", "f1")),
    Target("getting up (either way), F1", "HAPT", 0.90,
           scored("movements", "families", "from_lie", "f1")),
    *(
        Target(f"{kind}, F1", "HAPT", 0.90, scored("movements", "kinds", kind, "f1"))
        for kind in ("sit_to_lie", "lie_to_sit", "stand_to_lie", "lie_to_stand")
    ),
    Target("posture (sit, stand, lie, walk), accuracy", "HAPT", 0.95,
           scored("posture", "accuracy_lying_collapsed")),
    *(
        Target(f"{code}: exactly one sit and one rise", "SisFall", 0.85, share(one_each, code))
        for code in ("D07", "D08", "D09", "D10")
    ),
    Target("D15 knee bend counted as a rise", "SisFall", 0.05,
           share(lambda c: c["sit_to_stand"] > 0, "D15"), at_least=False),
    Target("D14: exactly two rolls", "SisFall", 0.95,
           share(lambda c: c["bed_roll"] == 2, "D14")),
    Target("squat told apart, F1", "SisFall", 0.85, told_apart("squat")),
    Target("forward bend told apart, F1", "SisFall", 0.90, told_apart("forward_bend")),
    Target("sit and rise told apart, F1", "SisFall", 0.97, told_apart("sit_rise")),
    *(
        Target(f"{site}: {what}", "SittingPosture", limit,
               at_placements(slouch_rate(label, slouched), site))
        for site in ("T12", "T4")
        for what, limit, label, slouched in (
            ("slouched, sensitivity", 0.97, "slouched", True),
            ("upright, specificity", 0.98, "upright", False),
        )
    ),
    Target("lateral bends and rotations, exact blocks, both sites", "TrunkyXL", 0.90,
           exact_blocks("lateral_bend", "trunk_rotation")),
    Target("lateral bends and rotations, exact blocks, T10", "TrunkyXL", 0.90,
           at_placements(exact_blocks("lateral_bend", "trunk_rotation"), "T10")),
    Target("squats in a set, mean count error", "Squat", 0.3, squat_error, at_least=False),
    *(
        Target("false movements an hour, steady states", name, 0.5,
               scored("false_in_steady", "per_hour"), at_least=False, digits=2)
        for name in STEADY_SETS
    ),
    *(
        Target("false movements an hour, hard negatives", name, 0.5,
               scored("hard_negatives", "per_hour"), at_least=False, digits=2)
        for name in ("DSADS", "UMAFall", "SisFall")
    ),
    Target("steps, count error in %", "Voisard", 3.0,
           scored("steps", "count_abs_error_pct"), at_least=False, digits=1),
    Target("steps, times within 0.15 s, F1", "Voisard", 0.93, scored("steps", "times", "f1")),
    Target("breathing, mean error in breaths/min", "ThoraxPaced", 0.3,
           scored("respiration", "mae"), at_least=False, digits=2),
    Target("breathing, windows answered", "ThoraxPaced", 0.8, scored("respiration", "coverage")),
    Target("breathing while moving, windows answered", "Hexoskin", 0.05,
           scored("respiration", "coverage"), at_least=False),
    Target("step length with one known walk, error in %", "Voisard", 6.0,
           known_walk_error, at_least=False, digits=1),
    Target("step-time asymmetry, Spearman's rho", "MovingReality", 0.7,
           scored("asymmetry", "spearman")),
    Target("lying side, accuracy", "SleepPosition", 0.97, scored("posture", "accuracy")),
)  # fmt: skip
