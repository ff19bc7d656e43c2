"""How far the figures depend on numbers set by hand: `python -m tests.corpus.left_out`.

Seven influential numbers are chosen anew from a small grid on all sets but one, of those that
numbers may be fitted on, by the errors there relative to those with the shipped value; what is told
with the chosen value on the set left out stands beside what is told with the shipped one. About
eight minutes of processor time; the result is kept in left_out.json for `make accuracy`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from analytics.detect.parameters import ALGORITHM_VERSION, Parameters
from analytics.offline import analyse
from analytics.recording import read_recording
from tests.corpus.scoring import corpus_recordings, load_scorer

FILE = Path(__file__).with_name("left_out.json")
Errors = Mapping[float, Mapping[str, int]]
"""value: {set: errors}."""

HEAD = """
## How far the figures depend on numbers set by hand

Each number is chosen anew from its grid on all sets but one, and the set left out is told with it:
errors there with the chosen value, with the shipped one, and with the one that suits that set best.
Errors are false and missed movements, or seconds told wrong. Where the chosen value does worse than
the shipped one, the set had a say in what is shipped. One number at a time, the others as
shipped; measured by `python -m tests.corpus.left_out` on {date} with algorithm {version}.

| Number | Grid | Errors | Left out | Chosen | With it | Shipped | Best |
|---|---|---|---|---|---|---|---|
"""


def movements(group: Any) -> int:
    """Movements missed, too many or of a kind that should not occur."""
    timed = sum(false + missed for _, false, missed, _ in group.mov.values())
    counted = sum(abs(told - true) for pairs in group.cnt.values() for told, true in pairs)
    steady = 0 if group.mov else sum(group.steady_false.values())
    return int(timed + counted + sum(group.false_kinds) + steady + group.hard_false)


def posture(group: Any) -> int:
    """Seconds told as another posture; all ways of lying are one."""
    return sum(seconds for (true, told), seconds in group.conf.items() if true[:5] != told[:5])


def walking(group: Any) -> int:
    """Seconds told as walking that are not, or the other way round."""
    _, false, missed = group.walk["timeline"]
    return int(false + missed)


@dataclass(frozen=True)
class Number:
    """One parameter, what it may be instead, and what it is judged by on which sets."""

    name: str
    grid: tuple[float, ...]
    errors: Callable[[Any], int]
    sets: tuple[str, ...]

    @property
    def shipped(self) -> float:
        group, name = self.name.split(".")
        return float(getattr(getattr(Parameters(), group), name))


MOVING = ("HAPT", "UMAFall", "SingleChest", "DSADS")
RESTING = ("DSADS", "SingleChest", "W2ISP")
WALKING = ("HAPT", "DSADS", "SingleChest", "UMAFall", "MovingReality", "mobgap")
NUMBERS = (
    Number("posture.rise_m", (0.12, 0.145, 0.17, 0.195, 0.22), movements, MOVING),
    Number("posture.seat_unrest_radps", (0.15, 0.2, 0.25, 0.3, 0.4), movements, MOVING),
    Number("posture.restless_rad_s", (4.0, 5.0, 6.0, 7.5, 9.0), movements, MOVING),
    Number("excursions.forward_deg", (20.0, 22.5, 25.0, 27.5, 30.0), movements, MOVING),
    Number("posture.high_site_deg", (6.0, 8.0, 10.0, 12.0, 14.0), posture, RESTING),
    Number("lying.enter_deg", (44.0, 47.0, 50.0, 53.0, 56.0), posture, RESTING),
    Number("walking.min_periodicity", (0.35, 0.4, 0.45, 0.5, 0.55), walking, WALKING),
)


def main() -> int:
    recordings = corpus_recordings()
    scorer = load_scorer(recordings.parent / "score.py")
    shipped = {
        name: scored(scorer, recordings / name, Parameters())
        for name in sorted({name for number in NUMBERS for name in number.sets})
    }
    found = {}
    for number in NUMBERS:
        group, name = number.name.split(".")
        errors: dict[float, dict[str, int]] = {}
        for value in number.grid:
            changed = Parameters().override({group: {name: value}})
            errors[value] = {
                one: number.errors(
                    shipped[one]
                    if value == number.shipped
                    else scored(scorer, recordings / one, changed)
                )
                for one in number.sets
            }
            print(number.name, value, errors[value], flush=True)
        found[number.name] = {str(value): row for value, row in errors.items()}
    date = datetime.now(UTC).date().isoformat()
    made = {"date": date, "version": ALGORITHM_VERSION, "errors": found}
    FILE.write_text(json.dumps(made, indent=1) + "\n")
    return 0


def scored(scorer: ModuleType, folder: Path, parameters: Parameters) -> Any:
    """The scorer's group of all recordings of a set."""
    group = scorer.Group()
    for path in sorted(folder.glob("*.parquet")):
        truth = json.loads(path.with_name(f"{path.stem}.truth.json").read_text())
        group.add(truth, analyse(read_recording(path), parameters).document())
    return group


def chosen(errors: Errors, left_out: str, shipped: float) -> float:
    """The value with the fewest errors on the other sets, each relative to what is shipped; of
    equally good ones the nearest to it."""
    others = [name for name in errors[shipped] if name != left_out]

    def cost(value: float) -> tuple[float, float]:
        share = sum(errors[value][name] / max(errors[shipped][name], 1) for name in others)
        return round(share, 6), abs(value - shipped)

    return min(errors, key=cost)


def rows(number: Number, errors: Errors) -> list[str]:
    """A line of the table for each set left out."""
    grid = ", ".join(f"{value:g}" for value in number.grid)
    out = []
    for name in number.sets:
        value = chosen(errors, name, number.shipped)
        best = min(row[name] for row in errors.values())
        out.append(
            f"| {number.name} = {number.shipped:g} | {grid} | {number.errors.__name__} | {name} | "
            f"{value:g} | {errors[value][name]} | {errors[number.shipped][name]} | {best} |\n"
        )
    return out


def section() -> str:
    """The section of docs/accuracy.md, empty before the first measurement."""
    if not FILE.is_file():
        return ""
    made = json.loads(FILE.read_text())
    text = HEAD.format(date=made["date"], version=made["version"])
    for number in NUMBERS:
        kept = made["errors"][number.name]
        text += "".join(rows(number, {float(value): row for value, row in kept.items()}))
    return text


if __name__ == "__main__":
    sys.exit(main())
