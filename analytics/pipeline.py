"""Samples in, findings out: one streaming computation, whatever the chunks.

Samples become 50 Hz frames in trunk axes at once. What can be seen in the frames is observed in
blocks that are aligned to absolute time, each with a fixed context on both sides; what it means is
read from one block with the next one known, with a small state carried along. So a day fed in one
piece and the same day fed second by second give the same findings.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.detect.findings import (
    SECOND_NS,
    Findings,
    Posture,
    SlouchEpisode,
    Timeline,
    WalkingBout,
    join,
)
from analytics.detect.interpret import PostureState, read
from analytics.detect.observe import Observations, joined, observe
from analytics.detect.parameters import Parameters
from analytics.detect.posture import LOW_SITES
from analytics.detect.slouch import OBSERVABLE_AT, SlouchState, close, slouch
from analytics.signal.angles import angles_of
from analytics.signal.calibration import GRAVITY_MPS2, Calibration, ForwardSource, UpSource
from analytics.signal.frames import Frames, joined_frames
from analytics.signal.grid import GRID_HZ, Gridder
from analytics.signal.orientation import UpFilter, slow_up

BLOCK_S: Final = 240
"""Results become final in such pieces; a multiple of the minute that the store keeps together."""
CONTEXT_S: Final = 30
"""What a block sees before and after itself; longer than any movement and its surroundings.
Findings are final at the latest 2 * BLOCK_S + CONTEXT_S after the sample."""

PIECE: Final = 1 << 15
"""Samples handled at once: bounds the memory of a long push."""


@dataclass(frozen=True)
class SensorContext:
    """What is known of a sensor before its first sample."""

    placement: str | None
    """A wire.messages.Placement value (or None): decides what is observable."""
    rate_hz: float
    has_gyro: bool
    calibration: Calibration = field(repr=False)


@dataclass(frozen=True, slots=True)
class Live:
    """The newest state, for a dashboard or an alert."""

    at_ns: int
    """End of the second it describes."""
    posture: Posture
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

    posture: PostureState = field(default_factory=PostureState)
    slouch: SlouchState = field(default_factory=SlouchState)
    walking_start_s: int | None = None
    bouts: list[WalkingBout] = field(default_factory=list)


class Pipeline:
    """One sensor's stream. Not thread-safe."""

    def __init__(self, context: SensorContext, parameters: Parameters | None = None) -> None:
        self.context = context
        self.parameters = parameters or Parameters()
        self._state = _State()
        self._last_ns: int | None = None
        self._final: list[Findings] = []
        self._next_s = 0
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
        values = np.asarray(accel, float)
        if self.context.has_gyro:
            if gyro is None:
                gyro = np.full_like(values, np.nan)
            values = np.concatenate((values, np.asarray(gyro, float)), axis=1)
        measured = np.isfinite(values).all(axis=1)
        t_ns, values = t_ns[measured], values[measured]
        if not len(t_ns):
            return
        split_ns = int(self.parameters.grid.split_gap_s * 1e9)
        previous = t_ns[0] if self._last_ns is None else self._last_ns
        steps = np.diff(t_ns, prepend=previous)
        self._last_ns = int(t_ns[-1])
        splits = np.flatnonzero(steps > split_ns)
        cuts = np.union1d(splits, np.arange(0, len(t_ns), PIECE))
        for start, stop in zip(cuts, [*cuts[1:], len(t_ns)], strict=True):
            if start in splits:
                self._end_segment()
                self._start_segment()
            self._push_segment(t_ns[start:stop], values[start:stop])

    def final(self) -> Findings | None:
        """Drain what will not change any more; None when there is nothing new.

        The ranges of successive answers join up. A range ends before the start of an episode that
        is still open, so that everything that starts in a range is in it.
        """
        found = join(self._final)
        self._final = []
        return found

    def provisional(self) -> Findings | None:
        """What would follow the final findings if the stream ended now."""
        ahead = self._ahead()
        ahead._end_segment()
        return join(ahead._final)

    def live(self) -> Live | None:
        """The newest second; None before the first one."""
        ahead = self._ahead()
        ahead._run_out()
        found = join(ahead._final)
        if found is None or not found.timelines:
            return None
        last = found.timelines[-1]
        slouch, bout = ahead._state.slouch, ahead._state.walking_start_s
        flexion = float(last.flexion_deg[-1])
        return Live(
            at_ns=found.end_ns,
            posture=Posture(int(last.posture[-1])),
            flexion_deg=None if np.isnan(flexion) else flexion,
            slouched=None if last.slouched[-1] < 0 else bool(last.slouched[-1]),
            slouched_since_ns=None if slouch.start_s is None else slouch.start_s * SECOND_NS,
            slouch_dose_min=slouch.dose_min,
            walking_since_ns=None if bout is None else bout * SECOND_NS,
        )

    def finish(self) -> Findings | None:
        """End the stream; drains everything."""
        self._end_segment()
        self._start_segment()
        return self.final()

    # -- inside -----------------------------------------------------------------------------

    def _start_segment(self) -> None:
        calibration = self.context.calibration
        self._gridder = Gridder(
            channels=6 if self.context.has_gyro else 3,
            rate_hz=self.context.rate_hz,
            parameters=self.parameters.grid,
        )
        bias = calibration.gyro_bias_radps
        if bias is not None:
            turned = calibration.rotation @ np.array(bias)
            bias = (float(turned[0]), float(turned[1]), float(turned[2]))
        self._up = UpFilter(bias)
        self._pending: list[Frames] = []
        self._seen: list[Observations] = []

    def _push_segment(self, t_ns: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        chunk = self._gridder.push(t_ns, np.ascontiguousarray(values.T))
        if chunk is None:
            return
        calibration = self.context.calibration
        accel = calibration.rotation @ chunk.values[:3]
        accel *= GRAVITY_MPS2 / calibration.gravity_mps2
        gyro = None
        up = accel
        if self.context.has_gyro:
            gyro = calibration.rotation @ chunk.values[3:]
            up = self._up.push(accel, gyro)
        self._append(Frames(chunk.k0, chunk.valid, up, accel, gyro))
        while self._seconds_end() >= self._block_end() + CONTEXT_S:
            self._block(self._block_end())

    def _append(self, new: Frames) -> None:
        if not self._pending:
            self._next_s = new.k0 // GRID_HZ
            new = new.padded(new.k0 - self._next_s * GRID_HZ, 0)
        self._pending.append(new)

    def _seconds_end(self) -> int:
        """End of the last whole second that has arrived."""
        last = self._pending[-1]
        return (last.k0 + len(last.valid)) // GRID_HZ

    def _block_end(self) -> int:
        return (self._next_s // BLOCK_S + 1) * BLOCK_S

    def _ahead(self) -> Pipeline:
        """A copy that may run to the newest sample without touching this one."""
        ahead = copy.copy(self)
        ahead._state = copy.deepcopy(self._state)
        ahead._pending = list(self._pending)
        ahead._seen = list(self._seen)
        ahead._final = []
        return ahead

    def _end_segment(self) -> None:
        self._run_out()
        self._close_episodes()
        self._pending, self._seen = [], []

    def _run_out(self) -> None:
        """Run the blocks up to the newest sample, the last second filled up."""
        if self._pending:
            last = self._pending[-1]
            self._pending[-1] = last.padded(0, -(last.k0 + len(last.valid)) % GRID_HZ)
            end_s = self._seconds_end()
            while self._next_s < end_s:
                self._block(min(self._block_end(), end_s))
            while self._seen:
                self._read_first()

    def _block(self, stop_s: int) -> None:
        """Observe [next_s, stop_s) with the context that there is; read the block before it."""
        start_s = self._next_s
        frames = joined_frames(self._pending)
        view = _cut(frames, start_s - CONTEXT_S, stop_s + CONTEXT_S)
        view = _with_up(view, self.context.has_gyro)
        low_site = self.context.placement in LOW_SITES
        self._seen.append(
            observe(view, start_s, stop_s, low_site=low_site, parameters=self.parameters)
        )
        self._next_s = stop_s
        self._pending = [_cut(frames, stop_s - CONTEXT_S, None)]
        if len(self._seen) > 1:
            self._read_first()

    def _read_first(self) -> None:
        """Postures, movements and episodes of the first observed block."""
        calibration, p = self.context.calibration, self.parameters
        first = self._seen[0]
        start_s, stop_s = first.first_s, first.first_s + first.seconds
        reading = read(
            joined(self._seen),
            stop_s,
            self._state.posture,
            placement=self.context.placement,
            calibration=calibration,
            parameters=p,
        )
        self._seen = self._seen[1:]
        posture, up = reading.posture, first.up_by_second
        angles = angles_of(up)
        sagittal = calibration.forward is not ForwardSource.UNKNOWN
        known = sagittal and calibration.up is not UpSource.UNKNOWN
        flexion = angles.flexion_deg if known else np.full(len(posture), np.nan)
        lateral = angles.lateral_deg if known else np.full(len(posture), np.nan)
        slouched = np.full(len(posture), -1, np.int8)
        if self.context.placement in OBSERVABLE_AT:
            slouched = slouch(
                start_s,
                angles,
                posture == Posture.SITTING,
                self._state.slouch,
                directed=sagittal,
                enter_deg=p.slouch.enter_deg(self.context.placement),
                parameters=p.slouch,
            )
        measured = np.isfinite(up[0])
        episodes, self._state.slouch.closed = tuple(self._state.slouch.closed), []
        timeline = Timeline(
            start_s,
            posture,
            reading.probability,
            flexion.astype(np.float32),
            lateral.astype(np.float32),
            slouched,
            np.where(measured, 1, -1).astype(np.int8),
        )
        self._final.append(
            Findings(
                start_ns=start_s * SECOND_NS,
                end_ns=stop_s * SECOND_NS,
                timelines=(timeline,),
                movements=reading.movements,
                slouch_episodes=episodes,
                walking_bouts=self._bouts(posture == Posture.WALKING, start_s),
            )
        )

    def _bouts(self, walking: NDArray[np.bool_], start_s: int) -> tuple[WalkingBout, ...]:
        state, found = self._state, []
        for i, walks in enumerate([*walking]):
            if walks and state.walking_start_s is None:
                state.walking_start_s = start_s + i
            elif not walks and state.walking_start_s is not None:
                found.append(self._bout(state.walking_start_s, start_s + i))
                state.walking_start_s = None
        return tuple(found)

    def _bout(self, start_s: int, end_s: int) -> WalkingBout:
        return WalkingBout(
            start_ns=start_s * SECOND_NS,
            end_ns=end_s * SECOND_NS,
            step_ns=np.empty(0, np.int64),
            cadence_spm=None,
            step_regularity=None,
            prolonged=end_s - start_s >= 60 * self.parameters.walking.prolonged_min,
        )

    def _close_episodes(self) -> None:
        close(self._state.slouch, self.parameters.slouch)
        episodes: list[SlouchEpisode] = self._state.slouch.closed
        bouts: list[WalkingBout] = []
        if self._state.walking_start_s is not None:
            bouts.append(self._bout(self._state.walking_start_s, self._next_s))
        if episodes or bouts:
            end_ns = self._next_s * SECOND_NS
            self._final.append(
                Findings(
                    end_ns, end_ns, slouch_episodes=tuple(episodes), walking_bouts=tuple(bouts)
                )
            )
        self._state = _State()


def _cut(frames: Frames, start_s: int, stop_s: int | None) -> Frames:
    """The part in [start_s, stop_s), as far as it exists."""
    stop = None if stop_s is None else stop_s * GRID_HZ - frames.k0
    return frames.part(start_s * GRID_HZ - frames.k0, stop)


def _with_up(frames: Frames, has_gyro: bool) -> Frames:
    """Without a gyroscope up is known only now, from the whole view."""
    if has_gyro:
        return frames
    return Frames(frames.k0, frames.valid, slow_up(frames.accel), frames.accel, frames.gyro)
