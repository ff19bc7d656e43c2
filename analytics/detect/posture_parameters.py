"""What speaks for sitting, standing and the changes between them, and how much."""

from __future__ import annotations

from dataclasses import dataclass

from analytics.signal.parameter import parameter


@dataclass(frozen=True, slots=True)
class PostureParameters:
    """Evidence, in units of log odds."""

    rise_m: float = parameter(0.17, unit="m", reason="half of the lowest real rise in HAPT")
    per_metre: float = parameter(16.0, unit="1/m", reason="0.1 m more height is five times as sure")
    largest_m: float = parameter(0.45, unit="m", reason="more height is no more proof")
    speed_mps: float = parameter(0.22, unit="m/s", reason="peak speed of a slow rise")
    per_speed: float = parameter(4.0, unit="s/m", reason="speed is proof as height is")
    opposite_share: float = parameter(0.45, unit="1", reason="way back allowed inside a rise")
    per_opposite: float = parameter(4.0, unit="1", reason="what comes back was no rise")
    drift_mps: float = parameter(0.25, unit="m/s", reason="velocity left over that is normal")
    per_drift: float = parameter(4.0, unit="s/m", reason="more makes the height doubtful")
    drift_share: float = parameter(
        1.0,
        unit="1",
        reason="of the peak speed: a drift faster than the movement leaves no proof of height",
        source="HAPT: every rise and descent stays below",
    )
    per_drift_share: float = parameter(12.0, unit="1", reason="a fifth more: ten times less sure")
    unrest_radps: float = parameter(0.7, unit="rad/s", reason="activity at both edges, summed")
    per_unrest: float = parameter(1.5, unit="s/rad", reason="without rest the height is doubtful")
    restless_rad_s: float = parameter(
        6.0,
        unit="rad s",
        reason="unrest at the edges times the square of the time between: what is integrated twice "
        "from there is off by more than a seat is high",
        source="HAPT: 94 % of rises and descents below",
    )
    per_restless: float = parameter(0.3, unit="1/(rad s)", reason="three more: half as sure")
    lean_deg: float = parameter(
        14.0, unit="deg", reason="sitting down without leaning is riding a lift"
    )
    rise_lean_deg: float = parameter(
        19.0,
        unit="deg",
        reason="to rise the trunk must come over the feet first, more than to sit down",
        source="HAPT: none leans less than 22",
    )
    per_lean: float = parameter(0.5, unit="1/deg", reason="5 deg less lean: twelve times less sure")
    low_lever_m: float = parameter(
        0.12, unit="m", reason="waist above the hips: a bend alone lowers it so much"
    )
    high_lever_m: float = parameter(0.4, unit="m", reason="chest above the hips")
    standing_deg: float = parameter(30.0, unit="deg", reason="nobody stands more bent than that")
    per_tilt: float = parameter(0.15, unit="1/deg", reason="7 deg more: three times less sure")
    low_bend_deg: float = parameter(
        80.0, unit="deg", reason="a reclined pelvis turns far on its way to standing"
    )
    high_bend_deg: float = parameter(
        48.0, unit="deg", reason="flexion of the chest on the way to standing; more is a bend"
    )
    per_bend: float = parameter(0.12, unit="1/deg", reason="8 deg more: three times less sure")
    seat_unrest_radps: float = parameter(
        0.25,
        unit="rad/s",
        reason="a seat carries the trunk: it rests there for a moment, in rowing and on stairs not",
        source="HAPT: 95 % below 0.1; DSADS exercise: above",
    )
    per_seat_unrest: float = parameter(
        20.0, unit="s/rad", reason="0.1 rad/s more: seven times less sure"
    )
    told_odds: float = parameter(
        0.0, unit="1", reason="a change of state is told where its own event is rather one than not"
    )
    told_sure: float = parameter(
        0.95, unit="1", reason="probability of both postures that makes up for a doubtful event"
    )
    told_when_sure_odds: float = parameter(
        -1.0, unit="1", reason="then an event that speaks against itself by less is told"
    )
    no_gyro: float = parameter(
        1.5,
        unit="1",
        reason="without a gyroscope heights are less certain",
        source="HAPT without it, SingleChest",
    )
    most: float = parameter(5.0, unit="1", reason="no single event is surer than 150 to 1")
    missed: float = parameter(5.0, unit="1", reason="a change of state that left no pulse")
    settle_s: int = parameter(
        4, unit="s", reason="an angle that is kept so long is a way of sitting or standing"
    )
    settled_deg: float = parameter(
        4.0, unit="deg", reason="quiet standing and sitting sway and breathe within it"
    )
    settled_spread_deg: float = parameter(
        3.0, unit="deg", reason="of the angles while the trunk is settled"
    )
    unseen: float = parameter(
        1.5, unit="1", reason="of new angles that stay one in five hides a rise or descent"
    )
    unseen_no_gyro: float = parameter(
        1.5, unit="1", reason="without a gyroscope a fifth of rises and descents leave no pulse"
    )
    unseen_slow: float = parameter(
        1.0, unit="1", reason="where heights cannot be told every change of angle may be one"
    )
    walking_share: float = parameter(
        0.6, unit="1", reason="a height change that is mostly steps is a stair or a kerb"
    )
    walking: float = parameter(8.0, unit="1", reason="walking is done standing")
    up_activity_radps: float = parameter(
        0.9, unit="rad/s", reason="mean activity between sitting up and standing up", source="HAPT"
    )
    up_activity_scale_radps: float = parameter(0.15, unit="rad/s", reason="its spread, HAPT")
    up_lean_deg: float = parameter(
        5.0, unit="deg", reason="flexion before standing up from the edge of a bed", source="HAPT"
    )
    down_activity_radps: float = parameter(
        1.03, unit="rad/s", reason="mean activity of lying down, sitting against standing"
    )
    down_activity_scale_radps: float = parameter(0.12, unit="rad/s", reason="its spread, HAPT")
    down_lean_deg: float = parameter(
        3.0, unit="deg", reason="flexion before lying down from standing", source="HAPT"
    )
    up_weight: float = parameter(0.5, unit="1", reason="tells 92 % of getting up apart, HAPT")
    down_weight: float = parameter(0.25, unit="1", reason="tells 80 % of lying down apart, HAPT")
    lean_scale_deg: float = parameter(6.0, unit="deg", reason="spread of both, HAPT")
    lean_weight: float = parameter(1.5, unit="1", reason="twice as telling as activity, HAPT")
    low_site_deg: float = parameter(-5.0, unit="deg", reason="flexion between sitting and standing")
    low_site_scale_deg: float = parameter(4.0, unit="deg", reason="spread of standing, HAPT")
    seat_odds: float = parameter(
        0.7,
        unit="1",
        reason="who is only known to have sat, probably sits: people do so most of their time",
    )
    seated_pelvis_deg: float = parameter(
        10.0, unit="deg", reason="a pelvis further forward than while sitting upright may stand"
    )
    high_site_deg: float = parameter(
        10.0, unit="deg", reason="a standing chest stays within it", source="DSADS, SingleChest"
    )
    high_site_scale_deg: float = parameter(5.0, unit="deg", reason="spread of standing, both")
    high_site_least: float = parameter(
        0.7, unit="1", reason="who sits upright holds the chest as if standing"
    )
    high_site_most: float = parameter(2.0, unit="1", reason="who works while standing leans, too")
    crouch_s: float = parameter(6.0, unit="s", reason="a squat is not held much longer")
    crouch_unrest_radps: float = parameter(
        0.2, unit="rad/s", reason="height changes of people who keep moving are stairs (DSADS)"
    )
    crouch_depth_m: float = parameter(
        0.43, unit="m", reason="no chair in HAPT is so far below standing", source="HAPT"
    )
    crouch_flexion_deg: float = parameter(
        -6.0,
        unit="deg",
        reason="97 % of seated pelves tilt further back, a squatting one forward",
        source="HAPT",
    )
    landing_mps3: float = parameter(
        80.0,
        unit="m/s3",
        reason="three of four wearers meet the seat harder; a squat is slowed by muscles",
        source="HAPT",
    )
    crouch_lean_deg: float = parameter(
        10.0,
        unit="deg",
        reason="nine of ten lean further to reach a seat or leave it; over the feet none need to",
        source="HAPT",
    )
    crouch_lean_scale_deg: float = parameter(4.0, unit="deg", reason="its spread, HAPT")
    bend_depth_m: float = parameter(
        0.33, unit="m", reason="a bend from the hips lowers the waist by less than a squat"
    )
    bend_flexion_low_deg: float = parameter(
        25.0, unit="deg", reason="flexion of the pelvis in a bend that is held"
    )
    bend_flexion_high_deg: float = parameter(
        45.0, unit="deg", reason="flexion of the chest in a bend that is held"
    )
