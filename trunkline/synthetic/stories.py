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
    """An ordinary day: night with rolls, morning, desk work with slouching, walks, an evening."""
    _reference(script)
    while script.t_s < duration_s:
        hour = (first_hour + script.t_s / 3600.0) % 24.0
        if hour >= 22.8 or hour < 6.5:
            _night(script, rng, min(duration_s, script.t_s + ((6.7 - hour) % 24.0) * 3600.0))
            _shower(script, rng)
        elif hour < 8.0:
            _housework(script, rng)
            _meal(script, rng)
        elif hour < 8.2 or 12.0 <= hour < 12.4 or 17.5 <= hour < 17.8:
            _walk_outside(script, rng)
        elif hour < 17.5:
            _desk(script, rng)
        elif hour < 20.0:
            _housework(script, rng)
            if rng.random() < 0.4:
                _meal(script, rng)
        else:
            _sofa(script, rng)
            _housework(script, rng)


def _night(script: Script, rng: Generator, until_s: float) -> None:
    script.sit_down()
    script.hold(20.0)
    script.lie_down(str(rng.choice(["lying_supine", "lying_left", "lying_right"])))
    while script.t_s < until_s:
        script.hold(min(rng.uniform(8, 45) * 60.0, max(until_s - script.t_s, 60.0)))
        if rng.random() < 0.07:
            _get_out_of_bed_for_a_moment(script, rng)
            continue
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


def _get_out_of_bed_for_a_moment(script: Script, rng: Generator) -> None:
    script.sit_up()
    script.hold(12.0)
    script.stand_up()
    script.walk(rng.uniform(8, 15), pace=0.75)
    script.hold(rng.uniform(60, 120))
    script.walk(rng.uniform(8, 15), pace=0.75)
    script.sit_down()
    script.hold(10.0)
    script.lie_down(str(rng.choice(["lying_left", "lying_right"])))


def _shower(script: Script, rng: Generator) -> None:
    script.walk(rng.uniform(8, 15), pace=0.8)
    script.hold(10.0)
    script.take_off(rng.uniform(10, 20) * 60.0)
    script.hold(15.0)


def _housework(script: Script, rng: Generator) -> None:
    """Standing, a few steps, bending down, standing again."""
    for _ in range(int(rng.integers(4, 9))):
        script.walk(rng.uniform(6, 25), pace=rng.uniform(0.7, 0.95))
        script.hold(rng.uniform(20, 240))
        _now_and_then(script, rng)


def _meal(script: Script, rng: Generator) -> None:
    script.sit_down()
    script.sit_upright(rng.uniform(3, 8) * 60.0)
    script.lean(rng.uniform(1, 4) * 60.0, "forward")
    script.sit_upright(rng.uniform(2, 6) * 60.0)
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
    script.walk(rng.uniform(7, 22) * 60.0, pace=rng.uniform(0.95, 1.15))
    script.hold(rng.uniform(5, 90))


def _desk(script: Script, rng: Generator) -> None:
    """An hour or so at the desk: upright, leaning, slouched for 10-40 min; then up for a moment."""
    script.sit_down()
    for _ in range(int(rng.integers(1, 3))):
        script.sit_upright(rng.uniform(4, 16) * 60.0)
        if rng.random() < 0.5:
            script.rotate(str(rng.choice(["left", "right"])))
            script.hold(rng.uniform(10, 60))
        if rng.random() < 0.6:
            script.slouch(rng.uniform(10, 40) * 60.0, rng.uniform(14, 25))
        else:
            script.lean(rng.uniform(3, 15) * 60.0, str(rng.choice(["forward", "backward"])))
        if rng.random() < 0.3:
            script.lateral_bend(str(rng.choice(["left", "right"])))
            script.hold(rng.uniform(10, 60))
        if rng.random() < 0.5:
            script.stand_up()
            script.hold(rng.uniform(6, 40))
            script.sit_down()
    script.hold(20.0)
    script.stand_up()
    script.hold(rng.uniform(5, 30))
    script.walk(rng.uniform(20, 200), pace=rng.uniform(0.85, 1.1))
    script.hold(rng.uniform(20, 200))
    _now_and_then(script, rng)


def _sofa(script: Script, rng: Generator) -> None:
    script.sit_down()
    script.lean(rng.uniform(5, 20) * 60.0, "backward")
    script.slouch(rng.uniform(10, 30) * 60.0, rng.uniform(15, 25))
    script.hold(10.0)
    script.stand_up()
    script.hold(10.0)


STORIES: Mapping[str, Story] = {"day": day_script, "demo": demo_script}
