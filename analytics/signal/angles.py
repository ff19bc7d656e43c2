"""Trunk angles from the direction of up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Angles:
    """Angles from the neutral."""

    tilt_deg: NDArray[np.float64]
    """(n,) angle from upright, 0 .. 180."""
    flexion_deg: NDArray[np.float64]
    """(n,) forward positive."""
    lateral_deg: NDArray[np.float64]
    """(n,) to the wearer's right positive."""


def angles_of(up: NDArray[np.float64]) -> Angles:
    """Angles of (3, n) up vectors in trunk axes; NaN where up is NaN."""
    ahead, left, above = up
    norm = np.sqrt(ahead**2 + left**2 + above**2)
    return Angles(
        tilt_deg=np.degrees(np.arctan2(np.hypot(ahead, left), above)),
        flexion_deg=np.degrees(np.arctan2(-ahead, above)),
        lateral_deg=np.degrees(np.arcsin(np.clip(left / norm, -1.0, 1.0))),
    )
