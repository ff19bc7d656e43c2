"""First stage: what can be seen in a few minutes of frames without knowing the posture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analytics.detect.dips import Dip, dips, heave_of, may_dip
from analytics.detect.excursions import Excursion, excursions
from analytics.detect.findings import SECOND_NS
from analytics.detect.parameters import Parameters
from analytics.detect.posture import change_evidence
from analytics.detect.pulses import Pulse, pulses
from analytics.detect.quiet import quiet_seconds
from analytics.detect.respiration import Breaths, respiration
from analytics.detect.rhythm import rhythmic_seconds
from analytics.detect.site import Site
from analytics.detect.steps import steps_of
from analytics.detect.strides import StrideWindows, stride_windows
from analytics.detect.sway import QuietStands, quiet_stands
from analytics.detect.walking import walking_seconds
from analytics.signal.frames import MOTION_HZ, Frames
from analytics.signal.masks import runs
from analytics.signal.motion import motion_of
from analytics.signal.wear import still_seconds

_INSIDE_WALK_S = 2
"""A rise or descent may reach this far into walking seconds."""


@dataclass(frozen=True, slots=True)
class Observations:
    """What was seen in whole seconds from first_s on. Ticks are 1 / MOTION_HZ of absolute time."""

    first_s: int
    up_by_second: NDArray[np.float64]
    """(3, seconds) mean up in trunk axes, NaN where nothing was measured."""
    walking: NDArray[np.bool_]
    """(seconds,)"""
    still: NDArray[np.bool_]
    """(seconds,) as still as a table, see signal.wear."""
    rhythm: NDArray[np.bool_]
    """(seconds,) the trunk swings to and fro at a steady pace without walking."""
    up: NDArray[np.float64]
    """(3, seconds * MOTION_HZ) slow up in trunk axes."""
    step_ns: NDArray[np.int64]
    """(n,) foot contacts."""
    regularity: NDArray[np.float64]
    """(seconds,) autocorrelation at one step, NaN outside walking."""
    strides: StrideWindows
    """Steady walking."""
    activity: NDArray[np.float64]
    """(seconds * MOTION_HZ) rad/s, see signal.motion."""
    pulses: tuple[Pulse, ...]
    """Height changes; start and stop in ticks."""
    dips: tuple[Dip, ...]
    """Squats without a pause; in ticks."""
    excursions: tuple[Excursion, ...]
    """Bends and turns of the trunk; in ticks."""
    breaths: tuple[Breaths, ...]
    """Quiet breathing; in seconds."""
    stands: tuple[QuietStands, ...]
    """Still half minutes, whatever the posture."""

    @property
    def seconds(self) -> int:
        """Number of seconds."""
        return len(self.walking)

    def turned(self, rotation: NDArray[np.float64]) -> Observations:
        """The same with up told from another neutral; rotation (3, 3)."""
        up, by_second = (
            np.einsum("ij,jk->ik", rotation, vectors) for vectors in (self.up, self.up_by_second)
        )
        return replace(self, up=up, up_by_second=by_second)

    @property
    def first_tick(self) -> int:
        """Tick of the first second's beginning."""
        return self.first_s * MOTION_HZ


def observe(
    frames: Frames, start_s: int, stop_s: int, *, site: Site, parameters: Parameters
) -> Observations:
    """What happens in [start_s, stop_s); the rest of the frames is context.

    Movements and walking are looked for in the busy stretches; in the calm ones there are none.
    """
    seconds = slice(start_s - frames.first_s, stop_s - frames.first_s)
    ticks = slice(seconds.start * MOTION_HZ, seconds.stop * MOTION_HZ)
    up_by_second = frames.up_by_second()
    quiet = quiet_seconds(frames, parameters.quiet)
    up = frames.up.copy()
    activity = np.zeros(up.shape[1])
    walking, rhythm = np.zeros(frames.seconds, bool), np.zeros(frames.seconds, bool)
    regularity = np.full(frames.seconds, np.nan)
    parts = frames.busy_parts()
    moved = [_moved(part, site, parameters) for part in parts]
    step_ns = [np.empty(0, np.int64)]
    for part, seen in zip(parts, moved, strict=True):
        steps = steps_of(part, seen.walking, parameters.steps)
        step_ns.append(steps.step_ns)
        low = seen.first_s - frames.first_s
        own = slice(low, low + seen.seconds)
        walking[own], rhythm[own], regularity[own] = seen.walking, seen.rhythm, steps.regularity
        own = slice(own.start * MOTION_HZ, own.stop * MOTION_HZ)
        up[:, own], activity[own] = seen.up, seen.activity
    low_tick, high_tick = start_s * MOTION_HZ, stop_s * MOTION_HZ
    low_ns, high_ns = start_s * SECOND_NS, stop_s * SECOND_NS
    stepped_ns = np.concatenate(step_ns)
    return Observations(
        first_s=start_s,
        up_by_second=up_by_second[:, seconds],
        walking=walking[seconds],
        still=still_seconds(up_by_second, parameters.wear)[seconds] & (not site.slow),
        rhythm=rhythm[seconds],
        up=up[:, ticks],
        step_ns=stepped_ns[(stepped_ns >= low_ns) & (stepped_ns < high_ns)],
        regularity=regularity[seconds],
        strides=stride_windows(frames, walking, start_s, stop_s, parameters.strides),
        activity=activity[ticks],
        pulses=tuple(
            p
            for seen in moved
            for p in seen.pulses
            if low_tick <= (p.start + p.stop) / 2 < high_tick
        ),
        dips=tuple(d for seen in moved for d in seen.dips if low_tick <= d.bottom < high_tick),
        excursions=tuple(
            e for seen in moved for e in seen.excursions if low_tick <= e.peak < high_tick
        ),
        breaths=respiration(frames, quiet, start_s, stop_s, parameters.respiration),
        stands=quiet_stands(frames, quiet, start_s, stop_s, parameters.sway),
    )


def glance(frames: Frames, *, site: Site, parameters: Parameters) -> Observations:
    """All seconds of some frames, without context and with nothing but what posture and movements
    are told from: no steps, breaths or stands, and height changes that may be one of posture."""
    seen, p = _moved(frames, site, parameters), parameters.posture
    rises = tuple(r for r in seen.pulses if max(change_evidence(r, site, p)) > -p.most)
    return replace(seen, pulses=rises)


def _moved(frames: Frames, site: Site, parameters: Parameters) -> Observations:
    """How the wearer moves in some frames, and nothing else: no steps, breaths or stands."""
    motion = motion_of(frames)
    walking = walking_seconds(frames, parameters.walking)
    heave = None
    if walking.any() or may_dip(motion, parameters.dips):
        heave = heave_of(motion, parameters.dips)
        walking &= ~heave.dominant
    inside = np.repeat(_eroded(walking, _INSIDE_WALK_S), MOTION_HZ)
    offset = motion.first_s * MOTION_HZ
    rises: list[Pulse] = []
    sinks: list[Dip] = []
    turns: list[Excursion] = []
    if not site.slow:
        rises = pulses(motion, inside, parameters.pulses)
        if site.gyro and heave is not None:
            sinks = dips(motion, heave, inside, parameters.dips)
        turns = excursions(
            motion, low_site=site.low, directed=site.sagittal, parameters=parameters.excursions
        )
    return Observations(
        first_s=frames.first_s,
        up_by_second=frames.up_by_second(),
        walking=walking,
        still=np.zeros(frames.seconds, bool),
        rhythm=rhythmic_seconds(motion, walking, parameters.rhythm),
        up=motion.up,
        step_ns=np.empty(0, np.int64),
        regularity=np.full(frames.seconds, np.nan),
        strides=StrideWindows.none(),
        activity=motion.activity,
        pulses=tuple(p.shifted(offset) for p in rises),
        dips=tuple(d.shifted(offset) for d in sinks),
        excursions=tuple(e.shifted(offset) for e in turns),
        breaths=(),
        stands=(),
    )


def joined(parts: Sequence[Observations]) -> Observations:
    """Consecutive observations as one."""
    if len(parts) == 1:
        return parts[0]
    return Observations(
        first_s=parts[0].first_s,
        up_by_second=np.concatenate([part.up_by_second for part in parts], axis=1),
        walking=np.concatenate([part.walking for part in parts]),
        still=np.concatenate([part.still for part in parts]),
        rhythm=np.concatenate([part.rhythm for part in parts]),
        up=np.concatenate([part.up for part in parts], axis=1),
        step_ns=np.concatenate([part.step_ns for part in parts]),
        regularity=np.concatenate([part.regularity for part in parts]),
        strides=StrideWindows.joined([part.strides for part in parts]),
        activity=np.concatenate([part.activity for part in parts]),
        pulses=tuple(p for part in parts for p in part.pulses),
        dips=tuple(d for part in parts for d in part.dips),
        excursions=tuple(e for part in parts for e in part.excursions),
        breaths=tuple(b for part in parts for b in part.breaths),
        stands=tuple(s for part in parts for s in part.stands),
    )


def _eroded(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    out = np.zeros_like(mask)
    for start, stop in runs(mask):
        low = start + by if start > 0 else start
        high = stop - by if stop < len(mask) else stop
        out[low:high] = True
    return out
