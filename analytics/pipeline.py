"""Samples in, findings out: one streaming computation, whatever the chunks.

Samples become 50 Hz frames in trunk axes at once. What can be seen in the frames is observed in
blocks that are aligned to absolute time, each with a fixed context on both sides; what it means is
read from one block with the next one known, with a small state carried along. So a day fed in one
piece and the same day fed second by second give the same findings.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.detect.bouts import BoutState, bouts
from analytics.detect.findings import (
    SECOND_NS,
    Breathing,
    Findings,
    Movement,
    MovementKind,
    Posture,
    Timeline,
    WalkingBout,
    join,
)
from analytics.detect.gait import gait_of
from analytics.detect.interpret import PostureState, read
from analytics.detect.observe import Observations, joined, observe
from analytics.detect.parameters import Parameters
from analytics.detect.site import Site
from analytics.detect.slouch import OBSERVABLE_AT, SlouchState, close, slouch
from analytics.detect.strides import StrideWindows
from analytics.detect.sway import sways
from analytics.signal.angles import angles_of
from analytics.signal.calibration import Calibration
from analytics.signal.frames import Readings
from analytics.signal.frames import joined as joined_readings
from analytics.signal.neutral import NeutralState, advance
from analytics.signal.orientation import Bias, frames_of
from analytics.signal.stream import ReadingStream
from analytics.signal.wear import undecided_from, worn_seconds

BLOCK_S: Final = 480
"""Results become final in such pieces; a multiple of the minute that the store keeps together."""
CONTEXT_S: Final = 30
"""What a block sees before and after itself; longer than any movement and its surroundings."""
_LEAD_S: Final = 15
"""More of the past, from which orientation is told and nothing else."""
_MINUTE_NS: Final = 60 * SECOND_NS
PIECE: Final = 1 << 14
"""Samples handled at once: bounds the memory of a long push."""


@dataclass(frozen=True)
class SensorContext:
    """What is known of a sensor before its first sample."""

    placement: str | None
    """A wire.messages.Placement value (or None): decides what is observable."""
    rate_hz: float
    has_gyro: bool
    calibration: Calibration = field(repr=False)
    step_scale: float | None = None
    """True step length over the pendulum's, from a known walk; None without one."""

    @property
    def site(self) -> Site:
        """What the sensor can tell."""
        return Site.of(
            self.placement,
            has_gyro=self.has_gyro,
            rate_hz=self.rate_hz,
            calibration=self.calibration,
        )


@dataclass(frozen=True, slots=True)
class Live:
    """The newest state, for a dashboard or an alert."""

    at_ns: int
    """End of the second it describes."""
    posture: Posture
    probability: float | None
    flexion_deg: float | None
    slouched: bool | None
    slouched_since_ns: int | None
    """Start of the slouch that is going on, short corrections included."""
    slouch_dose_min: float
    """Fading dose, see detect.slouch."""
    walking_since_ns: int | None


@dataclass(slots=True)
class _State:
    """What is carried from block to block."""

    bias: Bias
    posture: PostureState = field(default_factory=PostureState)
    slouch: SlouchState = field(default_factory=SlouchState)
    bouts: BoutState = field(default_factory=BoutState)
    strides: StrideWindows = field(default_factory=StrideWindows.none)
    """Those that may belong to a bout that is open."""
    not_worn: bool = False


class Pipeline:
    """One sensor's stream. Not thread-safe.

    Feed it with `push`; take what is final with `final` now and then, look at `live` or
    `provisional` at any time, and call `finish` when the stream has ended.
    """

    def __init__(self, context: SensorContext, parameters: Parameters | None = None) -> None:
        self.context = context
        self.parameters = parameters or Parameters()
        self._site = context.site
        self._last_ns: int | None = None
        self._drained_ns: int | None = None
        self._done: list[Findings] = []
        """Read, but not yet drained by `final`."""
        self._neutral = NeutralState()
        """Goes on over gaps: a sensor may slip while it is taken off."""
        self._start_segment()

    # -- feeding ----------------------------------------------------------------------------

    def push(
        self,
        t_ns: NDArray[np.int64],
        accel: NDArray[np.floating],
        gyro: NDArray[np.floating] | None = None,
    ) -> None:
        """Samples in time order: t_ns (n,) strictly increasing, accel (n, 3) m/s2, gyro (n, 3)
        rad/s in sensor axes, NaN where one is missing."""
        channels = 6 if self.context.has_gyro else 3
        for start in range(0, len(t_ns), PIECE):
            piece = slice(start, start + PIECE)
            values = np.empty((channels, len(t_ns[piece])), np.float32)
            values[:3] = accel[piece].T
            # an accelerometer that reads nothing at all is not weightless but silent
            silent = ~values[:3].any(axis=0)
            if self.context.has_gyro:
                values[3:] = np.nan if gyro is None else gyro[piece].T
            # a sum is finite when its parts are
            measured = np.isfinite(values.sum(axis=0)) & ~silent
            if measured.all():
                self._push_measured(t_ns[piece], values)
            elif measured.any():
                self._push_measured(t_ns[piece][measured], values[:, measured])

    def _push_measured(self, t_ns: NDArray[np.int64], values: NDArray[np.floating]) -> None:
        """Finite samples, (3 or 6, n)."""
        first_ns = t_ns[0] if self._last_ns is None else self._last_ns
        split_ns = int(self.parameters.grid.split_gap_s * SECOND_NS)
        splits = np.flatnonzero(np.diff(t_ns, prepend=first_ns) > split_ns).tolist()
        for start, stop in pairwise(sorted({0, *splits, len(t_ns)})):
            if start in splits:
                self._end_segment()
                self._start_segment()
            self._push_piece(t_ns[start:stop], values[:, start:stop])
        self._last_ns = int(t_ns[-1])

    def final(self) -> Findings | None:
        """Drain what will not change any more; None when there is nothing new.

        The ranges of successive answers join up, begin and end at whole minutes, and everything
        that starts in a range is in it: a range ends before an episode that is still open.
        """
        found = join(self._done)
        if found is None:
            return None
        stop_ns = self._settled_ns(found.end_ns)
        if stop_ns <= found.start_ns:
            return None
        self._done = [found.since(stop_ns)] if stop_ns < found.end_ns else []
        return self._joined_up(found.before(stop_ns))

    def provisional(self) -> Findings | None:
        """What would follow the final findings if the stream ended now."""
        ahead = self._ahead()
        ahead._end_segment()
        found = join(ahead._done)
        return None if found is None else self._joined_up(found, keep=False)

    def live(self) -> Live | None:
        """The newest second; None before the first one."""
        ahead = self._ahead()
        ahead._done = []
        ahead._run_out()
        found = join(ahead._done)
        if found is None or not found.timelines:
            return None
        last, state = found.timelines[-1], ahead._state
        return Live(
            at_ns=found.end_ns,
            posture=Posture(int(last.posture[-1])),
            probability=_known(last.probability[-1]),
            flexion_deg=_known(last.flexion_deg[-1]),
            slouched=None if last.slouched[-1] < 0 else bool(last.slouched[-1]),
            slouched_since_ns=_second_ns(state.slouch.start_s),
            slouch_dose_min=state.slouch.dose_min,
            walking_since_ns=_second_ns(state.bouts.start_s),
        )

    def finish(self) -> Findings | None:
        """End the stream; drains everything."""
        self._end_segment()
        self._start_segment()
        found = join(self._done)
        self._done = []
        return None if found is None else self._joined_up(found)

    # -- from samples to blocks ---------------------------------------------------------------

    def _start_segment(self) -> None:
        """Begin anew after a gap: nothing is carried over it."""
        self._stream = ReadingStream(
            has_gyro=self.context.has_gyro,
            rate_hz=self.context.rate_hz,
            calibration=self.context.calibration,
            grid=self.parameters.grid,
        )
        self._state = _State(Bias.of(self.context.calibration))
        self._readings: list[Readings] = []
        self._next_s = 0
        """First second that is not yet observed."""
        self._seen: list[Observations] = []
        """Observed, but not yet read."""

    def _end_segment(self) -> None:
        self._run_out()
        self._close_episodes()
        self._readings = []

    def _push_piece(self, t_ns: NDArray[np.int64], values: NDArray[np.floating]) -> None:
        new = self._stream.push(t_ns, values)
        if new is None:
            return
        if not self._readings:
            self._next_s = new.first_s
        self._readings.append(new)
        while self._readings[-1].end_s >= self._block_end() + CONTEXT_S:
            self._observe(self._block_end())
            self._read(least_ahead=1)

    def _run_out(self) -> None:
        """Observe and read up to the newest sample; the last second is filled up."""
        if not self._readings:
            return
        self._readings = [joined_readings(self._readings).whole_seconds()]
        end_s = self._readings[-1].end_s
        while self._next_s < end_s:
            self._observe(min(self._block_end(), end_s))
            self._read(least_ahead=1)
        self._read(least_ahead=0)

    def _block_end(self) -> int:
        return (self._next_s // BLOCK_S + 1) * BLOCK_S

    def _observe(self, stop_s: int) -> None:
        """Observe [next_s, stop_s) with the context that there is."""
        start_s = self._next_s
        readings = joined_readings(self._readings)
        view = readings.part(start_s - CONTEXT_S - _LEAD_S, stop_s + CONTEXT_S).whole_seconds()
        frames = frames_of(view, self.context.calibration.rotation, self._state.bias)
        frames = frames.part(start_s - CONTEXT_S, None)
        self._seen.append(
            observe(frames, start_s, stop_s, site=self._site, parameters=self.parameters)
        )
        self._next_s = stop_s
        self._readings = [readings.part(stop_s - CONTEXT_S - _LEAD_S, None)]

    # -- from blocks to findings --------------------------------------------------------------

    def _read(self, *, least_ahead: int) -> None:
        """Read the observed blocks that have so many blocks ahead of them and a settled wear."""
        while len(self._seen) > least_ahead:
            still = np.concatenate([seen.still for seen in self._seen])
            wear, before = self.parameters.wear, self._state.not_worn
            if least_ahead and undecided_from(still, before, wear) < self._seen[0].seconds:
                return
            self._read_first(worn_seconds(still, before, wear))

    def _read_first(self, worn: NDArray[np.bool_]) -> None:
        """Postures, movements and episodes of the first observed block."""
        state, p = self._state, self.parameters
        first = self._seen[0]
        start_s, stop_s = first.first_s, first.first_s + first.seconds
        shift = advance(self._neutral, start_s, first.up_by_second, first.walking, p.neutral)
        seen = joined(self._seen)
        if self._neutral.rotation is not None:
            seen = seen.turned(self._neutral.rotation)
        reading = read(
            seen,
            stop_s,
            state.posture,
            site=self._site,
            calibration=self.context.calibration,
            parameters=p,
        )
        self._seen = self._seen[1:]
        worn = worn[: first.seconds]
        state.not_worn = not worn[-1]
        posture = np.where(worn, reading.posture, np.int8(Posture.NOT_WORN))
        angles = angles_of(np.where(worn, seen.up_by_second[:, : len(worn)], np.nan))
        slouched = np.full(len(posture), -1, np.int8)
        if self.context.placement in OBSERVABLE_AT:
            slouched = slouch(
                start_s,
                angles,
                (posture == Posture.SITTING) & ~_changing(reading.movements, start_s, stop_s),
                state.slouch,
                directed=self._site.sagittal,
                enter_deg=p.slouch.enter_deg(
                    self.context.placement, self.context.calibration.slouch_range
                ),
                parameters=p.slouch,
            )
        episodes, state.slouch.closed = tuple(state.slouch.closed), []
        nothing = np.full(len(posture), np.nan, np.float32)
        directed = self._site.sagittal
        timeline = Timeline(
            first_s=start_s,
            posture=posture,
            probability=np.where(worn, reading.probability, np.float32(np.nan)),
            flexion_deg=angles.flexion_deg.astype(np.float32) if directed else nothing,
            lateral_deg=angles.lateral_deg.astype(np.float32) if directed else nothing,
            slouched=slouched,
            worn=np.where(np.isfinite(first.up_by_second[0]), worn, -1).astype(np.int8),
        )
        self._done.append(
            Findings(
                start_ns=start_s * SECOND_NS,
                end_ns=stop_s * SECOND_NS,
                timelines=(timeline,),
                movements=tuple(m for m in reading.movements if worn[_second(m.start_ns, start_s)]),
                slouch_episodes=episodes,
                walking_bouts=self._bouts(first, posture == Posture.WALKING),
                breathing=_breathing(first, posture),
                sway=sways(first.stands, posture, start_s, directed=directed, parameters=p.sway),
                neutral_shifts=() if shift is None else (shift,),
            )
        )

    def _bouts(
        self, seen: Observations | None, walking: NDArray[np.bool_]
    ) -> tuple[WalkingBout, ...]:
        """Bouts that ended; None: the segment has ended, and with it a bout that is open."""
        none = np.empty(0)
        state, p = self._state, self.parameters
        found = bouts(
            self._next_s if seen is None else seen.first_s,
            walking,
            none if seen is None else seen.regularity,
            none.astype(np.int64) if seen is None else seen.step_ns,
            state.bouts,
            steps=p.steps,
            walking_parameters=p.walking,
            ends=seen is None,
        )
        if seen is not None:
            state.strides = StrideWindows.joined([state.strides, seen.strides])
        out = []
        for bout in found:
            inside = state.strides.between(bout.start_ns / SECOND_NS, bout.end_ns / SECOND_NS)
            out.append(replace(bout, gait=gait_of(inside, p.strides.turning_deg, p.gait)))
        if seen is not None:
            open_s = state.bouts.start_s
            keep_s = seen.first_s + seen.seconds if open_s is None else open_s
            state.strides = state.strides.between(keep_s - CONTEXT_S, np.inf)
        return tuple(out)

    def _close_episodes(self) -> None:
        if not self._readings:
            return
        end_ns = self._next_s * SECOND_NS
        close(self._state.slouch, self.parameters.slouch)
        self._done.append(
            Findings(
                end_ns,
                end_ns,
                slouch_episodes=tuple(self._state.slouch.closed),
                walking_bouts=self._bouts(None, np.empty(0, bool)),
            )
        )

    # -- what may be given away ---------------------------------------------------------------

    def _settled_ns(self, end_ns: int) -> int:
        """Whole minute before which nothing that is still to come can start."""
        settled_s = end_ns // SECOND_NS
        if self._readings:
            read_s = self._seen[0].first_s if self._seen else self._next_s
            starts = [read_s - CONTEXT_S, self._state.slouch.start_s, self._state.bouts.start_s]
            settled_s = min(s for s in starts if s is not None) - CONTEXT_S // 2
        return min(end_ns, settled_s * SECOND_NS) // _MINUTE_NS * _MINUTE_NS

    def _joined_up(self, found: Findings, *, keep: bool = True) -> Findings:
        """The same with a range of whole minutes that begins where the last one ended."""
        start_ns = found.start_ns // _MINUTE_NS * _MINUTE_NS
        if self._drained_ns is not None:
            start_ns = self._drained_ns
        end_ns = -(-found.end_ns // _MINUTE_NS) * _MINUTE_NS
        if keep:
            self._drained_ns = end_ns
        return replace(found, start_ns=start_ns, end_ns=end_ns)

    def _ahead(self) -> Pipeline:
        """A copy that may run to the newest sample without touching this one."""
        ahead = copy.copy(self)
        ahead._state, ahead._neutral = copy.deepcopy((self._state, self._neutral))
        ahead._readings, ahead._seen = list(self._readings), list(self._seen)
        ahead._done = list(self._done)
        return ahead


def _changing(movements: tuple[Movement, ...], start_s: int, stop_s: int) -> NDArray[np.bool_]:
    """(seconds,) True while sitting down or standing up: leaning to do so is no slouch."""
    out = np.zeros(stop_s - start_s, bool)
    for movement in movements:
        if movement.kind in {MovementKind.SIT_TO_STAND, MovementKind.STAND_TO_SIT}:
            low = _second(movement.start_ns, start_s)
            out[low : _second(movement.end_ns, start_s) + 1] = True
    return out


def _breathing(seen: Observations, posture: NDArray[np.int8]) -> tuple[Breathing, ...]:
    """Breaths of a wearer who wears the sensor and does not walk."""
    found = []
    for breaths in seen.breaths:
        inside = posture[breaths.start_s - seen.first_s : breaths.end_s - seen.first_s]
        usual = Posture(int(np.bincount(inside).argmax()))
        if usual not in {Posture.NOT_WORN, Posture.WALKING}:
            found.append(breaths.during(usual))
    return tuple(found)


def _second(t_ns: int, first_s: int) -> int:
    return max(0, t_ns // SECOND_NS - first_s)


def _known(value: np.float32) -> float | None:
    return None if np.isnan(value) else float(value)


def _second_ns(second: int | None) -> int | None:
    return None if second is None else second * SECOND_NS
