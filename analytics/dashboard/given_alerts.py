"""The alerts of today as the patient's pages show them."""

from __future__ import annotations

from typing import Any, Final

from analytics.alert_watch import resting, settings_of
from analytics.dashboard.language import lazy
from analytics.dashboard.readings import Readings
from analytics.dashboard.words import local
from analytics.exposure.alerts import (
    BATTERY,
    SILENT,
    SLOUCH,
    TRANSITIONS,
    WALKING,
    number_in,
)
from analytics.store.clinic import Clinic
from analytics.store.records import GivenAlert, Wearer

_TEXTS: Final = {
    SLOUCH: lazy("You have been sitting slouched for %(n)d minutes. Sit up or stand?"),
    WALKING: lazy("You have been walking for %(n)d minutes. Time for a rest?"),
    TRANSITIONS: lazy("%(n)d changes of posture in the last hour. Take it easy?"),
    SILENT: lazy("Nothing from the sensor for %(n)d minutes. Is it on and near?"),
    BATTERY: lazy("The sensor's battery is at %(n)d %%. Charge it soon."),
}
"""`alerts.TEXTS` for the catalogue."""


def in_words(alert: GivenAlert) -> str:
    """What was said, in the reader's language; as it was said where its words are not known."""
    n = number_in(alert.kind, alert.text)
    return alert.text if n is None else str(_TEXTS[alert.kind]) % {"n": n}


def alerts_today(clinic: Clinic, readings: Readings, wearer: Wearer) -> dict[str, Any]:
    """Today's alerts, newest first, whether they are wanted, and whether a rest holds."""
    zone = wearer.zone
    day, settings = readings.today(zone), settings_of(clinic, wearer)
    given = clinic.alerts(wearer.wearer, day.start_ns, day.end_ns)
    return {
        "alerts_on": wearer.settings.alerts_on and not settings.study,
        "resting": resting(clinic, wearer.wearer, settings, readings.clock_ns()),
        "alerts": [(local(alert.at_ns, zone), in_words(alert)) for alert in reversed(given)],
    }
