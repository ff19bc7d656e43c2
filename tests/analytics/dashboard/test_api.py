"""The JSON interface: the state of this moment, days, the diary, and its errors."""

from __future__ import annotations

import pytest

from analytics.exposure.days import NS_PER_S
from tests.analytics.dashboard.synthetic import (
    MINUTE_NS,
    PROVENANCE,
    TODAY,
    Site,
    minute_result,
    write_sample,
)


def write_now(site: Site, known_s: int, **last: object) -> None:
    """A minute of which only the first `known_s` seconds are known; the clock stands after them."""
    start_ns = site.clock.now_ns // MINUTE_NS * MINUTE_NS
    columns = {
        name: [value] * known_s + [None] * (60 - known_s)
        for name, value in (
            {"posture": "sitting", "trunk_flexion_deg": 4.0, "slouched": False, "worn": True} | last
        ).items()
    }
    minute = minute_result(start_ns, columns)
    site.store.write_results("anna", start_ns, start_ns + MINUTE_NS, [minute], PROVENANCE)
    site.clock.now_ns = start_ns + known_s * NS_PER_S


def test_now_is_the_last_known_second(site: Site) -> None:
    client = site.client("anna-login")
    write_now(site, 17, trunk_flexion_deg=-6.2)
    site.clock.now_ns += NS_PER_S
    assert client.get("/api/wearers/anna/now").json == {
        "live": True,
        "age_s": 1.0,
        "posture": "sitting",
        "flexion_deg": -6.2,
        "slouched": False,
        "worn": True,
        "battery_pct": 83,
        "last_seen_ns": site.clock.now_ns - NS_PER_S,
        "state": "sitting",
        "headline": "Sitting",
        "detail": "Not slouched, trunk 6° back",
        "seen": "Live",
        "battery": "Battery 83 %",
    }


@pytest.mark.parametrize(
    ("second", "state", "headline", "detail"),
    [
        (
            {"slouched": True, "trunk_flexion_deg": 15.4},
            "slouched",
            "Sitting",
            "Slouched, trunk 15° forward",
        ),
        ({"posture": "walking", "slouched": None}, "walking", "Walking", "Trunk 4° forward"),
        (
            {"posture": "lying_left", "slouched": None, "trunk_flexion_deg": None},
            "lying",
            "Lying on the left side",
            "Angle not known",
        ),
        (
            {"posture": "standing", "slouched": None, "trunk_flexion_deg": 0.2},
            "standing",
            "Standing",
            "Upright",
        ),
        (
            {"posture": "unknown", "slouched": None},
            "unknown",
            "Posture unknown",
            "Trunk 4° forward",
        ),
        (
            {"posture": "not_worn", "worn": False, "slouched": None},
            "not_worn",
            "Not worn",
            "Put the sensor on to go on recording.",
        ),
    ],
)
def test_now_in_words(site: Site, second: dict, state: str, headline: str, detail: str) -> None:
    write_now(site, 30, **second)
    found = site.client("anna-login").get("/api/wearers/anna/now").json
    assert (found["state"], found["headline"], found["detail"]) == (state, headline, detail)


def test_an_old_second_is_not_now(site: Site) -> None:
    write_now(site, 30, slouched=True)
    site.clock.now_ns += 11 * NS_PER_S
    found = site.client("anna-login").get("/api/wearers/anna/now").json
    assert found["live"] is False
    assert found["posture"] is None
    assert found["slouched"] is None
    assert found["state"] == "stale"
    assert found["seen"] == "Last seen 15:00 (11 s ago)"


def test_late_analysis_is_told_from_a_silent_sensor(site: Site) -> None:
    write_now(site, 30)
    site.clock.now_ns += 40 * NS_PER_S
    write_sample(site.store, "anna", site.clock.now_ns - NS_PER_S)
    found = site.client("anna-login").get("/api/wearers/anna/now").json
    assert found["live"] is False
    assert found["headline"] == "Catching up"
    assert found["detail"] == "The sensor sends, the analysis is late by 40 s."
    site.clock.now_ns += 3600 * NS_PER_S
    found = site.client("anna-login").get("/api/wearers/anna/now").json
    assert found["headline"] == "No live data"


def test_now_of_all_that_may_be_seen(site: Site) -> None:
    assert set(site.client("dr-lee").get("/api/now").json) == {"anna"}
    assert set(site.client("ben-login").get("/api/now").json) == {"ben"}
    assert site.client("dr-kim").get("/api/now").json == {}


def test_a_day(filled: Site) -> None:
    found = filled.client("dr-lee").get("/api/wearers/anna/days/2026-06-10").json
    assert found["date"] == "2026-06-10"
    assert found["time_zone"] == "Europe/Berlin"
    assert found["worn_min"] == 900
    assert (
        found["slouched_min"]["low"] < found["slouched_min"]["mid"] < found["slouched_min"]["high"]
    )
    assert len(found["hours"]) == 24
    assert sum(h["worn_min"] or 0 for h in found["hours"]) == pytest.approx(900)
    assert found["hours"][20]["hour"] == "20:00"
    assert found["hours"][20]["worn_min"] is None
    assert found["hours"][20]["movements"]["squat"] is None
    missing = filled.client("dr-lee").get("/api/wearers/anna/days/2026-06-07").json
    assert missing["slouched_min"] is None


def test_diary(site: Site) -> None:
    client = site.client("anna-login")
    answer = client.post("/api/me/diary", data={"what": "pain.lumbosacral", "severity": "0"})
    assert answer.status_code == 201
    assert answer.json["text"] == "Pain, low back: 0 of 10"
    assert answer.json["undo_s"] == 60
    path = f"/api/me/diary/{answer.json['id']}"
    assert site.client("ben-login").delete(path).status_code == 404
    site.clock.now_ns += 60 * NS_PER_S
    assert client.delete(path).json == {"removed": answer.json["id"]}
    assert client.delete(path).status_code == 404
    actions = [entry.action for entry in site.clinic.audit_entries("anna")]
    assert actions[:2] == ["diary undo", "diary add"]


def test_an_entry_stays_after_a_minute(site: Site) -> None:
    client = site.client("anna-login")
    posted = client.post("/api/me/diary", data={"what": "pain.groin", "severity": "5"}).json
    site.clock.now_ns += 61 * NS_PER_S
    answer = client.delete(f"/api/me/diary/{posted['id']}")
    assert answer.status_code == 409
    assert answer.json == {"error": "Too late. This can no longer be changed."}
    assert len(site.clinic.diary("anna", TODAY.start_ns, TODAY.end_ns)) == 1


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"what": "pain.groin"},
        {"what": "pain", "severity": "3"},
        {"what": "pain.elbow", "severity": "3"},
        {"what": "joy.groin", "severity": "3"},
        {"what": "pain.groin", "severity": "11"},
        {"what": "pain.groin", "severity": "-1"},
        {"what": "pain.groin", "severity": "²"},
        {"what": "pain.groin", "severity": "3", "side": "up"},
    ],
)
def test_a_form_that_does_not_fit(site: Site, form: dict[str, str]) -> None:
    answer = site.client("anna-login").post("/api/me/diary", data=form)
    assert answer.status_code == 400
    assert list(answer.json) == ["error"]
    assert site.clinic.diary("anna", TODAY.start_ns, TODAY.end_ns) == []


def test_one_error_shape(site: Site) -> None:
    client = site.client("dr-lee")
    for path, status in (
        ("/api/nowhere", 404),
        ("/api/wearers/ben/now", 403),
        ("/api/wearers/anna/days/never", 404),
        ("/api/me/diary", 405),
    ):
        answer = client.get(path)
        assert answer.status_code == status
        assert list(answer.json) == ["error"]


def test_too_much_is_refused(site: Site) -> None:
    answer = site.client("anna-login").post("/api/me/diary", data={"what": "x" * 200_000})
    assert answer.status_code == 413
    assert list(answer.json) == ["error"]
