"""One wearer in a minute: what changed, what is over the limit, what goes with pain, how good the
data are. Pure; the pages below say the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from analytics.dashboard import association_words, words
from analytics.dashboard.language import gettext, ngettext, number
from analytics.dashboard.periods import Line
from analytics.exposure.association.answer import ASSOCIATED, Association
from analytics.exposure.summary import DayExposure
from analytics.store.records import WearerSettings

RECENT_DAYS: Final = 7
LEAST_DAYS: Final = 3
"""Fewer days worn on either side are no comparison."""
NOTABLE: Final = 0.25
"""A quarter more or less than before is worth a line."""
LEAST_CHANGE: Final = {"min/h": 2.0, "%": 10.0, "/h": 0.5, "": 1.0}
"""And at least this much, by unit: a quarter of nearly nothing is nothing."""
MOST_LINES: Final = 3
NOT_COMPARED: Final = frozenset({"days_worn", "worn"})


@dataclass(frozen=True, slots=True)
class Answer:
    """One question, and what there is to say."""

    question: str
    says: tuple[str, ...]
    stands_out: bool = False


def glance(
    lines: Sequence[Line],
    days: Sequence[DayExposure],
    settings: WearerSettings,
    association: Association,
    unexplained: int,
) -> tuple[Answer, ...]:
    """lines: two stretches compared; days: consecutive ones up to today; unexplained: samples that
    are missing without a reason in the last RECENT_DAYS."""
    recent = days[-RECENT_DAYS:]
    return (
        _changed(lines),
        _over(recent, settings),
        _with_pain(association),
        _data(recent, unexplained),
    )


def _changed(lines: Sequence[Line]) -> Answer:
    question = gettext("What changed?")
    worn = next(line for line in lines if line.key == "days_worn")
    if min(worn.first or 0, worn.second or 0) < LEAST_DAYS:
        return Answer(question, (gettext("Not enough days worn yet to compare with."),))
    notable = sorted(
        (line for line in lines if line.key not in NOT_COMPARED and _is_notable(line)),
        key=_share,
        reverse=True,
    )
    if not notable:
        return Answer(question, (gettext("Nothing by more than a quarter."),))
    return Answer(
        question,
        tuple(
            gettext(
                "%(what)s: %(now)s, before %(before)s",
                what=line.word,
                now=line.second_text,
                before=line.first_text,
            )
            for line in notable[:MOST_LINES]
        ),
        stands_out=True,
    )


def _is_notable(line: Line) -> bool:
    if line.first is None or line.second is None:
        return False
    least = LEAST_CHANGE.get(line.unit, 1.0)
    return abs(line.second - line.first) >= least and _share(line) >= NOTABLE


def _share(line: Line) -> float:
    first, second = line.first or 0.0, line.second or 0.0
    return abs(second - first) / abs(first) if first else float("inf")


def _over(recent: Sequence[DayExposure], settings: WearerSettings) -> Answer:
    question = gettext("Over the limit in the last %(days)d days?", days=RECENT_DAYS)
    worn = [day.exposure for day in recent if day.exposure.worn_min]
    if not worn:
        return Answer(question, (gettext("Not worn in these days."),))
    slouches = [day.slouch_episodes for day in worn if day.slouch_episodes is not None]
    walks = [day.prolonged_bouts for day in worn if day.prolonged_bouts is not None]
    said = []
    if n := sum(slouches):
        said.append(
            ngettext(
                "%(num)d slouch of %(limit)s or longer, on %(on)d of %(of)d days worn",
                "%(num)d slouches of %(limit)s or longer, on %(on)d of %(of)d days worn",
                n,
                limit=words.minutes(settings.slouch_bout_min_s / 60),
                on=sum(map(bool, slouches)),
                of=len(slouches),
            )
        )
    if n := sum(walks):
        said.append(
            ngettext(
                "%(num)d walk of %(limit)s or longer, on %(on)d of %(of)d days worn",
                "%(num)d walks of %(limit)s or longer, on %(on)d of %(of)d days worn",
                n,
                limit=words.minutes(settings.walking_limit_s / 60),
                on=sum(map(bool, walks)),
                of=len(walks),
            )
        )
    return Answer(question, tuple(said) or (gettext("Nothing."),), stands_out=bool(said))


def _with_pain(found: Association) -> Answer:
    question = gettext("What goes together with pain?")
    called = [answer for answer in found.answers if answer.answer == ASSOCIATED]
    if called:
        said = tuple(association_words.sentence(answer) for answer in called[:MOST_LINES])
        return Answer(question, said, stands_out=True)
    return Answer(question, (association_words.nothing(found),))


def _data(recent: Sequence[DayExposure], unexplained: int) -> Answer:
    worn = [day.exposure.worn_min for day in recent if day.exposure.worn_min]
    said = [gettext("Not worn in these days.")]
    if worn:
        mean_min = sum(worn) / len(worn)
        said = [
            gettext(
                "Worn on %(on)d of the last %(of)d days, %(worn)s a day",
                on=len(worn),
                of=len(recent),
                worn=words.minutes(mean_min),
            )
        ]
    said.append(
        gettext("%(n)s samples are missing without a reason", n=number(unexplained))
        if unexplained
        else gettext("No sample is missing without a reason")
    )
    return Answer(gettext("Are the data good?"), tuple(said), stands_out=bool(unexplained))
