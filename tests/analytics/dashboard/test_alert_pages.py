"""The patient's alert page, "I rest now", and the page of associations."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from analytics.dashboard import association
from analytics.store.records import DiaryEntry, GivenAlert
from tests.analytics.dashboard.synthetic import MINUTE_NS, TODAY, Site

FORM = {
    "on": "on", "kind_slouch": "on", "slouch_after_min": "12,5", "walking_after_min": "20",
    "transitions_in_an_hour": "30", "daily_most": "3", "between_min": "45", "delay_s": "0",
    "rest_min": "90", "quiet_from_min": "21:30", "quiet_to_min": "08:00",
}  # fmt: skip


def test_the_patient_says_what_is_allowed(site: Site) -> None:
    client = site.client("anna-login")
    assert "What I allow" in client.get("/me/alerts").text
    assert client.post("/me/alerts", data=FORM).status_code == 303
    assert site.clinic.wearer("anna").settings.alerts_on
    found = site.clinic.alert_settings("anna")
    assert (found["kinds"], found["slouch_after_min"], found["daily_most"]) == (["slouch"], 12.5, 3)
    assert (found["quiet_from_min"], found["quiet_to_min"]) == (21 * 60 + 30, 8 * 60)
    assert 'value="12.5"' in client.get("/me/alerts").text
    assert "alert settings" in {e.action for e in site.clinic.audit_entries("anna")}


@pytest.mark.parametrize(
    "change", [{"daily_most": "many"}, {"daily_most": "-1"}, {"quiet_from_min": "25:00"}]
)
def test_settings_out_of_range_are_not_saved(site: Site, change: dict[str, str]) -> None:
    client = site.client("anna-login")
    client.post("/me/alerts", data={**FORM, **change})
    assert site.clinic.alert_settings("anna") == {}
    assert "Not saved" in client.get("/me/alerts").text


def test_a_study_is_not_the_patients_to_end(site: Site) -> None:
    site.clinic.set_alert_settings("anna", {"study": True})
    client = site.client("anna-login")
    client.post("/me/alerts", data=FORM)
    assert site.clinic.alert_settings("anna")["study"] is True
    assert "A study is going on" in client.get("/me/alerts").text


def test_an_alert_is_shown_and_a_rest_is_recorded(site: Site) -> None:
    site.clinic.set_settings(
        "anna", dataclasses.replace(site.clinic.wearer("anna").settings, alerts_on=True)
    )
    site.clinic.add_alert(GivenAlert("anna", site.clock.now_ns - MINUTE_NS, "slouch", "Sit up?"))
    client = site.client("anna-login")
    page = client.get("/me").text
    assert "Sit up?" in page
    assert "I rest now" in page
    assert client.post("/me/rest").status_code == 303
    assert "End my rest" in client.get("/me/today").text
    site.clock.now_ns += MINUTE_NS
    client.post("/me/rest", data={"end": "1"})
    assert "I rest now" in client.get("/me/today").text
    marks = site.clinic.marks("anna", 0, 2**62)
    assert [mark.kind for mark in marks] == ["pause", "resume"]


def test_associations_are_told_with_care(filled: Site) -> None:
    page = filled.client("dr-lee").get("/wearers/anna/association")
    assert page.status_code == 200
    assert "not enough data yet" in page.text.lower()
    assert "do not tell causes" in page.text
    assert filled.client("anna-login").get("/wearers/anna/association").status_code == 200


def test_the_answer_is_kept_until_the_diary_grows(
    filled: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    real = association.associate

    def counting(*arguments: object) -> object:
        asked.append(1)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(association, "associate", counting)
    monkeypatch.setattr(association, "_kept", {})
    client = filled.client("dr-lee")
    client.get("/wearers/anna/association")
    client.get("/wearers/anna/association")
    assert len(asked) == 1
    at_ns = TODAY.start_ns - 600 * MINUTE_NS
    filled.clinic.add_diary(DiaryEntry("anna", at_ns, "pain", None, None, 5, at_ns, "cli"))
    client.get("/wearers/anna/association")
    assert len(asked) == 2


def test_days_and_diary_become_arrays(filled: Site) -> None:
    reading = filled.app.extensions["readings"]
    first = TODAY.plus(-2)
    days = [reading.day("anna", first.plus(n)).exposure for n in range(2)]
    found = association.exposures_of(days)
    assert found.amount.shape == (8, 2)
    slouched = [d.exposure.slouched_min.mid for d in days if d.exposure.slouched_min]
    np.testing.assert_allclose(found.amount[0], slouched)
    np.testing.assert_allclose(found.worn_min, [d.exposure.worn_min for d in days])
    at_ns = first.start_ns + 630 * MINUTE_NS
    pain = association.pain_of([DiaryEntry("anna", at_ns, "pain", None, None, 5, 0, "cli")], first)
    assert (pain.day[0], pain.hour[0], pain.severity[0]) == (0, 10.5, 5)
