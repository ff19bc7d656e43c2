"""The answer in sentences: "associated with", and never a word of causes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from analytics.exposure.association.answer import (
    ASSOCIATED,
    NO_CHANGE,
    NOT_FOUND,
    PAIN_CONSTANT,
    TriggerAnswer,
)
from analytics.exposure.association.flares import FlareOdds


def marked(text: str) -> str:
    """A text that is looked up in the reader's language where it is said."""
    return text


WHEN: Final = {
    "0_2h": marked("in the two hours after it"),
    "same_day": marked("on the same day"),
    "next_day": marked("on the next day"),
}
CAUTION: Final = marked(
    "Associations in one person's diary; they do not tell causes. Not a medical device."
)


@dataclass(frozen=True, slots=True)
class Tongue:
    """How the sentences are said: English as they stand here, unless a reader has another one."""

    say: Callable[[str], str] = str
    """a text of this module in the reader's language; `%(name)s` in it stays"""
    number: Callable[[float, int], str] = lambda value, digits: f"{value:.{digits}f}"
    signed: Callable[[float, int], str] = lambda value, digits: f"{value:+.{digits}f}"


ENGLISH: Final = Tongue()


def sentence(
    answer: TriggerAnswer, pain: str = "pain", name: str | None = None, tongue: Tongue = ENGLISH
) -> str:
    """One trigger at one lag. name: how the trigger is called in the sentence."""
    say, trigger = tongue.say, name or answer.trigger
    said = {
        "trigger": trigger,
        "Trigger": _first(trigger),
        "pain": pain,
        "Pain": _first(pain),
        "when": say(WHEN[answer.lag]),
        "size": _size(answer, tongue),
        "days": answer.more_days,
    }
    if answer.answer == ASSOCIATED and answer.effect is not None:
        if answer.effect.points_per_sd > 0:
            text = say("More %(trigger)s is associated with more %(pain)s %(when)s: %(size)s.")
        else:
            text = say("More %(trigger)s is associated with less %(pain)s %(when)s: %(size)s.")
    elif answer.answer == NO_CHANGE:
        text = say("%(Trigger)s hardly varies: nothing can be said about %(pain)s %(when)s.")
    elif answer.answer == PAIN_CONSTANT:
        text = say("%(Pain)s hardly varies: nothing can be said about %(trigger)s %(when)s.")
    elif answer.answer == NOT_FOUND and answer.effect is not None:
        text = say("No association of %(trigger)s with %(pain)s %(when)s was found: %(size)s.")
    elif answer.more_days:
        text = say(
            "Not enough data yet on %(trigger)s and %(pain)s %(when)s, about %(days)s more days."
        )
    else:
        text = say("Not enough data yet on %(trigger)s and %(pain)s %(when)s.")
    return text % said


def reverse_sentence(
    answer: TriggerAnswer, pain: str = "pain", name: str | None = None, tongue: Tongue = ENGLISH
) -> str:
    """The other way round; `answer` of the reverse lag."""
    say, said = tongue.say, {"trigger": name or answer.trigger, "pain": pain}
    if answer.answer == ASSOCIATED and answer.effect is not None:
        if answer.effect.points_per_sd > 0:
            text = say("Days with more %(pain)s are followed by days with more %(trigger)s.")
        else:
            text = say("Days with more %(pain)s are followed by days with less %(trigger)s.")
    elif answer.answer == NOT_FOUND:
        text = say("No association of %(pain)s with %(trigger)s of the next day was found.")
    else:
        text = say("Not enough data yet on %(pain)s and %(trigger)s of the next day.")
    return text % said


def flare_sentence(
    odds: FlareOdds, pain: str = "pain", name: str | None = None, tongue: Tongue = ENGLISH
) -> str:
    """Case-crossover."""
    say, number = tongue.say, tongue.number
    said = {
        "trigger": name or odds.trigger,
        "pain": pain,
        "when": say(WHEN[odds.lag]),
        "flares": odds.flares,
        "needed": odds.needed,
    }
    if odds.odds_ratio is not None:
        said |= {
            name: number(value, 2)
            for name, value in (("ratio", odds.odds_ratio), ("low", odds.low), ("high", odds.high))
            if value is not None
        }
        text = say(
            "Odds of a flare of %(pain)s %(when)s with one standard deviation more %(trigger)s:"
            " %(ratio)s times (%(low)s to %(high)s), %(flares)s flares."
        )
    elif odds.flares < odds.needed:
        text = say("Not enough flares of %(pain)s yet for %(trigger)s: %(flares)s of %(needed)s.")
    else:
        text = say("Flares and calm times do not overlap in %(trigger)s; no odds can be given.")
    return text % said


def _first(text: str) -> str:
    return text[:1].upper() + text[1:]


def _size(answer: TriggerAnswer, tongue: Tongue) -> str:
    effect, signed = answer.effect, tongue.signed
    if effect is None:
        return tongue.say("no size can be given")
    digits = max(0, 2 - math.floor(math.log10(effect.sd))) if effect.sd > 0 else 2
    return tongue.say(
        "%(points)s points (%(low)s to %(high)s) for each %(unit)s more,"
        " %(chance)s over all questions asked"
    ) % {
        "points": signed(effect.points_per_sd, 2),
        "low": signed(effect.low * effect.sd, 2),
        "high": signed(effect.high * effect.sd, 2),
        "unit": tongue.number(effect.sd, digits),
        "chance": _chance(answer.p_family, tongue),
    }


def _chance(p: float | None, tongue: Tongue) -> str:
    if p is None:
        return tongue.say("p not known")
    number = tongue.number
    return f"p < {number(0.001, 3)}" if p < 0.001 else f"p = {number(p, 3)}"
