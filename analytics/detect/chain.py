"""The stretches between events and what speaks for which state in each: input of the best path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from analytics.detect.lying import Transition
from analytics.detect.observe import Observations
from analytics.detect.path import Link, State, Stretch
from analytics.detect.posture import (
    Neutral,
    evidence,
    flexion_from,
    low_odds,
    lying_link,
    plain_link,
    pulse_link,
    tilt_evidence,
    unseen_link,
)
from analytics.detect.posture_parameters import PostureParameters
from analytics.detect.pulses import Pulse
from analytics.detect.site import Site
from analytics.signal.calibration import Calibration
from analytics.signal.frames import MOTION_HZ
from analytics.signal.masks import runs

TICK_NS = 1_000_000_000 // MOTION_HZ
_REFERENCE_ODDS = 6.0
"""The posture during the reference interval is known, as far as people do as they are told: a clear
descent before it and a clear rise after it say more."""
_KNOWN = {"sitting": State.SIT, "standing": State.STAND}


@dataclass(frozen=True, slots=True)
class Chain:
    """Stretches in order of time; links[i] lies before stretches[i]."""

    stretches: list[Stretch]
    links: list[Link]
    pulses: list[Pulse]
    """What Link.pulse counts."""

    def index_at(self, tick: int) -> int:
        """The stretch that a tick (from the first) lies in."""
        at = tick / MOTION_HZ
        last = len(self.stretches) - 1
        return next((i for i, s in enumerate(self.stretches) if s.stop_s > at), last)


class ChainBuilder:
    """Builds the chain of one window of observations. Ticks count from the window's first."""

    def __init__(
        self,
        seen: Observations,
        *,
        lying: NDArray[np.bool_],
        walking: NDArray[np.bool_],
        neutral: Neutral,
        site: Site,
        calibration: Calibration,
        parameters: PostureParameters,
        lasted: int = 0,
    ) -> None:
        """lasted: ticks before the window's first without an event."""
        self.lasted = lasted
        self.seen, self.site, self.p = seen, site, parameters
        self.lying, self.walking, self.neutral = lying, walking, neutral
        self.calibration = calibration

    def build(self, pulses: Sequence[Pulse], changes: Sequence[Transition]) -> Chain:
        """The chain of the window; pulses are in absolute ticks, changes in the window's."""
        offset, end = self.seen.first_tick, len(self.lying)
        own = [p.shifted(-offset) for p in pulses]
        middles = {(p.start + p.stop) // 2: i for i, p in enumerate(own)}
        walks = self._walks(sorted(middles))
        lying_links = {c.crossing: self._lying_link(c) for c in changes}
        events = {*middles, *lying_links, *(tick for walk in walks for tick in walk)}
        times = sorted(tick for tick in events if 0 < tick < end)
        settled = self._settled([0, *times, end])
        share = _share([-self.lasted, *times, end], settled)
        share[0] = share.pop(-self.lasted)
        times = sorted([*times, *settled])
        in_walk = np.zeros(end, bool)
        for start, stop in walks:
            in_walk[start:stop] = True
        plain, unseen = plain_link(self.p), unseen_link(self.site, self.p)
        stretches, links = [], []
        for start, stop in zip([0, *times], [*times, end], strict=True):
            before, after = middles.get(start), middles.get(stop)
            cost = unseen if start in settled else lying_links.get(start, plain)
            if before is not None:
                cost = pulse_link(own[before], self.site, self.p)
            links.append(Link(cost, before))
            around = (
                None if before is None else own[before],
                None if after is None else own[after],
            )
            walking = bool(in_walk[(start + stop) // 2])
            odds = self._odds(start, stop, around, walking=walking, share=share[start])
            stretches.append(Stretch(start / MOTION_HZ, stop / MOTION_HZ, odds))
        return Chain(stretches, links, list(pulses))

    def _odds(
        self,
        start: int,
        stop: int,
        around: tuple[Pulse | None, Pulse | None],
        *,
        walking: bool,
        share: float,
    ) -> NDArray[np.float64]:
        """(4,) log evidence of one stretch by State; share: how much its angle counts."""
        if self.lying[(start + stop) // 2]:
            return evidence(lying=True, p=self.p)
        calm_start, calm_stop = _calm(start, stop, around)
        up = self.seen.up[:, calm_start:calm_stop].mean(axis=1)
        calm_s = (calm_stop - calm_start) / MOTION_HZ
        sit = share * tilt_evidence(up, calm_s, self.neutral, self.p)
        odds = evidence(sit=sit, walking=walking, p=self.p)
        odds[State.CROUCH] += self._crouch((stop - start) / MOTION_HZ, up, sit, around)
        interval = self.calibration.reference_ns
        known = _KNOWN.get(self.calibration.reference_posture or "")
        if interval is not None and known is not None:
            middle = (interval[0] + interval[1]) // 2 // TICK_NS - self.seen.first_tick
            if start <= middle < stop:
                odds[known] += _REFERENCE_ODDS
        return odds

    def _crouch(
        self,
        duration_s: float,
        up: NDArray[np.float64],
        sit: float,
        around: tuple[Pulse | None, Pulse | None],
    ) -> float:
        """Log odds of a held squat or bend against standing, for a stretch between two pulses."""
        before, after = around
        if before is None or after is None:
            return 0.0
        flexion_deg = None
        if self.neutral.standing is not None and self.site.sagittal:
            flexion_deg = flexion_from(up, self.neutral.standing)
        squat, bend = low_odds(
            before,
            after,
            duration_s=duration_s,
            flexion_deg=flexion_deg,
            low_site=self.site.low,
            p=self.p,
        )
        return self.p.walking + max(squat + sit, bend)

    def _walks(self, middles: list[int]) -> list[tuple[int, int]]:
        """Walking in ticks, cut where a height change reaches into it."""
        out = []
        reach = 3 * MOTION_HZ
        for first, last in runs(self.walking).tolist():
            start, stop = first * MOTION_HZ, last * MOTION_HZ
            start = max([start, *(m + 1 for m in middles if start <= m < start + reach)])
            stop = min([stop, *(m for m in middles if stop - reach < m < stop and m > start)])
            if stop > start:
                out.append((start, stop))
        return out

    def _settled(self, events: list[int]) -> set[int]:
        """Where, between two events, the trunk leaves one angle and settles at another."""
        p, ups = self.p, self.seen.up_by_second
        width = p.settle_s
        n = ups.shape[1] - 2 * width - 1
        if n <= 0:
            return set()
        total = np.cumsum(np.pad(ups, ((0, 0), (1, 0))), axis=1)
        mean = (total[:, width:] - total[:, :-width]) / width
        length = np.linalg.norm(mean, axis=0)
        # a mean of unit vectors is the shorter the more they spread
        calm = length > np.cos(np.radians(p.settled_spread_deg))
        before, after = slice(0, n), slice(width + 1, width + 1 + n)
        cosine = np.einsum("ij,ij->j", mean[:, before], mean[:, after])
        cosine /= length[before] * length[after]
        turned_deg = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
        turned_deg[~(calm[before] & calm[after])] = 0.0
        peaks, _ = signal.find_peaks(turned_deg, height=p.settled_deg, distance=width)
        # the middle of the second between the two
        ticks = (peaks + width) * MOTION_HZ + MOTION_HZ // 2
        apart = np.abs(ticks[:, None] - np.array(events)).min(axis=1)
        upright = ~self.lying[ticks] & ~self.walking[ticks // MOTION_HZ]
        return set(ticks[upright & (apart > width * MOTION_HZ // 2)].tolist())

    def _lying_link(self, change: Transition) -> NDArray[np.float64]:
        if self.site.slow:
            return plain_link(self.p)
        reach = MOTION_HZ // 2
        part = slice(change.crossing, change.stop + 3 * reach)
        if change.into:
            part = slice(max(0, change.start - reach), change.crossing)
        lean_deg = None
        if self.site.sagittal and self.site.low:
            ahead, _, above = self.seen.up[:, part]
            lean_deg = float(np.degrees(np.arctan2(-ahead, above)).max())
        return lying_link(
            into=change.into,
            activity_radps=float(self.seen.activity[part].mean()),
            lean_deg=lean_deg,
            p=self.p,
        )


def _share(events: list[int], settled: set[int]) -> dict[int, float]:
    """By the tick where it begins, how much the angle of each stretch counts: in full if it is kept
    for half of the time between two events, else less. Angles of one sitting or standing are no
    independent witnesses."""
    out: dict[int, float] = {}
    for start, stop in pairwise(events):
        inside = [start, *sorted(tick for tick in settled if start < tick < stop), stop]
        out |= {a: min(1.0, 2.0 * (b - a) / (stop - start)) for a, b in pairwise(inside)}
    return out


def _calm(start: int, stop: int, around: tuple[Pulse | None, Pulse | None]) -> tuple[int, int]:
    """The part of a stretch that lies between its height changes; where they touch, the middle."""
    before, after = around
    low = start if before is None else min(max(before.stop, start), stop)
    high = stop if after is None else min(max(after.start, start), stop)
    low, high = min(low, high), max(low, high)
    if high - low < 2:
        middle = (low + high) // 2
        low, high = max(start, middle - 1), min(stop, middle + 1)
    return low, max(high, low + 1)
