"""A wearer who does what is asked, one thing after another, and notes the truth of it.

Durations and sizes are drawn around published values: sit-to-stand 1.5-3 s with a rise of
0.35-0.45 m and a forward lean of 25-40°, lying down 3-5 s (HAPT labels), walking 100-118
steps/min.
"""

from __future__ import annotations

import math

from numpy.random import Generator

from trunkline.synthetic.body import Body, ScriptError
from trunkline.synthetic.gait import step_times, walking_waves
from trunkline.synthetic.sensor import Site
from trunkline.synthetic.trajectory import Channel

LYING = {"lying_supine": 0.0, "lying_left": 90.0, "lying_prone": 180.0, "lying_right": -90.0}
"""Posture -> turn about the spine in degrees, from lying on the back."""

SEATED_PITCH_DEG = 2.0
LYING_PITCH_DEG = -84.0
"""Not -90: a pillow and a mattress keep the trunk a little raised."""


class Script(Body):
    """The verbs."""

    def __init__(self, rng: Generator, site: Site) -> None:
        super().__init__(rng, site)
        self._rise_m = 0.0
        self._cadence_spm = rng.uniform(102.0, 116.0)
        self._asymmetry = rng.uniform(-0.04, 0.04)
        self._breath_hz = rng.uniform(0.22, 0.28)

    # --- holding a posture ---------------------------------------------------------------

    def hold(self, duration_s: float) -> None:
        """Stay as one is: breathing, and the small drift and sway that nobody can leave out."""
        start_s, end_s = self.t_s, self.t_s + duration_s
        lying = self.posture.startswith("lying")
        if duration_s >= 10.0:
            self._breathe(start_s, end_s, self._breath_hz * (0.85 if lying else 1.0))
            drift_deg = 0.1 if lying else 0.5 if self.posture == "standing" else 0.9
            self._wander(Channel.PITCH, start_s, end_s, 45.0, drift_deg)
            self._wander(Channel.LATERAL, start_s, end_s, 60.0, 0.6 * drift_deg)
        if self.posture == "standing":
            self._wander(Channel.PITCH, start_s, end_s, 3.0, 0.25)
            self._wander(Channel.LATERAL, start_s, end_s, 2.5, 0.25)
        self.t_s = end_s

    def sit_upright(self, duration_s: float) -> None:
        """Sit without slouching and have it noted as an upright hold."""
        self._need("sitting")
        self.truth.slouch.append((self.t_s, self.t_s + duration_s, "upright"))
        self.hold(duration_s)

    def slouch(self, duration_s: float, flexion_deg: float) -> None:
        """Sink into a slouch over a few seconds, stay, and straighten again.

        flexion_deg: at T12; other places on the trunk take part by the site's gain.
        """
        self._need("sitting")
        sink_s, rise_s = self._rng.uniform(3.0, 8.0), self._rng.uniform(1.5, 3.0)
        delta = math.radians(flexion_deg * self._site.slouch_gain)
        self._move(Channel.PITCH, delta, 0.0, sink_s)
        self._move(Channel.UP, -0.02, 0.0, sink_s)
        self.t_s += sink_s
        start_s = self.t_s
        self.hold(duration_s)
        self.truth.slouch.append((start_s, self.t_s, "slouched"))
        self._move(Channel.PITCH, -delta, 0.0, rise_s)
        self._move(Channel.UP, 0.02, 0.0, rise_s)
        self.t_s += rise_s

    # --- from one posture to another -----------------------------------------------------

    def sit_down(self) -> None:
        """Stand to sit."""
        self._need("standing")
        duration_s, lean = self._rng.uniform(2.2, 3.4), math.radians(self._rng.uniform(22, 36))
        self._rise_m = self._rng.uniform(0.35, 0.45)
        self._move(Channel.PITCH, lean, 0.0, 0.55 * duration_s)
        self._to(Channel.PITCH, math.radians(SEATED_PITCH_DEG), 0.5 * duration_s, 0.5 * duration_s)
        self._move(Channel.UP, -self._rise_m, 0.15 * duration_s, 0.65 * duration_s)
        self._move(Channel.FORWARD, -0.25, 0.1 * duration_s, 0.6 * duration_s)
        self._transition("stand_to_sit", "sitting", duration_s)

    def stand_up(self) -> None:
        """Sit to stand."""
        self._need("sitting")
        duration_s, lean = self._rng.uniform(1.7, 2.8), math.radians(self._rng.uniform(25, 40))
        self._move(Channel.PITCH, lean, 0.0, 0.5 * duration_s)
        self._to(Channel.PITCH, 0.0, 0.4 * duration_s, 0.6 * duration_s)
        self._move(Channel.UP, self._rise_m, 0.25 * duration_s, 0.65 * duration_s)
        self._move(Channel.FORWARD, 0.25, 0.2 * duration_s, 0.6 * duration_s)
        self._transition("sit_to_stand", "standing", duration_s)

    def lie_down(self, posture: str = "lying_supine") -> None:
        """From sitting on the edge to lying; the trunk leans on one elbow on the way."""
        self._need("sitting")
        duration_s = self._rng.uniform(3.2, 4.8)
        elbow = math.radians(self._rng.choice([-18.0, 18.0]))
        self._to(Channel.PITCH, math.radians(LYING_PITCH_DEG), 0.05 * duration_s, 0.9 * duration_s)
        self._move(Channel.LATERAL, elbow, 0.0, 0.5 * duration_s)
        self._move(Channel.LATERAL, -elbow, 0.45 * duration_s, 0.55 * duration_s)
        turn = math.radians(LYING[posture]) - math.remainder(
            self._pose[Channel.AXIAL], 2.0 * math.pi
        )
        self._move(Channel.AXIAL, turn, 0.4 * duration_s, 0.6 * duration_s)
        self._move(Channel.UP, -0.08, 0.1 * duration_s, 0.8 * duration_s)
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
        self._to(Channel.PITCH, math.radians(SEATED_PITCH_DEG), 0.1 * duration_s, 0.85 * duration_s)
        self._out_and_back(Channel.LATERAL, math.radians(self._rng.choice([-15, 15])), duration_s)
        self._move(Channel.UP, 0.08, 0.1 * duration_s, 0.8 * duration_s)
        self._transition("lie_to_sit", "sitting", duration_s)

    # --- movements that return to where they began ---------------------------------------

    def squat(self) -> None:
        """Down and up again without sitting."""
        self._need("standing")
        duration_s, depth_m = self._rng.uniform(2.4, 3.6), self._rng.uniform(0.35, 0.5)
        lean_deg = self._rng.uniform(22, 38)
        self._out_and_back(Channel.UP, -depth_m, duration_s)
        self._out_and_back(Channel.PITCH, math.radians(lean_deg), duration_s)
        self._out_and_back(Channel.FORWARD, -0.12, duration_s)
        self._excursion("squat", duration_s, None, lean_deg)

    def forward_bend(self) -> None:
        """Bow from the hips, hips going back."""
        duration_s, peak_deg = self._rng.uniform(2.8, 4.2), self._rng.uniform(45, 75)
        self._out_and_back(Channel.PITCH, math.radians(peak_deg), duration_s)
        self._out_and_back(Channel.FORWARD, -0.10, duration_s)
        self._excursion("forward_bend", duration_s, None, peak_deg)

    def lateral_bend(self, side: str) -> None:
        """Bend to the left or right; sitting or standing."""
        duration_s = self._rng.uniform(2.6, 4.0)
        peak_deg = self._rng.uniform(18, 30) * self._site.lateral_gain
        sign = 1.0 if side == "right" else -1.0
        self._out_and_back(Channel.LATERAL, sign * math.radians(peak_deg), duration_s)
        self._excursion("lateral_bend", duration_s, side, peak_deg)

    def rotate(self, side: str) -> None:
        """Turn the trunk to the left or right and back; sitting or standing."""
        duration_s = self._rng.uniform(2.2, 3.6)
        peak_deg = self._rng.uniform(32, 50) * self._site.rotation_gain
        sign = 1.0 if side == "left" else -1.0
        self._out_and_back(Channel.AXIAL, sign * math.radians(peak_deg), duration_s)
        self._excursion("trunk_rotation", duration_s, side, peak_deg)

    # --- walking -------------------------------------------------------------------------

    def walk(self, duration_s: float, pace: float = 1.0) -> None:
        """Walk for about that long; a turn every 8-25 s. pace 1 is the wearer's own."""
        self._need("standing")
        start_s = self.t_s
        cadence_spm = self._cadence_spm * math.sqrt(pace)
        strikes_s = step_times(self._rng, start_s, duration_s, cadence_spm, self._asymmetry)
        end_s = float(strikes_s[-1])
        step_m = 0.62 * math.sqrt(pace) * (0.9 + 0.2 * (self._cadence_spm - 102.0) / 14.0)
        speed_mps = step_m * (len(strikes_s) - 1) / (end_s - start_s)
        self._waves += walking_waves(self._rng, strikes_s, vigour=cadence_spm / 110.0)
        self._move(Channel.SPEED, speed_mps, 0.0, 1.5)
        self._move(Channel.PITCH, math.radians(2.0), 0.0, 1.5)
        self._to(Channel.SPEED, 0.0, end_s - start_s - 1.5, 1.5)
        self._to(Channel.PITCH, 0.0, end_s - start_s - 1.5, 1.5)
        self._turn_on_the_way(start_s + 4.0, end_s - 4.0, speed_mps)
        self._close_posture(start_s)
        self.t_s = end_s
        self.posture = "walking"
        self._close_posture(end_s)
        self.posture = "standing"
        sides = ("left", "right") if self._rng.random() < 0.5 else ("right", "left")
        self.truth.steps += [(float(s), sides[i % 2]) for i, s in enumerate(strikes_s)]
        self.truth.walking_bouts.append(
            {
                "start_s": start_s,
                "end_s": end_s,
                "cadence_spm": round(60.0 * (len(strikes_s) - 1) / (end_s - start_s), 2),
                "step_length_m": round(step_m, 4),
                "stride_length_m": round(2.0 * step_m, 4),
                "walking_speed_mps": round(speed_mps, 4),
            }
        )

    def _turn_on_the_way(self, first_s: float, last_s: float, speed_mps: float) -> None:
        at_s = first_s + self._rng.uniform(0.0, 10.0)
        while at_s + 3.0 < last_s:
            angle = math.radians(float(self._rng.choice([-180, -90, -45, 45, 90, 180])))
            duration_s = 1.2 + 0.5 * abs(angle)
            offset_s = at_s - self.t_s
            self._move(Channel.YAW, angle, offset_s, duration_s)
            slower = 0.15 * abs(angle) * speed_mps
            self._move(Channel.SPEED, -slower, offset_s - 0.3, 0.3 + 0.5 * duration_s)
            self._move(Channel.SPEED, slower, offset_s + 0.5 * duration_s, 0.3 + 0.5 * duration_s)
            if abs(angle) > 1.0:
                self.truth.turns.append((at_s, at_s + duration_s))
            at_s += duration_s + self._rng.uniform(8.0, 25.0)
