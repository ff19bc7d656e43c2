"""Files for the browser: our own with a version in the address, and plotly.js as installed."""

from __future__ import annotations

import gzip
import hashlib
import re
from functools import cache
from pathlib import Path

import plotly as plotly_package
from flask import Blueprint, Response, request, url_for

from analytics.dashboard.access import Permission, requires

blueprint = Blueprint("assets", __name__)

_STATIC = Path(__file__).parent / "static"
_PLOTLY = Path(plotly_package.__file__).parent / "package_data" / "plotly.min.js"


def asset_url(name: str) -> str:
    """Address of a file in static/; it changes with the content, so it may be cached for ever."""
    return url_for("static", filename=name, v=_digest(name))


def plotly_url() -> str:
    return url_for("assets.plotly", v=plotly_package.__version__)


@cache
def _digest(name: str) -> str:
    return hashlib.sha256((_STATIC / name).read_bytes()).hexdigest()[:12]


@cache
def plotly_map_style_id() -> str:
    """Id of the style element that plotly.js adds on load for its maps unless it is there.

    The content security policy forbids it; an element with this id keeps plotly.js from trying.
    """
    found = re.search(rb'getElementById\("([0-9a-f]{64})"\)', _PLOTLY.read_bytes())
    return found.group(1).decode() if found else ""


@cache
def _compressed() -> bytes:
    return gzip.compress(_PLOTLY.read_bytes(), compresslevel=6)


@blueprint.get("/assets/plotly.min.js")
@requires(Permission.PUBLIC)
def plotly() -> Response:
    """plotly.js from the installed package, compressed where the browser takes it."""
    zipped = request.accept_encodings.find("gzip") >= 0
    response = Response(
        _compressed() if zipped else _PLOTLY.read_bytes(), mimetype="text/javascript"
    )
    response.vary.add("Accept-Encoding")
    if zipped:
        response.content_encoding = "gzip"
    return response
