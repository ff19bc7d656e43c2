"""The sentences of associations in the reader's language."""

from __future__ import annotations

from typing import Final

from analytics.dashboard.language import gettext, lazy, number, signed
from analytics.exposure.association import words
from analytics.exposure.association.answer import Association, TriggerAnswer
from analytics.exposure.association.flares import FlareOdds
from analytics.exposure.association.words import Tongue

NAMES: Final = {
    "slouched_min": lazy("slouched sitting (minutes)"),
    "walking_min": lazy("walking (minutes)"),
    "sit_to_stand_count": lazy("standing up (times)"),
    "bed_roll_count": lazy("rolling in bed (times)"),
    "squat_count": lazy("squatting (times)"),
    "forward_bend_count": lazy("bending forward (times)"),
    "lateral_bend_count": lazy("bending sideways (times)"),
    "trunk_rotation_count": lazy("rotating the trunk (times)"),
}
"""The triggers of analytics.exposure.triggers in words."""
_READERS: Final = Tongue(gettext, number, signed)


def sentence(answer: TriggerAnswer) -> str:
    """One trigger at one lag."""
    return words.sentence(answer, gettext("pain"), str(NAMES[answer.trigger]), _READERS)


def reverse_sentence(answer: TriggerAnswer) -> str:
    """The other way round."""
    return words.reverse_sentence(answer, gettext("pain"), str(NAMES[answer.trigger]), _READERS)


def flare_sentence(odds: FlareOdds) -> str:
    """Flares against calm times."""
    return words.flare_sentence(odds, gettext("pain"), str(NAMES[odds.trigger]), _READERS)


def caution() -> str:
    """What belongs to every one of them."""
    return gettext(words.CAUTION)


def nothing(found: Association) -> str:
    """When no trigger is associated, and whether it is too early to say so."""
    if found.answers and found.answers[0].more_days:
        return gettext(
            "Nothing is associated with pain so far. There are not enough data yet:"
            " about %(days)d more days.",
            days=found.answers[0].more_days,
        )
    return gettext("Nothing is associated with pain so far.")
