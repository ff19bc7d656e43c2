"""From sensor axes to trunk axes: x forward, y left, z up while the wearer is upright.

Up comes from gravity in the upright reference, forward from the mounting that the metadata state or
from the data. What is not known stays unknown: without forward there is a tilt but no flexion. A
guided calibration (stand, sit tall, slouch, bend, walk) is made by detect.guided.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

GRAVITY_MPS2: Final = 9.80665
SLOPE_DEG: Final = {
    "sternum": 24.0,
    "T4": -26.0,
    "upper_back": -26.0,
    "L5": -8.0,
    "waist": -8.0,
    "pelvis": -8.0,
}
"""How far up leans towards the sensor's forward axis on an upright wearer, because the body slopes
there: medians of DSADS (sternum) and SittingPosture (T4; L5, taken for the waist too); T12 and T10
are vertical."""
STILL_SPREAD_MPS2: Final = 0.6
"""Quiet standing stays within 0.2 m/s2 of its mean; a step exceeds 1 m/s2."""


class UpSource(StrEnum):
    """Where the up direction of a calibration comes from, best first."""

    REFERENCE = "reference"
    WALKING = "walking"
    AXES = "axes"
    UNKNOWN = "unknown"


class ForwardSource(StrEnum):
    """Where the forward direction of a calibration comes from, best first."""

    BEND = "bend"
    AXES = "axes"
    WALKING = "walking"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SlouchRange:
    """How far this wearer slouches: flexion from the neutral, or tilt where forward is unknown."""

    tall_deg: float
    """Sitting tall."""
    deepest_deg: float
    """The deepest slouch; more flexion than that takes a lean from the hips."""

    @property
    def span_deg(self) -> float:
        """From sitting tall to the deepest slouch."""
        return self.deepest_deg - self.tall_deg


@dataclass(frozen=True)
class Calibration:
    """Sensor-to-trunk rotation of one wearing of one sensor."""

    rotation: NDArray[np.float64] = field(repr=False)
    """(3, 3): trunk vector = rotation @ sensor vector."""
    gravity_mps2: float
    """What this sensor reads at rest; differs from 9.81 by up to 6 % in uncalibrated sensors."""
    gyro_bias_radps: tuple[float, float, float] | None
    """Gyroscope reading while still, in sensor axes; None when not known."""
    up: UpSource
    forward: ForwardSource
    reference_ns: tuple[int, int] | None
    """The quiet upright interval itself; None when up came from elsewhere."""
    reference_posture: str | None
    """standing or sitting: the posture that zero flexion belongs to; None when not known."""
    still: bool
    """False when the wearer moved during the reference: the neutral is then rough."""
    slouch_range: SlouchRange | None = None
    """None when it was never shown, or does not show at this place of the trunk."""


def sensor_axis(name: str | None) -> NDArray[np.float64] | None:
    """(3,) unit vector of "+x" .. "-z"; None stays None."""
    if name is None:
        return None
    vector = np.zeros(3)
    vector["xyz".index(name[1])] = 1.0 if name[0] == "+" else -1.0
    return vector


def rotation_of(
    up: NDArray[np.float64], forward: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """(3, 3) whose rows are the trunk's forward, left and up in sensor axes.

    Without a forward direction an arbitrary but fixed one, perpendicular to up, is taken.
    """
    up = up / np.linalg.norm(up)
    if forward is None:
        forward = np.eye(3)[int(np.argmin(np.abs(up)))]
    ahead = forward - (forward @ up) * up
    ahead /= np.linalg.norm(ahead)
    return np.stack((ahead, np.cross(up, ahead), up))


def calibrate(
    t_ns: NDArray[np.int64],
    accel: NDArray[np.float64],
    gyro: NDArray[np.float64] | None,
    *,
    reference_ns: tuple[int, int] | None,
    reference_posture: str | None = None,
    axes: Mapping[str, str | None] | None = None,
    placement: str | None = None,
) -> Calibration:
    """Calibration from the samples of a quiet upright interval.

    t_ns (n,), accel (n, 3) m/s2, gyro (n, 3) rad/s, all in sensor axes; samples outside
    `reference_ns` are not used. Without an interval (or without valid samples in it) up is the
    axis that `axes` names, corrected for how the body slopes at `placement`, or unknown.
    """
    axes = axes or {}
    up_axis, forward_axis = sensor_axis(axes.get("up")), _forward_axis(axes)
    inside = np.zeros(len(t_ns), bool)
    if reference_ns is not None:
        inside = (t_ns >= reference_ns[0]) & (t_ns <= reference_ns[1])
        inside &= np.isfinite(accel).all(axis=1)
    if not inside.any():
        return _nominal(up_axis, forward_axis, SLOPE_DEG.get(placement or "", 0.0))
    up = np.median(accel[inside], axis=0)
    gravity_mps2 = float(np.linalg.norm(up))
    spread = float(np.percentile(np.linalg.norm(accel[inside] - up, axis=1), 90))
    still = spread < STILL_SPREAD_MPS2
    bias = None
    if gyro is not None and still:
        moving = np.median(gyro[inside], axis=0)
        bias = (float(moving[0]), float(moving[1]), float(moving[2]))
    return Calibration(
        rotation=rotation_of(up, forward_axis),
        gravity_mps2=gravity_mps2,
        gyro_bias_radps=bias,
        up=UpSource.REFERENCE,
        forward=ForwardSource.UNKNOWN if forward_axis is None else ForwardSource.AXES,
        reference_ns=reference_ns,
        reference_posture=reference_posture,
        still=still,
    )


def _forward_axis(axes: Mapping[str, str | None]) -> NDArray[np.float64] | None:
    forward = sensor_axis(axes.get("forward"))
    if forward is not None:
        return forward
    up, left = sensor_axis(axes.get("up")), sensor_axis(axes.get("left"))
    return None if up is None or left is None else np.cross(left, up)


def _nominal(
    up_axis: NDArray[np.float64] | None,
    forward_axis: NDArray[np.float64] | None,
    slope_deg: float,
) -> Calibration:
    """What the stated axes alone can give."""
    if up_axis is None:
        # forward alone still tells lying on the back from lying on the belly
        rotation = np.eye(3)
        if forward_axis is not None:
            rotation = rotation_of(np.eye(3)[int(np.argmin(np.abs(forward_axis)))], forward_axis)
        return Calibration(
            rotation=rotation,
            gravity_mps2=GRAVITY_MPS2,
            gyro_bias_radps=None,
            up=UpSource.UNKNOWN,
            forward=ForwardSource.UNKNOWN if forward_axis is None else ForwardSource.AXES,
            reference_ns=None,
            reference_posture=None,
            still=False,
        )
    up = up_axis
    if forward_axis is not None:
        slope = np.radians(slope_deg)
        up = np.cos(slope) * up_axis + np.sin(slope) * forward_axis
    return Calibration(
        rotation=rotation_of(up, forward_axis),
        gravity_mps2=GRAVITY_MPS2,
        gyro_bias_radps=None,
        up=UpSource.AXES,
        forward=ForwardSource.UNKNOWN if forward_axis is None else ForwardSource.AXES,
        reference_ns=None,
        reference_posture=None,
        still=False,
    )


def with_mounting(
    calibration: Calibration,
    up: NDArray[np.float64] | None,
    forward: NDArray[np.float64] | None,
) -> Calibration:
    """The calibration with what was learned from walking where it knew nothing better.

    up, forward: (3,) unit vectors in sensor axes, or None.
    """
    if calibration.up in {UpSource.UNKNOWN, UpSource.AXES} and up is not None:
        known = calibration.forward is ForwardSource.AXES
        ahead = calibration.rotation[0] if known else None
        calibration = replace(calibration, rotation=rotation_of(up, ahead), up=UpSource.WALKING)
    if calibration.forward is ForwardSource.UNKNOWN and forward is not None:
        calibration = replace(
            calibration,
            rotation=rotation_of(calibration.rotation[2], forward),
            forward=ForwardSource.WALKING,
        )
    return calibration
