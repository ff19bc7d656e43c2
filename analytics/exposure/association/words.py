"""The answer in sentences: "associated with", and never a word of causes."""

from __future__ import annotations

from typing import Final

from analytics.exposure.association.answer import (
    ASSOCIATED,
    NO_CHANGE,
    NOT_FOUND,
    PAIN_CONSTANT,
    TriggerAnswer,
)
from analytics.exposure.association.flares import FlareOdds

WHEN: Final = {
    "0_2h": "in the two hours after it",
    "same_day": "on the same day",
    "next_day": "on the next day",
}
CAUTION: Final = (
    "Associations in one person's diary; they do not tell causes. Not a medical device."
)


def sentence(answer: TriggerAnswer, pain: str = "pain", name: str | None = None) -> str:
    """One trigger at one lag. name: how the trigger is called in the sentence."""
    trigger = name or answer.trigger
    when = WHEN[answer.lag]
    if answer.answer == ASSOCIATED and answer.effect is not None:
        more = "more" if answer.effect.points_per_sd > 0 else "less"
        return f"More {trigger} is associated with {more} {pain} {when}: {_size(answer)}."
    if answer.answer == NO_CHANGE:
        return f"{_first(trigger)} hardly varies: nothing can be said about {pain} {when}."
    if answer.answer == PAIN_CONSTANT:
        return f"{_first(pain)} hardly varies: nothing can be said about {trigger} {when}."
    if answer.answer == NOT_FOUND and answer.effect is not None:
        return f"No association of {trigger} with {pain} {when} was found: {_size(answer)}."
    days = f", about {answer.more_days} more days" if answer.more_days else ""
    return f"Not enough data yet on {trigger} and {pain} {when}{days}."


def reverse_sentence(answer: TriggerAnswer, pain: str = "pain", name: str | None = None) -> str:
    """The other way round; `answer` of the reverse lag."""
    trigger = name or answer.trigger
    if answer.answer == ASSOCIATED and answer.effect is not None:
        more = "more" if answer.effect.points_per_sd > 0 else "less"
        return f"Days with more {pain} are followed by days with {more} {trigger}."
    if answer.answer == NOT_FOUND:
        return f"No association of {pain} with {trigger} of the next day was found."
    return f"Not enough data yet on {pain} and {trigger} of the next day."


def flare_sentence(odds: FlareOdds, pain: str = "pain", name: str | None = None) -> str:
    """Case-crossover."""
    trigger = name or odds.trigger
    if odds.odds_ratio is None:
        if odds.flares < odds.needed:
            return f"Not enough flares of {pain} yet for {trigger}: {odds.flares} of {odds.needed}."
        return f"Flares and calm times do not overlap in {trigger}; no odds can be given."
    return (
        f"Odds of a flare of {pain} {WHEN[odds.lag]} with one standard deviation more {trigger}:"
        f" {odds.odds_ratio:.2f} times ({odds.low:.2f} to {odds.high:.2f}), {odds.flares} flares."
    )


def _first(text: str) -> str:
    return text[:1].upper() + text[1:]


def _size(answer: TriggerAnswer) -> str:
    effect = answer.effect
    if effect is None:
        return "no size can be given"
    low, high = effect.low * effect.sd, effect.high * effect.sd
    unit = f"{effect.sd:.0f}" if effect.sd >= 100 else f"{effect.sd:.3g}"
    return (
        f"{effect.points_per_sd:+.2f} points ({low:+.2f} to {high:+.2f}) for each {unit}"
        f" more, {_chance(answer.p_family)} over all questions asked"
    )


def _chance(p: float | None) -> str:
    if p is None:
        return "p not known"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
