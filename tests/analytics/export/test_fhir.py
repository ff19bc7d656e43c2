"""FHIR bundles: valid by the models of fhir.resources, and every figure is the stored one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.codesystem import CodeSystem

from analytics.export import fhir_codes
from analytics.export.bundle import Export, Request
from analytics.export.formats import named
from analytics.export.subject import SensorAbout
from analytics.store.embedded import EmbeddedStore
from tests.analytics.export.stored import DAY

PUBLISHED = Path(__file__).parents[3] / "docs/fhir/CodeSystem-trunkline-exposure.json"
WORN = replace(DAY, sensors=(SensorAbout("back", "movesense", "T12", 50.0, "2.1"),))


@pytest.fixture
def bundle(store: EmbeddedStore, tmp_path: Path) -> dict[str, Any]:
    request = Request([WORN], named("fhir"), frozenset({"results"}))
    Export(store, request, about={}).write(tmp_path / "out")
    found: dict[str, Any] = json.loads((tmp_path / "out/w1/2026-03-02.json").read_text())
    return found


def by_code(bundle: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    resources = [entry["resource"] for entry in bundle["entry"]]
    return {
        resource["code"]["coding"][0]["code"]: resource
        for resource in resources
        if resource["resourceType"] == "Observation"
    }


def test_the_bundle_is_valid_and_may_be_sent_twice(bundle: dict[str, Any]) -> None:
    Bundle.model_validate(bundle)
    kinds = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    assert kinds[:2] == ["Patient", "Device"]
    assert set(kinds[2:]) == {"Observation"}
    ids = [
        (entry["resource"]["resourceType"], entry["resource"]["id"]) for entry in bundle["entry"]
    ]
    assert len(set(ids)) == len(ids)
    for entry, (kind, name) in zip(bundle["entry"], ids, strict=True):
        assert entry["request"] == {"method": "PUT", "url": f"{kind}/{name}"}
    known = {f"{kind}/{name}" for kind, name in ids}
    for entry in bundle["entry"][2:]:
        assert entry["resource"]["subject"]["reference"] in known


def test_figures_are_those_of_the_day(bundle: dict[str, Any]) -> None:
    found = by_code(bundle)
    steps = found["41950-7"]
    assert (steps["valueQuantity"]["value"], steps["valueQuantity"]["code"]) == (3, "/d")
    assert steps["component"][0]["valueQuantity"]["value"] == round(100 * 2 / 1440, 6)
    walk = found["73985-4"]
    assert walk["valueCodeableConcept"]["coding"][0]["display"] == "Walking"
    assert walk["component"][0]["valueQuantity"]["value"] == pytest.approx(1 / 3, abs=1e-6)
    assert found["sitting-min"]["valueQuantity"]["value"] == 2
    assert found["lateral-bend-count"]["valueQuantity"]["value"] == 1
    assert found["squat-count"]["valueQuantity"]["value"] == 0
    assert found["sitting-min"]["effectivePeriod"] == {
        "start": "2026-03-01T23:00:00.000Z",
        "end": "2026-03-02T23:00:00.000Z",
    }
    pain, numb = found["72514-3"], found["symptom-numbness"]
    assert (pain["valueInteger"], pain["bodySite"]["text"]) == (6, "left iliac crest")
    assert numb["valueBoolean"] is True
    assert "bodySite" not in numb


def test_every_own_code_is_published(bundle: dict[str, Any]) -> None:
    published = json.loads(PUBLISHED.read_text())
    assert published == fhir_codes.code_system(), (
        "run: python -m analytics.export.fhir_codes > docs/fhir/CodeSystem-trunkline-exposure.json"
    )
    CodeSystem.model_validate(published)
    codes = {concept["code"] for concept in published["concept"]}
    for resource in by_code(bundle).values():
        coding = resource["code"]["coding"][0]
        assert coding["system"] in {fhir_codes.LOINC, fhir_codes.OWN}
        assert coding["system"] == fhir_codes.LOINC or coding["code"] in codes


def test_nothing_known_is_no_observation(store: EmbeddedStore, tmp_path: Path) -> None:
    store.erase("w1")
    quiet = replace(WORN, diary=lambda *_: [])
    request = Request([quiet], named("fhir"), frozenset({"results"}))
    assert Export(store, request, about={}).write(tmp_path / "out")["rows"] == {}
