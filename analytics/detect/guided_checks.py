"""What the samples of one guided step show: held still, bent, walked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from analytics.detect.guided_parameters import GuidedParameters
from analytics.detect.parameters import Parameters
from analytics.detect.steps import steps_of
from analytics.detect.walking import walking_seconds
from analytics.signal.calibration import STILL_SPREAD_MPS2, Calibration
from analytics.signal.frames import Frames, Readings
from analytics.signal.mounting import WalkingEvidence
from analytics.signal.orientation import Bias, frames_of
from analytics.signal.stream import ReadingStream


@dataclass(frozen=True, slots=True)
class GuidedSamples:
    """Samples of one guided step, in sensor axes and order of time."""

    t_ns: NDArray[np.int64]
    """(n,)"""
    accel: NDArray[np.float64]
    """(n, 3) m/s2"""
    gyro: NDArray[np.float64] | None = None
    """(n, 3) rad/s; None without a gyroscope."""

    def measured(self) -> GuidedSamples:
        """Without the samples of which something is missing."""
        good = np.isfinite(self.accel).all(axis=1)
        if self.gyro is not None:
            good &= np.isfinite(self.gyro).all(axis=1)
        accel = self.accel[good].astype(np.float64)
        gyro = None if self.gyro is None else self.gyro[good].astype(np.float64)
        return GuidedSamples(self.t_ns[good], accel, gyro)


@dataclass(frozen=True, slots=True)
class HeldStill:
    """A posture that should have been held."""

    up: NDArray[np.float64]
    """(3,) unit vector in sensor axes; of no meaning without samples."""
    message: str
    """Why it was not held, empty when it was."""
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """True when it was held."""
        return not self.message


@dataclass(frozen=True, slots=True)
class Seen:
    """A bend or a walk."""

    trouble: str
    """Why it does not count, empty when it does."""
    figures: Mapping[str, float] = field(default_factory=dict)
    forward: NDArray[np.float64] | None = None
    """(3,) unit vector in sensor axes, as far as it shows."""
    up: NDArray[np.float64] | None = None
    """(3,) mean up in sensor axes."""


def held_still(samples: GuidedSamples, rate_hz: float, p: GuidedParameters) -> HeldStill:
    """Whether a posture was held long enough and quietly enough."""
    few = _too_few(samples, rate_hz, p.least_hold_s)
    if few:
        return HeldStill(np.zeros(3), few)
    up = np.median(samples.accel, axis=0)
    spread = float(np.percentile(np.linalg.norm(samples.accel - up, axis=1), 90))
    figures = {"spread_mps2": spread}
    if spread >= STILL_SPREAD_MPS2:
        return HeldStill(_unit(up), "You moved: keep still until the time is over.", figures)
    return HeldStill(_unit(up), "", figures)


def look_at_bend(
    samples: GuidedSamples, rate_hz: float, calibration: Calibration, low: bool, p: Parameters
) -> Seen:
    """One forward bend and back: which way is forward."""
    few = _too_few(samples, rate_hz, p.guided.least_bend_s)
    if few:
        return Seen(few)
    _, frames = _frames(samples, rate_hz, calibration, p)
    up = frames.up[:, frames.pairs_valid()]
    tilt_deg = np.degrees(np.arctan2(np.hypot(up[0], up[1]), up[2]))
    peak_deg = float(tilt_deg.max())
    figures = {"tilt_deg": peak_deg}
    least_deg = p.guided.least_bend_low_deg if low else p.guided.least_bend_deg
    if peak_deg < least_deg:
        trouble = f"You bent by {peak_deg:.0f} degrees only: bend as if to touch your knees."
        return Seen(trouble, figures)
    bent = tilt_deg > 0.5 * peak_deg
    across = up[:2, bent] / np.hypot(up[0, bent], up[1, bent])
    mean = across.mean(axis=1)
    figures["off_plane_deg"] = float(np.degrees(np.arccos(np.clip(np.linalg.norm(mean), 0, 1))))
    if figures["off_plane_deg"] > p.guided.off_plane_deg:
        return Seen("You turned or bent to a side too: bend straight forward and back.", figures)
    if tilt_deg[-1] > p.guided.back_share * peak_deg:
        return Seen("Come back upright before the time is over.", figures)
    ahead = calibration.rotation.T @ np.array([-mean[0], -mean[1], 0.0])
    return Seen("", figures, forward=_unit(ahead))


def look_at_walk(
    samples: GuidedSamples, rate_hz: float, calibration: Calibration, p: Parameters
) -> Seen:
    """Ten metres of walking: cadence, how upright, and which way is forward."""
    few = _too_few(samples, rate_hz, p.guided.least_walk_s)
    if few:
        return Seen(few)
    readings, frames = _frames(samples, rate_hz, calibration, p)
    walking = walking_seconds(frames, p.walking)
    seconds = int(walking.sum())
    figures = {"walking_s": float(seconds)}
    if seconds < p.guided.least_walk_s:
        trouble = "No steady walking was seen: walk ten metres at your usual pace, without a stop."
        return Seen(trouble, figures)
    intervals_s = np.diff(steps_of(frames, walking, p.steps).step_ns) / 1e9
    if len(intervals_s):
        figures["cadence_spm"] = float(60.0 / np.median(intervals_s))
    sensor_up = np.einsum("ji,jk->ik", calibration.rotation, frames.up)
    evidence = WalkingEvidence()
    evidence.add(readings, sensor_up, walking, p.mounting)
    up = evidence.up(replace(p.mounting, least_s=p.guided.least_walk_s))
    return Seen("", figures, evidence.forward(calibration.rotation[2], p.mounting), up)


def _too_few(samples: GuidedSamples, rate_hz: float, least_s: float) -> str:
    """Why the samples cannot be judged, empty when they can."""
    if not len(samples.t_ns):
        return "No samples arrived: is the sensor connected?"
    spanned_s = float(samples.t_ns[-1] - samples.t_ns[0]) / 1e9
    if spanned_s < least_s - 1.5 / rate_hz:
        return f"That was {spanned_s:.0f} s: at least {least_s:.0f} s are needed."
    if len(samples.t_ns) < 0.8 * spanned_s * rate_hz:
        return "Samples were lost on the way: stay near the receiver and do it again."
    return ""


def _frames(
    samples: GuidedSamples, rate_hz: float, calibration: Calibration, p: Parameters
) -> tuple[Readings, Frames]:
    values = samples.accel
    if samples.gyro is not None:
        values = np.concatenate((values, samples.gyro), axis=1)
    stream = ReadingStream(
        has_gyro=samples.gyro is not None, rate_hz=rate_hz, calibration=calibration, grid=p.grid
    )
    found = stream.push(samples.t_ns, np.ascontiguousarray(values.T))
    assert found is not None  # noqa: S101 - _too_few made sure of several seconds
    readings = found.whole_seconds()
    return readings, frames_of(readings, calibration.rotation, Bias.of(calibration))


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    out: NDArray[np.float64] = vector / max(float(np.linalg.norm(vector)), 1e-9)
    return out
