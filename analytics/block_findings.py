"""From observed blocks to findings: worn or not, postures, movements and episodes of each block.

Blocks are read one after the other; what goes on from one to the next is carried in a small state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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
)
from analytics.detect.gait import gait_of
from analytics.detect.interpret import PostureState, Reading, read
from analytics.detect.observe import Observations, joined
from analytics.detect.parameters import Parameters
from analytics.detect.slouch import OBSERVABLE_AT, SlouchState, close, slouch
from analytics.detect.strides import StrideWindows
from analytics.detect.sway import StandState, sways
from analytics.sensor_context import SensorContext
from analytics.signal.angles import angles_of
from analytics.signal.neutral import NeutralState, advance
from analytics.signal.wear import handled_seconds, undecided_from, worn_seconds

_AROUND_BOUT_S: Final = 30
"""Strides are kept for so long: a bout that is found later may begin there."""


@dataclass(slots=True)
class BlockState:
    """What is carried from block to block."""

    neutral: NeutralState
    posture: PostureState = field(default_factory=PostureState)
    slouch: SlouchState = field(default_factory=SlouchState)
    bouts: BoutState = field(default_factory=BoutState)
    strides: StrideWindows = field(default_factory=StrideWindows.none)
    """Those that may belong to a bout that is open."""
    stands: StandState = field(default_factory=StandState)
    aside_until_s: int | None = None
    """Until when a sensor that was not worn lay aside; the end of the last block if it lies on."""

    def open_since(self) -> list[int]:
        """When the episodes began that go on, in seconds."""
        return [s for s in (self.slouch.start_s, self.bouts.start_s) if s is not None]


class BlockReader:
    """Reads the blocks of one sensor's stretch; `state` is the caller's, to be copied by need."""

    def __init__(self, context: SensorContext, parameters: Parameters) -> None:
        self._context, self._parameters = context, parameters
        self._site = context.site

    def first(self, blocks: Sequence[Observations], state: BlockState) -> Findings:
        """Findings of the first block with the others known; advances `state`."""
        p = self._parameters
        first = blocks[0]
        start_s, stop_s = first.first_s, first.first_s + first.seconds
        worn = self._worn(blocks, state)
        shift = advance(state.neutral, start_s, first.up_by_second, first.walking, p.neutral)
        seen, reading = self.read(joined(blocks), stop_s, state)
        timeline = self.timeline(start_s, seen.up_by_second, reading, worn, state.slouch)
        episodes, state.slouch.closed = tuple(state.slouch.closed), []
        posture, directed = timeline.posture, self._site.sagittal
        return Findings(
            start_ns=start_s * SECOND_NS,
            end_ns=stop_s * SECOND_NS,
            timelines=(timeline,),
            movements=tuple(m for m in reading.movements if worn[_second(m.start_ns, start_s)]),
            slouch_episodes=episodes,
            walking_bouts=self._bouts(first, posture == Posture.WALKING, state),
            breathing=_breathing(first, posture),
            sway=sways(
                first.stands, posture, start_s, state.stands, directed=directed, parameters=p.sway
            ),
            neutral_shifts=() if shift is None else (shift,),
        )

    def is_decided(self, blocks: Sequence[Observations], state: BlockState) -> bool:
        """Whether the first block can be told worn or not without what is still to come."""
        lay_aside = state.aside_until_s == blocks[0].first_s
        undecided = undecided_from(_still(blocks), lay_aside, self._parameters.wear)
        return undecided >= blocks[0].seconds + self._parameters.wear.handling_s

    def _worn(self, blocks: Sequence[Observations], state: BlockState) -> NDArray[np.bool_]:
        """(seconds,) of the first block; advances `state`."""
        p, first = self._parameters.wear, blocks[0]
        until_s = state.aside_until_s
        worn = worn_seconds(_still(blocks), until_s == first.first_s, p)
        since_s = None if until_s is None else first.first_s - until_s
        handled = handled_seconds(worn, since_s, p)[: first.seconds]
        aside = np.flatnonzero(~worn[: first.seconds])
        if len(aside):
            state.aside_until_s = first.first_s + int(aside[-1]) + 1
        return ~handled

    def closing(self, end_s: int, state: BlockState) -> Findings:
        """What ends because the stretch ends at `end_s`."""
        close(state.slouch, self._parameters.slouch)
        return Findings(
            end_s * SECOND_NS,
            end_s * SECOND_NS,
            slouch_episodes=tuple(state.slouch.closed),
            walking_bouts=self._bouts(None, np.empty(0, bool), state, end_s),
        )

    def read(
        self, seen: Observations, stop_s: int, state: BlockState
    ) -> tuple[Observations, Reading]:
        """Postures and movements until `stop_s`, and what was seen, told from the present
        neutral."""
        if state.neutral.rotation is not None:
            seen = seen.turned(state.neutral.rotation)
        return seen, read(
            seen,
            stop_s,
            state.posture,
            site=self._site,
            calibration=self._context.calibration,
            parameters=self._parameters,
        )

    def timeline(
        self,
        first_s: int,
        up_by_second: NDArray[np.float64],
        reading: Reading,
        worn: NDArray[np.bool_],
        slouching: SlouchState,
    ) -> Timeline:
        """One row for each of worn (n,); up_by_second (3, n or more) in trunk axes; advances
        `slouching`."""
        p, n = self._parameters.slouch, len(worn)
        directed = self._site.sagittal
        posture = np.where(worn, reading.posture[:n], np.int8(Posture.NOT_WORN))
        up_by_second = up_by_second[:, :n]
        angles = angles_of(np.where(worn, up_by_second, np.nan))
        slouched = np.full(n, -1, np.int8)
        if self._context.placement in OBSERVABLE_AT:
            slouched = slouch(
                first_s,
                angles,
                (posture == Posture.SITTING) & ~_changing(reading.movements, first_s, n),
                slouching,
                directed=directed,
                enter_deg=p.enter_deg(
                    self._context.placement, self._context.calibration.slouch_range
                ),
                parameters=p,
            )
        nothing = np.full(n, np.nan, np.float32)
        return Timeline(
            first_s=first_s,
            posture=posture,
            probability=np.where(worn, reading.probability[:n], np.float32(np.nan)),
            flexion_deg=angles.flexion_deg.astype(np.float32) if directed else nothing,
            lateral_deg=angles.lateral_deg.astype(np.float32) if directed else nothing,
            slouched=slouched,
            worn=np.where(np.isfinite(up_by_second[0]), worn, -1).astype(np.int8),
        )

    def _bouts(
        self,
        seen: Observations | None,
        walking: NDArray[np.bool_],
        state: BlockState,
        end_s: int = 0,
    ) -> tuple[WalkingBout, ...]:
        """Bouts that ended; None: the stretch has ended at end_s, and with it a bout that is
        open."""
        none = np.empty(0)
        p = self._parameters
        found = bouts(
            end_s if seen is None else seen.first_s,
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
            state.strides = state.strides.between(keep_s - _AROUND_BOUT_S, np.inf)
        return tuple(out)


def _still(blocks: Sequence[Observations]) -> NDArray[np.bool_]:
    return np.concatenate([block.still for block in blocks])


def _changing(movements: tuple[Movement, ...], start_s: int, seconds: int) -> NDArray[np.bool_]:
    """(seconds,) True while sitting down or standing up: leaning to do so is no slouch."""
    out = np.zeros(seconds, bool)
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
