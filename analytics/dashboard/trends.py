"""Gait and breathing over the weeks: what was measured, and what this sensor cannot tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_babel import LazyString
from flask_login import current_user

from analytics.dashboard import charts, words
from analytics.dashboard.access import Permission, clinic, readings, requires, view_log
from analytics.dashboard.language import gettext, lazy, number, short_day, tick_day
from analytics.dashboard.tables import Table
from analytics.dashboard.wanted import zone_of
from analytics.dashboard.words import local
from analytics.exposure.days import Day
from analytics.store.base import Result

blueprint = Blueprint("trends", __name__)

DAYS: Final = 56
LEAST: Final = 3
"""A day's median of fewer values is not shown."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A number in the body of a kind of result."""

    kind: str
    field: str
    word: LazyString
    unit: str
    digits: int
    scale: float = 1.0


MEASURES: Final = (
    Measure("walking_bout", "cadence_spm", lazy("Cadence"), "/min", 0),
    Measure("walking_bout", "walking_speed_mps", lazy("Walking speed"), "m/s", 2),
    Measure("walking_bout", "step_length_m", lazy("Step length"), "cm", 0, 100.0),
    Measure("walking_bout", "step_time_asymmetry_pct", lazy("Asymmetry of step times"), "%", 1),
    Measure("walking_bout", "step_regularity", lazy("Regularity of steps"), "", 2),
    Measure("respiration", "breaths_per_min", lazy("Breathing at rest"), "/min", 1),
)
_ELSEWHERE: Final = (
    ("thigh", lazy("Hip extension in walking"), lazy("needs a thigh sensor")),
    ("wrist", lazy("Arm swing"), lazy("needs a wrist sensor")),
)


@dataclass(frozen=True, slots=True)
class Trend:
    """One measure over the days, or the reason why there is none."""

    title: str
    why: str
    chart: charts.Chart | None
    table: Table | None


@blueprint.get("/wearers/<wearer>/trends")
@requires(Permission.WEARER)
def show(wearer: str) -> ResponseReturnValue:
    """Medians by day of the last eight weeks."""
    view_log().page(current_user.name, [wearer], "trends")
    found = readings()
    today = found.today(zone_of(wearer))
    days = [today.plus(n + 1 - DAYS) for n in range(DAYS)]
    results = {
        kind: found.results(wearer, kind, days[0].start_ns, days[-1].end_ns)
        for kind in {measure.kind for measure in MEASURES}
    }
    placements = {s.birth.placement for s in clinic().sensors(wearer) if s.birth is not None}
    trends = [trend(measure, days, results[measure.kind]) for measure in MEASURES]
    for place, word, why in _ELSEWHERE:
        there = any(placement.startswith(place) for placement in placements)
        reason = words.NOT_OBSERVABLE if there else why
        trends.append(Trend(str(word), str(reason), None, None))
    return render_template(
        "trends.html", wearer=wearer, tab="trends", trends=trends, first=days[0], last=days[-1]
    )


def trend(measure: Measure, days: Sequence[Day], results: Sequence[Result]) -> Trend:
    """Daily medians of one measure."""
    title = f"{measure.word} ({measure.unit})" if measure.unit else str(measure.word)
    by_day = _by_day(results, days[0], lambda body: _value(body, measure))
    known = [median(values) for values in by_day.values() if len(values) >= LEAST]
    if not known:
        reason = gettext("not enough data") if by_day else str(words.NOT_OBSERVABLE)
        return Trend(title, reason, None, None)
    columns = charts.Columns(
        tuple(short_day(day.date) for day in days),
        tuple(tick_day(d.date) if d.date.weekday() == 0 else "" for d in days),
    )
    values = [by_day.get(day.date, ()) for day in days]
    rows = [
        (short_day(day.date), (number(median(v), measure.digits), number(len(v))))
        for day, v in zip(days, values, strict=True)
        if len(v) >= LEAST
    ]
    table = Table(title, (gettext("Median"), gettext("Values")), tuple(rows))
    medians = [median(v) if len(v) >= LEAST else None for v in values]
    chart = charts.dots(f"{measure.kind}-{measure.field}", title, columns, medians, measure.digits)
    return Trend(title, "", chart, table)


def _value(body: Mapping[str, Any], measure: Measure) -> float | None:
    value = body.get(measure.field)
    return None if value is None else float(value) * measure.scale


def _by_day(
    results: Sequence[Result], first: Day, value: Callable[[Mapping[str, Any]], float | None]
) -> dict[Any, list[float]]:
    found = defaultdict(list)
    for result in results:
        said = value(result.body)
        if said is not None:
            found[local(result.start_ns, first.zone).date()].append(said)
    return dict(found)
