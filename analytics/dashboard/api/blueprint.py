"""The blueprint of the API, its OpenAPI document, and ETags of everything that is read."""

from __future__ import annotations

from typing import Any, Final

import marshmallow as ma
from flask import Flask, Response, jsonify, request
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_smorest import Api, Blueprint

from analytics.dashboard.access import Permission, requires, view_log
from analytics.dashboard.api.fields import Instant

PREFIX: Final = "/api/v1"
VERSION: Final = "1"
PAGE_SIZE: Final = 100
MAX_PAGE_SIZE: Final = 1000

blueprint = Blueprint(
    "api", __name__, url_prefix=PREFIX, description="Wearers, exposure, samples, diary, records"
)
blueprint.DEFAULT_PAGINATION_PARAMETERS = {
    "page": 1,
    "page_size": PAGE_SIZE,
    "max_page_size": MAX_PAGE_SIZE,
}

DESCRIPTION: Final = """Times are ISO 8601 in UTC with nanoseconds. Missing is null and never zero.
Long lists come in pages: the header X-Pagination tells of how many. An answer to GET carries an
ETag; sent back in If-None-Match it gives 304 while nothing changed, and where If-Match is asked for
a change is refused (412) when somebody else was faster. Programs send
`Authorization: Bearer <token>`."""


class ErrorSchema(ma.Schema):
    """The one shape of an error."""

    error = ma.fields.String(required=True, metadata={"description": "what happened, what to do"})


class _Api(Api):
    """Errors are the business of analytics.dashboard.errors, for pages and API alike."""

    ERROR_SCHEMA = ErrorSchema

    def _register_error_handlers(self) -> None:
        pass


def install(app: Flask) -> None:
    """Put the API on the app; the document is at PREFIX/openapi.json."""
    api = _Api(
        app,
        spec_kwargs={
            "title": "Trunkline",
            "version": VERSION,
            "openapi_version": "3.0.3",
            "info": {"description": DESCRIPTION},
            "security": [{"token": []}, {"session": []}],
        },
    )
    api.register_field(Instant, "string", "date-time")
    api.spec.components.security_scheme("token", {"type": "http", "scheme": "bearer"})
    api.spec.components.security_scheme(
        "session", {"type": "apiKey", "in": "cookie", "name": app.config["SESSION_COOKIE_NAME"]}
    )
    api.register_blueprint(blueprint)
    document = api.spec.to_dict()

    @app.get(f"{PREFIX}/openapi.json", endpoint="openapi")
    @requires(Permission.PUBLIC)
    def openapi() -> ResponseReturnValue:
        """The OpenAPI document of this very interface."""
        return jsonify(document)


@blueprint.after_request
def tag(response: Response) -> Response:
    """An ETag made of the content, and 304 where the caller has it already."""
    if request.method == "GET" and response.status_code == 200 and not response.is_streamed:
        response.add_etag()
        response.make_conditional(request)
    return response


def seen(wearer: str, detail: str) -> None:
    """Put on record that the caller was shown this of a wearer."""
    view_log().page(current_user.name, [wearer], detail + by_token())


def by_token() -> str:
    """Which token asks, for the audit; empty for a person."""
    return "" if current_user.token is None else f", token {current_user.token.id}"


def page_of(items: list[Any], pages: Any) -> list[Any]:
    """The part of a list that the caller asked for; the total goes into the header."""
    pages.item_count = len(items)
    part: list[Any] = items[pages.first_item : pages.last_item + 1]
    return part
