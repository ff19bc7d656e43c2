"""The personal scale of step lengths, from one walk of known length."""

from __future__ import annotations

from analytics.detect.findings import SECOND_NS, Findings
from analytics.detect.gait import step_scale


def scale_of_walk(
    findings: Findings | None, start_ns: int, end_ns: int, distance_m: float
) -> float | None:
    """Of the walking in [start_ns, end_ns), which went `distance_m` in all; None without a steady
    walk in it."""
    bouts = [
        bout
        for bout in (findings.walking_bouts if findings else ())
        if bout.start_ns < end_ns and bout.end_ns > start_ns
    ]
    walked_ns = sum(min(end_ns, bout.end_ns) - max(start_ns, bout.start_ns) for bout in bouts)
    pieces = [piece for bout in bouts for piece in bout.gait]
    return step_scale(pieces, walked_ns / SECOND_NS, distance_m)
