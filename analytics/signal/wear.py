"""Worn or not: a living trunk never stays as still as a table.

Breathing and the heart turn the trunk by more than 0.06 degrees from second to second in every
public set (1st percentile over half minutes 0.13 degrees); a sensor on a table turns by its noise,
0.02 degrees or less. A still stretch counts once it is longer than any stillness of a wearer.
Before and after it the sensor is in somebody's hands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.signal.masks import runs, widened
from analytics.signal.parameter import parameter
from analytics.signal.smoothing import moving_sum


@dataclass(frozen=True, slots=True)
class WearParameters:
    """How still and how long a sensor must be to count as not worn."""

    still_deg: float = parameter(
        0.04, unit="deg", reason="between a table and the stillest wearer, second to second"
    )
    window_s: int = parameter(30, unit="s", reason="several breaths")
    least_s: int = parameter(600, unit="s", reason="a wearer is never so still for ten minutes")
    handling_s: int = parameter(
        40,
        unit="s",
        reason="half of the window, and as long as it takes to unfasten a sensor or to fasten it",
    )


def still_seconds(up_by_second: NDArray[np.float64], p: WearParameters) -> NDArray[np.bool_]:
    """(seconds,) True where up hardly turns in the window around; (3, seconds) up, NaN in gaps."""
    turn = np.square(np.diff(up_by_second, axis=1, prepend=up_by_second[:, :1])).sum(axis=0)
    known = np.isfinite(turn)
    total = moving_sum(np.where(known, turn, 0.0), p.window_s)
    count = moving_sum(known.astype(float), p.window_s)
    mean = total / np.maximum(count, 1.0)
    still: NDArray[np.bool_] = (mean < np.radians(p.still_deg) ** 2) & (count > p.window_s // 3)
    return still


def worn_seconds(
    still: NDArray[np.bool_], not_worn_before: bool, p: WearParameters
) -> NDArray[np.bool_]:
    """(seconds,) False where a long stillness lies; one that began before goes on."""
    worn = np.ones(len(still), bool)
    for start, stop in runs(still):
        if stop - start >= p.least_s or (start == 0 and not_worn_before):
            worn[start:stop] = False
    return worn


def handled_seconds(
    worn: NDArray[np.bool_], since_s: int | None, p: WearParameters
) -> NDArray[np.bool_]:
    """(seconds,) True where the sensor lies aside or is about to be put aside or put on; since_s:
    seconds from the last one aside to the first of these, None without one."""
    handled = widened(~worn, p.handling_s)
    if since_s is not None:
        handled[: max(0, p.handling_s - since_s)] = True
    return handled


def undecided_from(still: NDArray[np.bool_], not_worn_before: bool, p: WearParameters) -> int:
    """First second of a stillness at the end that may yet become long enough; else the length."""
    stretches = runs(still)
    if not len(stretches) or stretches[-1][1] < len(still):
        return len(still)
    start = int(stretches[-1][0])
    decided = len(still) - start >= p.least_s or (start == 0 and not_worn_before)
    return len(still) if decided else start
