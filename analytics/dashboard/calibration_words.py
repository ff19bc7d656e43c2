"""What a step of the guided calibration says, in the reader's language.

The sentences are made by `analytics.detect.guided` and stored as they were said; here they are
found again by their words, with the numbers in them.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from analytics.dashboard.language import gettext, marked

REMARKS: Final = (
    marked("You leaned by %(n)s degrees: sit on the edge of the seat, upright."),
    marked("A sensor at the waist or pelvis cannot see slouching: no range is kept."),
    marked("You leaned to a side by %(n)s degrees: sink down straight."),
    marked("You leaned back: let the back go round and the chest sink instead."),
    marked(
        "That is only %(n)s degrees from sitting tall: sink down as far as you can, with a round"
        " back."
    ),
    marked(
        "Forward is %(n)s degrees off what the sensor's axes say: if you bent straight forward, it"
        " is worn another way than usual, and that is fine."
    ),
    marked(
        "You walk %(n)s degrees off from how you stood or sat: do that step again, upright as you"
        " would normally be."
    ),
    marked("Sit tall first: the slouch is told from it."),
    marked("Stand still first: the other steps are told from standing."),
    marked(
        "Walking says that forward is the other way: bend and walk once more, and bend forward,"
        " not back."
    ),
    marked("You bent by %(n)s degrees only: bend as if to touch your knees."),
    marked("No steady walking was seen: walk ten metres at your usual pace, without a stop."),
    marked("No samples arrived: is the sensor connected?"),
    marked("That was %(n)s s: at least %(m)s s are needed."),
    marked("Samples were lost on the way: stay near the receiver and do it again."),
    marked("You moved: keep still until the time is over."),
    marked("You turned or bent to a side too: bend straight forward and back."),
    marked("Come back upright before the time is over."),
)


def in_words(said: str) -> str:
    """The remark in the reader's language; as it was said where its words are not known."""
    for text, shape in _shapes():
        found = shape.fullmatch(said)
        if found:
            return gettext(text) % found.groupdict()
    return said


@cache
def _shapes() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Each remark and what it looks like with numbers in it."""
    return tuple(
        (
            text,
            re.compile(
                "".join(
                    f"(?P<{part[2]}>-?[0-9]+)" if part.startswith("%(") else re.escape(part)
                    for part in re.split(r"(%\(\w\)s)", text)
                )
            ),
        )
        for text in REMARKS
    )
