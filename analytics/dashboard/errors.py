"""Errors as friendly pages, or as {"error": ...} under /api/."""

from __future__ import annotations

import logging

from flask import Flask, Response, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from analytics.dashboard.language import gettext, lazy
from analytics.export.errors import ExportError
from analytics.store.base import StoreError
from analytics.store.records import ClinicError

logger = logging.getLogger(__name__)

TEXTS = {
    400: (lazy("That did not work"), lazy("The form was not complete. Go back and try again.")),
    403: (
        lazy("Not yours to see"),
        lazy("This page belongs to somebody else, or nobody has given you access to it yet."),
    ),
    404: (lazy("Not found"), lazy("There is no page at this address.")),
    405: (lazy("Not found"), lazy("There is no page at this address.")),
    409: (lazy("Too late"), lazy("This can no longer be changed.")),
    412: (
        lazy("Changed meanwhile"),
        lazy("Somebody else changed this. Read it again, then repeat what you did."),
    ),
    428: (
        lazy("Not said for which state"),
        lazy("Read it first and send the ETag of the answer in the header If-Match."),
    ),
    429: (lazy("Too many attempts"), lazy("Wait a few minutes, then try again.")),
    500: (lazy("Something went wrong"), lazy("The error is on record. Try again in a moment.")),
    503: (lazy("No answer from the store"), lazy("Nothing is lost. Try again in a moment.")),
}


def wants_json() -> bool:
    return request.path.startswith("/api/")


def as_json(status: int, text: str) -> tuple[Response, int]:
    """The one shape of an error of the API."""
    return jsonify(error=text), status


def answer(status: int, text: str | None = None) -> ResponseReturnValue:
    """The error as page or JSON."""
    title, standard = TEXTS.get(status, TEXTS[500] if status >= 500 else TEXTS[400])
    if wants_json():
        return as_json(status, text or f"{title}. {standard}")
    return render_template("error.html", title=title, text=text or standard), status


def _what_is_wrong(error: HTTPException) -> str | None:
    """ "to: must be after from" for a question that did not pass its check."""
    messages = getattr(error, "data", {}).get("messages")
    if not messages:
        return None
    found: list[str] = []
    for fields in messages.values():
        for name, texts in fields.items() if isinstance(fields, dict) else [("", fields)]:
            found += [f"{name}: {text}" if name else str(text) for text in texts]
    return "; ".join(found)


def register(app: Flask) -> None:
    """Handlers for everything a view may raise."""

    @app.errorhandler(CSRFError)
    def csrf(_: CSRFError) -> ResponseReturnValue:
        return answer(
            400, gettext("This page is out of date. Load it again and repeat what you did.")
        )

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> ResponseReturnValue:
        return answer(error.code or 500, _what_is_wrong(error))

    @app.errorhandler(ClinicError)
    def clinic(error: ClinicError) -> ResponseReturnValue:
        return answer(400, str(error))

    @app.errorhandler(ExportError)
    def export(error: ExportError) -> ResponseReturnValue:
        return answer(400, str(error))

    @app.errorhandler(StoreError)
    def store(error: StoreError) -> ResponseReturnValue:
        logger.error("store error: %s", error)
        return answer(503)

    @app.errorhandler(Exception)
    def unexpected(_: Exception) -> ResponseReturnValue:
        logger.exception("unexpected error in %s", request.endpoint)
        return answer(500)
