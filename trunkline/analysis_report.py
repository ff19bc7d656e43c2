"""One page that shows a recording and what was found in it, beside the truth where there is one."""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from plotly.graph_objects import Bar, Figure, Scatter
from plotly.subplots import make_subplots

from analytics.detect.findings import MovementKind, Posture
from analytics.offline import Analysis, Source

POINTS: Final = 4000
"""Bins over the whole recording; each is drawn as its lowest and highest value."""
_FOUND: Final = "#1f77b4"
_TRUE: Final = "#ff7f0e"
_POSTURES: Final = [posture.word for posture in Posture] + ["lying"]


def report_page(analysis: Analysis, source: Source, truth: Mapping[str, Any] | None) -> str:
    """A self-contained HTML page."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(analysis.header.recording_id)}</title></head>"
        f'<body style="font-family:sans-serif">{_summary(analysis)}'
        f"{_figure(analysis, source, truth).to_html(full_html=False, include_plotlyjs=True)}"
        "</body></html>"
    )


def truth_beside(recording: Path) -> dict[str, Any] | None:
    """The content of `<recording>.truth.json`, None when there is no such file."""
    path = recording.with_suffix(".truth.json")
    if not path.is_file():
        return None
    truth = json.loads(path.read_text())
    return truth if isinstance(truth, dict) else None


def _summary(analysis: Analysis) -> str:
    result = analysis.document()
    kinds = Counter(m["kind"] for m in result["movements"])
    lines = [
        f"{result['duration_s']:.0f} s, placement {analysis.header.placement or 'not stated'}",
        "movements: " + (", ".join(f"{n} {kind}" for kind, n in kinds.most_common()) or "none"),
        f"walking bouts: {len(result['walking_bouts'])}, "
        f"slouch episodes: {len(result['slouch_episodes'])}",
        "observable: " + ", ".join(f"{k}: {v}" for k, v in result["quality"]["observable"].items()),
        f"algorithm {result['provenance']['algorithm_version']}, "
        f"parameters {result['provenance']['params_hash']}",
    ]
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f"<h1>{html.escape(analysis.header.recording_id)}</h1><ul>{items}</ul>"


def _figure(analysis: Analysis, source: Source, truth: Mapping[str, Any] | None) -> Figure:
    figure = make_subplots(
        rows=4,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.03,
        row_heights=[0.2, 0.25, 0.2, 0.35],
        subplot_titles=("Signals", "Trunk angles [deg]", "Posture", "Movements and episodes"),
    )
    result = analysis.document()
    _signals(figure, source, analysis.duration_s)
    timeline = result["timeline"]
    for name, title in (("trunk_flexion_deg", "flexion"), ("trunk_lateral_deg", "lateral")):
        figure.add_trace(Scatter(x=timeline["time_s"], y=timeline[name], name=title), row=2, col=1)
    slouched = [15.0 if value else None for value in timeline["slouched"]]
    if any(value is not None for value in slouched):
        line = {"color": "#d62728", "width": 6}
        figure.add_trace(
            Scatter(x=timeline["time_s"], y=slouched, name="slouched", line=line), row=2, col=1
        )
    figure.add_trace(
        Scatter(
            x=timeline["time_s"],
            y=timeline["posture"],
            name="posture",
            line={"shape": "hvh", "color": _FOUND},
        ),
        row=3,
        col=1,
    )
    _bars(figure, 4, "found", _spans(result), _FOUND, offset=-0.35)
    if truth is not None:
        postures = [(label, float(a), float(b)) for a, b, label in truth.get("posture", [])]
        _bars(figure, 3, "true posture", postures, _TRUE, offset=0.1)
        _bars(figure, 4, "true", _spans(truth), _TRUE, offset=0.05)
    figure.update_yaxes(categoryorder="array", categoryarray=_POSTURES, row=3, col=1)
    figure.update_xaxes(title="s", row=4, col=1)
    figure.update_layout(height=1100, barmode="overlay", hovermode="x")
    return figure


def _signals(figure: Figure, source: Source, duration_s: float) -> None:
    t_s, accel, gyro = [], [], []
    for samples in source.chunks():
        bins = max(2, round(POINTS * (samples.t_s[-1] - samples.t_s[0]) / max(duration_s, 1.0)))
        edges = np.unique(np.linspace(0, len(samples.t_s), bins + 1).astype(int)[:-1])
        t_s.append(np.repeat(samples.t_s[edges], 2))
        accel.append(_envelope(np.linalg.norm(samples.accel, axis=1), edges))
        if samples.gyro is not None:
            gyro.append(_envelope(np.linalg.norm(samples.gyro, axis=1), edges))
    time_s = np.concatenate(t_s)
    figure.add_trace(
        Scatter(x=time_s, y=np.concatenate(accel), name="|accel| [m/s2]"), row=1, col=1
    )
    if gyro:
        figure.add_trace(
            Scatter(x=time_s, y=np.concatenate(gyro), name="|gyro| [rad/s]"), row=1, col=1
        )


def _envelope(values: NDArray[np.float64], edges: NDArray[np.int64]) -> NDArray[np.float64]:
    """Lowest and highest value of each bin, one after the other."""
    low, high = np.minimum.reduceat(values, edges), np.maximum.reduceat(values, edges)
    return np.stack((low, high), axis=1).ravel()


def _spans(source: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """(row, start, end) of everything that has a beginning and an end."""
    spans = [(m["kind"], m["start_s"], m["end_s"]) for m in source.get("movements", [])]
    spans += [
        ("slouch episode", e["start_s"], e["end_s"]) for e in source.get("slouch_episodes", [])
    ]
    for bout in source.get("walking_bouts", []):
        start, end = bout[:2] if isinstance(bout, list) else (bout["start_s"], bout["end_s"])
        spans.append(("walking", start, end))
    spans += [(label, a, b) for a, b, label in source.get("slouch", [])]
    order = [kind.value for kind in MovementKind]
    return sorted(spans, key=lambda s: order.index(s[0]) if s[0] in order else len(order))


def _bars(
    figure: Figure,
    row: int,
    name: str,
    spans: Sequence[tuple[str, float, float]],
    color: str,
    *,
    offset: float,
) -> None:
    if not spans:
        return
    figure.add_trace(
        Bar(
            y=[label for label, _, _ in spans],
            base=[start for _, start, _ in spans],
            x=[end - start for _, start, end in spans],
            orientation="h",
            width=0.3,
            offset=offset,
            name=name,
            marker={"color": color, "opacity": 0.7},
        ),
        row=row,
        col=1,
    )
