"""Gait, limbs, breathing and sway over the weeks, and what the sensors worn cannot tell."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import reduce
from operator import add
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
from analytics.exposure.signs import BREATHING, EXTRA, DaySign
from analytics.exposure.trends import Trend, Verdict, WeekValue
from analytics.sign_reading import SignHistory

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
    "hip_peak_extension_deg_left": Measure(lazy("Hip extension in walking, left"), "°", 1),
    "hip_peak_extension_deg_right": Measure(lazy("Hip extension in walking, right"), "°", 1),
    "hip_peak_extension_deg_difference": Measure(
        lazy("Hip extension in walking, left less right"), "°", 1
    ),
    "arm_swing_deg_left": Measure(lazy("Arm swing, left"), "°", 1),
    "arm_swing_deg_right": Measure(lazy("Arm swing, right"), "°", 1),
    "arm_swing_asymmetry_pct": Measure(lazy("Arm swing, left less right"), "%", 0),
    "trunk_on_pelvis_flexion_deg": Measure(lazy("Trunk on pelvis in walking, flexion"), "°", 1),
    "trunk_on_pelvis_lateral_range_deg": Measure(
        lazy("Trunk on pelvis in walking, side bending"), "°", 1
    ),
    "trunk_on_pelvis_rotation_range_deg": Measure(
        lazy("Trunk on pelvis in walking, rotation"), "°", 1
    ),
}
_VERDICTS: Final = {
    Verdict.WORSE: lazy("worse than usual"),
    Verdict.BETTER: lazy("better than usual"),
    Verdict.CHANGED: lazy("unlike the usual"),
    Verdict.USUAL: lazy("as usual"),
}
_EXTRA: Final = (
    ("thigh", lazy("Hip extension in walking"), lazy("needs a thigh sensor")),
    ("wrist", lazy("Arm swing"), lazy("needs a wrist sensor")),
    ("pelvis", lazy("Trunk on pelvis in walking"), lazy("needs a pelvis sensor")),
)
_SILENT: Final = {
    "walking": lazy("no steady walk with this sensor yet"),
    "reference": lazy("stand upright once after putting the sensor on: calibration, step 1"),
    "axes": lazy("it is not known which way is forward"),
    "time": lazy("the clock of the sensor does not go with the trunk's"),
    "gyroscope": lazy("the sensor has no gyroscope"),
}
"""Why an extra sensor says nothing."""


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
        _covered(shown_of(trend, MEASURES[trend.kind], history.days), trend.kind, history)
        for trend in history.trends
        if trend.kind in MEASURES and not _is_missing(trend, history)
    ]
    placements = {s.birth.placement for s in clinic().sensors(wearer) if s.birth is not None}
    shown += _why_missing(history, placements)
    return render_template(
        "trends.html", wearer=wearer, tab="trends", trends=shown, first=days[0], last=days[-1]
    )


def _is_missing(trend: Trend, history: SignHistory) -> bool:
    """It takes an extra sensor, and there is nothing of it."""
    takes_extra = any(trend.kind.startswith(names) for names in EXTRA.values())
    return takes_extra and not any(trend.kind in found for _, found in history.days)


def _why_missing(history: SignHistory, placements: Collection[str]) -> Iterator[Shown]:
    """What extra sensors do not tell: they are not worn, or say why."""
    for place, word, lacking in _EXTRA:
        said = {name: why for name, why in history.extra.items() if name.startswith(place)}
        is_worn = bool(said) or any(placement.startswith(place) for placement in placements)
        told = any(kind.startswith(EXTRA[place]) for _, found in history.days for kind in found)
        if not is_worn and not told:
            yield Shown(str(word), str(lacking))
        elif not said and not told:
            yield Shown(str(word), str(_SILENT["walking"]))
        for name, why in sorted(said.items()):
            if isinstance(why, str):
                side = words.SIDES.get(name.removeprefix(f"{place}_"))
                yield Shown(f"{word} ({side})" if side else str(word), str(_SILENT[why]))


def _covered(shown: Shown, kind: str, history: SignHistory) -> Shown:
    """A breathing figure with the share of the time for which it speaks."""
    if kind not in BREATHING or shown.table is None:
        return shown
    by_day = [found[kind] for found in history.coverage]
    whole = reduce(add, by_day)
    shares = [
        f"{number(100.0 * (coverage.share or 0.0))} %"
        for coverage, (_, signs) in zip(by_day, history.days, strict=True)
        if kind in signs
    ]
    table = Table(
        shown.table.caption,
        (*shown.table.columns, gettext("Share of the time")),
        tuple(
            (head, (*cells, share))
            for (head, cells), share in zip(shown.table.rows, shares, strict=True)
        ),
    )
    said = gettext(
        "A rate could be told in %(share)s %% of that time.",
        share=number(100.0 * (whole.share or 0.0)),
    )
    return replace(shown, verdict=f"{shown.verdict} {said}", table=table)


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
            "Newest week %(week)s. What is usual for this person shows after three weeks more.",
            week=week,
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
