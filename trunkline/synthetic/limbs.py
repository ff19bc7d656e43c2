"""Thighs, wrists and pelvis of the synthetic wearer: joint angles -> readings, exact in walking.

A limb swings about a joint that goes the way of the hips; its angle is a rhythm of the foot
contacts of its side (arms: of the other leg). Outside walking limbs hang straight, also of a wearer
who sits: they serve to test gait signs and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from trunkline.synthetic.jet import Jet
from trunkline.synthetic.sensor import Mounting, Site, readings
from trunkline.synthetic.trajectory import Channel, Harmonic, Trajectory, Wave

_RAMP_S = 1.0
_STANDARD = {"up": "+z", "forward": "+x", "left": "+y"}


@dataclass(frozen=True, slots=True)
class Walk:
    """Foot contacts of one walk and the side of the first one."""

    strikes_s: NDArray[np.float64]
    first_side: str


@dataclass(frozen=True, slots=True)
class Limb:
    """One extra sensor: where it sits, and how its segment swings about the hips' axis."""

    lever_m: tuple[float, float, float]
    """From the joint, in the segment's frame (forward, left, up)."""
    side: str
    """Whose foot contacts its rhythm follows."""
    harmonics: tuple[Harmonic, ...]
    """Pitch > 0 tips the upper end forward; degrees of flexion of a leg are its negative."""


def _swing(mean_deg: float, first_deg: float, second_deg: float, offset: float) -> tuple[Any, ...]:
    """A leg or an arm: flexion = mean + first cos(2 pi c) - second sin(4 pi c)."""
    return (
        Harmonic(Channel.PITCH, 0.0, -math.radians(mean_deg)),
        Harmonic(Channel.PITCH, 1.0, -math.radians(first_deg), offset),
        Harmonic(Channel.PITCH, 2.0, -math.radians(second_deg), 2 * offset + 0.25),
    )


LIMBS: Mapping[str, Limb] = {
    "thigh_left": Limb((0.05, 0.05, -0.2), "left", _swing(10.0, 21.0, 3.0, 0.04)),
    "thigh_right": Limb((0.05, -0.05, -0.2), "right", _swing(12.0, 17.0, 3.0, 0.04)),
    "wrist_left": Limb((0.02, 0.0, -0.5), "right", _swing(5.0, 16.0, 1.5, 0.0)),
    "wrist_right": Limb((0.02, 0.0, -0.5), "left", _swing(5.0, 9.0, 1.0, 0.0)),
    "pelvis": Limb(
        (-0.09, 0.0, 0.05),
        "left",
        (
            Harmonic(Channel.PITCH, 0.0, math.radians(4.0)),
            Harmonic(Channel.PITCH, 2.0, math.radians(1.0)),
            Harmonic(Channel.LATERAL, 1.0, math.radians(3.0), 0.2),
            Harmonic(Channel.AXIAL, 1.0, math.radians(5.0), 0.3),
        ),
    ),
}
"""Extra sensors that can be simulated, by placement."""


class LimbSensor:
    """One extra sensor in any mounting, with noise, gyroscope bias and a clock that is off."""

    def __init__(
        self, name: str, walks: Sequence[Walk], rng: Generator, *, clock_offset_s: float = 0.0
    ) -> None:
        limb = LIMBS[name]
        self.name = name
        self._limb = limb
        self._offset_s = clock_offset_s
        self._trajectory = Trajectory([], _waves(limb, walks))
        self._site = Site(_STANDARD, limb.lever_m, 0.0, 0.0, 0.0)
        self._mount = Mounting(Rotation.random(random_state=rng).as_matrix())
        self._bias = rng.normal(0.0, 0.01, 3)
        self._rng = rng

    @property
    def axes(self) -> dict[str, list[float]]:
        """Forward of the segment in the sensor's axes."""
        return {"forward": [round(float(v), 6) for v in self._mount.matrix[:, 0]]}

    def readings(
        self, t_s: NDArray[np.float64], trunk: Trajectory
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """accel (n, 3) m/s2, gyro (n, 3) rad/s that carry the time stamps `t_s`."""
        true_s = t_s + self._offset_s
        force, rate = readings(self.pose(true_s, trunk), self._site, self._mount)
        force += self._rng.normal(0.0, 0.03, force.shape)
        rate += self._rng.normal(0.0, 0.005, rate.shape) + self._bias
        return force.astype(np.float32), rate.astype(np.float32)

    def pose(self, t_s: NDArray[np.float64], trunk: Trajectory) -> Mapping[Channel, Jet]:
        """The way of the hips with the segment's own angles."""
        pose = dict(trunk.evaluate(t_s))
        own = self._trajectory.evaluate(t_s)
        zero = np.zeros(len(t_s))
        for channel in (Channel.TISSUE_ROLL, Channel.TISSUE_PITCH, Channel.TISSUE_YAW):
            pose[channel] = Jet(zero, zero, zero)
        for channel in (Channel.PITCH, Channel.LATERAL, Channel.AXIAL):
            pose[channel] = own[channel]
        return pose

    def truth(self, walks: Sequence[Walk], trunk: Trajectory) -> dict[str, float]:
        """Mean over strides of what the gait signs tell, in degrees, from the exact angles."""
        rows = []
        for walk in walks:
            strikes_s = _of_side(walk, self._limb.side)[2:-2]
            for start_s, end_s in pairwise(strikes_s):
                rows.append(self._stride(np.linspace(start_s, end_s, 100), trunk))
        if not rows:
            return {}
        return {name: round(float(np.mean([row[name] for row in rows])), 2) for name in rows[0]}

    def _stride(self, t_s: NDArray[np.float64], trunk: Trajectory) -> dict[str, float]:
        own, body = self._trajectory.evaluate(t_s), trunk.evaluate(t_s)
        pitch, lean = (np.degrees(p[Channel.PITCH].value) for p in (own, body))
        if self.name.startswith("thigh"):
            hip = lean - pitch
            return {"peak_flexion_deg": hip.max(), "peak_extension_deg": -hip.min()}
        if self.name.startswith("wrist"):
            return {"swing_deg": float(np.ptp(pitch))}
        sideways, turned = (
            np.degrees(body[c].value - own[c].value) for c in (Channel.LATERAL, Channel.AXIAL)
        )
        return {
            "flexion_deg": float(np.mean(lean - pitch)),
            "lateral_range_deg": float(np.ptp(sideways)),
            "rotation_range_deg": float(np.ptp(turned)),
        }


def _of_side(walk: Walk, side: str) -> NDArray[np.float64]:
    return walk.strikes_s[0 if walk.first_side == side else 1 :: 2]


def _waves(limb: Limb, walks: Sequence[Walk]) -> list[Wave]:
    cycles = [_of_side(walk, limb.side) for walk in walks]
    return [Wave(c, limb.harmonics, _RAMP_S) for c in cycles if len(c) >= 4]
