"""Gait, breathing and sway over the weeks, and what the sensors worn cannot tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_babel import LazyString
from flask_login import current_user

from analytics.dashboard import charts, words
from analytics.dashboard.access import Permission, clinic, readings, requires, view_log
from analytics.dashboard.language import gettext, lazy, number, short_day, tick_day
from analytics.dashboard.tables import Table
from analytics.dashboard.wanted import zone_of
from analytics.exposure.signs import DaySign
from analytics.exposure.trends import Trend, Verdict, WeekValue

blueprint = Blueprint("trends", __name__)

DAYS: Final = 56


@dataclass(frozen=True, slots=True)
class Measure:
    """How a figure of `analytics.exposure.signs.SIGNS` is shown."""

    word: LazyString
    unit: str
    digits: int
    scale: float = 1.0


MEASURES: Final[Mapping[str, Measure]] = {
    "walking_speed_mps": Measure(lazy("Walking speed"), "m/s", 2),
    "step_length_m": Measure(lazy("Step length"), "cm", 0, 100.0),
    "stride_time_s": Measure(lazy("Stride time"), "s", 2),
    "step_time_asymmetry_pct": Measure(lazy("Asymmetry of step times"), "%", 1),
    "step_regularity": Measure(lazy("Regularity of steps"), "", 2),
    "stride_regularity": Measure(lazy("Regularity of strides"), "", 2),
    "trunk_sway_forward_deg": Measure(lazy("Trunk sway in walking, forward"), "°", 1),
    "trunk_sway_lateral_deg": Measure(lazy("Trunk sway in walking, sideways"), "°", 1),
    "breaths_per_min_lying": Measure(lazy("Breathing at rest, lying"), "/min", 1),
    "breaths_per_min_sitting": Measure(lazy("Breathing at rest, sitting"), "/min", 1),
    "sway_rms_deg": Measure(lazy("Sway in quiet standing"), "°", 2),
    "sway_path_deg": Measure(lazy("Path of sway in quiet standing"), "°", 1),
    "sway_frequency_hz": Measure(lazy("Frequency of sway in quiet standing"), "Hz", 2),
}
_VERDICTS: Final = {
    Verdict.WORSE: lazy("worse than usual"),
    Verdict.BETTER: lazy("better than usual"),
    Verdict.CHANGED: lazy("unlike the usual"),
    Verdict.USUAL: lazy("as usual"),
}
_ELSEWHERE: Final = (
    ("thigh", lazy("Hip extension in walking"), lazy("needs a thigh sensor")),
    ("wrist", lazy("Arm swing"), lazy("needs a wrist sensor")),
)
_RECORDINGS: Final = lazy("in recordings only, so far")


@dataclass(frozen=True, slots=True)
class Shown:
    """One figure over the days, or the reason why there is none."""

    title: str
    why: str = ""
    verdict: str = ""
    """The newest week against this person's usual."""
    is_worse: bool = False
    chart: charts.Chart | None = None
    table: Table | None = None


@blueprint.get("/wearers/<wearer>/trends")
@requires(Permission.WEARER)
def show(wearer: str) -> ResponseReturnValue:
    """Values by day of the last eight weeks, and the newest week."""
    view_log().page(current_user.name, [wearer], "trends")
    today = readings().today(zone_of(wearer))
    days = [today.plus(n + 1 - DAYS) for n in range(DAYS)]
    history = readings().signs(wearer, days)
    shown = [
        shown_of(trend, MEASURES[trend.kind], history.days)
        for trend in history.trends
        if trend.kind in MEASURES
    ]
    placements = {s.birth.placement for s in clinic().sensors(wearer) if s.birth is not None}
    for place, word, why in _ELSEWHERE:
        is_worn = any(placement.startswith(place) for placement in placements)
        shown.append(Shown(str(word), str(_RECORDINGS if is_worn else why)))
    return render_template(
        "trends.html", wearer=wearer, tab="trends", trends=shown, first=days[0], last=days[-1]
    )


def shown_of(
    trend: Trend, measure: Measure, days: Sequence[tuple[date, Mapping[str, DaySign]]]
) -> Shown:
    """One figure as the page has it."""
    title = f"{measure.word} ({measure.unit})" if measure.unit else str(measure.word)
    if trend.verdict is Verdict.NOT_OBSERVABLE:
        return Shown(title, str(words.NOT_OBSERVABLE))
    signs = [(day, found.get(trend.kind)) for day, found in days]
    if not any(sign for _, sign in signs):
        return Shown(title, gettext("not enough data"))
    columns = charts.Columns(
        tuple(short_day(day) for day, _ in signs),
        tuple(tick_day(day) if day.weekday() == 0 else "" for day, _ in signs),
    )
    values = [None if sign is None else sign.value * measure.scale for _, sign in signs]
    rows = tuple(
        (short_day(day), (number(value, measure.digits),))
        for (day, _), value in zip(signs, values, strict=True)
        if value is not None
    )
    return Shown(
        title,
        verdict=_verdict(trend, measure),
        is_worse=trend.verdict is Verdict.WORSE,
        chart=charts.dots(trend.kind, title, columns, values, measure.digits),
        table=Table(title, (gettext("Value"),), rows),
    )


def _verdict(trend: Trend, measure: Measure) -> str:
    """The newest week in a sentence."""
    if not trend.weeks:
        return gettext("No week has three days with a value yet.")
    week = _week(trend.weeks[-1], measure)
    if trend.usual is None or trend.verdict not in _VERDICTS:
        return gettext(
            "Newest week %(week)s; three weeks before it would tell the usual.", week=week
        )
    return gettext(
        "Newest week %(week)s, usual %(usual)s: %(verdict)s.",
        week=week,
        usual=number(trend.usual * measure.scale, measure.digits),
        verdict=str(_VERDICTS[trend.verdict]),
    )


def _week(week: WeekValue, measure: Measure) -> str:
    """ "1.05 (0.98–1.10)"."""
    value, low, high = (
        number(each * measure.scale, measure.digits) for each in (week.value, week.low, week.high)
    )
    return f"{value} ({low}–{high})"
