"""From the trunk's path to what an inertial sensor strapped to it reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trunkline.synthetic.jet import Jet
from trunkline.synthetic.trajectory import Channel

STANDARD_GRAVITY_MPS2 = 9.80665


@dataclass(frozen=True, slots=True)
class Site:
    """Where on the trunk the sensor sits and how much of each movement that place takes part in.

    Gains are relative to the thoracolumbar junction. Slouching hardly moves the pelvis and moves
    the upper trunk more (medians of the public SittingPosture recordings); `lever_m` is the
    place from the hips in the trunk's frame.
    """

    axes: Mapping[str, str]
    lever_m: tuple[float, float, float]
    slouch_gain: float
    lateral_gain: float
    rotation_gain: float


_BACK = {"up": "+x", "forward": "-z", "left": "+y"}
_FRONT = {"up": "+x", "forward": "+z", "left": "-y"}

SITES: Mapping[str, Site] = {
    "T12": Site(_BACK, (-0.10, 0.0, 0.25), 1.0, 1.0, 1.0),
    "T10": Site(_BACK, (-0.11, 0.0, 0.30), 1.15, 1.1, 1.1),
    "T4": Site(_BACK, (-0.10, 0.0, 0.45), 1.4, 1.2, 1.3),
    "C7": Site(_BACK, (-0.08, 0.0, 0.52), 1.5, 1.2, 1.4),
    "upper_back": Site(_BACK, (-0.10, 0.0, 0.42), 1.4, 1.2, 1.3),
    "sternum": Site(_FRONT, (0.12, 0.0, 0.40), 1.3, 1.2, 1.3),
    "waist": Site(_FRONT, (0.12, 0.0, 0.10), 0.3, 0.5, 0.6),
    "L5": Site(_BACK, (-0.09, 0.0, 0.08), 0.3, 0.5, 0.6),
    "pelvis": Site(_BACK, (-0.09, 0.0, 0.05), 0.25, 0.4, 0.5),
}
"""Trunk placements that can be simulated."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Errors of a commodity MEMS sensor: white noise (SD per sample) and a constant gyro bias."""

    accel_mps2: float = 0.02
    gyro_radps: float = 0.003
    gyro_bias_radps: float = 0.005


@dataclass(frozen=True, slots=True)
class Mounting:
    """The sensor's frame on the trunk: `matrix` (3, 3) turns trunk vectors into sensor vectors."""

    matrix: NDArray[np.float64]


def mounting(site: Site, tilt_deg: float, roll_deg: float) -> Mounting:
    """The nominal axes of the site, turned by a curved back (tilt) and a crooked strap (roll)."""
    nominal = np.zeros((3, 3))
    for column, direction in enumerate(("forward", "left", "up")):
        text = site.axes[direction]
        nominal["xyz".index(text[1]), column] = 1.0 if text[0] == "+" else -1.0
    tilt, roll = math.radians(tilt_deg), math.radians(roll_deg)
    about_left = np.array(
        [
            [math.cos(tilt), 0.0, math.sin(tilt)],
            [0.0, 1.0, 0.0],
            [-math.sin(tilt), 0.0, math.cos(tilt)],
        ]
    )
    about_forward = np.array(
        [
            [1.0, 0.0, 0.0],
            [0.0, math.cos(roll), -math.sin(roll)],
            [0.0, math.sin(roll), math.cos(roll)],
        ]
    )
    return Mounting(nominal @ about_left @ about_forward)


Turns = Mapping[Channel, tuple[Jet, Jet]]
"""Sine and cosine of the trunk's angles."""

_TRUNK = (Channel.LATERAL, Channel.PITCH, Channel.AXIAL)
_TISSUE = (Channel.TISSUE_ROLL, Channel.TISSUE_PITCH, Channel.TISSUE_YAW)
_MIXED = ((1, 2), (2, 0), (0, 1))
"""A turn about x, y, z mixes these two components."""


def readings(
    pose: Mapping[Channel, Jet], site: Site, mount: Mounting
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Noise-free specific force (n, 3) m/s² and angular rate (n, 3) rad/s in the sensor's axes."""
    turns = {channel: pose[channel].sin_cos() for channel in _TRUNK}
    force = _force(pose, site, turns)
    still = np.zeros_like(force[0])
    rate = [still, still, pose[Channel.YAW].rate]
    for channel, (i, j) in zip(_TRUNK + _TISSUE, _MIXED + _MIXED, strict=True):
        if channel in turns:
            sine, cosine = (jet.value for jet in turns[channel])
        elif not pose[channel].value.any():
            continue  # the skin is at rest for most of the day
        else:
            sine, cosine = np.sin(pose[channel].value), np.cos(pose[channel].value)
        for vector in (force, rate):
            vector[i], vector[j] = (
                cosine * vector[i] + sine * vector[j],
                cosine * vector[j] - sine * vector[i],
            )
        rate[3 - i - j] = rate[3 - i - j] + pose[channel].rate
    return np.stack(force, axis=1) @ mount.matrix.T, np.stack(rate, axis=1) @ mount.matrix.T


def _force(pose: Mapping[Channel, Jet], site: Site, turns: Turns) -> list[NDArray[np.float64]]:
    """Specific force in the heading frame."""
    zero = np.zeros_like(pose[Channel.YAW].value)
    x, y, z = (Jet(zero + length, zero, zero) for length in site.lever_m)
    (sin_a, cos_a), (sin_p, cos_p) = turns[Channel.AXIAL], turns[Channel.PITCH]
    sin_l, cos_l = turns[Channel.LATERAL]
    x, y = cos_a * x - sin_a * y, sin_a * x + cos_a * y
    x, z = cos_p * x + sin_p * z, cos_p * z - sin_p * x
    y, z = cos_l * y - sin_l * z, sin_l * y + cos_l * z
    x, y, z = x + pose[Channel.FORWARD], y + pose[Channel.LEFT], z + pose[Channel.UP]
    # The heading frame turns with yaw: transport, Coriolis and centripetal terms.
    yaw, speed = pose[Channel.YAW], pose[Channel.SPEED]
    ax = x.accel + speed.rate - 2.0 * yaw.rate * y.rate
    ax -= yaw.accel * y.value + yaw.rate**2 * x.value
    ay = y.accel + speed.value * yaw.rate + 2.0 * yaw.rate * x.rate
    ay += yaw.accel * x.value - yaw.rate**2 * y.value
    return [ax, ay, z.accel + STANDARD_GRAVITY_MPS2]
