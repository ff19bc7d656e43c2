"""Which movements are told: from events, and from what the best path says of their two sides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analytics.detect.bends import Span, bends
from analytics.detect.chain import TICK_NS, Chain
from analytics.detect.dips import Dip
from analytics.detect.excursions import Excursion
from analytics.detect.findings import Movement, MovementKind
from analytics.detect.lying import Transition, rolls, turned_deg
from analytics.detect.observe import Observations
from analytics.detect.parameters import Parameters
from analytics.detect.path import Path, State
from analytics.detect.posture import change_confidence, change_evidence
from analytics.detect.pulses import Pulse
from analytics.detect.site import Site
from analytics.signal.frames import MOTION_HZ


class Teller:
    """Tells the movements of one window of observations."""

    def __init__(self, seen: Observations, site: Site, parameters: Parameters) -> None:
        self.seen, self.site, self.p = seen, site, parameters
        self.offset = seen.first_tick

    def changes_of_state(
        self, chain: Chain, changes: list[Transition], path: Path, crouch: Pulse | None
    ) -> list[Movement]:
        """Rises, descents, crouches, lying down and getting up. crouch: what led into one that goes
        on at the beginning."""
        found: list[Movement] = []
        for i in range(1, len(chain.stretches)):
            old, new, index = path.states[i - 1], path.states[i], chain.links[i].pulse
            if old == new:
                continue
            if index is not None:
                pulse = chain.pulses[index]
                up, down = change_evidence(pulse, self.site, self.p.posture)
                sure = min(path.probability[i - 1], path.probability[i])
                if (old, new) == (State.SIT, State.STAND):
                    found += self._told(MovementKind.SIT_TO_STAND, pulse, up, sure)
                elif (old, new) == (State.STAND, State.SIT):
                    found += self._told(MovementKind.STAND_TO_SIT, pulse, down, sure)
                elif new is State.CROUCH:
                    crouch = pulse
                elif old is State.CROUCH and crouch is not None:
                    found += self._crouched(crouch, pulse, up)
        lying = self.p.lying
        shortest_s = lying.least_s if self.site.sagittal else lying.undirected_least_s
        settled_by = self.seen.up.shape[1] - shortest_s * MOTION_HZ
        for change in changes:
            if change.turn_deg < lying.least_turn_deg:
                continue
            if change.into and change.crossing > settled_by:
                continue  # the record ends before a bend and lying down differ
            index = chain.index_at(change.crossing)
            upright = path.states[index - 1 if change.into else index]
            sat = upright is State.SIT
            if change.into:
                kind = MovementKind.SIT_TO_LIE if sat else MovementKind.STAND_TO_LIE
            else:
                kind = MovementKind.LIE_TO_SIT if sat else MovementKind.LIE_TO_STAND
            sure = path.probability[index - 1 if change.into else index]
            found.append(
                _movement(kind, change.start + self.offset, change.stop + self.offset, sure)
            )
        return found

    def squats(self, dips: list[Dip]) -> list[Movement]:
        """Squats without a pause."""
        return [_movement(MovementKind.SQUAT, d.start, d.stop, confidence=0.8) for d in dips]

    def with_peaks(self, movement: Movement) -> Movement:
        """The same with its largest angle and speed, as far as they are not known yet."""
        if movement.peak_deg_s is not None:
            return movement
        start = max(0, movement.start_ns // TICK_NS - self.offset)
        up = self.seen.up[:, start : max(start, movement.end_ns // TICK_NS - self.offset) + 1]
        away_deg, rate_deg_s = turned_deg(up)
        peak_deg = away_deg if movement.peak_deg is None else movement.peak_deg
        return replace(movement, peak_deg=peak_deg, peak_deg_s=rate_deg_s)

    def _told(self, kind: MovementKind, pulse: Pulse, odds: float, sure: float) -> list[Movement]:
        """A rise or descent, if it is told."""
        confidence = change_confidence(odds, sure, self.p.posture)
        if confidence is None:
            return []
        peak = pulse.excursion_deg
        return [_movement(kind, pulse.start, pulse.stop, confidence, peak_deg=peak)]

    def _crouched(self, down: Pulse, up: Pulse, odds: float) -> list[Movement]:
        """A held squat or bend, unless the wearer comes from moving and goes on moving."""
        p = self.p.posture
        unrest = min(down.before_radps, up.after_radps)
        if unrest > p.crouch_unrest_radps:
            return []
        bend = up.height_m < p.bend_depth_m
        kind = MovementKind.FORWARD_BEND if bend else MovementKind.SQUAT
        return [_movement(kind, down.start, up.stop, _sure(odds))]

    def rolls(self, lying: NDArray[np.bool_], changes: list[Transition]) -> list[Movement]:
        """Turns in bed that are not part of lying down or getting up."""
        found = []
        for roll in rolls(self.seen.up, lying, self.p.lying):
            middle = (roll.start + roll.stop) / 2
            if any(c.start <= middle <= c.stop for c in changes):
                continue
            direction = ("left" if roll.angle_deg > 0 else "right") if self.site.sagittal else None
            found.append(
                _movement(
                    MovementKind.BED_ROLL,
                    roll.start + self.offset,
                    roll.stop + self.offset,
                    0.9,
                    peak_deg=abs(roll.angle_deg),
                    direction=direction,
                )
            )
        return found

    def bends(
        self,
        posture: NDArray[np.int8],
        probability: NDArray[np.float32],
        lying: NDArray[np.bool_],
        others: list[Movement],
        rhythm: list[Span],
    ) -> list[Movement]:
        """Bends and turns that are neither part of another movement nor of a rhythm."""
        taken = [(m.start_ns // TICK_NS, m.end_ns // TICK_NS) for m in others]
        found = bends(
            self.seen.excursions,
            first_tick=self.offset,
            posture=posture,
            probability=probability,
            lying=lying,
            taken=[*taken, *rhythm],
            site=self.site,
            p=self.p.excursions,
        )
        return [_bend(bend) for bend in found]


def _movement(
    kind: MovementKind,
    start: int,
    stop: int,
    confidence: float,
    *,
    peak_deg: float | None = None,
    peak_deg_s: float | None = None,
    direction: str | None = None,
) -> Movement:
    return Movement(
        kind,
        start_ns=int(start) * TICK_NS,
        end_ns=int(stop) * TICK_NS,
        direction=direction,
        peak_deg=peak_deg,
        peak_deg_s=peak_deg_s,
        confidence=confidence,
    )


def _bend(bend: Excursion) -> Movement:
    kind = bend.kind or MovementKind.FORWARD_BEND
    direction = None
    if kind is MovementKind.LATERAL_BEND:
        direction = "right" if bend.positive else "left"
    elif kind is MovementKind.TRUNK_ROTATION:
        direction = "left" if bend.positive else "right"
    sure = _sure(2.0 * (bend.strength - 0.8))
    return _movement(
        kind,
        bend.start,
        bend.stop,
        sure,
        peak_deg=bend.height_deg,
        peak_deg_s=bend.rate_deg_s,
        direction=direction,
    )


def _sure(odds: float) -> float:
    return float(1.0 / (1.0 + np.exp(-odds)))
