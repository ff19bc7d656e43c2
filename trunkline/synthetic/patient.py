"""Weeks of a synthetic patient: days with known amounts of every trigger, and pain that goes with
one of them and with no other.

The amounts of the days are known without making a single sample, so that a statistic can be held
against months of them; any day can be played as a recording when the whole chain is to be tried.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.random import Generator

from trunkline.synthetic.script import Script
from trunkline.synthetic.stories import REFERENCE_S, Story

USUAL: Final[Mapping[str, tuple[float, float]]] = {
    "slouched_min": (180.0, 60.0),
    "walking_min": (70.0, 20.0),
    "sit_to_stand_count": (35.0, 9.0),
    "bed_roll_count": (14.0, 4.0),
    "squat_count": (9.0, 3.0),
    "forward_bend_count": (22.0, 7.0),
    "lateral_bend_count": (10.0, 4.0),
    "trunk_rotation_count": (30.0, 10.0),
}
"""Trigger -> mean and standard deviation over days; they vary independently of each other."""
EXPOSURE_MEMORY: Final = 0.4
PAIN_MEMORY: Final = 0.4
"""Share of yesterday's that is left today."""
NOISE: Final = 0.9
"""Points of pain that come from nothing we know."""
USUAL_PAIN: Final = 4.0
ANSWER_HOURS: Final = (9.5, 14.0, 20.5)
BLOCKS: Final = 3
"""Turns at the desk and on foot that a day is played in."""


@dataclass(frozen=True, slots=True)
class PatientDay:
    """One day: true amount of every trigger, and what was answered (0..10) at which local hour."""

    date: dt.date
    exposure: Mapping[str, float]
    pain: Mapping[float, int]


def patient(
    days: int,
    seed: int,
    *,
    linked: str = "slouched_min",
    points_per_sd: float = 1.2,
    first: dt.date = dt.date(2026, 3, 2),
) -> list[PatientDay]:
    """Consecutive days. `linked`: the trigger whose amount of the day adds `points_per_sd` to the
    pain of that day for each of its standard deviations; the others have no part in it."""
    rng = np.random.default_rng(seed)
    names = list(USUAL)
    level = np.zeros(len(names))
    above, found = 0.0, []
    for n in range(days):
        fresh = rng.standard_normal(len(names))
        level = EXPOSURE_MEMORY * level + np.sqrt(1 - EXPOSURE_MEMORY**2) * fresh
        amounts = {}
        for name, z in zip(names, level, strict=True):
            mean, sd = USUAL[name]
            amount = max(mean + sd * float(z), 0.0)
            amounts[name] = float(round(amount)) if name.endswith("_count") else amount
        mean, sd = USUAL[linked]
        push = points_per_sd * (amounts[linked] - mean) / sd
        above = PAIN_MEMORY * above + push + rng.normal(0.0, NOISE)
        answers = {
            hour: int(np.clip(round(USUAL_PAIN + above + rng.normal(0.0, 0.5)), 0, 10))
            for hour in ANSWER_HOURS
        }
        found.append(PatientDay(first + dt.timedelta(days=n), amounts, answers))
    return found


def played(amounts: Mapping[str, float]) -> Story:
    """A story in which these amounts happen, in the time that it takes; a recording that is longer
    ends in standing. The truth of the recording has the exact figures."""

    def story(script: Script, rng: Generator, _duration_s: float, _first_hour: float) -> None:
        script.hold(REFERENCE_S[1] + 2.0)
        for block in range(BLOCKS):

            def share(name: str, block: int = block) -> int:
                whole = round(amounts[name])
                return whole // BLOCKS + (block < whole % BLOCKS)

            script.sit_down()
            script.sit_upright(60.0)
            script.slouch(amounts["slouched_min"] * 60 / BLOCKS, rng.uniform(16, 24))
            for kind in ("lateral_bend", "trunk_rotation"):
                move = script.lateral_bend if kind == "lateral_bend" else script.rotate
                for _ in range(share(f"{kind}_count")):
                    script.hold(8.0)
                    move(str(rng.choice(["left", "right"])))
            script.hold(10.0)
            if share("bed_roll_count"):
                script.lie_down("lying_supine")
                for turn in range(share("bed_roll_count")):
                    script.hold(20.0)
                    script.roll("lying_left" if turn % 2 == 0 else "lying_supine")
                script.hold(20.0)
                script.sit_up()
                script.hold(10.0)
            for stand in range(max(share("sit_to_stand_count"), 1)):
                if stand:
                    script.sit_down()
                    script.hold(15.0)
                script.stand_up()
                script.hold(8.0)
            script.walk(max(amounts["walking_min"] * 60 / BLOCKS, 10.0))
            script.hold(10.0)
            for _ in range(share("squat_count")):
                script.squat()
                script.hold(10.0)
            for _ in range(share("forward_bend_count")):
                script.forward_bend()
                script.hold(10.0)

    return story


def true_exposure(truth: Mapping[str, Any]) -> dict[str, float]:
    """Amounts of the eight triggers in the truth of a recording."""
    kinds: Sequence[str] = [movement["kind"] for movement in truth["movements"]]
    return {
        "slouched_min": sum(e - s for s, e, word in truth["slouch"] if word == "slouched") / 60,
        "walking_min": sum(e - s for s, e, word in truth["posture"] if word == "walking") / 60,
        "sit_to_stand_count": float(sum(k in {"sit_to_stand", "lie_to_stand"} for k in kinds)),
        **{
            f"{kind}_count": float(kinds.count(kind))
            for kind in ("bed_roll", "squat", "forward_bend", "lateral_bend", "trunk_rotation")
        },
    }
