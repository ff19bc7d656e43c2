"""A wearer who does what is asked, one thing after another, and notes the truth of it.

Durations and sizes are drawn around published values; docs/synthetic.md lists them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator

from trunkline.synthetic.gait import step_times, walking_waves
from trunkline.synthetic.limbs import Walk
from trunkline.synthetic.sensor import Site
from trunkline.synthetic.trajectory import Channel
from trunkline.synthetic.transitions import Transitions


class Script(Transitions):
    """The verbs."""

    def __init__(self, rng: Generator, site: Site) -> None:
        super().__init__(rng, site)
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
            self._wander(start_s, end_s, 45.0, drift_deg)
        if self.posture == "standing":
            self._wander(start_s, end_s, 3.0, 0.25)
        if not lying:
            self._fidget(duration_s)
        self.t_s = end_s

    def _fidget(self, duration_s: float) -> None:
        """Every few minutes another position for a while, a few degrees away."""
        at_s = self._rng.uniform(60.0, 300.0)
        while at_s + 30.0 < duration_s:
            for_s = min(self._rng.uniform(15.0, 120.0), duration_s - at_s - 10.0)
            for channel, sd_deg in ((Channel.PITCH, 2.0), (Channel.LATERAL, 2.5)):
                shift = math.radians(sd_deg * float(np.clip(self._rng.standard_normal(), -2, 2)))
                self._move(channel, shift, at_s, 1.5)
                self._move(channel, -shift, at_s + for_s, 1.5)
            at_s += for_s + self._rng.uniform(60.0, 400.0)

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

    def lean(self, duration_s: float, side: str) -> None:
        """Sit leaning forward on the desk or backward in the chair: no slouch, similar angles."""
        self._need("sitting")
        low, high = {"forward": (12.0, 22.0), "backward": (-25.0, -12.0)}[side]
        delta = math.radians(self._rng.uniform(low, high))
        self._move(Channel.PITCH, delta, 0.0, 2.5)
        self.t_s += 2.5
        self.truth.slouch.append((self.t_s, self.t_s + duration_s, side))
        self.hold(duration_s)
        self._move(Channel.PITCH, -delta, 0.0, 2.0)
        self.t_s += 2.0

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
        self.walks.append(Walk(strikes_s, sides[0]))
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
