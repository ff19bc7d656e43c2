"""A whole recording through the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Protocol

import numpy as np

from analytics.detect.findings import SECOND_NS, Findings, join
from analytics.detect.gait import GaitSign
from analytics.detect.learning import MountingLearner
from analytics.detect.limbs import LIMBS, Neutral, neutral_of
from analytics.detect.limbs import Samples as LimbSamples
from analytics.detect.parameters import Parameters
from analytics.known_walk import scale_of_walk
from analytics.limbs import TRUNK, SteadyWalk, signs_of_limbs
from analytics.pipeline import Pipeline
from analytics.recording import Header, Recording, Samples
from analytics.result import document, sign_body
from analytics.sensor_context import SensorContext
from analytics.signal.calibration import Calibration, calibrate


class Source(Protocol):
    """A recording in memory or on disk."""

    @property
    def header(self) -> Header:
        """What is known besides the samples."""

    @property
    def length_s(self) -> float:
        """About how long it is [s]; positive."""

    @property
    def extra_sensors(self) -> frozenset[str]:
        """Prefixes of further sensors."""

    def chunks(self) -> Iterator[Samples]:
        """The samples in order; may be asked for again."""

    def read(self) -> Recording:
        """All of it, further sensors included."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """What was found in a recording, and with what."""

    header: Header
    context: SensorContext
    parameters: Parameters
    findings: Findings | None
    duration_s: float
    limb_signs: tuple[GaitSign, ...] = ()
    """What extra sensors say about the walks."""
    silent_limbs: Mapping[str, str] = field(default_factory=dict)
    """Extra sensors that say nothing, and why in a word."""

    def document(self) -> dict[str, Any]:
        """The RESULT of `trunkline analyse`."""
        about = {
            "recording_id": self.header.recording_id,
            "duration_s": round(self.duration_s, 3),
        }
        made = document(self.findings, self.context, self.parameters, about=about)
        made["gait_signs"] += [sign_body(sign) for sign in self.limb_signs]
        if self.limb_signs or self.silent_limbs:
            made["quality"]["extra_sensors"] = dict(self.silent_limbs)
        return made


def analyse(
    source: Source,
    parameters: Parameters | None = None,
    *,
    progress: Callable[[float], None] | None = None,
) -> Analysis:
    """Analyse a recording; `progress` is told the share done, 0 .. 1."""
    parameters = parameters or Parameters()
    context = context_of(source, parameters)
    pipeline = Pipeline(context, parameters)
    parts = []
    first_s, last_s = None, 0.0
    length_s = source.length_s
    for samples in source.chunks():
        pipeline.push(samples.t_ns, samples.accel, samples.gyro)
        parts.append(pipeline.final())
        last_s = float(samples.t_s[-1])
        first_s = float(samples.t_s[0]) if first_s is None else first_s
        if progress is not None:
            progress(min(1.0, (last_s - first_s) / length_s))
    parts.append(pipeline.finish())
    findings = join(part for part in parts if part is not None)
    context = replace(context, step_scale=_step_scale(source.header, findings))
    signs, silent = _limbs(source, findings, context, parameters)
    duration_s = last_s - (first_s or 0.0)
    return Analysis(source.header, context, parameters, findings, duration_s, tuple(signs), silent)


def _limbs(
    source: Source, findings: Findings | None, context: SensorContext, parameters: Parameters
) -> tuple[list[GaitSign], dict[str, str]]:
    """Gait signs of the extra sensors of a recording, which is read whole if there are any."""
    names = [name for name in LIMBS if name in source.extra_sensors]
    if not names or findings is None:
        return [], {}
    whole = source.read()
    t_ns, axes = whole.t_ns, whole.meta.get("extra_axes")
    missing = np.full((len(t_ns), 3), np.nan)
    reference_ns = context.calibration.reference_ns

    def read(name: str, start_ns: int, end_ns: int) -> LimbSamples:
        part = slice(*np.searchsorted(t_ns, (start_ns, end_ns)))
        accel = whole.accel if name == TRUNK else whole.extras.get(f"{name}_accel", missing)
        gyro = whole.gyro if name == TRUNK else whole.extras.get(f"{name}_gyro")
        return t_ns[part], accel[part], missing[part] if gyro is None else gyro[part]

    @cache
    def upright(name: str) -> Neutral | None:
        if reference_ns is None:
            return None
        known = axes.get(name) if isinstance(axes, dict) else None
        _, accel, gyro = read(name, *reference_ns)
        return neutral_of(accel, gyro, (known or {}).get("forward"))

    walks = [
        SteadyWalk(
            bout.start_ns,
            bout.end_ns,
            float(np.median([piece.stride_time_s for piece in bout.gait])),
            context,
        )
        for bout in findings.walking_bouts
        if bout.gait and context.has_gyro
    ]
    return signs_of_limbs(walks, read, lambda name, _: upright(name), names, parameters.limbs)


def context_of(source: Source, parameters: Parameters | None = None) -> SensorContext:
    """What the recording and its metadata say about the sensor, or its walking shows."""
    header = source.header
    calibration = _calibration(source)
    learner = MountingLearner(
        has_gyro=header.has_gyro,
        rate_hz=header.rate_hz,
        calibration=calibration,
        parameters=parameters or Parameters(),
    )
    if learner.wanted:
        for samples in source.chunks():
            learner.push(samples.t_ns, samples.accel, samples.gyro)
            if learner.done:
                break
    return SensorContext(
        placement=header.placement,
        rate_hz=header.rate_hz,
        has_gyro=header.has_gyro,
        calibration=learner.learned(),
    )


def _step_scale(header: Header, findings: Findings | None) -> float | None:
    """From the walk of known length, where the recording has one."""
    if header.known_walk is None:
        return None
    start_s, end_s, distance_m = header.known_walk
    return scale_of_walk(findings, round(start_s * SECOND_NS), round(end_s * SECOND_NS), distance_m)


def _calibration(source: Source) -> Calibration:
    """From the samples of the upright reference, which are all that is read for it."""
    header = source.header
    reference = header.upright_reference
    inside: list[Samples] = []
    if reference is not None:
        for samples in source.chunks():
            keep = (samples.t_s >= reference[0]) & (samples.t_s <= reference[1])
            gyro = None if samples.gyro is None else samples.gyro[keep]
            inside.append(Samples(samples.t_s[keep], samples.accel[keep], gyro))
            if samples.t_s[-1] > reference[1]:
                break
    gyros = [part.gyro for part in inside if part.gyro is not None]
    return calibrate(
        np.concatenate([part.t_ns for part in inside]) if inside else np.empty(0, np.int64),
        np.concatenate([part.accel for part in inside]) if inside else np.empty((0, 3)),
        np.concatenate(gyros) if gyros else None,
        reference_ns=(
            None if reference is None else (int(reference[0] * 1e9), int(reference[1] * 1e9))
        ),
        reference_posture=header.reference_posture,
        axes=header.axes,
        placement=header.placement,
    )
