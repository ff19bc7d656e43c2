"""How long the present lasts, and today's longest, beside the wearer's own limits. No blame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analytics.dashboard import words
from analytics.dashboard.language import gettext, ngettext
from analytics.exposure.alerts import AlertSettings, Present
from analytics.exposure.summary import Exposure
from analytics.exposure.timeline import CODE, NO_DATA, Timeline

SHORTEST_S = 60.0
"""Less than this is not worth a line."""


@dataclass(frozen=True, slots=True)
class Timer:
    """One line with a bar: what there is of what the wearer set as a limit."""

    text: str
    note: str = ""
    share: float | None = None
    """of the limit, 1 at the limit; None: there is no limit"""

    @property
    def part_pct(self) -> float:
        """The bar up to the limit, which stands at three quarters of its width."""
        return 75 * min(self.share or 0.0, 1.0)

    @property
    def over_pct(self) -> float:
        """The bar beyond the limit; it ends at a third more."""
        return 75 * min(max((self.share or 0.0) - 1.0, 0.0), 1 / 3)


def posture_s(line: Timeline, posture: str) -> float | None:
    """For how long this posture has lasted at the end of `line`; None where it has not."""
    known = np.flatnonzero(line.posture != NO_DATA)
    if not len(known):
        return None
    end = int(known[-1]) + 1
    others = np.flatnonzero(line.posture[:end] != CODE.get(posture, CODE["unknown"]))
    run_s = end - (int(others[-1]) + 1 if len(others) else 0)
    return float(run_s) or None


def timers(
    now: Present, settings: AlertSettings, posture: str | None, posture_lasts_s: float | None
) -> list[Timer]:
    """The lines of this moment. The personal limits must have been filled in."""
    found = []
    slouched_s, walking_s = now.slouched_s or 0.0, now.walking_s or 0.0
    if slouched_s >= SHORTEST_S:
        text = gettext("Slouched for %(time)s", time=words.minutes(slouched_s / 60))
        found.append(_against(text, slouched_s / 60, settings.slouch_after_min))
    if walking_s >= SHORTEST_S:
        text = gettext("Walking for %(time)s", time=words.minutes(walking_s / 60))
        found.append(_against(text, walking_s / 60, settings.walking_after_min))
    elif posture in words.POSTURES and (posture_lasts_s or 0.0) >= SHORTEST_S:
        name = str(words.POSTURES[posture])
        time = words.minutes((posture_lasts_s or 0.0) / 60)
        found.append(Timer(gettext("%(posture)s for %(time)s", posture=name, time=time)))
    if now.transitions:
        text = ngettext(
            "%(num)d change of posture in the last hour",
            "%(num)d changes of posture in the last hour",
            now.transitions,
        )
        limit = settings.transitions_in_an_hour
        found.append(
            Timer(text, gettext("your limit: %(limit)s", limit=limit), now.transitions / limit)
        )
    return found


def today(exposure: Exposure, settings: AlertSettings) -> list[Timer]:
    """The longest of today beside the limits; empty where nothing is known."""
    slouch, walk = gettext("Longest slouched sitting"), gettext("Longest walk without a rest")
    found: Sequence[tuple[str, float | None, float | None]] = (
        (slouch, exposure.longest_slouch_min, settings.slouch_after_min),
        (walk, exposure.longest_walk_min, settings.walking_after_min),
    )
    return [
        _against(f"{name}: {words.minutes(value)}", value, limit)
        for name, value, limit in found
        if value is not None
    ]


def _against(text: str, value_min: float, limit_min: float | None) -> Timer:
    if not limit_min:
        return Timer(text)
    note = gettext("your limit: %(limit)s", limit=words.minutes(limit_min))
    return Timer(text, note, value_min / limit_min)
