"""The personal scale of step lengths, from one walk of known length."""

from __future__ import annotations

from analytics.detect.findings import Findings
from analytics.detect.gait import step_scale


def scale_of_walk(
    findings: Findings | None, start_ns: int, end_ns: int, distance_m: float
) -> float | None:
    """Of the walking in [start_ns, end_ns), which went `distance_m` in all; None without a steady
    walk in it.

    Steps are counted: the seconds of a walk are known to a second at either end, which is a fifth
    of ten metres.
    """
    bouts = [
        bout
        for bout in (findings.walking_bouts if findings else ())
        if bout.start_ns < end_ns and bout.end_ns > start_ns
    ]
    count = sum(int(((b.step_ns >= start_ns) & (b.step_ns < end_ns)).sum()) for b in bouts)
    pieces = [piece for bout in bouts for piece in bout.gait]
    return step_scale(pieces, count, distance_m)
