"""Which calibration holds when, made of stored samples; and how the steps of a guided one went.

A plain upright hold and a guided calibration that was accepted are references alike. Each counts
from its own time on, in whole minutes, until the next one; what lies before the first counts with
the first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytics.detect.guided import Guided, GuidedSamples, GuidedStep, guide
from analytics.detect.parameters import Parameters
from analytics.exposure.days import Day
from analytics.known_walk import scale_of_walk
from analytics.pipeline import Pipeline
from analytics.result import MINUTE_S
from analytics.sensor_context import SensorContext
from analytics.signal.calibration import Calibration, calibrate
from analytics.store.base import Samples, Store
from analytics.store.clinic import Clinic
from analytics.store.records import CalibrationStep, GuidedCalibration, Hold
from wire.messages import Birth

SECOND_NS: Final = 1_000_000_000
MINUTE_NS: Final = MINUTE_S * SECOND_NS
USUAL_RATE_HZ: Final = 50.0
AROUND_NS: Final = 10 * SECOND_NS
"""What is read before and after a walk, so that its first and last steps are seen whole."""
PATIENCE_NS: Final = 20 * SECOND_NS
"""Samples of a step are waited for so long after its end."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What a calibration is made of, and from when on it counts."""

    from_ns: int
    """A whole minute."""
    made_of: Hold | GuidedCalibration

    @property
    def intervals_ns(self) -> tuple[tuple[int, int], ...]:
        """When its samples were taken."""
        if isinstance(self.made_of, Hold):
            return ((self.made_of.start_ns, self.made_of.end_ns),)
        return tuple((step.start_ns, step.end_ns) for step in self.made_of.steps if step.passed)


def references(clinic: Clinic, wearer: str, sensor: str, day: Day) -> tuple[Reference, ...]:
    """Those that count on a day in the order of time; empty: none is known before its end."""
    holds = [(hold.start_ns, hold) for hold in clinic.holds(wearer, sensor)]
    guided = [
        (guided.valid_from_ns or 0, guided)
        for guided in clinic.calibrations_of_day(wearer, sensor, day.start_ns, day.end_ns)
    ]
    known: list[tuple[int, Hold | GuidedCalibration]] = [*holds, *guided]
    known.sort(key=lambda item: item[0])
    found: list[Reference] = []
    for valid_from_ns, made_of in known:
        from_ns = valid_from_ns // MINUTE_NS * MINUTE_NS
        if from_ns >= day.end_ns:
            break
        if found and (from_ns <= day.start_ns or from_ns == found[-1].from_ns):
            found.pop()  # the later one counts from the same time on
        found.append(Reference(from_ns, made_of))
    return tuple(found)


class Worn(NamedTuple):
    """A sensor as it is worn."""

    wearer: str
    sensor: str
    birth: Birth | None
    """None: it has never said what it is."""


def calibration_of(
    reference: Reference | None, store: Store, worn: Worn, parameters: Parameters
) -> Calibration:
    """Of the samples that the store holds now; nominal where it holds none."""
    if reference is not None and isinstance(reference.made_of, GuidedCalibration):
        steps = [step for step in reference.made_of.steps if step.passed]
        found = _guide(steps, store, worn, parameters).calibration
        if found is not None:
            return found
    hold = reference.made_of if reference and isinstance(reference.made_of, Hold) else None
    reference_ns = (hold.start_ns, hold.end_ns) if hold else None
    samples = store.read_samples(worn.wearer, worn.sensor, *(reference_ns or (0, 0)))
    return calibrate(
        samples.t_ns,
        _accel(samples),
        _gyro(samples),
        reference_ns=reference_ns,
        reference_posture=hold.posture if hold else None,
        axes=_axes(worn),
    )


def step_scale_of(
    reference: Reference | None, store: Store, worn: Worn, context: SensorContext, p: Parameters
) -> float | None:
    """The personal scale of step lengths from the walk of a guided calibration; None without a
    steady one. `context`: with that calibration."""
    made_of = reference.made_of if reference else None
    steps = made_of.steps if isinstance(made_of, GuidedCalibration) else ()
    for walk in steps:
        if walk.step == GuidedStep.WALK and walk.passed and walk.distance_m is not None:
            pipeline = Pipeline(context, p)
            around = (walk.start_ns - AROUND_NS, walk.end_ns + AROUND_NS)
            samples = store.read_samples(worn.wearer, worn.sensor, *around)
            if "accel" not in samples.values:
                return None
            pipeline.push(samples.t_ns, samples.values["accel"], samples.values.get("gyro"))
            return scale_of_walk(pipeline.finish(), walk.start_ns, walk.end_ns, walk.distance_m)
    return None


def judge_steps(
    store: Store, clinic: Clinic, now_ns: int, parameters_of: Callable[[str], Parameters]
) -> None:
    """Look at the steps of guided calibrations whose samples have come, and put on record how they
    went. A calibration all of whose steps passed is accepted."""
    for session in clinic.calibrations_to_judge():
        births = {s.sensor: s.birth for s in clinic.sensors(session.wearer)}
        worn = Worn(session.wearer, session.sensor, births.get(session.sensor))
        newest_ns = max(
            (s.last_ns for s in store.sensors(session.wearer) if s.sensor == session.sensor),
            default=0,
        )
        here_ns = max(newest_ns + _two_samples_ns(worn), now_ns - PATIENCE_NS)
        ready = [step for step in session.steps if step.end_ns <= here_ns]
        if not any(step.passed is None for step in ready):
            continue
        guided = _guide(ready, store, worn, parameters_of(session.wearer))
        checks = {check.step.value: check for check in guided.checks}
        judged = [
            CalibrationStep(
                step.step,
                step.start_ns,
                step.end_ns,
                passed=checks[step.step].passed,
                message=checks[step.step].message,
                figures=_finite(checks[step.step].figures),
            )
            for step in ready
        ]
        clinic.judge_calibration(session.wearer, session.session, judged, guided.quality)
        if {step.step for step in judged if step.passed} == set(GuidedStep):
            clinic.accept_calibration(session.wearer, session.session)


def _guide(
    steps: Sequence[CalibrationStep], store: Store, worn: Worn, parameters: Parameters
) -> Guided:
    samples = {}
    for step in steps:
        read = store.read_samples(worn.wearer, worn.sensor, step.start_ns, step.end_ns)
        samples[GuidedStep(step.step)] = GuidedSamples(read.t_ns, _accel(read), _gyro(read))
    return guide(
        samples,
        rate_hz=_rate_hz(worn),
        axes=_axes(worn),
        placement=worn.birth.placement if worn.birth else None,
        parameters=parameters,
    )


def _rate_hz(worn: Worn) -> float:
    return worn.birth.rate_hz if worn.birth else USUAL_RATE_HZ


def _two_samples_ns(worn: Worn) -> int:
    """The last sample of an interval lies a little before its end."""
    return round(2 * SECOND_NS / _rate_hz(worn))


def _axes(worn: Worn) -> dict[str, str | None]:
    return dict(worn.birth.axes or {}) if worn.birth else {}


def _accel(samples: Samples) -> NDArray[np.float64]:
    return samples.values.get("accel", np.empty((0, 3))).astype(np.float64)


def _gyro(samples: Samples) -> NDArray[np.float64] | None:
    return samples.values["gyro"].astype(np.float64) if "gyro" in samples.values else None


def _finite(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in figures.items() if math.isfinite(value)}
