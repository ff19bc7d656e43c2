"""A whole recording through the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from analytics.detect.findings import SECOND_NS, Findings, join
from analytics.detect.gait import step_scale
from analytics.detect.learning import MountingLearner
from analytics.detect.parameters import Parameters
from analytics.pipeline import Pipeline, SensorContext
from analytics.recording import Header, Samples
from analytics.result import document
from analytics.signal.calibration import Calibration, calibrate


class Source(Protocol):
    """A recording in memory or on disk."""

    @property
    def header(self) -> Header:
        """What is known besides the samples."""

    @property
    def length_s(self) -> float:
        """About how long it is [s]; positive."""

    def chunks(self) -> Iterator[Samples]:
        """The samples in order; may be asked for again."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """What was found in a recording, and with what."""

    header: Header
    context: SensorContext
    parameters: Parameters
    findings: Findings | None
    duration_s: float

    def document(self) -> dict[str, Any]:
        """The RESULT of `trunkline analyse`."""
        about = {
            "recording_id": self.header.recording_id,
            "duration_s": round(self.duration_s, 3),
        }
        return document(self.findings, self.context, self.parameters, about=about)


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
    return Analysis(source.header, context, parameters, findings, last_s - (first_s or 0.0))


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
    """The personal scale, from a walk of known length."""
    if header.known_walk is None or findings is None:
        return None
    start_s, end_s, distance_m = header.known_walk
    bouts = [
        bout
        for bout in findings.walking_bouts
        if bout.start_ns < end_s * SECOND_NS and bout.end_ns > start_s * SECOND_NS
    ]
    seconds = sum(
        min(end_s, bout.end_ns / SECOND_NS) - max(start_s, bout.start_ns / SECOND_NS)
        for bout in bouts
    )
    return step_scale([piece for bout in bouts for piece in bout.gait], seconds, distance_m)


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
