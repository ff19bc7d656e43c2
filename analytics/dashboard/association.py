"""The page that says which triggers are associated with pain, for patient and clinician alike."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
from flask import Blueprint, current_app, render_template
from flask.typing import ResponseReturnValue
from flask_login import current_user
from numpy.typing import NDArray

from analytics.dashboard import association_words
from analytics.dashboard.access import Permission, clinic, readings, requires
from analytics.dashboard.wanted import zone_of
from analytics.dashboard.words import local
from analytics.exposure.association.answer import ASSOCIATED, Association, associate
from analytics.exposure.association.observations import HOURS, Exposures, Pain
from analytics.exposure.association.parameters import AssociationParameters
from analytics.exposure.days import Day
from analytics.exposure.summary import DayExposure
from analytics.exposure.triggers import TRIGGERS
from analytics.store.records import DiaryEntry

blueprint = Blueprint("association", __name__)

DAYS: Final = 90
"""Days before today; today is not over and does not count."""
PERMUTATIONS: Final = 2000
"""A page must not take seconds; the command tries 10,000."""
_kept: dict[tuple[str, Day], tuple[int, Association]] = {}


@blueprint.get("/wearers/<wearer>/association")
@requires(Permission.WEARER)
def show(wearer: str) -> ResponseReturnValue:
    """The answer over the last days, computed again when what it rests on has changed."""
    current_app.extensions["view_log"].page(current_user.name, [wearer], "association")
    first, found = answer_of(wearer)
    return render_template(
        "association.html",
        wearer=wearer,
        tab="association",
        found=found,
        first=first.date,
        days=DAYS,
        associated=ASSOCIATED,
        answers=[(answer, association_words.sentence(answer)) for answer in found.answers],
        reverse=[association_words.reverse_sentence(answer) for answer in found.reverse],
        flares=[association_words.flare_sentence(odds) for odds in found.flares],
        nothing=association_words.nothing(found),
        caution=association_words.caution(),
    )


def answer_of(wearer: str) -> tuple[Day, Association]:
    """The first of the last days, and what they say."""
    today = readings().today(zone_of(wearer))
    first = today.plus(-DAYS)
    days = readings().days(wearer, [first.plus(n) for n in range(DAYS)])
    return first, answer_from(
        wearer, first, days, clinic().diary(wearer, first.start_ns, today.start_ns)
    )


def answer_from(
    wearer: str, first: Day, days: list[DayExposure], entries: list[DiaryEntry]
) -> Association:
    """What these consecutive days from `first` on and their diary say; kept while they say the
    same."""
    diary = [entry for entry in entries if _is_pain(entry)]
    worn = [n for n, day in enumerate(days) if day.exposure.worn_min]
    begin = worn[0] if worn else 0  # days before the first are no holes
    exposures, pain = exposures_of(days[begin:]), pain_of(diary, first.plus(begin))
    rests_on = (exposures.hourly_amount, exposures.hourly_worn_min, pain.day, pain.hour)
    said = hash(tuple(np.asarray(array).tobytes() for array in (*rests_on, pain.severity)))
    kept = _kept.get((wearer, first))
    if kept is None or kept[0] != said:
        parameters = dataclasses.replace(AssociationParameters(), permutations=PERMUTATIONS)
        for old in [k for k in _kept if k[1] != first]:
            del _kept[old]
        kept = _kept[wearer, first] = (said, associate(exposures, pain, parameters))
    return kept[1]


def exposures_of(days: list[DayExposure]) -> Exposures:
    """Consecutive days as arrays; the hour that comes twice counts as one."""
    amount = np.full((len(TRIGGERS), len(days), HOURS), np.nan)
    worn = np.full((len(days), HOURS), np.nan)
    for d, day in enumerate(days):
        for hour in day.hours:
            if hour.exposure.worn_min is None:
                continue
            values = [trigger(hour.exposure) for trigger in TRIGGERS.values()]
            _add(worn[d], hour.hour.hour, hour.exposure.worn_min)
            for row, value in zip(amount[:, d], values, strict=True):
                _add(row, hour.hour.hour, value)
    return Exposures.from_hours(days[0].date, tuple(TRIGGERS), amount, worn)


def _add(hours: NDArray[np.float64], hour: int, value: float | None) -> None:
    if value is not None:
        hours[hour] = value if np.isnan(hours[hour]) else hours[hour] + value


def pain_of(diary: list[DiaryEntry], first: Day) -> Pain:
    """Entries with a strength, in the calendar that begins with `first`."""
    at = [local(entry.at_ns, first.zone) for entry in diary]
    return Pain(
        np.array([(moment.date() - first.date).days for moment in at], np.int64),
        np.array([moment.hour + moment.minute / 60 for moment in at], float),
        np.array([float(entry.severity or 0) for entry in diary]),
    )


def _is_pain(entry: DiaryEntry) -> bool:
    return entry.symptom == "pain" and entry.severity is not None
