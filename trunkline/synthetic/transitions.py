"""From one posture to another, and off the body and on again."""

from __future__ import annotations

import math

from numpy.random import Generator

from trunkline.synthetic.body import Body, ScriptError
from trunkline.synthetic.sensor import Site
from trunkline.synthetic.trajectory import Channel

LYING = {"lying_supine": 0.0, "lying_left": 90.0, "lying_prone": 180.0, "lying_right": -90.0}
"""Posture -> turn about the spine in degrees, from lying on the back."""

SEATED_PITCH_DEG = 2.0
LYING_PITCH_DEG = -84.0
"""Not -90: a pillow and a mattress keep the trunk a little raised."""

_CUSHION_M = 0.012
"""How far the seat gives way at the landing."""


class Transitions(Body):
    """The verbs that change the posture."""

    def __init__(self, rng: Generator, site: Site) -> None:
        super().__init__(rng, site)
        self._rise_m = 0.0

    def sit_down(self) -> None:
        """Stand to sit: hips back, bow, down, and a soft landing on the seat."""
        self._need("standing")
        duration_s, lean = self._rng.uniform(2.2, 3.6), math.radians(self._rng.uniform(28, 45))
        self._rise_m = self._rng.uniform(0.35, 0.45)
        self._move(Channel.PITCH, lean, 0.0, 0.5 * duration_s)
        self._to(Channel.PITCH, math.radians(SEATED_PITCH_DEG), 0.55 * duration_s, 0.4 * duration_s)
        self._move(Channel.UP, -self._rise_m, 0.15 * duration_s, 0.5 * duration_s)
        landing_s = 0.6 * duration_s
        self._move(Channel.UP, -_CUSHION_M, landing_s - 0.1, 0.2)
        self._move(Channel.UP, _CUSHION_M, landing_s + 0.05, 0.3)
        self._move(Channel.FORWARD, -0.25, 0.05 * duration_s, 0.55 * duration_s)
        self._unsteady(duration_s)
        self._transition("stand_to_sit", "sitting", duration_s)

    def stand_up(self) -> None:
        """Sit to stand: bow, leave the seat before the bow is over, straighten."""
        self._need("sitting")
        duration_s, lean = self._rng.uniform(1.7, 2.9), math.radians(self._rng.uniform(30, 48))
        self._move(Channel.PITCH, lean, 0.0, 0.45 * duration_s)
        self._to(Channel.PITCH, 0.0, 0.42 * duration_s, 0.5 * duration_s)
        self._move(Channel.UP, self._rise_m, 0.28 * duration_s, 0.6 * duration_s)
        self._move(Channel.FORWARD, 0.25, 0.2 * duration_s, 0.55 * duration_s)
        self._unsteady(duration_s)
        self._transition("sit_to_stand", "standing", duration_s)

    def _unsteady(self, duration_s: float) -> None:
        """Nobody moves in the sagittal plane alone."""
        for channel, most_deg in ((Channel.LATERAL, 7.0), (Channel.AXIAL, 10.0)):
            peak = math.radians(self._rng.uniform(-most_deg, most_deg))
            self._out_and_back(channel, peak, duration_s)

    def lie_down(self, posture: str = "lying_supine") -> None:
        """From sitting on the edge to lying; the trunk leans on one elbow on the way."""
        self._need("sitting")
        duration_s = self._rng.uniform(3.2, 4.8)
        elbow = math.radians(self._rng.choice([-18.0, 18.0]))
        self._to(Channel.PITCH, math.radians(LYING_PITCH_DEG), 0.2 * duration_s, 0.5 * duration_s)
        self._move(Channel.LATERAL, elbow, 0.0, 0.4 * duration_s)
        self._move(Channel.LATERAL, -elbow, 0.4 * duration_s, 0.5 * duration_s)
        turn = math.radians(LYING[posture]) - math.remainder(
            self._pose[Channel.AXIAL], 2.0 * math.pi
        )
        self._move(Channel.AXIAL, turn, 0.4 * duration_s, 0.6 * duration_s)
        self._move(Channel.UP, -0.08, 0.2 * duration_s, 0.5 * duration_s)
        self._transition("sit_to_lie", posture, duration_s)

    def roll(self, posture: str) -> None:
        """Turn in bed to another lying posture, the shorter way round."""
        self._need("lying")
        duration_s = self._rng.uniform(1.8, 3.5)
        turn = math.remainder(
            math.radians(LYING[posture]) - self._pose[Channel.AXIAL], 2.0 * math.pi
        )
        if abs(turn) < 0.1:
            raise ScriptError(f"already {posture}: a roll needs another posture")
        heave_m = self._rng.uniform(0.03, 0.07)
        self._move(Channel.AXIAL, turn, 0.1 * duration_s, 0.8 * duration_s)
        self._out_and_back(Channel.UP, heave_m, duration_s)
        self._out_and_back(Channel.PITCH, math.radians(self._rng.uniform(3, 8)), duration_s)
        direction = "left" if turn > 0 else "right"
        self._transition("bed_roll", posture, duration_s, direction, math.degrees(abs(turn)))

    def sit_up(self) -> None:
        """From lying to sitting on the edge."""
        self._need("lying")
        duration_s = self._rng.uniform(3.0, 4.6)
        turn = -math.remainder(self._pose[Channel.AXIAL], 2.0 * math.pi)
        self._move(Channel.AXIAL, turn, 0.0, 0.6 * duration_s)
        self._to(Channel.PITCH, math.radians(SEATED_PITCH_DEG), 0.2 * duration_s, 0.6 * duration_s)
        self._out_and_back(Channel.LATERAL, math.radians(self._rng.choice([-15, 15])), duration_s)
        self._move(Channel.UP, 0.08, 0.2 * duration_s, 0.6 * duration_s)
        self._transition("lie_to_sit", "sitting", duration_s)

    def take_off(self, duration_s: float) -> None:
        """Put the sensor flat on a table for a while and wear it again, a little askew.

        The handling is neither a posture nor a movement; the truth is silent about it.
        """
        self._need("standing")
        self._close_posture(self.t_s)
        self._handle(math.radians(-90.0), math.radians(self._rng.uniform(-40, 40)), -0.2)
        start_s = self.t_s
        self.t_s += duration_s
        self.truth.posture.append((start_s, self.t_s, "not_worn"))
        pitch_deg, roll_deg = self._rng.normal(0.0, 2.0), self._rng.normal(0.0, 1.5)
        self._handle(math.radians(pitch_deg), math.radians(roll_deg), 0.2)
        self._since_s = self.t_s

    def _handle(self, pitch: float, roll: float, up_m: float) -> None:
        duration_s = self._rng.uniform(4.0, 8.0)
        self.truth.handling.append((self.t_s, self.t_s + duration_s))
        self._to(Channel.TISSUE_PITCH, pitch, 0.0, duration_s)
        self._to(Channel.TISSUE_ROLL, roll, 0.1 * duration_s, 0.8 * duration_s)
        self._move(Channel.UP, up_m, 0.1 * duration_s, 0.8 * duration_s)
        self._out_and_back(Channel.TISSUE_YAW, math.radians(self._rng.uniform(-60, 60)), duration_s)
        self.t_s += duration_s
