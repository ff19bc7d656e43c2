"""Log-in with the account of an identity provider (OpenID Connect), where one is configured.

Somebody who is logged in links the own account; nothing the provider says of names or addresses
makes a log-in or gives a right.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.flask_client import OAuth
from flask import (
    Blueprint,
    Flask,
    abort,
    current_app,
    flash,
    redirect,
    render_template,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_login import current_user
from joserfc.errors import JoseError
from requests import RequestException

from analytics.accounts.sessions import MINUTE_NS
from analytics.dashboard.access import Permission, clinic, readings, requires
from analytics.dashboard.account import refused
from analytics.dashboard.auth import BY_ADDRESS, failed, limiter, proceed
from analytics.dashboard.language import gettext
from analytics.store.records import ClinicError

logger = logging.getLogger(__name__)
blueprint = Blueprint("provider", __name__)
LINK_NS: Final = 10 * MINUTE_NS
"""Between the password and the answer of the provider."""
TIMEOUT_S: Final = 10.0
_LINKING: Final = "linking"


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """An OpenID Connect provider at which this server is registered as a client."""

    name: str
    """as people know it"""
    issuer: str
    """URL; its metadata are at <issuer>/.well-known/openid-configuration"""
    client_id: str
    client_secret: str = field(repr=False)

    def check(self) -> None:
        """ValueError unless what is sent there is sent over TLS, or stays on this machine."""
        parts = urlsplit(self.issuer)
        is_here = parts.hostname in {"127.0.0.1", "::1", "localhost"}
        if parts.scheme != "https" and not (parts.scheme == "http" and is_here):
            raise ValueError(f"the identity provider {self.issuer!r} must be an https address")


def register(app: Flask, provider: IdentityProvider | None) -> None:
    """Let people log in there; without a provider the routes answer 404."""
    app.register_blueprint(blueprint)
    if provider is None:
        return
    provider.check()
    clients = OAuth(app)
    clients.register(
        "provider",
        client_id=provider.client_id,
        client_secret=provider.client_secret,
        server_metadata_url=f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration",
        client_kwargs={
            "scope": "openid",
            "code_challenge_method": "S256",
            "default_timeout": TIMEOUT_S,
        },
    )
    app.extensions["identity_provider"] = provider
    app.extensions["identity_clients"] = clients


@blueprint.get("/login/provider")
@requires(Permission.PUBLIC)
def start() -> ResponseReturnValue:
    """To the provider's own log-in."""
    answer: ResponseReturnValue
    try:
        answer = _client().authorize_redirect(url_for("provider.back", _external=True))
    except (AuthlibBaseError, RequestException, RuntimeError, ValueError):
        logger.exception("the identity provider does not answer")
        return _refuse(
            gettext("%(name)s does not answer. Log in with your password.", name=_name())
        )
    return answer


@blueprint.get("/login/provider/back")
@requires(Permission.PUBLIC)
@limiter.limit(BY_ADDRESS, deduct_when=failed)
def back() -> ResponseReturnValue:
    """The provider's answer: whose account it is."""
    client = _client()
    try:
        # Compares state, nonce, signature, issuer, audience and times.
        claims = client.authorize_access_token()["userinfo"]
        issuer, subject = str(claims["iss"]), str(claims["sub"])
    except (AuthlibBaseError, JoseError, RequestException, KeyError, RuntimeError, ValueError):
        logger.info("an answer of the identity provider was refused", exc_info=True)
        return _refuse(gettext("That did not work. Try again, or log in with your password."))
    linking = session.pop(_LINKING, None)
    if linking and current_user.is_authenticated and linking["name"] == current_user.name:
        return _link(issuer, subject, linking["ends_ns"])
    user = clinic().user_of_identity(issuer, subject)
    if user is None:
        text = gettext("Log in with your password first and link %(name)s there.", name=_name())
        return _refuse(text)
    return proceed(user, url_for("auth.home"))


@blueprint.post("/account/provider")
@requires(Permission.LOGGED_IN)
def link() -> ResponseReturnValue:
    """Link the own account there; the answer is a page because a form may not lead elsewhere."""
    _client()
    if answer := refused():
        return answer
    ends_ns = readings().clock_ns() + LINK_NS
    session[_LINKING] = {"name": current_user.name, "ends_ns": ends_ns}
    return render_template("account_provider.html", provider=_name())


@blueprint.post("/account/provider/unlink")
@requires(Permission.LOGGED_IN)
def unlink() -> ResponseReturnValue:
    """From now on only the password lets in."""
    if answer := refused():
        return answer
    if clinic().unlink_identities(current_user.name):
        clinic().audit(current_user.name, "provider unlinked", current_user.wearer)
    return redirect(url_for("account.show"), 303)


def _link(issuer: str, subject: str, ends_ns: int) -> ResponseReturnValue:
    if readings().clock_ns() >= ends_ns:
        return _refuse(gettext("That took too long. Try again."))
    try:
        with clinic().transaction():
            clinic().link_identity(issuer, subject, current_user.name)
            clinic().audit(current_user.name, "provider linked", current_user.wearer)
    except ClinicError as error:
        return _refuse(str(error))
    flash(gettext("From now on you can log in with %(name)s.", name=_name()))
    return redirect(url_for("account.show"), 303)


def _client() -> Any:
    clients = current_app.extensions.get("identity_clients")
    if clients is None:
        abort(404)
    return clients.provider


def _name() -> str:
    provider: IdentityProvider = current_app.extensions["identity_provider"]
    return provider.name


def _refuse(text: str) -> ResponseReturnValue:
    return render_template("error.html", title=gettext("Not logged in"), text=text), 403
