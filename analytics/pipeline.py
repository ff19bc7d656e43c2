"""Samples in, findings out: one streaming computation, whatever the chunks.

Samples become 50 Hz frames in trunk axes at once. Detectors run on blocks that are aligned to
absolute time, each with a fixed context on both sides and a small state carried from block to
block, so that a day fed in one piece and the same day fed second by second give the same findings.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from analytics.detect.findings import (
    SECOND_NS,
    Findings,
    Movement,
    Posture,
    SlouchEpisode,
    Timeline,
    WalkingBout,
    join,
)
from analytics.detect.parameters import Parameters
from analytics.detect.posture import PostureState, angles_of, known_frames, postures
from analytics.detect.slouch import OBSERVABLE_AT, SlouchState, close, slouch
from analytics.detect.walking import walking_seconds
from analytics.signal.calibration import GRAVITY_MPS2, Calibration, ForwardSource, UpSource
from analytics.signal.frames import Frames
from analytics.signal.grid import GRID_HZ, Gridder
from analytics.signal.orientation import UpFilter

BLOCK_S: Final = 240
"""Results become final in such pieces; a multiple of the minute that the store keeps together."""
CONTEXT_S: Final = 30
"""What a block sees before and after itself; longer than any movement and its surroundings."""

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

    posture: PostureState
    slouch: SlouchState = field(default_factory=SlouchState)
    walking_start_s: int | None = None
    bouts: list[WalkingBout] = field(default_factory=list)


class Pipeline:
    """One sensor's stream. Not thread-safe."""

    def __init__(self, context: SensorContext, parameters: Parameters | None = None) -> None:
        self.context = context
        self.parameters = parameters or Parameters()
        self._state = _State(self._first_posture())
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

    def _first_posture(self) -> PostureState:
        known = {"sitting": Posture.SITTING, "standing": Posture.STANDING}
        return PostureState(
            base=known.get(self.context.calibration.reference_posture or "", Posture.UNKNOWN)
        )

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
            new = _padded(new, new.k0 - self._next_s * GRID_HZ, 0)
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
        ahead._final = []
        return ahead

    def _end_segment(self) -> None:
        self._run_out()
        self._close_episodes()
        self._pending = []

    def _run_out(self) -> None:
        """Run the blocks up to the newest sample, the last second filled up."""
        if self._pending:
            last = self._pending[-1]
            self._pending[-1] = _padded(last, 0, -(last.k0 + len(last.valid)) % GRID_HZ)
            end_s = self._seconds_end()
            while self._next_s < end_s:
                self._block(min(self._block_end(), end_s))

    def _block(self, stop_s: int) -> None:
        """Detect in [next_s, stop_s) with the context that there is."""
        start_s = self._next_s
        frames = _joined(self._pending)
        view = _cut(frames, start_s - CONTEXT_S, stop_s + CONTEXT_S)
        view = _with_up(view, self.context.has_gyro)
        first_s = view.k0 // GRID_HZ
        core = slice(start_s - first_s, stop_s - first_s)
        self._final.append(self._detect(view, core, start_s, stop_s))
        self._next_s = stop_s
        self._pending = [_cut(frames, stop_s - CONTEXT_S, None)]

    def _detect(self, view: Frames, core: slice, start_s: int, stop_s: int) -> Findings:
        calibration, p = self.context.calibration, self.parameters
        walking = walking_seconds(view, p.walking)[core]
        up = known_frames(view)[:, core]
        if calibration.up is UpSource.UNKNOWN:
            posture = np.where(walking, Posture.WALKING, Posture.UNKNOWN).astype(np.int8)
        else:
            posture = postures(up, walking, self._state.posture, p.posture)
        angles = angles_of(up)
        sagittal = calibration.forward is not ForwardSource.UNKNOWN
        known = sagittal and calibration.up is not UpSource.UNKNOWN
        flexion = angles.flexion_deg if known else np.full(len(posture), np.nan)
        lateral = angles.lateral_deg if known else np.full(len(posture), np.nan)
        slouched = np.full(len(posture), -1, np.int8)
        if self.context.placement in OBSERVABLE_AT:
            slouched = slouch(
                start_s,
                flexion,
                posture == Posture.SITTING,
                self._state.slouch,
                enter_deg=p.slouch.enter_deg(self.context.placement),
                parameters=p.slouch,
            )
        measured = np.isfinite(up[0])
        episodes, self._state.slouch.closed = tuple(self._state.slouch.closed), []
        movements: tuple[Movement, ...] = ()
        return Findings(
            start_ns=start_s * SECOND_NS,
            end_ns=stop_s * SECOND_NS,
            timelines=(
                Timeline(
                    start_s,
                    posture,
                    np.full(len(posture), np.nan, np.float32),
                    flexion.astype(np.float32),
                    lateral.astype(np.float32),
                    slouched,
                    np.where(measured, 1, -1).astype(np.int8),
                ),
            ),
            movements=movements,
            slouch_episodes=episodes,
            walking_bouts=self._bouts(walking, start_s),
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
        self._state = _State(self._first_posture())


def _padded(frames: Frames, lead: int, trail: int) -> Frames:
    if not lead and not trail:
        return frames
    pad = ((0, 0), (lead, trail))
    return Frames(
        frames.k0 - lead,
        np.pad(frames.valid, (lead, trail)),
        np.pad(frames.up, pad, mode="edge"),
        np.pad(frames.accel, pad, mode="edge"),
        None if frames.gyro is None else np.pad(frames.gyro, pad),
    )


def _cut(frames: Frames, start_s: int, stop_s: int | None) -> Frames:
    """The part in [start_s, stop_s), as far as it exists."""
    low = max(0, start_s * GRID_HZ - frames.k0)
    high = None if stop_s is None else stop_s * GRID_HZ - frames.k0
    return Frames(
        frames.k0 + low,
        frames.valid[low:high],
        frames.up[:, low:high],
        frames.accel[:, low:high],
        None if frames.gyro is None else frames.gyro[:, low:high],
    )


def _joined(parts: list[Frames]) -> Frames:
    if len(parts) == 1:
        return parts[0]
    gyro = [part.gyro for part in parts if part.gyro is not None]
    return Frames(
        parts[0].k0,
        np.concatenate([part.valid for part in parts]),
        np.concatenate([part.up for part in parts], axis=1),
        np.concatenate([part.accel for part in parts], axis=1),
        np.concatenate(gyro, axis=1) if gyro else None,
    )


def _with_up(frames: Frames, has_gyro: bool) -> Frames:
    """Without a gyroscope up is the 1 Hz low-pass of acceleration."""
    if has_gyro:
        return frames
    low = signal.butter(2, 1.0, fs=GRID_HZ, output="sos")
    slow = signal.sosfiltfilt(low, frames.accel, axis=1)
    up = slow / np.maximum(np.linalg.norm(slow, axis=0), 1e-9)
    return Frames(frames.k0, frames.valid, up, frames.accel, frames.gyro)
