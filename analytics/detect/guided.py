"""Guided calibration: stand, sit tall, slouch, bend, walk; each checked, and put together.

Standing gives the neutral, the bend gives forward with its sign, sitting tall and slouching give
the personal range, walking checks the neutral and the sign. A step that was not done as asked says
so in one sentence that the wearer can act on. Pure: the same samples give the same answer.

    guided = guide(
        {GuidedStep.STAND: GuidedSamples(t_ns, accel, gyro), ...},
        rate_hz=50.0, axes=birth.axes, placement="T12", parameters=Parameters(),
    )
    for check in guided.checks: check.step, check.passed, check.message
    guided.calibration   # None unless the wearer stood (or sat tall) still

One step at a time works too: give what there is so far; a step is judged against those before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from analytics.detect.guided_checks import (
    GuidedSamples,
    HeldStill,
    held_still,
    look_at_bend,
    look_at_walk,
)
from analytics.detect.parameters import Parameters
from analytics.detect.site import LOW
from analytics.signal.angles import Angles, angles_of
from analytics.signal.calibration import (
    Calibration,
    ForwardSource,
    SlouchRange,
    UpSource,
    calibrate,
    rotation_of,
    sensor_axis,
)

__all__ = ["Guided", "GuidedSamples", "GuidedStep", "StepCheck", "guide"]


class GuidedStep(StrEnum):
    """The steps in the order in which they are done."""

    STAND = "stand"
    SIT_TALL = "sit_tall"
    SLOUCH = "slouch"
    BEND = "bend"
    WALK = "walk"


@dataclass(frozen=True, slots=True)
class StepCheck:
    """How one step went."""

    step: GuidedStep
    passed: bool
    """False: the wearer should do it again; what it would have told is not used."""
    message: str
    """One plain sentence: what to do differently, or a remark on a step that passed; else empty."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """What was measured, by name with its unit, such as tilt_deg."""


@dataclass(frozen=True, slots=True)
class Guided:
    """Answer to the steps given."""

    checks: tuple[StepCheck, ...]
    """One for each step given, in the order of GuidedStep."""
    calibration: Calibration | None
    """What the passed steps tell together; None when neither standing nor sitting tall passed."""

    @property
    def quality(self) -> str:
        """good: every step given passed without a remark, and they tell where forward is; rough:
        usable, but not all of that; failed: there is no calibration."""
        if self.calibration is None:
            return "failed"
        clean = all(check.passed and not check.message for check in self.checks)
        known = self.calibration.forward in {ForwardSource.BEND, ForwardSource.AXES}
        return "good" if clean and known else "rough"


def guide(
    steps: Mapping[GuidedStep, GuidedSamples],
    *,
    rate_hz: float,
    axes: Mapping[str, str | None] | None = None,
    placement: str | None = None,
    parameters: Parameters | None = None,
) -> Guided:
    """Check the steps and put together what they tell.

    steps: the samples of each step that was done, in sensor axes, all of one wearing of one sensor;
    rate_hz: nominal; axes: as the sensor's birth states them ("+x" .. "-z"), or None; placement: a
    wire.messages.Placement value, or None. Never raises for what the samples hold.
    """
    return _Guide(steps, rate_hz, axes or {}, placement, parameters or Parameters()).answer()


class _Guide:
    def __init__(
        self,
        steps: Mapping[GuidedStep, GuidedSamples],
        rate_hz: float,
        axes: Mapping[str, str | None],
        placement: str | None,
        parameters: Parameters,
    ) -> None:
        self.samples = {step: s.measured() for step, s in steps.items()}
        self.rate_hz, self.axes, self.placement = rate_hz, axes, placement
        self.p, self.limits = parameters, parameters.guided
        self.low = placement in LOW
        self.checks: dict[GuidedStep, StepCheck] = {}
        self.held: dict[GuidedStep, HeldStill] = {
            step: held_still(self.samples[step], rate_hz, self.limits)
            for step in (GuidedStep.STAND, GuidedStep.SIT_TALL, GuidedStep.SLOUCH)
            if step in self.samples
        }

    def answer(self) -> Guided:
        self._check_upright(GuidedStep.STAND)
        self._check_upright(GuidedStep.SIT_TALL)
        calibration = self._upright()
        if calibration is None:
            for step in set(self.samples) - set(self.checks):
                self._fail(step, "Stand still first: the other steps are told from standing.")
        else:
            calibration = self._with_bend(calibration)
            calibration = self._with_walk(calibration)
            self._check_tall(calibration)
            calibration = self._with_slouch(calibration)
        ordered = tuple(self.checks[step] for step in GuidedStep if step in self.checks)
        return Guided(ordered, calibration)

    # -- the neutral ------------------------------------------------------------------------

    def _check_upright(self, step: GuidedStep) -> None:
        held = self.held.get(step)
        if held is not None:
            self.checks[step] = StepCheck(step, held.good, held.message, held.figures)

    def _upright(self) -> Calibration | None:
        """The calibration of the quiet standing, else of the quiet sitting."""
        for step, posture in ((GuidedStep.STAND, "standing"), (GuidedStep.SIT_TALL, "sitting")):
            if step in self.checks and self.checks[step].passed:
                samples = self.samples[step]
                return calibrate(
                    samples.t_ns,
                    samples.accel,
                    samples.gyro,
                    reference_ns=(int(samples.t_ns[0]), int(samples.t_ns[-1])),
                    reference_posture=posture,
                    axes=self._believed_axes(self.held[step]),
                    placement=self.placement,
                )
        return None

    def _believed_axes(self, held: HeldStill) -> Mapping[str, str | None]:
        """The stated axes, unless up of the standing wearer shows that the sensor is worn another
        way."""
        stated = sensor_axis(self.axes.get("up"))
        if stated is None or held.up @ stated >= np.cos(np.radians(self.limits.axes_deg)):
            return self.axes
        return {}

    # -- forward ----------------------------------------------------------------------------

    def _with_bend(self, calibration: Calibration) -> Calibration:
        samples = self.samples.get(GuidedStep.BEND)
        if samples is None:
            return calibration
        seen = look_at_bend(samples, self.rate_hz, calibration, self.low, self.p)
        check = StepCheck(GuidedStep.BEND, not seen.trouble, seen.trouble, seen.figures)
        if seen.forward is not None and not seen.trouble:
            off_deg = _between_deg(calibration.rotation[0], seen.forward)
            if calibration.forward is ForwardSource.AXES and off_deg > self.limits.agree_deg:
                remark = (
                    f"Forward is {off_deg:.0f} degrees off what the sensor's axes say: if you bent "
                    "straight forward, it is worn another way than usual, and that is fine."
                )
                check = replace(check, message=remark)
            calibration = replace(
                calibration,
                rotation=rotation_of(calibration.rotation[2], seen.forward),
                forward=ForwardSource.BEND,
            )
        self.checks[GuidedStep.BEND] = check
        return calibration

    def _with_walk(self, calibration: Calibration) -> Calibration:
        samples = self.samples.get(GuidedStep.WALK)
        if samples is None:
            return calibration
        seen = look_at_walk(samples, self.rate_hz, calibration, self.p)
        check = StepCheck(GuidedStep.WALK, not seen.trouble, seen.trouble, seen.figures)
        if check.passed and seen.up is not None:
            lean_deg = _between_deg(calibration.rotation[2], seen.up)
            if lean_deg > self.limits.walk_lean_deg:
                remark = (
                    f"You walk {lean_deg:.0f} degrees off from how you stood or sat: do that step "
                    "again, upright as you would normally be."
                )
                check = replace(check, message=remark)
        if check.passed and seen.forward is not None:
            if calibration.forward is ForwardSource.UNKNOWN:
                calibration = replace(
                    calibration,
                    rotation=rotation_of(calibration.rotation[2], seen.forward),
                    forward=ForwardSource.WALKING,
                )
            elif _between_deg(calibration.rotation[0], seen.forward) > 90.0:
                remark = (
                    "Walking says that forward is the other way: bend and walk once more, and bend "
                    "forward, not back."
                )
                check = replace(check, message=remark)
        self.checks[GuidedStep.WALK] = check
        return calibration

    # -- the personal range -----------------------------------------------------------------

    def _check_tall(self, calibration: Calibration) -> None:
        check = self.checks.get(GuidedStep.SIT_TALL)
        if check is None or not check.passed or calibration.up is not UpSource.REFERENCE:
            return
        tilt_deg = float(self._angles(GuidedStep.SIT_TALL, calibration).tilt_deg[0])
        if tilt_deg > self.limits.tall_deg:
            message = f"You leaned by {tilt_deg:.0f} degrees: sit on the edge of the seat, upright."
            check = replace(check, passed=False, message=message)
        figures = {**check.figures, "tilt_deg": tilt_deg}
        self.checks[GuidedStep.SIT_TALL] = replace(check, figures=figures)

    def _with_slouch(self, calibration: Calibration) -> Calibration:
        step, held = GuidedStep.SLOUCH, self.held.get(GuidedStep.SLOUCH)
        if held is None:
            return calibration
        if not held.good:
            self._fail(step, held.message, held.figures)
            return calibration
        tall = self.checks.get(GuidedStep.SIT_TALL)
        if tall is None or not tall.passed:
            self._fail(step, "Sit tall first: the slouch is told from it.", held.figures)
            return calibration
        upright, slouched = (self._angles(s, calibration) for s in (GuidedStep.SIT_TALL, step))
        directed = calibration.forward is not ForwardSource.UNKNOWN
        name = "flexion_deg" if directed else "tilt_deg"
        found = SlouchRange(
            float(getattr(upright, name)[0]),
            float(getattr(slouched, name)[0]),
        )
        side_deg = float(abs(slouched.lateral_deg[0] - upright.lateral_deg[0])) if directed else 0.0
        figures = {**held.figures, "range_deg": found.span_deg}
        if self.low:
            remark = "A sensor at the waist or pelvis cannot see slouching: no range is kept."
            self.checks[step] = StepCheck(step, True, remark, figures)
            return calibration
        message = self._slouch_trouble(found.span_deg, side_deg)
        self.checks[step] = StepCheck(step, not message, message, figures)
        return calibration if message else replace(calibration, slouch_range=found)

    def _slouch_trouble(self, span_deg: float, side_deg: float) -> str:
        if side_deg > self.limits.side_deg:
            return f"You leaned to a side by {side_deg:.0f} degrees: sink down straight."
        if span_deg < -self.limits.least_range_deg:
            return "You leaned back: let the back go round and the chest sink instead."
        if span_deg < self.limits.least_range_deg:
            return (
                f"That is only {span_deg:.0f} degrees from sitting tall: sink down as far as you "
                "can, with a round back."
            )
        return ""

    # -- small parts ------------------------------------------------------------------------

    def _angles(self, step: GuidedStep, calibration: Calibration) -> Angles:
        up: NDArray[np.float64] = np.einsum("ij,j->i", calibration.rotation, self.held[step].up)
        return angles_of(up[:, None])

    def _fail(
        self, step: GuidedStep, message: str, figures: Mapping[str, float] | None = None
    ) -> None:
        self.checks[step] = StepCheck(step, False, message, figures or {})


def _between_deg(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b)))
