"""Extra sensors of a recording: samples around its walks -> gait signs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from analytics.detect.findings import SECOND_NS, WalkingBout
from analytics.detect.gait import GaitSign
from analytics.detect.limbs import (
    LimbParameters,
    LimbWalk,
    Neutral,
    Samples,
    Segment,
    grid_of,
    limb_signs,
    neutral_of,
    segment_of,
)
from analytics.pipeline import SensorContext

_AROUND_NS: Final = SECOND_NS // 2
_LONGEST_S: Final = 300
"""More of one walk tells nothing new."""


def signs_of_limbs(
    bouts: Sequence[WalkingBout],
    context: SensorContext,
    read: Callable[[str, int, int], Samples],
    names: Sequence[str],
    parameters: LimbParameters,
    *,
    axes: Mapping[str, Any] | None = None,
) -> tuple[list[GaitSign], dict[str, str]]:
    """Gait signs of the extra sensors `names`, and why some of them say nothing.

    read(name, start_ns, end_ns): samples of a sensor; the trunk's is named "". axes: forward of a
    segment in its sensor's axes, where it is known: {name: {"forward": [x, y, z]}}.
    """
    reference = context.calibration.reference_ns
    if not names:
        return [], {}
    neutrals: dict[str, Neutral] = {}
    for name in ("", *names):
        if reference is not None:
            _, accel, gyro = read(name, *reference)
            known = ((axes or {}).get(name) or {}).get("forward")
            neutral = neutral_of(accel, gyro, known)
            if neutral is not None:
                neutrals[name] = neutral
    walks = []
    for bout in bouts:
        if bout.gait and context.has_gyro:
            parts = _segments(bout, read, names, neutrals, parameters)
            trunk = parts.pop("", None)
            if trunk is not None and parts:
                stride_s = float(np.median([piece.stride_time_s for piece in bout.gait]))
                up = context.calibration.rotation @ trunk.up
                walks.append(LimbWalk(stride_s, up, trunk, parts))
    signs, refused = limb_signs(walks, neutrals, parameters, trunk_forward=context.site.sagittal)
    silent = dict.fromkeys(set(names) - {name for walk in walks for name in walk.limbs}, "walking")
    return signs, silent | refused


def _segments(
    bout: WalkingBout,
    read: Callable[[str, int, int], Samples],
    names: Sequence[str],
    neutrals: Mapping[str, Neutral],
    p: LimbParameters,
) -> dict[str, Segment]:
    """The trunk's ("") and the extra sensors' part in one walk, as far as they were there."""
    grid_ns = grid_of(bout.start_ns, min(bout.end_ns, bout.start_ns + _LONGEST_S * SECOND_NS))
    segments = {}
    for name in ("", *names):
        bias = neutrals[name].bias_radps if name in neutrals else np.zeros(3)
        span = int(grid_ns[0]) - _AROUND_NS, int(grid_ns[-1]) + _AROUND_NS
        found = segment_of(read(name, *span), grid_ns, bias, p)
        if found is not None:
            segments[name] = found
    return segments
