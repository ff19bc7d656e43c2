"""HL7 FHIR R4: a transaction bundle for every day of a subject, safe to send again.

Every resource has an id that depends on what it says and whose it is, and is PUT under it. The
models of `fhir.resources` (R4B, whose Patient, Device and Observation are those of R4) check each
bundle before it is written.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.codesystem import CodeSystem

from analytics.export import dictionary, fhir_codes
from analytics.export.day_document import day_pieces
from analytics.export.fhir_codes import Code
from analytics.export.formats import Options
from analytics.export.piece import Piece, Progress, Written
from analytics.export.source import Source
from analytics.export.stage import write_json
from analytics.export.subject import SensorAbout, Subject
from analytics.export.tables import iso_text, short

NAMESPACE: Final = uuid.UUID("b7c1d9a2-3a60-4d0c-8f4a-2d3b5a6c7e81")
Resource = dict[str, Any]


def plan(source: Source, _options: Options) -> Sequence[Piece]:
    """A piece for every day of a subject, and one for the code system."""
    return [Piece("code system", 0, _write_code_system), *day_pieces(source, _transaction)]


def _write_code_system(folder: Path, _progress: Progress) -> Sequence[Written]:
    found = fhir_codes.code_system()
    CodeSystem.model_validate(found)
    file = f"CodeSystem-{found['id']}.json"
    write_json(folder / file, found)
    return [Written(file)]


def _transaction(
    subject: Subject, tables: Mapping[dictionary.Table, pa.Table]
) -> tuple[Resource, int] | None:
    resources = [*_Observations(subject).of(tables)]
    if not resources:
        return None
    people = [_patient(subject), *(_device(subject, about) for about in subject.sensors)]
    bundle = _bundle([*people, *resources])
    Bundle.model_validate(bundle)
    return bundle, len(bundle["entry"])


@dataclass(frozen=True, slots=True)
class _Observations:
    subject: Subject

    def of(self, tables: Mapping[dictionary.Table, pa.Table]) -> Iterator[Resource]:
        bouts = tables[dictionary.WALKING_BOUTS]
        for bout, start, end in _with_times(bouts):
            yield self._walk(bout, start, end)
        for days in (tables[table] for table in tables if table is dictionary.DAYS):
            for day, start, end in _with_times(days):
                yield from self._daily(day, start, end)
                if day["walking_bouts"] is not None:
                    yield from self._steps(bouts, day, start, end)
        for entry in _symptoms(tables[dictionary.SYMPTOMS]):
            yield self._symptom(entry)

    def _walk(self, bout: dict[str, Any], start: str, end: str) -> Resource:
        minutes = bout["seconds"] / 60
        walk = self._observation(fhir_codes.EXERCISE, start, end)
        walk["valueCodeableConcept"] = _concept(fhir_codes.WALKING)
        walk["component"] = [_component(fhir_codes.EXERCISE_DURATION, minutes, "minute")]
        return walk

    def _daily(self, day: dict[str, Any], start: str, end: str) -> Iterator[Resource]:
        for column in fhir_codes.daily_columns():
            if (value := day[column.name]) is None:
                continue
            found = self._observation(fhir_codes.own_code(column), start, end)
            found["valueQuantity"] = _quantity(value, column.unit)
            yield found

    def _steps(
        self, bouts: pa.Table, day: dict[str, Any], start: str, end: str
    ) -> Iterator[Resource]:
        """The day's steps, with the share of the day that the sensor was worn; none where a walk
        does not know its steps."""
        counts = bouts["step_count"].to_pylist()
        if None in counts:
            return
        found = self._observation(fhir_codes.STEPS_A_DAY, start, end)
        found["valueQuantity"] = _ucum(sum(counts), "steps per day", "/d")
        share = 100 * 60 * day["worn_min"] / day["seconds"]
        component: Resource = {"code": _concept(fhir_codes.DEVICE_ACTIVE)}
        component["valueQuantity"] = _ucum(share, "%", "%")
        found["component"] = [component]
        yield found

    def _symptom(self, entry: dict[str, Any]) -> Resource:
        is_pain = entry["symptom"] == "pain" and entry["severity"] is not None
        code = fhir_codes.PAIN_SEVERITY if is_pain else fhir_codes.symptom_code(entry["symptom"])
        found = self._observation(code, entry["time"], None, fhir_codes.SURVEY)
        if entry["severity"] is not None:
            found["valueInteger"] = entry["severity"]
        else:
            found["valueBoolean"] = True
        place = " ".join(word for word in (entry["side"], entry["site"]) if word)
        if place:
            found["bodySite"] = {"text": place.replace("_", " ")}
        return found

    def _observation(
        self, code: Code, start: str, end: str | None, category: Code = fhir_codes.ACTIVITY
    ) -> Resource:
        name = f"{self.subject.name} {code[0]} {code[1]} {start}"
        is_activity = category == fhir_codes.ACTIVITY
        found: Resource = {
            "resourceType": "Observation",
            "id": str(uuid.uuid5(NAMESPACE, name)),
            "status": "final",
            "category": [
                _concept(each)
                for each in (category, *((fhir_codes.PHYSICAL_ACTIVITY,) if is_activity else ()))
            ],
            "code": _concept(code),
            "subject": {"reference": f"Patient/{self.subject.name}"},
        }
        if end is None:
            found["effectiveDateTime"] = start
        else:
            found["effectivePeriod"] = {"start": start, "end": end}
        if is_activity and len(self.subject.sensors) == 1:
            device = _device_id(self.subject, self.subject.sensors[0])
            found["device"] = {"reference": f"Device/{device}"}
        return found


def _patient(subject: Subject) -> Resource:
    identifier = {"system": fhir_codes.PSEUDONYMS, "value": subject.name}
    return {"resourceType": "Patient", "id": subject.name, "identifier": [identifier]}


def _device(subject: Subject, about: SensorAbout) -> Resource:
    name = {"name": about.profile or about.sensor, "type": "model-name"}
    found: Resource = {
        "resourceType": "Device",
        "id": _device_id(subject, about),
        "deviceName": [name],
        "type": {"text": "wearable inertial sensor"},
        "patient": {"reference": f"Patient/{subject.name}"},
    }
    if about.firmware:
        found["version"] = [{"value": about.firmware}]
    if about.placement:
        found["note"] = [{"text": f"worn at {about.placement}"}]
    return found


def _device_id(subject: Subject, about: SensorAbout) -> str:
    return str(uuid.uuid5(NAMESPACE, f"{subject.name} device {about.sensor}"))


def _bundle(resources: Sequence[Resource]) -> Resource:
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "resource": resource,
                "request": {
                    "method": "PUT",
                    "url": f"{resource['resourceType']}/{resource['id']}",
                },
            }
            for resource in resources
        ],
    }


def _with_times(rows: pa.Table) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Rows with their length in `seconds`, beginning and end."""
    starts, ends = (rows[name].cast(pa.int64()).to_numpy() for name in ("start_utc", "end_utc"))
    plain = rows.drop_columns(["start_utc", "end_utc"]).to_pylist()
    seconds = ((ends - starts) / 1e9).tolist()
    for row, length, start, end in zip(
        plain, seconds, _instants(rows["start_utc"]), _instants(rows["end_utc"]), strict=True
    ):
        yield row | {"seconds": length}, start, end


def _symptoms(rows: pa.Table) -> Iterator[dict[str, Any]]:
    plain = rows.select(["symptom", "site", "side", "severity"]).to_pylist()
    for row, time in zip(plain, _instants(rows["time_utc"]), strict=True):
        yield row | {"time": time}


def _instants(times: pa.ChunkedArray) -> list[str]:
    """FHIR instants with milliseconds."""
    return [f"{text[:23]}Z" for text in iso_text(times.combine_chunks()).to_pylist()]


def _concept(code: Code) -> Resource:
    system, value, display = code
    return {"coding": [{"system": system, "code": value, "display": display}]}


def _component(code: Code, value: float, unit: str) -> Resource:
    return {"code": _concept(code), "valueQuantity": _quantity(value, unit)}


def _quantity(value: float, unit: str) -> Resource:
    return _ucum(value, *fhir_codes.UNITS[unit])


def _ucum(value: float, unit: str, code: str) -> Resource:
    shown = value if isinstance(value, int) else short(value)
    return {"value": shown, "unit": unit, "system": fhir_codes.UCUM, "code": code}
