"""WCAG 2.2 AA by axe-core on every page, in light and dark, on a phone and a desk; no sideways
scrolling; targets of 24 pixels; the keyboard alone. Pictures of all pages are kept."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from analytics.store.records import DiaryEntry
from tests.analytics.dashboard.browsing import (
    DESK,
    PATIENT,
    PHONE,
    STAFF,
    context_of,
    log_in,
    picture,
)
from tests.analytics.dashboard.synthetic import MINUTE_NS, TODAY, Site

pytestmark = pytest.mark.chromium

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
ONLY = {"resultTypes": ["violations"]}
"""Gathering what is right takes longer than finding what is wrong."""
ALL_RULES = {"runOnly": {"type": "tag", "values": TAGS}, **ONLY}
RULES_OF_LOOKS = {
    "runOnly": {
        "type": "rule",
        "values": ["color-contrast", "link-in-text-block", "target-size"],
    },
    **ONLY,
}
"""What can differ between light and dark."""
LOOKS = (
    ("phone", PHONE, "light", ALL_RULES),
    ("phone", PHONE, "dark", RULES_OF_LOOKS),
    ("desk", DESK, "dark", RULES_OF_LOOKS),
    ("desk", DESK, "light", ALL_RULES),
)
PICTURED = {("phone", "dark"), ("desk", "light")}
MOST_CELLS = 300
"""Tables above this stay closed: all of them come from one template."""
SMALL_TARGETS = """
() => [...document.querySelectorAll('a, button, input, select, textarea, summary')]
  .filter((e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true }))
  .filter((e) => !e.closest('p, dd, td, li.entry, .visually-hidden, .skip') && e.type !== 'hidden')
  .map((e) => [e.outerHTML.slice(0, 80), e.getBoundingClientRect()])
  .filter(([, box]) => box.width > 0 && (box.width < 24 || box.height < 24))
  .map(([html, box]) => `${html} ${box.width}x${box.height}`)
"""
"""Targets below 24 pixels; links within a sentence are excepted (WCAG 2.2, 2.5.8)."""


@pytest.fixture
def lived_in(filled: Site) -> Site:
    """Something of everything that a page can show."""
    clinic = filled.clinic
    for minute, symptom in ((600, "pain"), (700, "numbness"), (800, "paraesthesia")):
        at_ns = TODAY.start_ns + minute * MINUTE_NS
        clinic.add_diary(DiaryEntry("anna", at_ns, symptom, "groin", "left", 6, at_ns, "dashboard"))
    clinic.add_note("anna", "dr-lee", "Walks better")
    (note,) = clinic.notes("anna")
    clinic.add_note("anna", "dr-lee", "Walks well", note.id)
    settings = clinic.wearer("anna").settings
    clinic.set_settings("anna", settings.__class__(slouch_enter_deg=12.0), by="dr-lee")
    return filled


def looked_at(page: Page, path: str) -> list[str]:
    """What is wrong with one page, on a phone and a desk, in light and dark; pictures are kept."""
    answer = page.goto(path)
    assert answer is not None
    assert answer.status == 200, path
    page.evaluate(
        "most => document.querySelectorAll('details').forEach("
        "(e) => { e.open = e.querySelectorAll('td').length < most; })",
        MOST_CELLS,
    )
    found = []
    for name, size, scheme, rules in LOOKS:
        page.set_viewport_size(size)  # type: ignore[arg-type]
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found += [
            f"{path} {name} {scheme}: {violation['id']}: {node['html'][:160]}"
            for violation in Axe().run(page, options=rules).response["violations"]
            for node in violation["nodes"][:3]
        ]
        if (name, scheme) in PICTURED:
            picture(page, f"{name}-{scheme}{path.replace('/', '-')}")
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > size["width"]:
            found.append(f"{path} {name}: {wide} pixels wide")
        found += [f"{path} {name}: target {small}" for small in page.evaluate(SMALL_TARGETS)]
    return found


@pytest.mark.parametrize(("user", "paths"), [("anna-login", PATIENT), ("dr-lee", STAFF)])
def test_every_page(
    browser: Browser, served: str, lived_in: Site, user: str, paths: tuple[str, ...]
) -> None:
    assert lived_in
    context = context_of(browser, served, PHONE, reduced_motion="reduce")
    page = context.new_page()
    found = looked_at(page, "/login") if user == "dr-lee" else []
    log_in(page, user)
    for path in paths:
        found += looked_at(page, path)
    context.close()
    assert not found, "\n".join(found)


def test_the_keyboard_reaches_everything_and_shows_where_it_is(
    browser: Browser, served: str, lived_in: Site
) -> None:
    assert lived_in
    context = context_of(browser, served, DESK)
    page = context.new_page()
    log_in(page, "dr-lee")
    page.goto("/wearers/anna")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    reached, hidden = [], []
    for _ in range(60):
        page.keyboard.press("Tab")
        name, outline = page.evaluate(
            "(() => { const e = document.activeElement;"
            " return [e.tagName + ' ' + e.textContent.trim().slice(0, 20),"
            " getComputedStyle(e).outlineStyle]; })()"
        )
        if name.startswith("BODY"):
            break
        reached.append(name)
        if outline == "none":
            hidden.append(name)
    assert hidden == []
    for wanted in ("A Weeks", "A Report", "SELECT", "BUTTON Show", "SUMMARY As a table"):
        assert any(name.startswith(wanted) for name in reached), (wanted, reached)
    context.close()


def test_without_motion_nothing_moves(browser: Browser, served: str) -> None:
    context = context_of(browser, served, PHONE, reduced_motion="reduce")
    page = context.new_page()
    log_in(page, "anna-login")
    style = "getComputedStyle(document.querySelector('.lean'))"
    assert page.evaluate(f"{style}.transitionDuration") == "0s"
    context.close()
