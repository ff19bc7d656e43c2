"""What the server-rendered pages say, without any script."""

from __future__ import annotations

import re
from datetime import date
from html import unescape

import pytest
from flask.testing import FlaskClient
from werkzeug.datastructures import Headers

from analytics.dashboard.clinician import seven_days
from analytics.exposure.days import NS_PER_S, Day
from analytics.store.base import Result, StoreError
from analytics.store.records import DiaryEntry
from tests.analytics.dashboard.synthetic import (
    MINUTE_NS,
    PROVENANCE,
    TODAY,
    ZONE,
    Site,
    minute_result,
    runs_result,
)

SECOND_NS = NS_PER_S


def text(client: FlaskClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", answer.text)))


def static(client: FlaskClient, path: str) -> tuple[str, Headers]:
    """Text and headers of a file that is streamed from disk."""
    with client.get(path) as answer:
        return answer.text, answer.headers


def symptom(minute: int, **fields: object) -> DiaryEntry:
    at_ns = TODAY.start_ns + minute * MINUTE_NS
    entry = {"symptom": "pain", "site": "groin", "side": "left", "severity": 4} | fields
    return DiaryEntry("anna", at_ns, entered_ns=at_ns, source="dashboard", **entry)  # type: ignore[arg-type]


def test_patient_page_shows_now_and_today(filled: Site) -> None:
    filled.clinic.add_diary(symptom(600))
    page = text(filled.client("anna-login"), "/me")
    assert "Sitting Slouched, trunk 1" in page
    assert "Live Battery 83 %" in page
    assert "worn 15 h 00 min" in page
    assert "10:00 Pain, groin, left: 4 of 10" in page
    assert "not a medical device" in page
    assert "associated with" in page


def test_now_grows_old(filled: Site) -> None:
    client = filled.client("anna-login")
    filled.clock.now_ns += 9 * SECOND_NS
    assert "Live" in text(client, "/me")
    filled.clock.now_ns += 2 * SECOND_NS
    page = text(client, "/me")
    assert "No live data" in page
    assert "Last seen 15:00 (11 s ago)" in page
    filled.clock.now_ns += 26 * 3600 * SECOND_NS
    page = text(client, "/me")
    assert "No live data" in page
    assert "no data" in page


def test_nothing_yet(site: Site) -> None:
    page = text(site.client("ben-login"), "/me")
    assert "Never seen" in page
    assert "Slouched no data" in page
    assert " 0 " not in page.split("Today")[2].split("Movements by hour")[0]


def test_not_observable_is_said(site: Site) -> None:
    start_ns = TODAY.start_ns
    minutes = [
        minute_result(start_ns + n * MINUTE_NS, {"slouched": [None] * 60}) for n in range(60)
    ]
    quality = Result(
        "quality", start_ns, start_ns + 60 * MINUTE_NS, {"observable": {"slouch": "placement"}}
    )
    results = [*minutes, *map(runs_result, minutes), quality]
    site.store.write_results("anna", start_ns, TODAY.end_ns, results, PROVENANCE)
    page = text(site.client("anna-login"), "/me")
    assert "Slouched not observable" in page
    assert "worn 1 h 00 min" in page


def test_diary_without_script(site: Site) -> None:
    client = site.client("anna-login")
    form = {"what": "numbness.iliac_crest", "side": "right", "severity": "7"}
    assert client.post("/me/diary", data=form).location == "/me"
    page = text(client, "/me")
    assert "Saved: Numbness, hip crest, right: 7 of 10" in page
    assert "Undo" in page
    (entry,) = site.clinic.diary("anna", TODAY.start_ns, TODAY.end_ns)
    assert (entry.symptom, entry.site, entry.side, entry.severity, entry.at_ns) == (
        "numbness",
        "iliac_crest",
        "right",
        7,
        site.clock.now_ns,
    )
    assert client.post(f"/me/diary/{entry.id}/undo").status_code == 303
    assert site.clinic.diary("anna", TODAY.start_ns, TODAY.end_ns) == []


def test_a_list_of_nobody_says_how_to_get_access(filled: Site) -> None:
    assert "ben" not in text(filled.client("dr-lee"), "/wearers")
    assert "trunkline user grant" in text(filled.client("dr-kim"), "/wearers")


def test_week_page_names_what_is_missing(filled: Site) -> None:
    client = filled.client("dr-lee")
    page = text(client, "/wearers/anna/2026-06-07")
    assert "No data from a sensor on this day; times in Europe/Berlin" in page
    assert re.search(r"Sun 7 Jun( no data){9} ", page)
    assert re.search(r"Sat 6 Jun 2\d h \d\d min", page)


def test_week_navigation(filled: Site) -> None:
    page = filled.client("dr-lee").get("/wearers/anna/2026-06-10").text
    for day in ("2026-06-03", "2026-06-04", "2026-06-09", "2026-06-10"):
        assert f'href="/wearers/anna/{day}"' in page
    assert 'aria-current="date"' in page
    assert "Week after" not in page
    before = filled.client("dr-lee").get("/wearers/anna/2026-06-02").text
    assert 'href="/wearers/anna/2026-06-09" rel="next"' in before


def test_seven_days_end_today_or_whole_weeks_before() -> None:
    for back in range(-8, 30):
        day = TODAY.plus(-back)
        found = [each.date for each in seven_days(day, TODAY)]
        assert len(found) == 7
        assert day.date in found
        assert (TODAY.date - found[-1]).days % 7 == 0
    assert [each.date for each in seven_days(TODAY, TODAY)][-1] == TODAY.date


@pytest.mark.parametrize("on", ["2026-13-01", "yesterday", "1066-10-14", "9999-12-31", "2026-W24"])
def test_a_day_that_is_none(site: Site, on: str) -> None:
    answer = site.client("dr-lee").get(f"/wearers/anna/{on}")
    assert answer.status_code == 404
    assert "Not found" in answer.text


def test_a_day_of_25_hours(site: Site) -> None:
    day = Day(date(2026, 10, 25), ZONE)
    at_ns = day.start_ns + 150 * MINUTE_NS  # 02:30, the first time
    for n, minute in enumerate((150, 210)):
        t_ns = day.start_ns + minute * MINUTE_NS
        entry = DiaryEntry("anna", t_ns, "pain", "groin", None, n, t_ns, "dashboard")
        site.clinic.add_diary(entry)
    minutes = [minute_result(at_ns + n * 60 * MINUTE_NS, {}) for n in range(2)]
    site.store.write_results(
        "anna", day.start_ns, day.end_ns, [*minutes, *map(runs_result, minutes)], PROVENANCE
    )
    page = text(site.client("dr-lee"), "/wearers/anna/2026-10-25")
    assert "02:00 1 min" in page
    assert "02:00 (2nd) 1 min" in page


def test_every_answer_has_the_headers(filled: Site) -> None:
    client = filled.client("dr-lee")
    for path in ("/wearers/anna", "/login", "/nowhere", "/api/v1/now", "/static/style.css"):
        _, headers = static(client, path)
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
    assert client.get("/wearers").headers["Cache-Control"] == "no-store"


def test_nothing_inline_and_nothing_from_elsewhere(filled: Site) -> None:
    for user, path in (("dr-lee", "/wearers/anna"), ("dr-lee", "/wearers"), ("anna-login", "/me")):
        page = filled.client(user).get(path).text
        assert not re.search(r'\son[a-z]+="|\sstyle="|<style', page)
        assert not re.search(r'(src|href)="(https?:)?//', page)
        for script in re.findall(r"<script([^>]*)>", page):
            assert "src=" in script or 'type="application/json"' in script


def test_assets_are_cached_by_version(site: Site) -> None:
    client = site.client()
    page = client.get("/login").text
    style = re.search(r'href="(/static/style\.css\?v=[0-9a-f]{12})"', page)
    assert style
    assert "immutable" in static(client, style[1])[1]["Cache-Control"]
    assert "immutable" not in static(client, "/static/style.css")[1]["Cache-Control"]


def test_pages_load_little_and_no_library(filled: Site) -> None:
    """First page: at most 150 kB of our own, script, style and icons together."""
    for user, path in (("anna-login", "/me"), ("dr-lee", "/wearers/anna")):
        client = filled.client(user)
        page = client.get(path).text
        assets = set(re.findall(r'(?:src|href)="(/static/[^"?]+)', page))
        assert any(name.endswith(".js") for name in assets)
        weight = 0
        for name in assets:
            with client.get(name) as answer:
                weight += len(answer.data)
        assert weight < 60_000
        assert path != "/me" or len(page) + weight < 150_000


def test_a_store_that_does_not_answer(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    client = site.client("anna-login")

    def fail(*_: object) -> list[Result]:
        raise StoreError("no answer", "start it")

    monkeypatch.setattr(site.store, "read_results", fail)
    answer = client.get("/me")
    assert answer.status_code == 503
    assert "Nothing is lost" in answer.text
    assert client.get("/api/v1/wearers/anna/now").json == {
        "error": "No answer from the store. Nothing is lost. Try again in a moment."
    }


def test_an_unexpected_error_tells_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.app.config["TESTING"] = False
    client = site.client("anna-login")
    monkeypatch.setattr(site.store, "read_results", lambda *_: 1 / 0)
    answer = client.get("/me")
    assert answer.status_code == 500
    assert "Something went wrong" in answer.text
    assert "division" not in answer.text


def test_health(site: Site) -> None:
    assert site.client().get("/health").json == {"ok": True}
