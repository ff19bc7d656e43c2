"""Second stage: postures and movements from what was observed, with knowledge of what follows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from analytics.detect.bends import rhythmic_spans
from analytics.detect.chain import Chain, ChainBuilder
from analytics.detect.dips import Dip
from analytics.detect.findings import SECOND_NS, Movement, MovementKind, Posture
from analytics.detect.lying import (
    Transition,
    facing_seconds,
    lying_mask,
    lying_side,
    transitions,
)
from analytics.detect.observe import Observations
from analytics.detect.parameters import Parameters
from analytics.detect.path import Path, State, best_path
from analytics.detect.posture import Neutral, change_evidence
from analytics.detect.pulses import Pulse
from analytics.detect.rhythm import exercise_spans, rhythm_at
from analytics.detect.site import Site
from analytics.detect.told import Teller
from analytics.signal.calibration import Calibration, ForwardSource, UpSource
from analytics.signal.frames import MOTION_HZ
from analytics.signal.masks import runs

_CARRIED_ODDS = 6.0
"""The state at the end of the final part is kept at the beginning of the next."""
_WALKING_NEUTRAL_S = 20
"""Seconds of walking after which its mean tilt serves as the standing neutral."""


@dataclass(slots=True)
class PostureState:
    """What is carried from one final part to the next."""

    state: State | None = None
    lasted_s: int = 0
    """At least for how long already."""
    lying: bool = False
    crouch: Pulse | None = None
    """What led into a crouch that goes on; in absolute ticks."""
    rhythm_s: int = 0
    """How long a steady swinging of the trunk has lasted that goes on."""
    walking_up: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    """Sum of up over walking seconds."""
    walking_s: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """Postures by the second and movements of a final part."""

    posture: NDArray[np.int8]
    probability: NDArray[np.float32]
    movements: tuple[Movement, ...]


def read(
    seen: Observations,
    final_s: int,
    state: PostureState,
    *,
    site: Site,
    calibration: Calibration,
    parameters: Parameters,
) -> Reading:
    """Postures and movements of [seen.first_s, final_s); what follows helps to decide.

    Advances `state` to final_s.
    """
    reader = _Reader(seen, state, site, calibration, parameters)
    return reader.read(final_s)


class _Reader:
    def __init__(
        self,
        seen: Observations,
        state: PostureState,
        site: Site,
        calibration: Calibration,
        parameters: Parameters,
    ) -> None:
        self.seen, self.state, self.p = seen, state, parameters
        self.calibration = calibration
        self.site = site
        self.offset = seen.first_tick
        self.dips: list[Dip] = []
        series = rhythmic_spans(seen.excursions, parameters.excursions)
        exercise = exercise_spans(seen.rhythm, state.rhythm_s, parameters.rhythm)
        self.exercise = [
            (self.offset + start * MOTION_HZ, self.offset + stop * MOTION_HZ)
            for start, stop in exercise
        ]
        around = parameters.rhythm.around_s * MOTION_HZ
        self.rhythm = [(start - around, stop + around) for start, stop in self.exercise]
        self.rhythm += [span for _, span in series]
        self.rocking = [span for kind, span in series if kind is MovementKind.FORWARD_BEND]

    def read(self, final_s: int) -> Reading:
        seen, state = self.seen, self.state
        n = final_s - seen.first_s
        measured = np.isfinite(seen.up_by_second[0])
        if not self.site.upright:
            posture = np.where(seen.walking, Posture.WALKING, Posture.UNKNOWN).astype(np.int8)
            if self.calibration.forward is not ForwardSource.UNKNOWN:
                facing = facing_seconds(seen.up_by_second, self.p.lying)
                posture = np.where(facing != Posture.UNKNOWN, facing, posture)
            return Reading(posture[:n], np.full(n, np.nan, np.float32), ())
        lying = self._lying()
        walking = seen.walking & ~lying.reshape(-1, MOTION_HZ).any(axis=1)
        changes = transitions(lying, seen.up, self.p.lying)
        self.dips = [d for d in self._real_dips() if not lying[d.bottom - self.offset]]
        pulses = self._pulses(lying, walking, changes)
        chain = ChainBuilder(
            seen,
            lying=lying,
            walking=walking,
            neutral=self._neutral(walking),
            site=self.site,
            calibration=self.calibration,
            parameters=self.p.posture,
            lasted=state.lasted_s * MOTION_HZ,
        ).build(pulses, changes)
        initial = np.zeros(4)
        if state.state is not None:
            initial = np.full(4, -_CARRIED_ODDS)
            initial[state.state] = 0.0
        path = best_path(chain.stretches, chain.links, initial)
        posture, probability = self._timeline(lying, walking, measured, chain, path)
        teller = Teller(seen, self.site, self.p)
        movements = teller.changes_of_state(chain, changes, path, state.crouch)
        movements += teller.squats(self.dips)
        movements += teller.rolls(lying, changes)
        movements += teller.bends(posture, probability, lying, movements, self.rhythm)
        low, high = seen.first_s * SECOND_NS, final_s * SECOND_NS
        final = [
            teller.with_peaks(m) for m in movements if low <= (m.start_ns + m.end_ns) // 2 < high
        ]
        self._advance(n, lying, walking, chain=chain, path=path)
        return Reading(posture[:n], probability[:n], tuple(sorted(final, key=lambda m: m.start_ns)))

    # -- what is there ----------------------------------------------------------------------

    def _lying(self) -> NDArray[np.bool_]:
        p = self.p.lying
        enter_deg, slack_deg = p.enter_deg, p.hysteresis_deg
        if self.site.low:
            enter_deg, slack_deg = p.pelvis_enter_deg, p.pelvis_hysteresis_deg
        elif self.calibration.up is UpSource.AXES:
            enter_deg = p.nominal_enter_deg
        return lying_mask(
            self.seen.up,
            self.state.lying,
            p,
            enter_deg=enter_deg,
            leave_deg=enter_deg - slack_deg,
            forward_known=self.site.sagittal,
        )

    def _pulses(
        self, lying: NDArray[np.bool_], walking: NDArray[np.bool_], changes: list[Transition]
    ) -> list[Pulse]:
        """Height changes that happen upright, are not part of something else and may be a rise or
        a descent."""
        taken = [(c.start + self.offset, c.stop + self.offset) for c in changes]
        taken += [(d.start, d.stop) for d in self.dips]
        taken += self.rocking + self.exercise
        steps = np.repeat(walking, MOTION_HZ)
        nothing = -self.p.posture.most
        kept = []
        for pulse in self.seen.pulses:
            middle = (pulse.start + pulse.stop) // 2
            inside = any(start <= middle <= stop for start, stop in taken)
            low, high = max(pulse.start - self.offset, 0), pulse.stop - self.offset
            inside |= steps[low:high].mean() > self.p.posture.walking_share
            if inside or max(change_evidence(pulse, self.site, self.p.posture)) <= nothing:
                continue
            if not lying[min(max(middle - self.offset, 0), len(lying) - 1)]:
                kept.append(pulse)
        return kept

    def _real_dips(self) -> list[Dip]:
        """Dips in a row, and single ones that are not half of sitting down or standing up."""
        dips = self.seen.dips
        near = self.p.dips.series_s * MOTION_HZ
        series = np.zeros(len(dips), bool)
        apart = np.diff([dip.bottom for dip in dips])
        for first, last in runs(apart <= near).tolist():
            if last - first + 1 >= self.p.dips.series_least:
                series[first : last + 1] = True
        return [
            dip
            for dip, among_others in zip(dips, series.tolist(), strict=True)
            if among_others
            or (dip.unrest_radps <= self.p.dips.max_unrest_radps and not self._one_way(dip))
        ]

    def _one_way(self, dip: Dip) -> bool:
        """True when a height change that stays overlaps the dip: what rises again at once, without
        a rest, has not sat down."""
        if dip.evenness >= self.p.dips.surely_even:
            return False
        return any(
            min(pulse.stop, dip.stop) - max(pulse.start, dip.start) > MOTION_HZ // 2
            and max(change_evidence(pulse, self.site, self.p.posture)) > 0.0
            for pulse in self.seen.pulses
        )

    def _neutral(self, walking: NDArray[np.bool_]) -> Neutral:
        calibration, state = self.calibration, self.state
        upright = np.array([0.0, 0.0, 1.0])
        standing = sitting = None
        if calibration.reference_posture == "sitting":
            sitting = upright
        if calibration.reference_posture == "standing" or calibration.up is UpSource.WALKING:
            standing = upright
        else:
            ups = self.seen.up_by_second[:, walking]
            ups = ups[:, np.isfinite(ups[0])]
            total, count = state.walking_up + ups.sum(axis=1), state.walking_s + ups.shape[1]
            if count >= _WALKING_NEUTRAL_S:
                standing = total / np.linalg.norm(total)
        return Neutral(standing, sitting, self.site.sagittal, self.site.low)

    # -- what it means ----------------------------------------------------------------------

    def _timeline(
        self,
        lying: NDArray[np.bool_],
        walking: NDArray[np.bool_],
        measured: NDArray[np.bool_],
        chain: Chain,
        path: Path,
    ) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
        n = len(walking)
        ends = np.array([s.stop_s for s in chain.stretches])
        which = np.minimum(np.searchsorted(ends, np.arange(n) + 0.5, "right"), len(ends) - 1)
        words = np.array([Posture.SITTING, Posture.STANDING, Posture.STANDING, Posture.UNKNOWN])
        posture = words[np.array(path.states)[which]].astype(np.int8)
        probability = np.array(path.probability, np.float32)[which]
        flat = lying.reshape(-1, MOTION_HZ).mean(axis=1) >= 0.5
        posture[flat] = lying_side(self.seen.up_by_second, self.p.lying)[flat]
        posture[walking & ~flat] = Posture.WALKING
        probability[flat | walking] = np.nan
        if not self.site.sagittal:
            posture[flat] = Posture.LYING_SUPINE
        guess = ~flat & ~walking & (probability < 0.5)
        posture[guess] = Posture.UNKNOWN
        posture[~measured] = Posture.UNKNOWN
        probability[~measured] = np.nan
        return posture, probability

    def _advance(
        self,
        n: int,
        lying: NDArray[np.bool_],
        walking: NDArray[np.bool_],
        *,
        chain: Chain,
        path: Path,
    ) -> None:
        state = self.state
        index = chain.index_at(n * MOTION_HZ)
        state.state = path.states[index]
        state.lying = bool(lying[n * MOTION_HZ - 1])
        ups = self.seen.up_by_second[:, :n][:, walking[:n]]
        ups = ups[:, np.isfinite(ups[0])]
        state.walking_up = state.walking_up + ups.sum(axis=1)
        state.walking_s += ups.shape[1]
        rhythm = self.seen.rhythm
        state.rhythm_s = rhythm_at(rhythm, state.rhythm_s, n, self.p.rhythm)
        if state.state is not State.CROUCH:
            state.crouch = None
        else:
            before = [link.pulse for link in chain.links[: index + 1] if link.pulse is not None]
            state.crouch = chain.pulses[before[-1]] if before else state.crouch
