"""Files for the browser, all of them our own, with a version in the address."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from flask import Blueprint, Response, current_app, render_template, url_for
from flask.typing import ResponseReturnValue

from analytics.dashboard.access import Permission, requires

blueprint = Blueprint("assets", __name__)

STATIC = Path(__file__).parent / "static"


def asset_url(name: str) -> str:
    """Address of a file in static/; it changes with the content, so it may be cached for ever."""
    return url_for("static", filename=name, v=_digest(name))


@cache
def _digest(name: str) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


@blueprint.get("/service-worker.js")
@requires(Permission.PUBLIC)
def service_worker() -> Response:
    """From the root, so that it may answer for every page."""
    return current_app.send_static_file("service-worker.js")


@blueprint.get("/offline")
@requires(Permission.PUBLIC)
def offline() -> ResponseReturnValue:
    """What a phone shows without a connection; says nothing about anybody."""
    return render_template("offline.html")
