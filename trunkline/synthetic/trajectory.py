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
from collections.abc import Iterator, Mapping, Sequence
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

    @cached_property
    def _weights(self) -> tuple[NDArray[np.float64], list[Channel], NDArray[np.float64]]:
        """Multiples (m,), channels (c,) and what turns their cosines and sines (2m) into the
        value and its first two derivatives by phase (3c)."""
        multiples = sorted({harmonic.multiple for harmonic in self.harmonics})
        channels = sorted({harmonic.channel for harmonic in self.harmonics})
        weights = np.zeros((2, len(multiples), 3, len(channels)))
        for harmonic in self.harmonics:
            cell = weights[
                :, multiples.index(harmonic.multiple), :, channels.index(harmonic.channel)
            ]
            omega = 2.0 * math.pi * harmonic.multiple
            angle = 2.0 * math.pi * harmonic.offset
            cosine = harmonic.amplitude * math.cos(angle)
            sine = -harmonic.amplitude * math.sin(angle)
            cell[0] += (cosine, sine * omega, -cosine * omega**2)
            cell[1] += (sine, -cosine * omega, -sine * omega**2)
        return np.array(multiples), channels, weights.reshape(2 * len(multiples), -1)

    def evaluate(self, t_s: NDArray[np.float64]) -> Iterator[tuple[Channel, Jet]]:
        """What the wave adds to each of its coordinates at times (n,) inside it."""
        multiples, channels, weights = self._weights
        cycles, rate, accel = (self.phase(t_s, order) for order in range(3))
        angles = np.multiply.outer(2.0 * math.pi * multiples, cycles)
        sums = weights.T @ np.concatenate((np.cos(angles), np.sin(angles)))
        value, first, second = sums.reshape(3, len(channels), len(t_s))
        for channel, v, d1, d2 in zip(channels, value, first, second, strict=True):
            yield channel, self._faded(t_s, Jet(v, d1 * rate, d1 * accel + d2 * rate * rate))

    def _faded(self, t_s: NDArray[np.float64], jet: Jet) -> Jet:
        if t_s[0] - self.cycle_s[0] >= self.ramp_s and self.cycle_s[-1] - t_s[-1] >= self.ramp_s:
            return jet
        rise = minimum_jerk((t_s - self.cycle_s[0]) / self.ramp_s, self.ramp_s)
        fall = minimum_jerk((self.cycle_s[-1] - t_s) / self.ramp_s, self.ramp_s)
        return jet * (rise * Jet(fall.value, -fall.rate, fall.accel))


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
            wave = self._waves[index]
            part = slice(*np.searchsorted(t_s, (wave.cycle_s[0], wave.cycle_s[-1])))
            if part.stop > part.start:
                for channel, jet in wave.evaluate(t_s[part]):
                    _accumulate(total[channel], part, jet)
        return {channel: Jet(*total[channel]) for channel in Channel}


def _accumulate(target: NDArray[np.float64], part: slice, jet: Jet) -> None:
    target[0, part] += jet.value
    target[1, part] += jet.rate
    target[2, part] += jet.accel
