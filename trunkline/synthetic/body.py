"""The wearer's body while a script runs: clock, posture, pose reached, and what was noted."""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from trunkline.synthetic.limbs import Walk
from trunkline.synthetic.sensor import Site
from trunkline.synthetic.trajectory import Channel, Harmonic, Move, Trajectory, Wave
from trunkline.synthetic.truth import Truth


class ScriptError(ValueError):
    """The wearer cannot do that from the present posture."""


class Body:
    """Building blocks of the script: every one appends motion, and truth where there is some."""

    def __init__(self, rng: Generator, site: Site) -> None:
        self.t_s = 0.0
        self.posture = "standing"
        self.truth = Truth()
        self.walks: list[Walk] = []
        self._rng = rng
        self._site = site
        self._moves: list[Move] = []
        self._waves: list[Wave] = []
        self._pose = dict.fromkeys(Channel, 0.0)
        self._since_s = 0.0

    def trajectory(self) -> Trajectory:
        """Everything done so far, ready to be evaluated."""
        return Trajectory(self._moves, self._waves)

    def finish(self) -> None:
        """Close the posture that is still open."""
        self._close_posture(self.t_s)

    def _need(self, posture: str) -> None:
        if not self.posture.startswith(posture):
            raise ScriptError(f"this needs a wearer who is {posture}, not {self.posture}")

    def _move(self, channel: Channel, delta: float, offset_s: float, duration_s: float) -> None:
        self._moves.append(Move(channel, self.t_s + offset_s, duration_s, float(delta)))
        self._pose[channel] += float(delta)

    def _to(self, channel: Channel, target: float, offset_s: float, duration_s: float) -> None:
        self._move(channel, target - self._pose[channel], offset_s, duration_s)

    def _out_and_back(self, channel: Channel, peak: float, duration_s: float) -> None:
        self._move(channel, peak, 0.0, 0.45 * duration_s)
        self._move(channel, -peak, 0.55 * duration_s, 0.45 * duration_s)

    def _excursion(
        self, kind: str, duration_s: float, direction: str | None, peak_deg: float
    ) -> None:
        self._note(kind, duration_s, direction, peak_deg)
        self.t_s += duration_s

    def _transition(
        self,
        kind: str,
        posture: str,
        duration_s: float,
        direction: str | None = None,
        peak_deg: float | None = None,
    ) -> None:
        self._close_posture(self.t_s)
        self._note(kind, duration_s, direction, peak_deg)
        self.t_s += duration_s
        self.posture, self._since_s = posture, self.t_s

    def _note(
        self, kind: str, duration_s: float, direction: str | None, peak_deg: float | None
    ) -> None:
        self.truth.movements.append(
            {
                "kind": kind,
                "start_s": self.t_s,
                "end_s": self.t_s + duration_s,
                "direction": direction,
                "peak_deg": None if peak_deg is None else round(peak_deg, 1),
            }
        )

    def _close_posture(self, end_s: float) -> None:
        if end_s > self._since_s:
            self.truth.posture.append((self._since_s, end_s, self.posture))
        self._since_s = end_s

    def _cycles(
        self, start_s: float, end_s: float, hz: float, jitter: float
    ) -> NDArray[np.float64]:
        """Times of whole cycles that fill an interval, their lengths jittered (SD, share)."""
        count = max(2, round((end_s - start_s) * hz))
        lengths = 1.0 + jitter * np.clip(self._rng.standard_normal(count), -1.5, 1.5)
        ends = np.cumsum(lengths)
        scale = (end_s - start_s) / float(ends[-1])
        return start_s + scale * np.concatenate(([0.0], ends))

    def _breathe(self, start_s: float, end_s: float, hz: float) -> None:
        shapes = (
            Harmonic(Channel.PITCH, 1.0, math.radians(0.35)),
            Harmonic(Channel.PITCH, 2.0, math.radians(0.06), 0.2),
            Harmonic(Channel.FORWARD, 1.0, 0.002),
        )
        wave = Wave(self._cycles(start_s, end_s, hz, 0.08), shapes, ramp_s=2.0)
        self._waves.append(wave)
        edges_s = np.arange(start_s + 5.0, end_s - 5.0, 60.0)
        cycles = np.diff(wave.phase(edges_s))
        self.truth.breaths += [
            (float(edge_s), float(edge_s) + 60.0, float(rate))
            for edge_s, rate in zip(edges_s, cycles, strict=False)
        ]

    def _wander(self, start_s: float, end_s: float, period_s: float, amplitude_deg: float) -> None:
        """An irregular slow sway, forward and back more than sideways."""
        sway = math.radians(amplitude_deg)
        shapes = (
            Harmonic(Channel.PITCH, 1.0, sway, self._rng.random()),
            Harmonic(Channel.LATERAL, 1.3, 0.7 * sway, self._rng.random()),
        )
        cycles_s = self._cycles(start_s, end_s, 1.0 / period_s, 0.35)
        self._waves.append(Wave(cycles_s, shapes, ramp_s=min(period_s, (end_s - start_s) / 2)))
