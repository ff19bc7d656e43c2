"""In a real browser: pages, scripts, live updates, and a console without complaints."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from analytics.dashboard import words
from analytics.dashboard.clinician import seven_days
from analytics.dashboard.readings import Readings
from analytics.exposure.days import NS_PER_S
from tests.analytics.dashboard.browsing import (
    DESK,
    PHONE,
    Opened,
    log_in,
    picture,
)
from tests.analytics.dashboard.synthetic import (
    MINUTE_NS,
    PROVENANCE,
    TODAY,
    Site,
    minute_result,
)

pytestmark = pytest.mark.chromium


def test_patient_sees_now_and_what_follows(
    opened: Opened, filled: Site, complaints: list[str]
) -> None:
    page = opened(PHONE)
    log_in(page, "anna-login")
    now = page.locator("#now")
    expect(now.locator(".headline")).to_have_text("Sitting")
    expect(now.locator(".detail")).to_contain_text("Slouched, trunk 1")
    expect(page.locator(".strip rect.p-slouched").first).to_be_attached()
    day = Readings(filled.store, filled.clinic, filled.clock).day("anna", TODAY).exposure
    assert day.exposure.slouched_min is not None
    expect(page.locator("[data-figure=slouched]")).to_contain_text(
        words.minutes(day.exposure.slouched_min.mid)
    )
    minute_ns = filled.clock.now_ns
    minute = minute_result(
        minute_ns, {"posture": ["walking"] * 60, "slouched": [None] * 60, "worn": [True] * 60}
    )
    filled.clock.now_ns += 60 * NS_PER_S
    filled.store.write_results("anna", minute_ns, minute_ns + MINUTE_NS, [minute], PROVENANCE)
    expect(now.locator(".headline")).to_have_text("Walking")
    filled.clock.now_ns += 60 * NS_PER_S
    expect(now.locator(".headline")).to_have_text("No live data")
    expect(now).to_contain_text("Last seen 15:01 (1 min ago)")
    assert complaints == []


def test_two_taps_and_undo(opened: Opened, filled: Site, complaints: list[str]) -> None:
    page = opened(PHONE)
    log_in(page, "anna-login")
    page.get_by_text("Left", exact=True).click()  # once: it is remembered
    page.reload()
    expect(page.locator(".scale")).to_be_hidden()
    page.locator("label", has=page.get_by_label("Numbness, Groin")).click()
    page.locator(".scale").get_by_role("button", name="6").click()
    notice = page.locator("#notice")
    expect(notice).to_contain_text("Saved: Numbness, groin, left: 6 of 10")
    (entry,) = filled.clinic.diary("anna", TODAY.start_ns, TODAY.end_ns)
    assert (entry.symptom, entry.site, entry.side, entry.severity) == (
        "numbness",
        "groin",
        "left",
        6,
    )
    expect(page.locator(".entries")).to_contain_text("15:00 Numbness, groin, left: 6 of 10")
    picture(page, "journey-two-taps")
    notice.get_by_role("button", name="Undo").click()
    expect(notice).to_contain_text("Taken back")
    expect(page.locator(".entries")).to_have_count(0)
    assert filled.clinic.diary("anna", TODAY.start_ns, TODAY.end_ns) == []
    assert complaints == []


def test_an_entry_without_connection_is_sent_later(
    opened: Opened, filled: Site, complaints: list[str]
) -> None:
    page = opened(PHONE)
    log_in(page, "anna-login")
    page.context.set_offline(True)
    page.locator("label", has=page.get_by_label("Pain, Groin")).click()
    page.locator(".scale").get_by_role("button", name="4", exact=True).click()
    expect(page.locator("#notice")).to_contain_text("kept on this phone")
    assert filled.clinic.diary("anna", 0, 2**62) == []
    page.context.set_offline(False)
    expect(page.locator("#notice")).to_contain_text("Sent: Pain, groin: 4 of 10")
    (entry,) = filled.clinic.diary("anna", 0, 2**62)
    assert (entry.symptom, entry.severity) == ("pain", 4)
    assert page.evaluate("localStorage.getItem('trunkline-waiting')") == "[]"


def test_two_taps_without_script(opened: Opened, filled: Site, complaints: list[str]) -> None:
    page = opened(PHONE, script=False)
    log_in(page, "anna-login")
    page.locator("label", has=page.get_by_label("Pain, Low back")).click()
    page.locator(".scale").get_by_role("button", name="3").click()
    expect(page.locator("#notice")).to_contain_text("Saved: Pain, low back: 3 of 10")
    page.locator(".entries").get_by_role("button", name="Undo").click()
    expect(page.locator("#notice")).to_contain_text("Taken back")
    assert filled.clinic.diary("anna", TODAY.start_ns, TODAY.end_ns) == []


def test_clinician_week_says_what_exposure_says(
    opened: Opened, filled: Site, complaints: list[str]
) -> None:
    page = opened(DESK)
    log_in(page, "dr-lee")
    page.get_by_role("link", name="anna").click()
    expect(page.get_by_role("heading", name="When in the day")).to_be_visible()
    page.get_by_role("link", name="Day", exact=True).click()
    page.get_by_text("Exposure by day, as a table").click()
    page.get_by_text("Movements by day, as a table").click()
    readings = Readings(filled.store, filled.clinic, filled.clock)
    days = [readings.day("anna", day) for day in seven_days(TODAY, TODAY)]
    for day in (reading.exposure for reading in days):
        exposure = day.exposure
        row = page.locator("table", has_text="Exposure by day").get_by_role(
            "row", name=f"{day.date:%a} {day.date.day} {day.date:%b}"
        )
        cells = row.get_by_role("cell").all_inner_texts()
        assert cells[0] == words.minutes_or_why(exposure.worn_min, exposure)
        assert cells[1] == words.band_or_why(exposure.slouched_min, exposure)
        assert cells[6] == words.minutes_or_why(exposure.walking_min, exposure)
    squats = page.locator("table", has_text="Movements by day").get_by_role("row", name="Squatted")
    found = [cell.split(" (")[0] for cell in squats.get_by_role("cell").all_inner_texts()]
    assert found == [
        words.count_or_why(d.exposure.exposure.movements["squat"], d.exposure.exposure)
        for d in days
    ]
    bands = [d.exposure.exposure.slouched_min for d in days]
    bars = page.locator("#week-slouch rect")
    expect(bars).to_have_count(sum(band is not None for band in bands))
    titles = bars.locator("title").all_text_contents()
    said = [f"{words.minutes(band.mid)} ({words.band_range(band)})" for band in bands if band]
    assert [title.split(": ")[1] for title in titles] == said
    page.get_by_role("link", name="Week before").click()
    expect(page).to_have_url(re.compile(r"/wearers/anna/2026-06-03$"))
    assert complaints == []


def test_list_is_live(opened: Opened, filled: Site, complaints: list[str]) -> None:
    page = opened(DESK)
    log_in(page, "dr-lee")
    row = page.locator("tr[data-wearer=anna]")
    expect(row).to_have_attribute("data-state", "slouched")
    filled.clock.now_ns += 600 * NS_PER_S
    expect(row).to_have_attribute("data-state", "stale")
    expect(row).to_contain_text("Last seen 15:00 (10 min ago)")
    assert complaints == []


def test_the_wrong_patient_is_refused(opened: Opened, complaints: list[str]) -> None:
    page = opened(PHONE)
    log_in(page, "ben-login")
    answer = page.goto("/wearers/anna")
    assert answer is not None
    assert answer.status == 403
    expect(page.get_by_role("heading", name="Not yours to see")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def test_a_phone_needs_no_sideways_scrolling(opened: Opened, complaints: list[str]) -> None:
    page = opened(PHONE)
    log_in(page, "anna-login")
    for path in ("/me", "/wearers/anna"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.goto("/me")
    page.locator("label", has=page.get_by_label("Pain, Groin")).click()
    targets = page.locator("#diary label span, #diary button").all()
    assert len(targets) == 3 + 9 + 11
    assert min((target.bounding_box() or {"height": 0})["height"] for target in targets) >= 44
    assert complaints == []


def test_keyboard_alone_is_enough(opened: Opened, filled: Site, complaints: list[str]) -> None:
    page = opened(DESK)
    log_in(page, "anna-login")
    page.get_by_label("Tingling, Hip crest").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#notice")).to_contain_text("Saved: Tingling, hip crest: 1 of 10")
    assert complaints == []


def test_a_researcher_gets_a_file(opened: Opened, filled: Site, complaints: list[str]) -> None:
    page = opened(DESK)
    log_in(page, "lea")
    page.get_by_label("anna", exact=True).check()
    page.get_by_label("First day").fill("2026-06-09")
    page.get_by_label("Last day").fill("2026-06-09")
    page.get_by_role("checkbox", name="Samples").uncheck()
    page.get_by_role("combobox", name="Results").select_option("by the hour")
    page.get_by_role("button", name="Export").click()
    expect(page.locator("#notice")).to_contain_text("Your export is being made")
    link = page.get_by_role("link", name="Download")
    expect(link).to_be_visible()
    with page.expect_download() as waited:
        link.click()
    assert waited.value.suggested_filename == "trunkline-2026-06-09-2026-06-09.zip"
    assert page.evaluate("document.documentElement.scrollWidth") <= DESK["width"]
    assert complaints == []
