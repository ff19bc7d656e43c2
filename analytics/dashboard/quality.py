"""Quality: how much was worn and seen, did everything arrive, and is the sensor where it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_login import current_user

from analytics.audit.account import Reason
from analytics.dashboard import words
from analytics.dashboard.access import Permission, clinic, readings, requires, view_log
from analytics.dashboard.language import gettext, lazy, number, short_day
from analytics.dashboard.wanted import zone_of
from analytics.exposure.days import Day
from analytics.exposure.summary import DayExposure
from analytics.store.records import Delivery

blueprint = Blueprint("quality", __name__)

DAYS: Final = 28
REASONS: Final = {
    Reason.CONNECTED: lazy("lost while connected"),
    Reason.DISCONNECTED: lazy("out of range or off"),
    Reason.RESTARTED: lazy("no agent ran"),
    Reason.DROPPED: lazy("given up by the agent"),
    Reason.REFUSED: lazy("refused by the store"),
    Reason.NOT_COMMITTED: lazy("on their way"),
    Reason.UNEXPLAINED: lazy("unexplained"),
}
FINDINGS: Final = {
    "posture": lazy("Posture"),
    "trunk_flexion": lazy("Lean of the trunk"),
    "slouch": lazy("Slouching"),
    "walking": lazy("Walking"),
    "respiration": lazy("Breathing at rest"),
    "sway": lazy("Balance in quiet standing"),
    "trunk_sway": lazy("Sway of the trunk while walking"),
    "sit_to_stand": lazy("Standing up"),
    "stand_to_sit": lazy("Sitting down"),
    "squat": lazy("Squatting"),
    "forward_bend": lazy("Bending forward"),
    "lateral_bend": lazy("Bending sideways"),
    "trunk_rotation": lazy("Rotating the trunk while seated"),
    "standing_rotation": lazy("Rotating the trunk while standing"),
}
"""What a quality result speaks of, see analytics.result.observable."""
WHY_NOT: Final = {
    "placement": lazy("not where this sensor is worn"),
    "reference": lazy("not without a calibration"),
    "axes": lazy("not until forward is known: walk or calibrate"),
    "gyroscope": lazy("not without a gyroscope"),
    "rate": lazy("not at this sampling rate"),
    "sensors": lazy("not without a second sensor"),
    "seated": lazy("while seated only"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One day."""

    day: str
    worn: str
    gap: str
    sensor: str
    stored: str
    share: str
    missing: str
    sound: bool | None
    """None: the day has not been audited"""


@blueprint.get("/wearers/<wearer>/quality")
@requires(Permission.WEARER)
def show(wearer: str) -> ResponseReturnValue:
    """Wear, gaps and the audit of the deliveries of the last four weeks, newest day first."""
    view_log().page(current_user.name, [wearer], "quality")
    found = readings()
    today = found.today(zone_of(wearer))
    days = [today.plus(n + 1 - DAYS) for n in range(DAYS)]
    exposures = found.days(wearer, days)
    audits = {
        delivery.day: delivery
        for delivery in clinic().deliveries(
            wearer, days[0].date.isoformat(), days[-1].date.isoformat()
        )
    }
    begun = [n for n, day in enumerate(exposures) if day.exposure.worn_min is not None]
    rows = [
        row
        for exposure in reversed(exposures[min(begun, default=0) :])
        for row in rows_of(exposure, audits.get(exposure.date.isoformat()))
    ]
    return render_template(
        "quality.html",
        wearer=wearer,
        tab="quality",
        rows=rows,
        sensors=[_sensor(sensor) for sensor in clinic().sensors(wearer)],
        observable=_observable(wearer, days),
        days=DAYS,
    )


def rows_of(day: DayExposure, audit: Delivery | None) -> list[Row]:
    """One row a sensor, or one for a day that has not been audited."""
    worn = words.minutes_or_why(day.exposure.worn_min, day.exposure)
    gap = words.minutes(day.exposure.gap_min)
    sensors = audit.body.get("sensors", ()) if audit else ()
    if not sensors:
        verdict = gettext("nothing was sent") if audit else gettext("not audited yet")
        return [Row(short_day(day.date), worn, gap, "–", "–", "–", verdict, None)]
    return [_audited(short_day(day.date), worn, gap, sensor) for sensor in sensors]


def _audited(day: str, worn: str, gap: str, sensor: Any) -> Row:
    missing = [
        f"{number(sensor['missing'][reason])} {word}"
        for reason, word in REASONS.items()
        if sensor["missing"].get(reason)
    ]
    if sensor["duplicates"]:
        missing.append(gettext("%(n)s stored twice", n=number(sensor["duplicates"])))
    share = 100 * sensor["stored"] / max(1, sensor["expected"])
    sound = not sensor["missing"].get(Reason.UNEXPLAINED) and not sensor["duplicates"]
    return Row(
        day,
        worn,
        gap,
        str(sensor["sensor"]),
        number(sensor["stored"]),
        f"{number(share, 2)} %",
        ", ".join(missing) or gettext("nothing"),
        sound,
    )


def _sensor(sensor: Any) -> tuple[str, str, str, str]:
    birth, status = sensor.birth, sensor.status
    battery = gettext("not known")
    if status is not None and status.battery_pct is not None:
        battery = f"{status.battery_pct} %"
    return (
        sensor.sensor,
        gettext("not known") if birth is None else birth.profile,
        gettext("not known") if birth is None else birth.placement,
        battery,
    )


def _observable(wearer: str, days: list[Day]) -> list[tuple[str, str]]:
    """What the latest results say can be told with the sensor where it is worn."""
    found = readings().results(wearer, "quality", days[-7].start_ns, days[-1].end_ns)
    if not found:
        return []
    said = found[-1].body.get("observable", {})
    return sorted(
        (str(FINDINGS.get(name, name.replace("_", " "))), _can_be_told(answer))
        for name, answer in said.items()
    )


def _can_be_told(answer: Any) -> str:
    if answer is True:
        return gettext("yes")
    return str(WHY_NOT.get(str(answer), answer)) if answer else gettext("no")
