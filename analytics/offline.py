"""A whole recording through the pipeline."""

from __future__ import annotations

from typing import Any

from analytics.detect.learning import learn_mounting
from analytics.detect.parameters import Parameters
from analytics.pipeline import Pipeline, SensorContext
from analytics.recording import Recording
from analytics.result import document
from analytics.signal.calibration import calibrate


def context_of(recording: Recording, parameters: Parameters | None = None) -> SensorContext:
    """What the recording and its metadata say about the sensor, or its walking shows."""
    reference = recording.upright_reference
    calibration = calibrate(
        recording.t_ns,
        recording.accel,
        recording.gyro,
        reference_ns=(
            None if reference is None else (int(reference[0] * 1e9), int(reference[1] * 1e9))
        ),
        reference_posture=recording.reference_posture,
        axes=recording.axes,
        placement=recording.placement,
    )
    return SensorContext(
        placement=recording.placement,
        rate_hz=recording.rate_hz,
        has_gyro=recording.gyro is not None,
        calibration=learn_mounting(
            recording.t_ns,
            recording.accel,
            recording.gyro,
            rate_hz=recording.rate_hz,
            calibration=calibration,
            parameters=parameters or Parameters(),
        ),
    )


def analyse(recording: Recording, parameters: Parameters | None = None) -> dict[str, Any]:
    """The result document of a recording."""
    parameters = parameters or Parameters()
    context = context_of(recording, parameters)
    pipeline = Pipeline(context, parameters)
    pipeline.push(recording.t_ns, recording.accel, recording.gyro)
    return document(
        pipeline.finish(),
        context,
        parameters,
        about={
            "recording_id": recording.recording_id,
            "duration_s": round(recording.duration_s, 3),
        },
    )
