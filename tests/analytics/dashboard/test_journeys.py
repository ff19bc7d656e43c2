"""The main journeys from end to end in a real browser; pictures of their stations are kept."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile

import pyarrow.parquet as pq
import pyotp
import pytest
from playwright.sync_api import Page, expect

from analytics.exposure.days import NS_PER_S
from analytics.store.records import DiaryEntry
from tests.analytics.dashboard.browsing import DESK, PHONE, Opened, log_in, picture
from tests.analytics.dashboard.synthetic import MINUTE_NS, PASSWORD, TODAY, Site

pytestmark = pytest.mark.chromium
NEW_PASSWORD = "seven grey herons wade"


def test_invited_then_a_second_factor(opened: Opened, filled: Site, complaints: list[str]) -> None:
    """Invitation, first log-in, setting up TOTP, and logging in with it."""
    clinic = opened(DESK)
    log_in(clinic, "dr-lee")
    clinic.goto("/people")
    clinic.get_by_label("Name to log in with").fill("anna-phone")
    clinic.get_by_label("Wearer, for a patient").select_option("anna")
    clinic.get_by_role("button", name="Make a link").click()
    link = clinic.locator("#link").inner_text()
    page = opened(PHONE)
    page.goto(re.sub(r"^https?://[^/]+", "", link))
    picture(page, "journey-invitation")
    page.get_by_label("Password, at least").fill(NEW_PASSWORD)
    page.get_by_label("Once more").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="How does it feel?")).to_be_visible()
    page.goto("/account")
    factor = page.locator("section", has=page.get_by_role("heading", name="Second factor"))
    factor.get_by_label("Present password").fill(NEW_PASSWORD)
    factor.get_by_role("button", name="Set up").click()
    secret = page.locator("li code").inner_text().replace(" ", "")
    picture(page, "journey-second-factor")
    page.get_by_label("Code", exact=True).fill(_code(filled, secret))
    page.get_by_role("button", name="Switch on").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    page.get_by_role("link", name="I have them").click()
    page.get_by_role("button", name="Log out", exact=True).click()
    filled.clock.now_ns += 30 * NS_PER_S  # every code is good once
    page.get_by_label("Name").fill("anna-phone")
    page.get_by_label("Password").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    picture(page, "journey-code")
    page.get_by_label("Code of your authenticator app").fill(_code(filled, secret))
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="How does it feel?")).to_be_visible()
    # What Chromium would advise about forms is verbose and no complaint.
    assert [said for said in complaints if not said.startswith("verbose")] == []


def _code(site: Site, secret: str) -> str:
    return pyotp.TOTP(secret).at(site.clock.now_ns // NS_PER_S)


def test_my_data(opened: Opened, filled: Site, complaints: list[str]) -> None:
    """A patient downloads everything, sees who looked, and asks to be erased."""
    filled.clinic.audit("dr-lee", "view", "anna", "weeks")
    page = opened(PHONE)
    log_in(page, "anna-login")
    page.goto("/me/data")
    page.get_by_role("button", name="Make my file").click()
    link = page.get_by_role("link", name="Download", exact=True)
    expect(link).to_be_visible()
    picture(page, "journey-my-data")
    with page.expect_download() as waited:
        link.click()
    names = zipfile.ZipFile(waited.value.path()).namelist()
    assert "records.json" in names
    assert any(name.endswith("anna/days.csv") for name in names)
    page.get_by_role("link", name="Every look, change and download is on record").click()
    expect(page.locator("main")).to_contain_text("dr-lee")
    page.goto("/me/data")
    page.get_by_role("link", name="Ask to have everything about me erased").click()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Ask my clinic to erase everything").click()
    expect(page.get_by_role("button", name="Keep my data after all")).to_be_visible()
    assert [wish.wearer for wish in filled.clinic.erase_requests()] == ["anna"]
    page.get_by_role("button", name="Keep my data after all").click()
    expect(page.get_by_role("link", name="Ask to have everything")).to_be_visible()
    assert filled.clinic.erase_requests() == []
    assert complaints == []


def test_a_consultation(opened: Opened, filled: Site, complaints: list[str]) -> None:
    """A clinician from the list to the wearer, new limits, a note and the report."""
    for minute in (600, 700):
        at_ns = TODAY.start_ns + minute * MINUTE_NS
        entry = DiaryEntry("anna", at_ns, "pain", "groin", "left", 6, at_ns, "dashboard")
        filled.clinic.add_diary(entry)
    page = opened(DESK)
    log_in(page, "dr-lee")
    page.get_by_role("link", name="anna").click()
    glance = page.locator(".glance")
    expect(glance).to_contain_text("slouches of 10 min or longer")
    expect(glance).to_contain_text("Nothing is associated with pain so far.")
    picture(page, "journey-glance")
    page.get_by_role("link", name="Limits", exact=True).click()
    page.get_by_label("A slouch is an episode from this many minutes").fill("15")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#notice")).to_contain_text("Saved")
    expect(page.get_by_role("row", name="A slouch is an episode")).to_contain_text("dr-lee")
    picture(page, "journey-limits")
    page.get_by_role("link", name="Notes", exact=True).click()
    page.get_by_label("Text", exact=True).fill("Walks better, sits less")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("main")).to_contain_text("Walks better, sits less")
    page.get_by_role("link", name="Report", exact=True).click()
    expect(page.locator("main")).to_contain_text("15 min")
    picture(page, "journey-report")
    assert complaints == []


def test_a_study(opened: Opened, filled: Site, complaints: list[str]) -> None:
    """A researcher from a cohort to a file whose download broke off, read back."""
    page = opened(DESK)
    log_in(page, "lea")
    page.get_by_label("anna", exact=True).check()
    page.get_by_label("Keep the chosen wearers as a cohort named").fill("pilot")
    page.get_by_role("button", name="Keep cohort").click()
    page.get_by_label("pilot (1)").check()
    page.get_by_label("First day").fill("2026-06-09")
    page.get_by_label("Last day").fill("2026-06-09")
    page.get_by_label("Format").select_option("parquet")
    page.get_by_role("checkbox", name="Samples").uncheck()
    page.get_by_role("combobox", name="Results").select_option("by the minute")
    page.get_by_role("button", name="How large would it be?").click()
    expect(page.get_by_role("heading", name="About this large")).to_be_visible()
    picture(page, "journey-study")
    page.get_by_role("button", name="Export").click()
    link = page.get_by_role("link", name="Download", exact=True)
    expect(link).to_be_visible()
    address = link.get_attribute("href") or ""
    (job,) = filled.clinic.exports("lea")
    first = _part(page, address, "bytes=0-999")
    rest = _part(page, address, f"bytes={len(first)}-")
    whole = first + rest
    assert hashlib.sha256(whole).hexdigest() == job.digest
    with zipfile.ZipFile(io.BytesIO(whole)).open("results/anna/minutes.parquet") as file:
        minutes = pq.read_table(io.BytesIO(file.read()))
    assert minutes.num_rows == 24 * 60
    assert "sitting" in minutes["posture"].to_pylist()
    assert complaints == []


def _part(page: Page, address: str, wanted: str) -> bytes:
    answer = page.request.get(address, headers={"Range": wanted})
    assert answer.status == 206
    return answer.body()
