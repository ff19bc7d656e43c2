"""Which trunk excursions are bends and turns of the wearer, and which are not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analytics.detect.excursions import Excursion, ExcursionParameters
from analytics.detect.findings import MovementKind, Posture
from analytics.detect.site import Site
from analytics.signal.frames import MOTION_HZ
from analytics.signal.masks import runs

Span = tuple[int, int]


def rhythmic_spans(
    found: Sequence[Excursion], p: ExcursionParameters
) -> list[tuple[MovementKind, Span]]:
    """Long series of one kind, (start, stop) in ticks: rowing or rocking, not bends."""
    spans: list[tuple[MovementKind, Span]] = []
    for kind in {item.kind for item in found if item.kind is not None}:
        same = [item for item in found if item.kind is kind]
        peaks = np.array([item.peak for item in same])
        heights = np.array([item.height_deg for item in same])
        even = np.abs(np.diff(np.log(heights))) < np.log(p.rhythm_ratio)
        even &= np.diff(peaks) <= p.rhythm_period_s * MOTION_HZ
        for first, last in runs(even).tolist():
            if last - first + 1 >= p.rhythm_least:
                spans.append((kind, (same[first].start, same[last].stop)))
    return sorted(spans, key=lambda item: item[1])


def bends(
    found: Sequence[Excursion],
    *,
    first_tick: int,
    posture: NDArray[np.int8],
    probability: NDArray[np.float32],
    lying: NDArray[np.bool_],
    taken: Sequence[Span],
    site: Site,
    p: ExcursionParameters,
) -> list[Excursion]:
    """The excursions that count.

    posture and its probability: (seconds,), lying: (ticks,), all from first_tick on; taken:
    (start, stop) ticks of other movements.
    """
    seated = (posture == Posture.SITTING) & (probability >= p.seated_probability)
    still = (posture != Posture.WALKING) & (posture != Posture.NOT_WORN)
    return [
        bend
        for bend in found
        if still[(bend.peak - first_tick) // MOTION_HZ]
        and bend.strength >= 1.0
        and not lying[bend.peak - first_tick]
        and not any(start < bend.stop and bend.start < stop for start, stop in taken)
        and _counts(bend, site, p, seated=bool(seated[(bend.peak - first_tick) // MOTION_HZ]))
    ]


def _counts(bend: Excursion, site: Site, p: ExcursionParameters, *, seated: bool) -> bool:
    forward = bend.kind is MovementKind.FORWARD_BEND
    turn = bend.kind is MovementKind.TRUNK_ROTATION
    if not seated and bend.unrest_radps > p.max_unrest_radps:
        return False  # stepping on
    if site.low:
        # a standing pelvis that turns or tilts is the whole body turning, stepping or sitting down
        large = forward and bend.height_deg >= p.standing_pelvis_deg
        # who falls back onto a seat has leaned forward; a knock while bending aside is a knock
        landed = forward and max(bend.jerk_mps3, bend.landing_mps3) > p.max_jerk_mps3
        return (large or (site.fixed_low and seated)) and not landed
    if turn and not seated:
        return False  # one sensor cannot tell a twist of the trunk from a turn of the whole body
    return site.gyro or bend.height_deg >= p.no_gyro_deg
