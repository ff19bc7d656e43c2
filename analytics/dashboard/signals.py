"""Raw signals of a stretch of time: every sample, or lowest and highest of each column.

Which of the two it is stands beside the drawing; nothing is left out silently.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user
from numpy.typing import NDArray

from analytics.dashboard.access import Permission, readings, requires, view_log
from analytics.dashboard.language import clock, clock_s, gettext, lazy, long_day, number
from analytics.dashboard.tables import Table
from analytics.dashboard.wanted import zone_of
from analytics.dashboard.words import local
from analytics.exposure.days import NS_PER_S
from analytics.sample_window import SampleWindow

blueprint = Blueprint("signals", __name__)

POINTS: Final = 800
"""Columns of the drawing: about the pixels of a desk's screen that it has."""
SEGMENTS: Final = 8
"""Parts of the drawing that can be looked into."""
SPANS_S: Final = (86_400, 10_800, 1_800, 300, 60, 10)
"""Stretches that are offered."""
LEAST_S, MOST_S = 5, 90_000
"""The longest local day has 25 hours."""
HEIGHT: Final = 100.0
TABLE_ROWS: Final = 24
NAMES: Final = {
    "accel": (lazy("Acceleration"), "m/s²"),
    "gyro": (lazy("Rotation"), "rad/s"),
    "mag": (lazy("Magnetic field"), "µT"),
}


@dataclass(frozen=True, slots=True)
class Panel:
    """One quantity: three paths in a box of POINTS x HEIGHT, and its axis."""

    title: str
    unit: str
    paths: tuple[tuple[str, str], ...]
    """(axis, path data)"""
    low: str
    high: str


@blueprint.get("/wearers/<wearer>/signals")
@requires(Permission.WEARER)
def show(wearer: str) -> ResponseReturnValue:
    """start: UTC seconds, span: seconds, sensor: an id; without them the last hour there is."""
    zone, found = zone_of(wearer), readings()
    sensors = found.sensors(wearer)
    view_log().page(current_user.name, [wearer], "signals")
    if not sensors:
        return render_template("signals.html", wearer=wearer, tab="signals", sensors=[])
    spans = {span.sensor: span for span in sensors}
    sensor = request.args.get("sensor", sensors[0].sensor)
    if sensor not in spans:
        abort(404)
    span_s = _whole("span", 3600)
    last_s = spans[sensor].last_ns // NS_PER_S + 1
    start_s = _whole("start", last_s - span_s)
    if not LEAST_S <= span_s <= MOST_S or not 0 <= start_s < 4_102_444_800:
        abort(404)
    start_ns, end_ns = start_s * NS_PER_S, (start_s + span_s) * NS_PER_S
    window = found.samples(wearer, sensor, start_ns, end_ns, points=POINTS)
    begin, end = (local(at, zone) for at in (start_ns, end_ns))
    inner_s = max(span_s // SEGMENTS, LEAST_S)
    return render_template(
        "signals.html",
        wearer=wearer,
        tab="signals",
        sensors=sorted(spans),
        sensor=sensor,
        start=start_s,
        span=span_s,
        spans=[(each, _span_words(each)) for each in SPANS_S],
        title=long_day(begin.date(), weekday=True),
        begin=clock_s(begin),
        end=clock_s(end),
        zone=zone.key,
        panels=panels(window),
        said=resolution(window),
        points=POINTS,
        height=HEIGHT,
        segments=_segments(start_s, span_s, zone),
        inner=inner_s,
        wider=min(span_s * SEGMENTS, 86_400) if span_s < 86_400 else None,
        table=_table(window, zone),
    )


def _segments(start_s: int, span_s: int, zone: ZoneInfo) -> list[tuple[int, str]]:
    """(beginning, its clock) of each part that can be looked into; none where it is short."""
    if span_s <= LEAST_S * SEGMENTS:
        return []
    begins = [start_s + span_s * n // SEGMENTS for n in range(SEGMENTS)]
    return [(at, clock(local(at * NS_PER_S, zone))) for at in begins]


def _whole(name: str, standard: int) -> int:
    text = request.args.get(name, str(standard))
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        abort(404)
    return int(text)


def _span_words(seconds: int) -> str:
    if seconds >= 3600:
        return gettext("%(n)d h", n=seconds // 3600)
    return gettext("%(n)d min", n=seconds // 60) if seconds >= 60 else gettext("%(n)d s", n=seconds)


def resolution(window: SampleWindow) -> str:
    """What is drawn, in words."""
    if not window.samples:
        return gettext("No samples in this stretch.")
    if window.piece_ns is None:
        return gettext("Every one of the %(n)s samples is drawn.", n=number(window.samples))
    return gettext(
        "%(n)s samples in this stretch: each column shows the lowest and highest of %(length)s s."
        " Look into a part of it for more; from %(points)d samples down every one is drawn.",
        n=number(window.samples),
        length=number(window.piece_ns / NS_PER_S, 1 if window.piece_ns >= NS_PER_S else 2),
        points=POINTS,
    )


def panels(window: SampleWindow) -> list[Panel]:
    """The drawings, one a quantity."""
    found = []
    x = (window.t_ns - window.start_ns) / (window.end_ns - window.start_ns) * POINTS
    for quantity, (word, unit) in NAMES.items():
        columns = [n for n, name in enumerate(window.columns) if name.startswith(quantity)]
        if not columns:
            continue
        low_value = float(np.nanmin(window.low[:, columns]))
        high_value = float(np.nanmax(window.high[:, columns]))
        scale = HEIGHT / ((high_value - low_value) or 1.0)
        paths = []
        for column in columns:
            top, bottom = (
                HEIGHT - (values[:, column] - low_value) * scale
                for values in (window.high, window.low)
            )
            draw = (
                _polyline(window, x, top) if window.piece_ns is None else _columns(x, top, bottom)
            )
            paths.append((window.columns[column][-1], draw))
        texts = (number(low_value, 1), number(high_value, 1))
        found.append(Panel(str(word), unit, tuple(paths), *texts))
    return found


def _polyline(window: SampleWindow, x: NDArray[Any], y: NDArray[Any]) -> str:
    """A line through the samples that is broken where some are missing."""
    known = np.flatnonzero(np.isfinite(y))
    if not len(known):
        return ""
    steps = np.diff(window.t_ns[known])
    usual = float(np.median(steps)) if len(steps) else 0.0
    breaks = np.r_[True, steps > 2.5 * usual]
    return "".join(
        f"{'M' if first else 'L'}{a:.1f} {b:.1f}"
        for first, a, b in zip(breaks, x[known], y[known], strict=True)
    )


def _columns(x: NDArray[Any], top: NDArray[Any], bottom: NDArray[Any]) -> str:
    """A stroke from lowest to highest in each column that has samples."""
    known = np.flatnonzero(np.isfinite(top))
    return "".join(f"M{x[n]:.1f} {bottom[n]:.1f}V{min(top[n], bottom[n] - 0.5):.1f}" for n in known)


def _table(window: SampleWindow, zone: ZoneInfo) -> Table:
    """Lowest and highest of TABLE_ROWS equal parts: what the drawing says, in numbers."""
    part = ((window.t_ns - window.start_ns) * TABLE_ROWS) // (window.end_ns - window.start_ns)
    rows = []
    for n in range(TABLE_ROWS):
        here = np.flatnonzero(part == n)
        if not len(here):
            continue
        at = local(window.start_ns + n * (window.end_ns - window.start_ns) // TABLE_ROWS, zone)
        cells = []
        for column in range(len(window.columns)):
            low, high = window.low[here, column], window.high[here, column]
            known = np.isfinite(low).any()
            cells.append(
                f"{number(float(np.nanmin(low)), 2)} … {number(float(np.nanmax(high)), 2)}"
                if known
                else gettext("no data")
            )
        rows.append((clock_s(at), tuple(cells)))
    titles = (
        f"{NAMES[c.split('_')[0]][0]} {c[-1]} ({NAMES[c.split('_')[0]][1]})" for c in window.columns
    )
    return Table(gettext("Lowest and highest"), tuple(titles), tuple(rows))
