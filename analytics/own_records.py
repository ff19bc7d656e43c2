"""What the clinic database holds of a wearer, for that wearer, as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from analytics.store.clinic import Clinic

_ALL: Final = (0, 2**63 - 1)
MOST: Final = 1_000_000
"""Entries of the audit: more than a life has."""


def own_records(clinic: Clinic, wearer: str) -> dict[str, Any]:
    """Settings, sensors, calibrations, diary with notes, marks, alerts, and who saw what."""
    return {
        "wearer": asdict(clinic.wearer(wearer)),
        "alert_settings": clinic.alert_settings(wearer),
        "sensors": [_sensor(asdict(sensor)) for sensor in clinic.sensors(wearer)],
        "calibrations": [asdict(found) for found in clinic.calibrations(wearer)],
        "upright_holds": [asdict(hold) for hold in clinic.holds(wearer)],
        "diary": [asdict(entry) for entry in clinic.diary(wearer, *_ALL)],
        "marks": [asdict(mark) for mark in clinic.marks(wearer, *_ALL)],
        "alerts": [asdict(alert) for alert in clinic.alerts(wearer, *_ALL)],
        "who_saw_what": [asdict(entry) for entry in clinic.audit_entries(wearer, MOST)],
    }


def _sensor(plain: dict[str, Any]) -> dict[str, Any]:
    """Without what JSON cannot hold."""
    return {name: value for name, value in plain.items() if name != "updated_ns"}
