"""The codes of FHIR observations: LOINC where there is one, and a code system of our own for what
no published system has. `python -m analytics.export.fhir_codes` prints the latter; it is published
as docs/fhir/CodeSystem-trunkline-exposure.json.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from analytics.export import dictionary

LOINC: Final = "http://loinc.org"
UCUM: Final = "http://unitsofmeasure.org"
CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
ACTIVITY_GUIDE: Final = "http://hl7.org/fhir/us/physical-activity/CodeSystem/pa-temporary-codes"
"""Of the Physical Activity implementation guide, STU 1."""
OWN: Final = "urn:uuid:2f0d7a3e-5c1b-4b0e-9a58-7f2f0b6d9c11"
OWN_VERSION: Final = "1"
PSEUDONYMS: Final = "urn:uuid:8f5b9c1a-0d57-4f0a-8f39-53a1c0a5a1de"
"""System of the identifiers of patients: they are pseudonyms of an export."""

STEPS_A_DAY: Final = (LOINC, "41950-7", "Number of steps in 24 hour Measured")
EXERCISE: Final = (LOINC, "73985-4", "Exercise activity")
WALKING: Final = (LOINC, "LA11834-1", "Walking")
EXERCISE_DURATION: Final = (LOINC, "55411-3", "Exercise duration")
PAIN_SEVERITY: Final = (
    LOINC,
    "72514-3",
    "Pain severity - 0-10 verbal numeric rating [Score] - Reported",
)
DEVICE_ACTIVE: Final = (ACTIVITY_GUIDE, "DeviceActivePercentage", "Device Active Percentage")
PHYSICAL_ACTIVITY: Final = (ACTIVITY_GUIDE, "PhysicalActivity", "Physical Activity")
ACTIVITY: Final = (CATEGORY, "activity", "Activity")
SURVEY: Final = (CATEGORY, "survey", "Survey")

UNITS: Final = {
    "minute": ("min", "min"),
    "episodes": ("episodes", "{episodes}"),
    "bouts": ("bouts", "{bouts}"),
    "walks": ("walks", "{walks}"),
    "movements": ("movements", "{movements}"),
    "degree": ("degree", "deg"),
    "steps": ("steps", "{steps}"),
    "steps/min": ("steps per minute", "{steps}/min"),
}
"""unit of the data dictionary -> unit and UCUM code"""
SYMPTOMS: Final = {
    "numbness": "Numbness, as the wearer said",
    "paraesthesia": "Paraesthesia (tingling, pins and needles), as the wearer said",
    "pain": "Pain, as the wearer said, where no severity was given",
}

Code = tuple[str, str, str]
"""system, code, display"""


def daily_columns() -> list[dictionary.Column]:
    """Columns of `days` that become an observation each."""
    return [column for column in dictionary.DAYS.columns if column.unit in UNITS]


def own_code(column: dictionary.Column) -> Code:
    """The code of a daily figure."""
    return (OWN, column.name.replace("_", "-"), column.meaning)


def symptom_code(symptom: str) -> Code:
    """The code of a symptom without a severity that a published code could hold."""
    return (OWN, f"symptom-{symptom}", SYMPTOMS[symptom])


def code_system() -> dict[str, Any]:
    """The CodeSystem resource (FHIR R4)."""
    own = [own_code(column) for column in daily_columns()]
    own += [symptom_code(symptom) for symptom in SYMPTOMS]
    return {
        "resourceType": "CodeSystem",
        "id": "trunkline-exposure",
        "url": OWN,
        "version": OWN_VERSION,
        "name": "TrunklineExposure",
        "title": "Trigger exposure of the trunk in daily life",
        "status": "active",
        "experimental": False,
        "description": "What a day of wearing a trunk sensor held: minutes of postures and "
        "slouched sitting, counts of movements and walks, symptoms. Codes for what no published "
        "system has.",
        "caseSensitive": True,
        "content": "complete",
        "count": len(own),
        "concept": [{"code": code, "display": display} for _, code, display in own],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(code_system(), indent=2) + "\n")
