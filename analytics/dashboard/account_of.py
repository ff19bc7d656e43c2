"""Whose request this is: by the session of a browser or by the token of a program."""

from __future__ import annotations

from typing import Final

from flask import Request, current_app, request
from flask_login import LoginManager, UserMixin

from analytics.accounts import sessions, tokens
from analytics.dashboard.access import clinic, keeps_alive, readings
from analytics.store.records import ApiToken, Role, User

login_manager = LoginManager()
BEARER: Final = "bearer"


class Account(UserMixin):
    """Who asks. `session` is the secret of a browser's session, `token` what a program showed."""

    def __init__(
        self, user: User, *, session: str | None = None, token: ApiToken | None = None
    ) -> None:
        self.user = user
        self.session = session
        self.token = token

    @property
    def name(self) -> str:
        return self.user.name

    @property
    def role(self) -> Role:
        return self.user.role

    @property
    def wearer(self) -> str | None:
        return self.user.wearer

    def get_id(self) -> str | None:
        """What flask-login keeps in the signed cookie."""
        return self.session


@login_manager.user_loader
def load_session(secret: str) -> Account | None:
    """The account of a session; a request that shows a token as well is the token's."""
    if "Authorization" in request.headers:
        return None
    used = keeps_alive(current_app, request.endpoint)
    user = sessions.user_of(clinic(), secret, readings().clock_ns(), used=used)
    return None if user is None else Account(user, session=secret)


@login_manager.request_loader
def load_token(asked: Request) -> Account | None:
    """The account of a token."""
    shown = asked.authorization
    if shown is None or shown.type != BEARER or not shown.token:
        return None
    found = tokens.holder_of(clinic(), shown.token, readings().clock_ns())
    return None if found is None else Account(found[0], token=found[1])


def device_of(asked: Request) -> str:
    """What a browser says of itself, coarsely: "Firefox, Android"."""
    said = asked.user_agent.string
    browsers = {"Edg": "Edge", "Firefox": "Firefox", "Chrome": "Chrome", "Safari": "Safari"}
    systems = {
        "Android": "Android",
        "iPhone": "iPhone",
        "iPad": "iPad",
        "Windows": "Windows",
        "Macintosh": "Mac",
        "Linux": "Linux",
    }
    found = [
        next((word for mark, word in words.items() if mark in said), "")
        for words in (browsers, systems)
    ]
    return ", ".join(filter(None, found)) or "?"
