"""What the synthetic wearer does: a lively loop for demonstrations, and an ordinary day."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from numpy.random import Generator

from trunkline.synthetic.script import Script

REFERENCE_S = (2.0, 12.0)
"""Every story begins with standing upright and quiet; this part of it is the reference."""

Story = Callable[[Script, Generator, float, float], None]
"""(script, rng, duration_s, first_hour): fills the script until the clock passes duration_s.

first_hour is the local time of day at the beginning, in hours.
"""


def _reference(script: Script) -> None:
    script.hold(REFERENCE_S[1] + 2.0)


def demo_script(script: Script, rng: Generator, duration_s: float, first_hour: float) -> None:
    """A few lively minutes, over and over: every posture, transition and movement once."""
    _reference(script)
    while script.t_s < duration_s:
        script.sit_down()
        script.sit_upright(rng.uniform(15, 20))
        script.slouch(rng.uniform(40, 60), rng.uniform(16, 25))
        script.hold(5.0)
        script.lateral_bend("left")
        script.hold(3.0)
        script.lateral_bend("right")
        script.hold(3.0)
        script.rotate("left")
        script.hold(2.0)
        script.rotate("right")
        script.hold(4.0)
        script.stand_up()
        script.hold(4.0)
        script.walk(rng.uniform(30, 40))
        script.hold(4.0)
        script.squat()
        script.hold(3.0)
        script.forward_bend()
        script.hold(4.0)
        script.sit_down()
        script.hold(6.0)
        script.lie_down()
        script.hold(12.0)
        for posture in ("lying_left", "lying_supine", "lying_right"):
            script.roll(posture)
            script.hold(rng.uniform(8, 12))
        script.sit_up()
        script.hold(5.0)
        script.stand_up()
        script.hold(5.0)


def day_script(script: Script, rng: Generator, duration_s: float, first_hour: float) -> None:
    """An ordinary day: nights in bed with rolls, desk work with slouching, walks, an evening."""
    _reference(script)
    while script.t_s < duration_s:
        hour = (first_hour + script.t_s / 3600.0) % 24.0
        if hour >= 22.8 or hour < 6.5:
            _night(script, rng, min(duration_s, script.t_s + ((6.7 - hour) % 24.0) * 3600.0))
        elif hour < 8.0:
            _about_the_house(script, rng)
        elif 12.0 <= hour < 12.6 or 17.0 <= hour < 17.6:
            _walk_outside(script, rng)
        elif hour < 18.0:
            _desk(script, rng)
        else:
            _evening(script, rng)


def _night(script: Script, rng: Generator, until_s: float) -> None:
    script.sit_down()
    script.hold(20.0)
    script.lie_down(str(rng.choice(["lying_supine", "lying_left", "lying_right"])))
    while script.t_s < until_s:
        script.hold(rng.uniform(8, 45) * 60.0)
        others = ["lying_supine", "lying_left", "lying_right", "lying_prone"]
        others.remove(script.posture)
        weights = [0.1 if posture == "lying_prone" else 1.0 for posture in others]
        share = [weight / sum(weights) for weight in weights]
        script.roll(str(rng.choice(others, p=share)))
    script.hold(30.0)
    script.sit_up()
    script.hold(15.0)
    script.stand_up()
    script.hold(5.0)


def _about_the_house(script: Script, rng: Generator) -> None:
    for _ in range(int(rng.integers(2, 5))):
        script.walk(rng.uniform(8, 25), pace=rng.uniform(0.7, 0.95))
        script.hold(rng.uniform(5, 60))
        _now_and_then(script, rng)
    script.sit_down()
    script.sit_upright(rng.uniform(60, 300))
    script.slouch(rng.uniform(60, 400), rng.uniform(15, 22))
    script.hold(10.0)
    script.stand_up()
    script.hold(5.0)


def _now_and_then(script: Script, rng: Generator) -> None:
    """One of the movements of everyday life, standing."""
    choice = rng.integers(0, 6)
    if choice == 0:
        script.squat()
    elif choice == 1:
        script.forward_bend()
    elif choice == 2:
        script.lateral_bend(str(rng.choice(["left", "right"])))
    elif choice == 3:
        script.rotate(str(rng.choice(["left", "right"])))
    script.hold(rng.uniform(3, 10))


def _walk_outside(script: Script, rng: Generator) -> None:
    script.walk(rng.uniform(6, 22) * 60.0, pace=rng.uniform(0.95, 1.15))
    script.hold(rng.uniform(5, 90))


def _desk(script: Script, rng: Generator) -> None:
    """An hour or so of desk work: upright for a while, then a slouch of 10-40 min, and so on."""
    script.sit_down()
    for _ in range(int(rng.integers(1, 4))):
        script.sit_upright(rng.uniform(3, 15) * 60.0)
        if rng.random() < 0.5:
            script.rotate(str(rng.choice(["left", "right"])))
        script.slouch(rng.uniform(10, 40) * 60.0, rng.uniform(14, 25))
        if rng.random() < 0.3:
            script.lateral_bend(str(rng.choice(["left", "right"])))
    script.hold(20.0)
    script.stand_up()
    script.hold(rng.uniform(5, 30))
    script.walk(rng.uniform(20, 240), pace=rng.uniform(0.85, 1.1))
    script.hold(rng.uniform(5, 60))
    _now_and_then(script, rng)


def _evening(script: Script, rng: Generator) -> None:
    _about_the_house(script, rng)
    script.sit_down()
    script.sit_upright(rng.uniform(2, 10) * 60.0)
    script.slouch(rng.uniform(10, 40) * 60.0, rng.uniform(15, 25))
    script.hold(10.0)
    script.stand_up()
    script.hold(10.0)


STORIES: Mapping[str, Story] = {"day": day_script, "demo": demo_script}
