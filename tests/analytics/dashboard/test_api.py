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
    assert client.get("/api/v1/wearers/anna/now").json == {
        "live": True,
        "age_s": 1.0,
        "posture": "sitting",
        "flexion_deg": -6.2,
        "slouched": False,
        "worn": True,
        "battery_pct": 83,
        "last_seen_utc": "2026-06-10T13:00:17.000000000Z",
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
            "",
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
    found = site.client("anna-login").get("/api/v1/wearers/anna/now").json
    assert (found["state"], found["headline"], found["detail"]) == (state, headline, detail)


def test_an_old_second_is_not_now(site: Site) -> None:
    write_now(site, 30, slouched=True)
    site.clock.now_ns += 11 * NS_PER_S
    found = site.client("anna-login").get("/api/v1/wearers/anna/now").json
    assert found["live"] is False
    assert found["posture"] is None
    assert found["slouched"] is None
    assert found["state"] == "stale"
    assert found["seen"] == "Last seen 15:00 (11 s ago)"


def test_late_analysis_is_told_from_a_silent_sensor(site: Site) -> None:
    write_now(site, 30)
    site.clock.now_ns += 40 * NS_PER_S
    write_sample(site.store, "anna", site.clock.now_ns - NS_PER_S)
    found = site.client("anna-login").get("/api/v1/wearers/anna/now").json
    assert found["live"] is False
    assert found["headline"] == "Catching up"
    assert found["detail"] == "The sensor sends, the analysis is late by 40 s."
    site.clock.now_ns += 3600 * NS_PER_S
    found = site.client("anna-login").get("/api/v1/wearers/anna/now").json
    assert found["headline"] == "No live data"


def test_now_of_all_that_may_be_seen(site: Site) -> None:
    assert set(site.client("dr-lee").get("/api/v1/now").json) == {"anna"}
    assert set(site.client("ben-login").get("/api/v1/now").json) == {"ben"}
    assert site.client("dr-kim").get("/api/v1/now").json == {}


def test_a_day(filled: Site) -> None:
    found = filled.client("dr-lee").get("/api/v1/wearers/anna/days/2026-06-10").json
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
    missing = filled.client("dr-lee").get("/api/v1/wearers/anna/days/2026-06-07").json
    assert missing["slouched_min"] is None


def test_diary(site: Site) -> None:
    client = site.client("anna-login")
    said = {"symptom": "pain", "site": "lumbosacral", "severity": 0}
    answer = client.post("/api/v1/me/diary", json=said)
    assert answer.status_code == 201
    assert answer.json["text"] == "Pain, low back: 0 of 10"
    assert answer.json["undo_s"] == 60
    path = f"/api/v1/me/diary/{answer.json['id']}"
    changed = client.patch(path, json={"severity": 3, "note": "after lunch"}).json
    assert (changed["severity"], changed["site"], changed["note"]) == (
        3,
        "lumbosacral",
        "after lunch",
    )
    listed = client.get(
        "/api/v1/wearers/anna/diary?from=2026-06-10T00:00:00Z&to=2026-06-11T00:00:00Z"
    ).json
    assert listed == [changed]
    assert listed[0]["at_utc"] == "2026-06-10T13:00:00.000000000Z"
    for method in ("delete", "patch"):
        answer = site.client("ben-login").open(path, method=method, json={})
        assert answer.status_code == 404
    assert client.delete(path).json == {"removed": changed["id"]}
    assert client.delete(path).status_code == 404
    actions = [(e.action, e.detail) for e in site.clinic.audit_entries("anna")]
    assert actions[:4] == [
        ("diary delete", f"entry {changed['id']}: {site.clock.now_ns} pain lumbosacral None 3"),
        ("view", "diary"),
        ("diary edit", f"entry {changed['id']}: severity 0 -> 3, note"),
        ("diary add", f"entry {changed['id']}"),
    ]


def test_the_same_entry_twice_is_refused(site: Site) -> None:
    client = site.client("anna-login")
    said = {"symptom": "pain", "at_utc": "2026-06-10T10:00:00+02:00"}
    assert client.post("/api/v1/me/diary", json=said).status_code == 201
    answer = client.post("/api/v1/me/diary", json=said)
    assert answer.status_code == 400
    assert "already" in answer.json["error"]


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"symptom": "joy"},
        {"symptom": "pain", "site": "elbow"},
        {"symptom": "pain", "severity": 11},
        {"symptom": "pain", "severity": -1},
        {"symptom": "pain", "severity": "²"},
        {"symptom": "pain", "side": "up"},
        {"symptom": "pain", "at_utc": "2026-06-10T10:00:00"},
        {"symptom": "pain", "at_utc": "9999-12-31T23:59:59-23:00"},
        {"symptom": "pain", "wearer": "ben"},
    ],
)
def test_an_entry_that_does_not_fit(site: Site, said: dict[str, object]) -> None:
    answer = site.client("anna-login").post("/api/v1/me/diary", json=said)
    assert answer.status_code == 422
    assert list(answer.json) == ["error"]
    assert site.clinic.diary("anna", TODAY.start_ns, TODAY.end_ns) == []


def test_limits_are_changed_for_the_state_that_was_read(site: Site) -> None:
    client, asked = site.client("dr-lee"), "/api/v1/wearers/anna/limits"
    read = client.get(asked)
    said = {"walking_limit_s": 900.0}
    nothing_said = client.patch(asked, json=said)
    assert (nothing_said.status_code, list(nothing_said.json)) == (428, ["error"])
    changed = client.patch(asked, json=said, headers={"If-Match": read.headers["ETag"]})
    assert changed.status_code == 200
    assert changed.json == {**read.json, "walking_limit_s": 900.0}
    assert changed.headers["ETag"] == client.get(asked).headers["ETag"] != read.headers["ETag"]
    late = client.patch(asked, json=said, headers={"If-Match": read.headers["ETag"]})
    assert (late.status_code, list(late.json)) == (412, ["error"])
    for wrong, status in (
        ({"walking_limit_s": 0}, 400),
        ({"slouch_bout_min_s": None}, 422),
        ({"slouch_enter_deg": 91}, 400),
        ({"alerts_on": True}, 422),
    ):
        answer = client.patch(asked, json=wrong, headers={"If-Match": changed.headers["ETag"]})
        assert (answer.status_code, list(answer.json)) == (status, ["error"]), wrong
    history = site.client("anna-login").get(f"{asked}/changes").json
    assert [(c["user"], c["name"], c["old"], c["new"]) for c in history] == [
        ("dr-lee", "walking_limit_s", 600.0, 900.0)
    ]
    actions = [entry.action for entry in site.clinic.audit_entries("anna")]
    assert actions.count("limits") == 1


def test_one_error_shape(site: Site) -> None:
    client = site.client("dr-lee")
    for path, status in (
        ("/api/v1/nowhere", 404),
        ("/api/v1/wearers/ben/now", 403),
        ("/api/v1/wearers/anna/days/never", 404),
        ("/api/v1/me/diary", 405),
    ):
        answer = client.get(path)
        assert answer.status_code == status
        assert list(answer.json) == ["error"]


def test_too_much_is_refused(site: Site) -> None:
    answer = site.client("anna-login").post("/api/v1/me/diary", json={"note": "x" * 200_000})
    assert answer.status_code == 413
    assert list(answer.json) == ["error"]
