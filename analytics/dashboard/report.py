"""A report of four weeks on one page of paper: as a page that prints, and as PDF by a browser.

The PDF is made by a Chromium that is installed on the server; without one the page can be printed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from functools import cache
from pathlib import Path
from typing import Any, Final

from flask import Blueprint, Response, abort, render_template
from flask.typing import ResponseReturnValue
from flask_login import current_user

from analytics.dashboard import association_words, charts, periods
from analytics.dashboard.access import Permission, clinic, readings, requires, view_log
from analytics.dashboard.assets import STATIC
from analytics.dashboard.association import answer_of
from analytics.dashboard.clinician import stretch
from analytics.dashboard.wanted import zone_of
from analytics.exposure.association.answer import ASSOCIATED

blueprint = Blueprint("report", __name__)

DAYS: Final = 28
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
PDF_TIMEOUT_S: Final = 60
_printing = threading.BoundedSemaphore(1)
"""A browser takes hundreds of megabytes: one at a time."""


@blueprint.get("/wearers/<wearer>/report")
@requires(Permission.WEARER)
def show(wearer: str) -> ResponseReturnValue:
    """The page, to be read or printed."""
    view_log().page(current_user.name, [wearer], "report")
    return render_template("report.html", tab="report", pdf=browser() is not None, **_said(wearer))


@blueprint.get("/wearers/<wearer>/report.pdf")
@requires(Permission.WEARER)
def pdf(wearer: str) -> ResponseReturnValue:
    """The same on A4; 404 without a browser on the server, 503 while another is printed."""
    program = browser()
    if program is None:
        abort(404)
    view_log().page(current_user.name, [wearer], "report as PDF")
    html = render_template("report_paper.html", **_said(wearer))
    if not _printing.acquire(blocking=False):
        abort(503)
    try:
        body = printed(program, html)
    finally:
        _printing.release()
    name = f"trunkline-{wearer}.pdf"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(body, mimetype="application/pdf", headers=headers)


@cache
def browser() -> str | None:
    """The browser that can print, None without one."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def printed(program: str, html: str) -> bytes:
    """The page as PDF. It is read from a folder of its own and may load nothing but our style."""
    with tempfile.TemporaryDirectory(prefix="trunkline-report-") as name:
        folder = Path(name)
        (folder / "style.css").write_bytes((STATIC / "style.css").read_bytes())
        (folder / "report.html").write_text(html)
        command = [
            program,
            "--headless",
            "--disable-gpu",
            "--disable-extensions",
            "--disable-background-networking",
            "--no-first-run",
            "--no-pdf-header-footer",
            f"--user-data-dir={folder / 'profile'}",
            f"--print-to-pdf={folder / 'report.pdf'}",
            (folder / "report.html").as_uri(),
        ]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.insert(1, "--no-sandbox")  # Chromium refuses to start as root with its sandbox
        try:
            subprocess.run(  # noqa: S603 - fixed arguments, no shell
                command, check=True, capture_output=True, timeout=PDF_TIMEOUT_S
            )
            return (folder / "report.pdf").read_bytes()
        except (OSError, subprocess.SubprocessError):
            abort(503)


def _said(wearer: str) -> dict[str, Any]:
    today = readings().today(zone_of(wearer))
    last = today.plus(-1)
    now = stretch(wearer, today.plus(-DAYS), last)
    before = stretch(wearer, today.plus(-2 * DAYS), today.plus(-DAYS - 1))
    person = clinic().wearer(wearer)
    _, association = answer_of(wearer)
    return {
        "wearer": wearer,
        "first": now.days[0].date,
        "last": now.days[-1].date,
        "made_on": today.date,
        "lines": periods.lines((before.days, before.diary), (now.days, now.diary)),
        "charts": charts.of_days(now.days, now.diary, today.zone, "report"),
        "limits": person.settings,
        "answers": [
            association_words.sentence(answer)
            for answer in association.answers
            if answer.answer == ASSOCIATED
        ],
        "caution": association_words.caution(),
        "zone": today.zone.key,
    }
