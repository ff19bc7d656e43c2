"""Extra sensors beside the trunk's: samples around walks -> gait signs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from analytics.detect.findings import SECOND_NS
from analytics.detect.gait import GaitSign
from analytics.detect.limbs import (
    LimbParameters,
    LimbWalk,
    Neutral,
    Samples,
    Segment,
    grid_of,
    limb_signs,
    segment_of,
)
from analytics.sensor_context import SensorContext

_AROUND_NS: Final = SECOND_NS // 2
_LONGEST_S: Final = 300
"""More of one walk tells nothing new."""
TRUNK: Final = ""
"""What the trunk's sensor is called among the others."""


@dataclass(frozen=True, slots=True)
class SteadyWalk:
    """A walk with steady strides."""

    start_ns: int
    end_ns: int
    stride_s: float
    context: SensorContext
    """Of the trunk's sensor at that time; with a gyroscope."""

    @property
    def used_ns(self) -> int:
        """How much of it is looked at."""
        return min(self.end_ns - self.start_ns, _LONGEST_S * SECOND_NS)


def signs_of_limbs(
    walks: Sequence[SteadyWalk],
    read: Callable[[str, int, int], Samples],
    neutral: Callable[[str, int], Neutral | None],
    names: Sequence[str],
    parameters: LimbParameters,
) -> tuple[list[GaitSign], dict[str, str]]:
    """Gait signs of the extra sensors `names`, and why some of them say nothing.

    read(name, start_ns, end_ns): samples of a sensor, of TRUNK too. neutral(name, at_ns): the
    upright reference of an extra sensor as it was worn then.
    """
    seen = []
    for walk in walks:
        parts = _segments(walk, read, neutral, names, parameters)
        trunk = parts.pop(TRUNK, None)
        if trunk is not None and parts:
            up = walk.context.calibration.rotation @ trunk.up
            seen.append(LimbWalk(walk.stride_s, up, trunk, parts, walk.context.site.sagittal))
    signs, refused = limb_signs(seen, parameters)
    silent = dict.fromkeys(set(names) - {name for walk in seen for name in walk.limbs}, "walking")
    return signs, silent | refused


def _segments(
    walk: SteadyWalk,
    read: Callable[[str, int, int], Samples],
    neutral: Callable[[str, int], Neutral | None],
    names: Sequence[str],
    p: LimbParameters,
) -> dict[str, Segment]:
    """The trunk's and the extra sensors' part in one walk, as far as they were there."""
    grid_ns = grid_of(walk.start_ns, walk.start_ns + walk.used_ns)
    span = int(grid_ns[0]) - _AROUND_NS, int(grid_ns[-1]) + _AROUND_NS
    segments: dict[str, Segment] = {}
    for name in (*names, TRUNK):
        if name == TRUNK and not segments:
            break  # nothing to compare it with
        upright = neutral(name, walk.start_ns) if name != TRUNK else _of_trunk(walk.context)
        found = segment_of(read(name, *span), grid_ns, upright, p)
        if found is not None:
            segments[name] = found
    return segments


def _of_trunk(context: SensorContext) -> Neutral | None:
    calibration = context.calibration
    if calibration.gyro_bias_radps is None:
        return None
    return Neutral(calibration.rotation[2], np.array(calibration.gyro_bias_radps))
