"""The timers of this moment from the timeline of the last hours. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.exposure.alerts import Present
from analytics.exposure.timeline import CODE, NO_DATA, NS_PER_S, Item, Timeline

CORRECTION_S: Final = 60
"""A correction or a rest shorter than this does not end the spell."""
SETTLED_S: Final = 10
FRESH_S: Final = 15
"""The latest second may be this old and still be now."""
HOUR_NS: Final = 3600 * NS_PER_S
IN_USE_S: Final = 12 * 3600
"""A sensor that was silent for longer has been put away."""
TRANSITIONS: Final = frozenset(
    {"sit_to_stand", "stand_to_sit", "sit_to_lie", "lie_to_sit", "stand_to_lie", "lie_to_stand"}
)


def present(
    line: Timeline,
    items: Iterable[Item],
    *,
    now_ns: int,
    last_sample_ns: int | None,
    battery_pct: int | None,
) -> Present:
    """line: the last hours, up to now; items: movements of the last hour at least."""
    silent_s = None if last_sample_ns is None else max(now_ns - last_sample_ns, 0) / NS_PER_S
    known = np.flatnonzero(line.worn != NO_DATA)
    fresh = len(known) > 0 and now_ns // NS_PER_S - (line.start_s + int(known[-1])) <= FRESH_S
    end = int(known[-1]) + 1 if len(known) else 0
    worn = fresh and line.worn[end - 1] == 1
    recent = [i for i in items if i.kind == "movement" and i.start_ns > now_ns - HOUR_NS]
    return Present(
        slouched_s=spell_s(line.slouched[:end] == 1) if worn else None,
        walking_s=spell_s(line.posture[:end] == CODE["walking"]) if worn else None,
        transitions=sum(i.body["kind"] in TRANSITIONS for i in recent) if worn else None,
        silent_s=silent_s if silent_s is not None and silent_s <= IN_USE_S else None,
        battery_pct=battery_pct,
    )


def spell_s(state: NDArray[np.bool_]) -> float:
    """Length of the spell that lasts at the end of `state` (one entry a second); 0 without one.

    What was before a correction counts only once the present run has settled: a moment's dip on
    the way up is no spell.
    """
    others = np.flatnonzero(~state)
    run_s = len(state) - (int(others[-1]) + 1 if len(others) else 0)
    if run_s < SETTLED_S:
        return float(run_s)
    at = np.flatnonzero(state)
    breaks = np.flatnonzero(np.diff(at) > CORRECTION_S)
    first = at[breaks[-1] + 1] if len(breaks) else at[0]
    return float(len(state) - first)
