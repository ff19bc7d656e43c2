"""Which of a wearer's sensors tells about the trunk."""

from __future__ import annotations

from typing import Final

from analytics.store.clinic import Clinic
from wire.messages import Placement

TRUNK_PLACEMENTS: Final = (
    Placement.T12,
    Placement.T10,
    Placement.T4,
    Placement.STERNUM,
    Placement.UPPER_BACK,
    Placement.C7,
    Placement.PELVIS,
    Placement.WAIST,
    Placement.L5,
)
"""Best first: of several sensors the first one is used."""


def trunk_sensor(clinic: Clinic, wearer: str) -> str | None:
    """The best placed one; None when no sensor on the trunk is known."""
    rank = {placement.value: i for i, placement in enumerate(TRUNK_PLACEMENTS)}
    ranked = [
        (rank[s.birth.placement], s.sensor)
        for s in clinic.sensors(wearer)
        if s.birth is not None and s.birth.placement in rank and "accel" in s.birth.quantities
    ]
    return min(ranked)[1] if ranked else None
