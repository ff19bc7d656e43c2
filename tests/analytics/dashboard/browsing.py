"""A browser for tests: pages of a size and a scheme, logged in, their pictures kept."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.analytics.dashboard.synthetic import PASSWORD
from tests.servers import PATIENCE_S

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
expect.set_options(timeout=1000 * PATIENCE_S)
Opened = Callable[..., Page]
"""Opens a page of a size; see the fixture `opened`."""
PHONE = {"width": 360, "height": 780}
DESK = {"width": 1280, "height": 900}
PICTURES = Path(
    os.environ.get("TRUNKLINE_SCREENSHOTS", Path(__file__).parents[3] / "build" / "screenshots")
)
"""Outside of git; CI keeps the folder."""
PATIENT = (
    "/me",
    "/me/week",
    "/me/days/2026-06-09",
    "/me/alerts",
    "/me/more",
    "/wearers/anna/association",
    "/wearers/anna/calibration",
    "/account",
)
"""Pages that a patient sees."""
STAFF = (
    "/wearers",
    "/wearers/anna",
    "/wearers/anna/2026-06-10",
    "/wearers/anna/signals",
    "/wearers/anna/trends",
    "/wearers/anna/compare",
    "/wearers/anna/limits",
    "/wearers/anna/notes",
    "/wearers/anna/quality",
    "/wearers/anna/report",
    "/people",
)
"""Pages that a clinician sees."""


def context_of(browser: Browser, address: str, size: dict[str, int], **more: Any) -> BrowserContext:
    """A browser of its own, with nobody logged in."""
    context = browser.new_context(
        base_url=address,
        viewport=size,  # type: ignore[arg-type]
        locale="en-GB",
        **more,
    )
    context.set_default_timeout(1000 * PATIENCE_S)
    return context


def log_in(page: Page, name: str) -> None:
    page.goto("/")
    expect(page.get_by_label("Name")).to_be_focused()  # nobody types before the page is there
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(lambda url: "/login" not in url)


def picture(page: Page, name: str) -> None:
    """Keep what the page looks like."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True)
