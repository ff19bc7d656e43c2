"""The trunk's path as a sum of moves and waves, evaluated with exact derivatives.

The pose has four angles (rad): the trunk's frame is (x forward, y left, z along the spine) and
`R = Rz(yaw) Rx(lateral) Ry(pitch) Rz(axial)` turns it into the room. Pitch > 0 is flexion, lateral
> 0 a bend to the right, axial > 0 a turn to the left about the spine. Places are in the heading
frame that `yaw` turns: `forward` and `left` (m, moves of the hips), `speed` (m/s, walking), `up`
(m, height of the hips). The skin under the sensor wobbles against the trunk by the three
tissue angles: the sensor's frame is `R Rx(tissue_roll) Ry(tissue_pitch) Rz(tissue_yaw)`, turned
about the sensor itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from trunkline.synthetic.jet import Jet, minimum_jerk


class Channel(IntEnum):
    """One coordinate of the pose."""

    YAW = 0
    LATERAL = 1
    PITCH = 2
    AXIAL = 3
    FORWARD = 4
    LEFT = 5
    UP = 6
    SPEED = 7
    TISSUE_ROLL = 8
    TISSUE_PITCH = 9
    TISSUE_YAW = 10


@dataclass(frozen=True, slots=True)
class Move:
    """A coordinate changes by `delta` between two moments, along a minimum-jerk profile."""

    channel: Channel
    start_s: float
    duration_s: float
    delta: float


@dataclass(frozen=True, slots=True)
class Harmonic:
    """`amplitude * cos(2π (multiple * cycles + offset))` on one coordinate."""

    channel: Channel
    multiple: float
    amplitude: float
    offset: float = 0.0


@dataclass(frozen=True)
class Wave:
    """A rhythm whose cycles begin at `cycle_s`, faded in and out over `ramp_s`.

    Cycle times need not be even: the phase is a twice differentiable spline through them.
    """

    cycle_s: NDArray[np.float64] = field(repr=False)
    harmonics: tuple[Harmonic, ...]
    ramp_s: float

    @cached_property
    def phase(self) -> CubicSpline:
        """Cycles since the beginning as a function of time in s."""
        return CubicSpline(self.cycle_s, np.arange(len(self.cycle_s)), bc_type="natural")

    def envelope(self, t_s: NDArray[np.float64]) -> Jet:
        rise = minimum_jerk((t_s - self.cycle_s[0]) / self.ramp_s, self.ramp_s)
        fall = minimum_jerk((self.cycle_s[-1] - t_s) / self.ramp_s, self.ramp_s)
        return rise * Jet(fall.value, -fall.rate, fall.accel)


class Trajectory:
    """Moves and waves of a whole recording, ready to be evaluated window by window."""

    def __init__(self, moves: Sequence[Move], waves: Sequence[Wave]) -> None:
        self._moves = sorted(moves, key=lambda move: move.start_s)
        self._move_starts = np.array([move.start_s for move in self._moves])
        self._move_ends = np.array([move.start_s + move.duration_s for move in self._moves])
        self._waves = list(waves)
        self._wave_starts = np.array([wave.cycle_s[0] for wave in self._waves])
        self._wave_ends = np.array([wave.cycle_s[-1] for wave in self._waves])
        self._delta = np.zeros((len(self._moves), len(Channel)))
        for row, move in zip(self._delta, self._moves, strict=True):
            row[move.channel] = move.delta

    def evaluate(self, t_s: NDArray[np.float64]) -> Mapping[Channel, Jet]:
        """The pose at increasing times (n,); every channel present."""
        total = np.zeros((len(Channel), 3, len(t_s)))
        total[:, 0] = self._delta[self._move_ends <= t_s[0]].sum(axis=0)[:, None]
        running = (self._move_ends > t_s[0]) & (self._move_starts <= t_s[-1])
        for index in np.flatnonzero(running):
            move = self._moves[index]
            first, last = np.searchsorted(t_s, (move.start_s, self._move_ends[index]))
            profile = minimum_jerk(
                (t_s[first:last] - move.start_s) / move.duration_s, move.duration_s
            )
            _accumulate(total[move.channel], slice(first, last), profile * move.delta)
            total[move.channel, 0, last:] += move.delta
        for index in np.flatnonzero((self._wave_ends > t_s[0]) & (self._wave_starts <= t_s[-1])):
            self._add_wave(total, t_s, self._waves[index])
        return {channel: Jet(*total[channel]) for channel in Channel}

    @staticmethod
    def _add_wave(total: NDArray[np.float64], t_s: NDArray[np.float64], wave: Wave) -> None:
        part = slice(*np.searchsorted(t_s, (wave.cycle_s[0], wave.cycle_s[-1])))
        inside = t_s[part]
        if not len(inside):
            return
        phase = Jet(*(wave.phase(inside, order) for order in range(3)))
        envelope = wave.envelope(inside)
        turn = {
            multiple: (phase * (2.0 * math.pi * multiple)).sin_cos()
            for multiple in {harmonic.multiple for harmonic in wave.harmonics}
        }
        channels = {harmonic.channel for harmonic in wave.harmonics}
        for channel in channels:
            parts = [
                turn[harmonic.multiple][1] * (harmonic.amplitude * math.cos(angle))
                - turn[harmonic.multiple][0] * (harmonic.amplitude * math.sin(angle))
                for harmonic in wave.harmonics
                if harmonic.channel == channel
                for angle in [2.0 * math.pi * harmonic.offset]
            ]
            combined = parts[0]
            for other in parts[1:]:
                combined = combined + other
            _accumulate(total[channel], part, combined * envelope)


def _accumulate(target: NDArray[np.float64], part: slice, jet: Jet) -> None:
    target[0, part] += jet.value
    target[1, part] += jet.rate
    target[2, part] += jet.accel
