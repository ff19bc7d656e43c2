"""Log-in through an identity provider: a small one of our own that also lies."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import RSAKey
from werkzeug.test import TestResponse

from analytics.dashboard.app import close_app, create_app
from analytics.dashboard.provider import IdentityProvider
from tests.analytics.dashboard.synthetic import PASSWORD, Site
from tests.servers import PATIENCE_S

CLIENT = "trunkline-test"
KEY = RSAKey.generate_key(2048, parameters={"kid": "1"})
OTHER_KEY = RSAKey.generate_key(2048, parameters={"kid": "1"})


@dataclass
class Provider:
    """Says what a test tells it to."""

    address: str = ""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    claims: dict[str, object] = field(default_factory=dict)
    """in place of the right ones"""
    key: RSAKey = field(default_factory=lambda: KEY)

    def token(self, form: dict[str, list[str]]) -> dict[str, object]:
        asked = self.codes.pop(form["code"][0])
        digest = hashlib.sha256(form["code_verifier"][0].encode()).digest()
        assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == asked["challenge"]
        now_s = int(time.time())
        claims = {
            "iss": self.address,
            "sub": asked["subject"],
            "aud": CLIENT,
            "iat": now_s,
            "exp": now_s + 60,
            "nonce": asked["nonce"],
        }
        signed = jwt.encode({"alg": "RS256", "kid": "1"}, claims | self.claims, self.key)
        return {"access_token": "a", "token_type": "Bearer", "id_token": signed, "expires_in": 60}


@pytest.fixture
def provider() -> Iterator[Provider]:
    found = Provider()

    class Handler(BaseHTTPRequestHandler):
        def answer(self, content: object) -> None:
            body = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            if self.path == "/jwks":
                self.answer({"keys": [KEY.as_dict(private=False)]})
                return
            self.answer(
                {
                    "issuer": found.address,
                    "authorization_endpoint": f"{found.address}/authorize",
                    "token_endpoint": f"{found.address}/token",
                    "jwks_uri": f"{found.address}/jwks",
                    "id_token_signing_alg_values_supported": ["RS256"],
                }
            )

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            self.answer(found.token(parse_qs(self.rfile.read(length).decode())))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join(PATIENCE_S)


@pytest.fixture
def open_site(site: Site, provider: Provider) -> Iterator[Site]:
    """The site, with the provider configured."""
    app = create_app(
        site.store,
        site.clinic,
        secret_key="0" * 32,
        secure_cookies=False,
        clock_ns=site.clock,
        provider=IdentityProvider("Clinic account", provider.address, CLIENT, "secret"),
    )
    app.config.update(TESTING=True, WTF_CSRF_ENABLED=False)
    yield Site(site.store, site.clinic, app, site.clock)
    close_app(app)


def visit(client: FlaskClient, provider: Provider, subject: str, **changed: str) -> TestResponse:
    """What a browser does: to the provider, which lets `subject` in, and back."""
    away = client.get("/login/provider")
    assert away.status_code == 302
    asked = parse_qs(urlsplit(away.location).query)
    assert asked["response_type"] == ["code"]
    assert asked["code_challenge_method"] == ["S256"]
    provider.codes["c"] = {
        "subject": subject,
        "nonce": asked["nonce"][0],
        "challenge": asked["code_challenge"][0],
    }
    query = {"code": "c", "state": asked["state"][0]} | changed
    return client.get("/login/provider/back", query_string=query)


def linked(site: Site, provider: Provider, subject: str = "s-1") -> None:
    client = site.client("dr-lee")
    page = client.post("/account/provider", data={"password": PASSWORD})
    assert "/login/provider" in page.text
    assert visit(client, provider, subject).location == "/account"


def test_link_and_log_in(open_site: Site, provider: Provider) -> None:
    assert "Clinic account" in open_site.client().get("/login").text
    linked(open_site, provider)
    client = open_site.client()
    assert visit(client, provider, "s-1").location == "/"
    assert client.get("/wearers").status_code == 200
    assert client.get("/api/v1/me").json["name"] == "dr-lee"
    actions = [entry.action for entry in open_site.clinic.audit_entries()]
    assert "provider linked" in actions
    assert client.post("/account/provider/unlink", data={"password": PASSWORD}).status_code == 303
    assert visit(open_site.client(), provider, "s-1").status_code == 403


def test_who_is_not_linked_stays_out(open_site: Site, provider: Provider) -> None:
    for claims in ({}, {"preferred_username": "dr-lee", "email": "dr-lee@clinic.test"}):
        provider.claims = claims
        client = open_site.client()
        assert visit(client, provider, "stranger").status_code == 403
        assert client.get("/wearers").status_code == 302


def test_linking_needs_the_password_and_a_free_account(open_site: Site, provider: Provider) -> None:
    linked(open_site, provider)
    other = open_site.client("dr-kim")
    assert other.post("/account/provider", data={"password": "x"}).status_code == 403
    assert visit(other, provider, "s-2").status_code == 403, "nothing was to be linked"
    other.post("/account/provider", data={"password": PASSWORD})
    refused = visit(other, provider, "s-1")
    assert refused.status_code == 403
    assert "belongs to another log-in" in refused.text


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"aud": "another client"},
        {"iss": "https://evil.example"},
        {"exp": 1_000_000_000},
        {"sub": None},
    ],
)
def test_lies_are_refused(open_site: Site, provider: Provider, claims: dict[str, object]) -> None:
    linked(open_site, provider)
    provider.claims = claims
    client = open_site.client()
    assert visit(client, provider, "s-1").status_code == 403
    assert client.get("/wearers").status_code == 302


def test_a_foreign_key_or_state_is_refused(open_site: Site, provider: Provider) -> None:
    linked(open_site, provider)
    assert visit(open_site.client(), provider, "s-1", state="another").status_code == 403
    provider.key = OTHER_KEY
    assert visit(open_site.client(), provider, "s-1").status_code == 403


def test_a_second_factor_is_asked_for_still(
    open_site: Site, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    linked(open_site, provider)
    monkeypatch.setattr("analytics.accounts.second_factor.is_on", lambda *_: True)
    client = open_site.client()
    assert visit(client, provider, "s-1").location == "/login/code"
    assert client.get("/wearers").status_code == 302


def test_a_provider_that_does_not_answer(site: Site) -> None:
    app = create_app(
        site.store,
        site.clinic,
        secret_key="0" * 32,
        secure_cookies=False,
        provider=IdentityProvider("Clinic account", "http://127.0.0.1:9", CLIENT, "secret"),
    )
    answer = app.test_client().get("/login/provider")
    assert answer.status_code == 403
    assert "does not answer" in answer.text
    close_app(app)


def test_without_a_provider_there_is_none(site: Site) -> None:
    client = site.client("dr-lee")
    assert client.get("/login/provider").status_code == 404
    assert client.get("/login/provider/back").status_code == 404
    assert client.post("/account/provider", data={"password": PASSWORD}).status_code == 404


@pytest.mark.parametrize("issuer", ["http://clinic.example", "ftp://127.0.0.1", "clinic.example"])
def test_secrets_travel_over_tls(issuer: str) -> None:
    with pytest.raises(ValueError, match="https"):
        IdentityProvider("x", issuer, "c", "s").check()
