"""The alerts of today as the patient's pages show them."""

from __future__ import annotations

from typing import Any

from analytics.alert_watch import resting, settings_of
from analytics.dashboard.readings import Readings
from analytics.dashboard.words import local
from analytics.store.clinic import Clinic
from analytics.store.records import Wearer


def alerts_today(clinic: Clinic, readings: Readings, wearer: Wearer) -> dict[str, Any]:
    """Today's alerts, newest first, whether they are wanted, and whether a rest holds."""
    zone = wearer.zone
    day, settings = readings.today(zone), settings_of(clinic, wearer)
    given = clinic.alerts(wearer.wearer, day.start_ns, day.end_ns)
    return {
        "alerts_on": wearer.settings.alerts_on and not settings.study,
        "resting": resting(clinic, wearer.wearer, settings, readings.clock_ns()),
        "alerts": [(local(alert.at_ns, zone), alert.text) for alert in reversed(given)],
    }
