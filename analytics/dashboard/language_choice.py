"""The language that a reader chooses at the foot of a page."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from flask import Blueprint, redirect, request
from flask.typing import ResponseReturnValue

from analytics.dashboard.access import Permission, requires
from analytics.dashboard.language import COOKIE, LANGUAGES

blueprint = Blueprint("language", __name__)

COOKIE_S: Final = 365 * 86_400


@blueprint.post("/language")
@requires(Permission.PUBLIC)
def choose() -> ResponseReturnValue:
    """Keep the language of the form on this device, and go back to where it was chosen."""
    answer = redirect(_back(), 303)
    wanted = request.form.get("language", "")
    if wanted in LANGUAGES:
        secure = request.is_secure
        answer.set_cookie(
            COOKIE, wanted, max_age=COOKIE_S, secure=secure, httponly=True, samesite="Lax"
        )
    return answer


def _back() -> str:
    """The path of the page that was left, if it is one of this server."""
    left = urlsplit(request.referrer or "")
    if left.netloc != request.host or not left.path.startswith("/") or left.path[1:2] in "/\\":
        return "/"
    return left.path + (f"?{left.query}" if left.query else "")
