"""What each step of a guided calibration must show."""

from __future__ import annotations

from dataclasses import dataclass

from analytics.signal.parameter import parameter


@dataclass(frozen=True, slots=True)
class GuidedParameters:
    """Limits of the guided calibration."""

    least_hold_s: float = parameter(3.0, unit="s", reason="a breath: its sway averages out")
    least_bend_s: float = parameter(2.0, unit="s", reason="down and up at a brisk pace")
    least_walk_s: float = parameter(5.0, unit="s", reason="ten metres at 2 m/s")
    axes_deg: float = parameter(
        50.0, unit="deg", reason="a sloping chest tilts a sensor by 26 deg; half a turn is 90"
    )
    least_bend_deg: float = parameter(
        30.0, unit="deg", reason="nobody leans back so far from standing; a bend reaches 60"
    )
    least_bend_low_deg: float = parameter(20.0, unit="deg", reason="the same for the pelvis")
    off_plane_deg: float = parameter(
        25.0, unit="deg", reason="a bend to a side or with a turn leaves the plane"
    )
    back_share: float = parameter(0.5, unit="1", reason="of the bend left at the end")
    agree_deg: float = parameter(
        40.0, unit="deg", reason="a sensor fixed by eye is off by less (TrunkyXL)"
    )
    walk_lean_deg: float = parameter(
        12.0, unit="deg", reason="walking leans the trunk by 2 to 6 deg more than standing"
    )
    tall_deg: float = parameter(
        35.0, unit="deg", reason="sitting tall at the pelvis leans back by up to 25 deg (HAPT)"
    )
    side_deg: float = parameter(10.0, unit="deg", reason="as for slouching in daily life")
    least_range_deg: float = parameter(
        5.0,
        unit="deg",
        reason="less than twice the repeatability of a trunk tilt (3 deg)",
    )
