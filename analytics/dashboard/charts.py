"""Charts as plotly.js figures (plain dicts). Missing is a gap in the chart, never a zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

from analytics.dashboard import words
from analytics.exposure.summary import DayExposure, Exposure
from analytics.store.records import DiaryEntry

Figure = dict[str, Any]

_INK: Final = "#22313a"
_GRID: Final = "#e4e2dc"
MOVEMENT_COLOURS: Final = (
    "#0f9b76",
    "#c2609a",
    "#33244f",
    "#e8ac2a",
    "#6cc0ee",
    "#2f5fb3",
    "#d3d6d8",
)
_SYMBOLS: Final = {"pain": "circle", "numbness": "square", "paraesthesia": "diamond"}


def _layout(
    y_title: str, labels: Sequence[str], ticks: Sequence[str], *, y_top: float, **more: Any
) -> Figure:
    """`labels` are the categories of the x axis, `ticks` what is written there ("": nothing);
    the y axis reaches from 0 at least to y_top."""
    axis = {"gridcolor": _GRID, "zerolinecolor": _GRID, "fixedrange": True}
    return {
        "height": 240,
        "margin": {"l": 52, "r": 8, "t": 10, "b": 40},
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": _INK},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "hovermode": "x unified",
        "barmode": "stack",
        "bargap": 0.35,
        "showlegend": False,
        "hoverlabel": {"bgcolor": "#ffffff", "bordercolor": _GRID, "font": {"color": _INK}},
        "xaxis": {
            **axis,
            "type": "category",
            "categoryorder": "array",
            "categoryarray": list(labels),
            "range": [-0.5, len(labels) - 0.5],
            "tickvals": [label for label, tick in zip(labels, ticks, strict=True) if tick],
            "ticktext": [tick for tick in ticks if tick],
            "tickangle": 0,
        },
        "yaxis": {
            **axis,
            "title": {"text": y_title},
            "rangemode": "nonnegative",
            "autorangeoptions": {"include": [0, y_top]},
        },
        **more,
    }


def _postures(labels: Sequence[str], parts: Sequence[Exposure], per_unit: float) -> list[Figure]:
    stacks = [words.band_minutes(part) or dict.fromkeys(words.BANDS) for part in parts]
    return [
        {
            "type": "bar",
            "name": str(words.BAND_WORDS[band]),
            "x": list(labels),
            "y": [_scaled(stack[band], per_unit) for stack in stacks],
            "marker": {"color": words.COLOURS[band]},
            "hovertemplate": "%{y:.1f}",
        }
        for band in words.BANDS
    ]


def _scaled(value: float | None, per_unit: float) -> float | None:
    return None if value is None else value / per_unit


def _missing(labels: Sequence[str], parts: Sequence[Exposure]) -> list[Figure]:
    """The words "no data" where a bar would be."""
    return [
        {
            "x": label,
            "y": 0,
            "yanchor": "bottom",
            "text": str(words.NO_DATA),
            "showarrow": False,
            "textangle": -90,
            "font": {"size": 12, "color": "#55636c"},
        }
        for label, part in zip(labels, parts, strict=True)
        if part.worn_min is None
    ]


def _slouch(labels: Sequence[str], parts: Sequence[Exposure]) -> Figure:
    bands = [part.slouched_min for part in parts]
    return {
        "type": "bar",
        "name": "Slouched",
        "x": list(labels),
        "y": [None if band is None else band.mid for band in bands],
        "marker": {"color": words.COLOURS["slouched"]},
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [band.high - band.mid if band and band.mid else None for band in bands],
            "arrayminus": [band.mid - band.low if band and band.mid else None for band in bands],
            "color": _INK,
            "thickness": 1.5,
        },
        "hovertemplate": "%{y:.0f} min",
    }


def _movements(labels: Sequence[str], parts: Sequence[Exposure]) -> list[Figure]:
    return [
        {
            "type": "bar",
            "name": str(name),
            "x": list(labels),
            "y": [words.count_of(part, kinds) for part in parts],
            "marker": {"color": colour},
            "hovertemplate": "%{y}",
        }
        for (name, kinds), colour in zip(words.TRIGGERS, MOVEMENT_COLOURS, strict=True)
    ]


def _symptoms(entries: Sequence[tuple[str, DiaryEntry]]) -> list[Figure]:
    """One trace per symptom; `entries` are pairs of axis label and entry."""
    traces = []
    for symptom, name in words.SYMPTOMS.items():
        found = [(label, e) for label, e in entries if e.symptom == symptom]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": str(name),
                "x": [label for label, _ in found],
                "y": [e.severity for _, e in found],
                "text": [str(words.SITES.get(e.site or "", "")) for _, e in found],
                "marker": {
                    "color": words.COLOURS[symptom],
                    "symbol": _SYMBOLS[symptom],
                    "size": 12,
                    "opacity": 0.8,
                },
                "hovertemplate": "%{y} of 10 %{text}",
            }
        )
    return traces


def _symptom_figure(
    labels: Sequence[str], ticks: Sequence[str], entries: Sequence[tuple[str, DiaryEntry]]
) -> Figure:
    layout = _layout("strength (0–10)", labels, ticks, y_top=10)
    layout["yaxis"] |= {"range": [-0.8, 10.8], "dtick": 5}
    return {"data": _symptoms(entries), "layout": layout}


def week(
    days: Sequence[DayExposure], diary: Sequence[DiaryEntry], zone: ZoneInfo
) -> Mapping[str, Figure]:
    """Figures of the week by the id of their element."""
    labels = [f"{day.date:%a} {day.date.day}" for day in days]
    ticks = [f"{day.date:%a}<br>{day.date.day}" for day in days]
    parts = [day.exposure for day in days]
    by_date = {day.date: label for day, label in zip(days, labels, strict=True)}
    placed = [(by_date[words.local(entry.at_ns, zone).date()], entry) for entry in diary]
    missing = _missing(labels, parts)
    return {
        "week-postures": {
            "data": _postures(labels, parts, 60),
            "layout": _layout("worn hours", labels, ticks, y_top=8, annotations=missing),
        },
        "week-slouch": {
            "data": [_slouch(labels, parts)],
            "layout": _layout("minutes", labels, ticks, y_top=60, annotations=missing),
        },
        "week-movements": {
            "data": _movements(labels, parts),
            "layout": _layout(
                "count", labels, ticks, y_top=5, barmode="group", bargap=0.2, annotations=missing
            ),
        },
        "week-symptoms": _symptom_figure(labels, ticks, placed),
    }


def day(reading: DayExposure, diary: Sequence[DiaryEntry], zone: ZoneInfo) -> Mapping[str, Figure]:
    """Figures of a day's hours by the id of their element."""
    labels = [hour.hour.label for hour in reading.hours]
    ticks = [
        f"{hour.hour.hour:02d}" if hour.hour.hour % 3 == 0 and not hour.hour.fold else ""
        for hour in reading.hours
    ]
    parts = [hour.exposure for hour in reading.hours]
    by_hour = {(hour.hour.hour, hour.hour.fold): hour.hour.label for hour in reading.hours}
    placed = []
    for entry in diary:
        at = words.local(entry.at_ns, zone)
        placed.append((by_hour[at.hour, at.fold], entry))
    return {
        "day-postures": {
            "data": _postures(labels, parts, 1),
            "layout": _layout("worn minutes", labels, ticks, y_top=60),
        },
        "day-slouch": {
            "data": [_slouch(labels, parts)],
            "layout": _layout("minutes", labels, ticks, y_top=60),
        },
        "day-movements": {
            "data": _movements(labels, parts),
            "layout": _layout("count", labels, ticks, y_top=5),
        },
        "day-symptoms": _symptom_figure(labels, ticks, placed),
    }
