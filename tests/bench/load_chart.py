"""The chart of a load test: latency over wearers, and the cores that each process used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

WIDTH, HEIGHT, LEFT, TOP = 360, 230, 48, 30
COLOURS = {"ingest": "#1b6ca8", "worker": "#d17a22", "mosquitto": "#6b8e23", "influxd": "#8e4a9e"}
LIMIT_S = 2.0


def chart(told: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """SVG; a row of two panels for every store."""
    parts = []
    for row, (store, steps) in enumerate(told.items()):
        y = row * (HEIGHT + 40)
        parts.append(_group(0, y, _latency(store, steps)))
        parts.append(_group(WIDTH + 40, y, _cores(store, steps)))
    width, height = 2 * WIDTH + 60, len(told) * (HEIGHT + 40)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="11">'
        f'<rect width="{width}" height="{height}" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _latency(store: str, steps: Sequence[Mapping[str, Any]]) -> str:
    top = max(2 * LIMIT_S, 1.0)
    x = _scale(max(step["wearers"] for step in steps), WIDTH - LEFT)
    y = _scale(top, HEIGHT - TOP - 30)
    base = HEIGHT - 30
    out = [_title(f"{store}: 95th percentile, seconds"), _axes(steps, x, top, y)]
    limit = base - y(LIMIT_S)
    out.append(
        f'<line x1="{LEFT}" x2="{WIDTH}" y1="{limit:.1f}" y2="{limit:.1f}" stroke="#b00" '
        'stroke-dasharray="4 3"/>'
    )
    for name, colour in (("commit_p95_s", "#1b6ca8"), ("result_p95_s", "#d17a22")):
        points = [
            f"{LEFT + x(step['wearers']):.1f},{base - y(min(step[name], top)):.1f}"
            for step in steps
        ]
        out.append(
            f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" '
            'stroke-width="2"/>'
        )
    out.append(_legend({"commit": "#1b6ca8", "result": "#d17a22", "limit": "#b00"}))
    return "".join(out)


def _cores(store: str, steps: Sequence[Mapping[str, Any]]) -> str:
    totals = [sum(step["cpu"].values()) for step in steps]
    top = max(*totals, 0.5)
    y = _scale(top, HEIGHT - TOP - 30)
    base, slot = HEIGHT - 30, (WIDTH - LEFT) / len(steps)
    out = [_title(f"{store}: cores used by process")]
    for tick in (0, top / 2, top):
        at = base - y(tick)
        out.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{tick:.1f}</text>')
    for number, step in enumerate(steps):
        left, at = LEFT + number * slot + slot * 0.15, float(base)
        for name, cores in step["cpu"].items():
            height = y(cores)
            at -= height
            colour = COLOURS[name.split()[0]]
            out.append(
                f'<rect x="{left:.1f}" y="{at:.1f}" width="{slot * 0.7:.1f}" '
                f'height="{height:.1f}" fill="{colour}"/>'
            )
        out.append(
            f'<text x="{left + slot * 0.35:.1f}" y="{base + 14}" text-anchor="middle">'
            f"{step['wearers']}</text>"
        )
    names = {name.split()[0]: COLOURS[name.split()[0]] for name in steps[0]["cpu"]}
    return "".join([*out, _legend(names)])


def _axes(steps: Sequence[Mapping[str, Any]], x: Any, top: float, y: Any) -> str:
    base = HEIGHT - 30
    out = [f'<path d="M{LEFT} {TOP}V{base}H{WIDTH}" fill="none" stroke="#444"/>']
    for tick in range(int(top) + 1):
        at = base - y(tick)
        out.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{tick}</text>')
    for step in steps:
        at = LEFT + x(step["wearers"])
        out.append(
            f'<text x="{at:.1f}" y="{base + 14}" text-anchor="middle">{step["wearers"]}</text>'
        )
    return "".join(out)


def _legend(names: Mapping[str, str]) -> str:
    return "".join(
        f'<text x="{LEFT + 10 + 80 * at}" y="{TOP - 4}" fill="{colour}">{name}</text>'
        for at, (name, colour) in enumerate(names.items())
    )


def _title(text: str) -> str:
    return f'<text x="{LEFT}" y="14" font-weight="bold">{text}</text>'


def _group(x: float, y: float, content: str) -> str:
    return f'<g transform="translate({x} {y})">{content}</g>'


def _scale(top: float, length: float) -> Any:
    return lambda value: value / top * length
