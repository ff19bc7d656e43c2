"""Posture by the second: lying from tilt and azimuth, walking from its rhythm, sitting and standing
from the known reference, the tilt against it and the movements in between."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.detect.findings import Posture
from analytics.signal.frames import Frames
from analytics.signal.parameter import parameter


@dataclass(frozen=True, slots=True)
class PostureParameters:
    """Which tilt belongs to which posture."""

    lying_deg: float = parameter(
        60.0, unit="deg", reason="tilt from upright beyond which a trunk is not carried"
    )
    upright_deg: float = parameter(
        45.0, unit="deg", reason="15 deg of hysteresis: propped-up lying stays lying"
    )


@dataclass(slots=True)
class PostureState:
    """What the posture of the next second depends on."""

    lying: bool = False
    base: Posture = Posture.UNKNOWN
    """Last known sitting or standing."""


@dataclass(frozen=True, slots=True)
class Angles:
    """Trunk angles by the second."""

    tilt_deg: NDArray[np.float64]
    """(seconds,) angle from upright."""
    flexion_deg: NDArray[np.float64]
    """(seconds,) forward positive."""
    lateral_deg: NDArray[np.float64]
    """(seconds,) to the wearer's right positive."""


def angles_of(up: NDArray[np.float64]) -> Angles:
    """Angles of (3, n) up vectors in trunk axes."""
    ahead, left, above = up
    norm = np.sqrt(ahead**2 + left**2 + above**2)
    return Angles(
        tilt_deg=np.degrees(np.arctan2(np.hypot(ahead, left), above)),
        flexion_deg=np.degrees(np.arctan2(-ahead, above)),
        lateral_deg=np.degrees(np.arcsin(np.clip(left / norm, -1.0, 1.0))),
    )


def lying_side(up: NDArray[np.float64]) -> NDArray[np.int8]:
    """(n,) which way a lying trunk faces, from (3, n) up vectors."""
    ahead, left, _ = up
    facing = np.where(ahead > 0, Posture.LYING_SUPINE, Posture.LYING_PRONE)
    side = np.where(left > 0, Posture.LYING_RIGHT, Posture.LYING_LEFT)
    return np.where(np.abs(ahead) >= np.abs(left), facing, side).astype(np.int8)


def postures(
    up: NDArray[np.float64],
    walking: NDArray[np.bool_],
    state: PostureState,
    parameters: PostureParameters,
) -> NDArray[np.int8]:
    """(seconds,) Posture values; advances `state`. up (3, seconds), NaN where nothing is known."""
    tilt_deg = angles_of(up).tilt_deg
    side = lying_side(up)
    out = np.full(len(tilt_deg), Posture.UNKNOWN, np.int8)
    for i in range(len(tilt_deg)):
        if np.isnan(tilt_deg[i]):
            continue
        limit = parameters.upright_deg if state.lying else parameters.lying_deg
        state.lying = bool(tilt_deg[i] > limit)
        if walking[i]:
            out[i], state.base, state.lying = Posture.WALKING, Posture.STANDING, False
        elif state.lying:
            out[i] = side[i]
        else:
            out[i] = state.base
    return out


def known_frames(frames: Frames) -> NDArray[np.float64]:
    """(3, seconds) mean up vector of each second, NaN where nothing was measured."""
    return frames.per_second(frames.up)
