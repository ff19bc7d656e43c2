"""Log-in, log-out, sessions, limits, CSRF."""

from __future__ import annotations

import re

import pytest
from argon2 import PasswordHasher
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from analytics.accounts import passwords
from analytics.dashboard.app import create_app
from analytics.exposure.days import NS_PER_S
from tests.analytics.dashboard.synthetic import PASSWORD, Site

HOUR_NS = 3_600_000_000_000


def log_in(
    client: FlaskClient, name: str = "anna-login", password: str = PASSWORD, onward: str = ""
) -> TestResponse:
    return client.post(
        "/login", data={"name": name, "password": password}, query_string={"next": onward}
    )


def test_everybody_lands_on_the_own_page(site: Site) -> None:
    for name, page in (("anna-login", "/me"), ("dr-lee", "/wearers")):
        client = site.client()
        assert log_in(client, name).location == "/"
        assert client.get("/").location == page
        assert client.get("/login").location == "/"


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("anna-login", "wrong"),
        ("nobody", PASSWORD),
        ("anna-login", ""),
        ("", ""),
        ("anna-login", "x" * 2000),
    ],
)
def test_all_failures_look_alike(site: Site, name: str, password: str) -> None:
    client = site.client()
    answer = log_in(client, name, password)
    assert answer.status_code == 401
    assert "Name and password do not fit together." in answer.text
    assert client.get("/me").status_code == 302


def test_an_unknown_user_costs_a_verification_too(monkeypatch: pytest.MonkeyPatch) -> None:
    verified = []

    class Spy(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> bool:
            verified.append(hash)
            return super().verify(hash, password)

    monkeypatch.setattr(passwords, "_HASHER", Spy())
    assert not passwords.verify(None, "a password that no user has")
    (decoy,) = verified
    assert decoy.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_a_broken_hash_refuses() -> None:
    assert not passwords.verify("not a hash", PASSWORD)


@pytest.mark.parametrize(
    "target",
    [
        "//evil.test",
        "/\\evil.test",
        "https://evil.test",
        "/\t/evil.test",
        "javascript:alert(1)",
        "",
    ],
)
def test_log_in_leads_nowhere_else(site: Site, target: str) -> None:
    assert log_in(site.client(), onward=target).location == "/"


def test_log_in_leads_to_the_page_that_was_wanted(site: Site) -> None:
    client = site.client()
    asked = client.get("/wearers/anna/2026-06-09")
    assert asked.location == "/login?next=/wearers/anna/2026-06-09"
    assert log_in(client, "dr-lee", onward="/wearers/anna/2026-06-09").location == (
        "/wearers/anna/2026-06-09"
    )


def test_failures_are_limited_and_successes_are_not(site: Site) -> None:
    for _ in range(8):
        assert log_in(site.client()).status_code == 303
    for _ in range(5):
        assert log_in(site.client(), password="guess").status_code == 401
    refused = log_in(site.client())
    assert refused.status_code == 429
    assert "Too many attempts" in refused.text
    assert site.client().get("/login").status_code == 200


def test_one_account_is_limited_from_many_addresses(site: Site) -> None:
    def guess(n: int, name: str, password: str = "guess") -> int:
        client = site.app.test_client()
        return client.post(
            "/login",
            data={"name": name, "password": password},
            environ_base={"REMOTE_ADDR": f"192.0.2.{n}"},
        ).status_code

    assert [guess(n, "anna-login") for n in range(7)] == [401] * 5 + [429] * 2
    assert guess(8, "dr-lee") == 401
    assert guess(9, "anna-login", PASSWORD) == 429
    site.clock.now_ns += 30 * NS_PER_S
    assert guess(10, "anna-login") == 401
    site.clock.now_ns += 30 * NS_PER_S
    assert guess(11, "anna-login", PASSWORD) == 429
    site.clock.now_ns += 30 * NS_PER_S
    assert guess(12, "anna-login", PASSWORD) == 303
    assert [guess(n, "anna-login") for n in range(20, 26)] == [401] * 5 + [429]


def test_sessions_end_when_they_are_old_or_idle(site: Site) -> None:
    patient, staff = site.client("anna-login"), site.client("dr-lee")
    for _ in range(24):
        site.clock.now_ns += HOUR_NS // 2 - NS_PER_S
        assert staff.get("/wearers").status_code == 200
    site.clock.now_ns += 60 * NS_PER_S
    assert staff.get("/wearers").status_code == 302, "older than twelve hours"
    assert patient.get("/me").status_code == 200
    staff = site.client("dr-lee")
    for _ in range(3):
        site.clock.now_ns += HOUR_NS // 4
        staff.get("/api/v1/now")
    assert staff.get("/wearers").status_code == 302, "what a page asks by itself is no person"
    site.clock.now_ns += 15 * 24 * HOUR_NS
    assert patient.get("/me").status_code == 302


def test_log_in_gives_a_new_secret_and_ends_the_old_session(site: Site) -> None:
    client = site.client("anna-login")
    with client.session_transaction() as session:
        before = session["_user_id"]
    log_in(client)
    with client.session_transaction() as session:
        assert session["_user_id"] != before
        session["_user_id"] = before
    assert client.get("/me").status_code == 302
    assert len(site.clinic.sessions("anna-login")) == 1


def test_a_stolen_cookie_is_worth_nothing_after_log_out(site: Site) -> None:
    client = site.client("anna-login")
    with client.session_transaction() as session:
        stolen = dict(session)
    client.post("/logout")
    thief = site.client()
    with thief.session_transaction() as session:
        session.update(stolen)
    assert thief.get("/me").status_code == 302


def test_a_new_password_ends_every_session(site: Site) -> None:
    client = site.client("anna-login")
    site.clinic.set_password("anna-login", PasswordHasher(1, 8, 1).hash("new"))
    assert client.get("/me").status_code == 302


def test_a_removed_user_is_out(site: Site) -> None:
    client = site.client("dr-lee")
    site.clinic.remove_user("dr-lee")
    assert client.get("/wearers").status_code == 302


def test_log_out(site: Site) -> None:
    client = site.client("anna-login")
    assert client.post("/logout").location == "/login"
    assert client.get("/me").status_code == 302
    assert client.get("/logout").status_code == 405
    actions = [entry.action for entry in site.clinic.audit_entries("anna")]
    assert actions == ["logout", "login"]


def test_cookie_flags(site: Site) -> None:
    cookie = log_in(site.client()).headers["Set-Cookie"]
    assert cookie.startswith("trunkline=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    app = create_app(
        site.store, site.clinic, secret_key="k" * 32, secure_cookies=True, clock_ns=site.clock
    )
    app.config["WTF_CSRF_ENABLED"] = False
    answer = app.test_client().post(
        "/login", data={"name": "dr-lee", "password": PASSWORD}, base_url="https://clinic.test"
    )
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-trunkline=")
    assert "Secure" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_forms_need_their_token(site: Site) -> None:
    client = site.client("anna-login")
    site.app.config["WTF_CSRF_ENABLED"] = True
    form = {"what": "pain.groin", "severity": "3"}
    assert client.post("/me/diary", data=form).status_code == 400
    said = {"symptom": "pain", "severity": 3}
    assert client.post("/api/v1/me/diary", json=said).json == {
        "error": "This page is out of date. Load it again and repeat what you did."
    }
    assert client.post("/logout").status_code == 400
    found = re.search(r'name="csrf-token" content="([^"]+)"', client.get("/me").text)
    assert found
    headers = {"X-CSRFToken": found[1]}
    assert client.post("/api/v1/me/diary", json=said, headers=headers).status_code == 201
