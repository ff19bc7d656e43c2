"""The own account: password, devices, second factor, tokens."""

from __future__ import annotations

import re

import pyotp
import pytest
from flask.testing import FlaskClient

from analytics.accounts import second_factor
from analytics.accounts.sessions import DAY_NS, MINUTE_NS
from tests.analytics.dashboard.synthetic import PASSWORD, Site

NEW = "another horse, same battery"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def change(client: FlaskClient, **form: str) -> tuple[int, str]:
    given = {"password": PASSWORD, "new": NEW, "again": NEW} | form
    answer = client.post("/account/password", data=given)
    return answer.status_code, answer.text


def test_a_new_password_ends_all_other_sessions(site: Site) -> None:
    here, there = site.client("anna-login"), site.client("anna-login")
    with here.session_transaction() as session:
        before = session["_user_id"]
    assert change(here)[0] == 303
    with here.session_transaction() as session:
        assert session["_user_id"] != before
    assert "Your password is changed" in here.get("/account").text
    assert there.get("/me").status_code == 302
    log_in = {"name": "anna-login", "password": NEW}
    assert site.client().post("/login", data=log_in).status_code == 303


@pytest.mark.parametrize(
    ("form", "status", "words"),
    [
        ({"password": "wrong"}, 403, "present password"),
        ({"again": "something else 123"}, 400, "not the same twice"),
        ({"new": "short", "again": "short"}, 400, "use 12 to 1024"),
        ({"new": "aaaaaaaaaaaaaaaa", "again": "aaaaaaaaaaaaaaaa"}, 400, "repeats itself"),
        ({"new": "my anna-LOGIN 2026", "again": "my anna-LOGIN 2026"}, 400, "contains the name"),
    ],
)
def test_a_password_that_does_not_do(
    site: Site, form: dict[str, str], status: int, words: str
) -> None:
    client = site.client("anna-login")
    found, text = change(client, **form)
    assert found == status
    assert words in text
    assert site.client("anna-login").get("/me").status_code == 200


def test_devices_and_log_out_everywhere(site: Site) -> None:
    phone = site.app.test_client()
    phone.post(
        "/login",
        data={"name": "anna-login", "password": PASSWORD},
        headers={"User-Agent": "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Firefox/140.0"},
    )
    desk = site.client("anna-login")
    page = desk.get("/account").text
    assert "Firefox, Android" in page
    assert desk.post("/account/sessions/end").location == "/login"
    assert phone.get("/me").status_code == 302
    assert desk.get("/me").status_code == 302


def code_at(site: Site, secret: str, steps: int = 0) -> str:
    return pyotp.TOTP(secret).generate_otp(site.clock.now_ns // second_factor.STEP_NS + steps)


def with_factor(site: Site) -> tuple[str, list[str]]:
    """Switch dr-lee's factor on; the shared secret and the recovery codes."""
    client = site.client("dr-lee")
    page = client.post("/account/second-factor", data={"password": PASSWORD})
    assert page.status_code == 200
    assert 'src="data:image/svg+xml' in page.text
    found = re.search(r"<code>([A-Z2-7 ]+)</code>", page.text)
    assert found
    secret = found[1].replace(" ", "")
    wrong = client.post("/account/second-factor/confirm", data={"code": "000000"})
    assert wrong.status_code == 400
    done = client.post("/account/second-factor/confirm", data={"code": code_at(site, secret)})
    codes = re.findall(r"<code>([A-Z2-7-]{19})</code>", done.text)
    assert len(codes) == second_factor.RECOVERY_CODES
    return secret, codes


def test_log_in_with_a_second_factor(site: Site) -> None:
    secret, codes = with_factor(site)
    used = code_at(site, secret)
    site.clock.now_ns += MINUTE_NS
    client = site.client("dr-lee")
    assert client.get("/wearers").status_code == 302, "the password alone opens nothing"
    assert client.post("/login/code", data={"code": used}).status_code == 401
    fresh = code_at(site, secret)
    assert client.post("/login/code", data={"code": fresh}).status_code == 303
    assert client.get("/wearers").status_code == 200
    again = site.client("dr-lee")
    assert again.post("/login/code", data={"code": fresh}).status_code == 401, "good once"
    assert again.post("/login/code", data={"code": codes[0].lower()}).status_code == 303
    last = site.client("dr-lee")
    assert last.post("/login/code", data={"code": codes[0]}).status_code == 401
    assert "recovery code used" in {e.action for e in site.clinic.audit_entries()}


def test_codes_cannot_be_guessed(site: Site) -> None:
    with_factor(site)
    client = site.client("dr-lee")
    found = [
        client.post(
            "/login/code",
            data={"code": f"{n:06d}"},
            environ_base={"REMOTE_ADDR": f"192.0.2.{n}"},
        ).status_code
        for n in range(7)
    ]
    assert found == [401] * 5 + [429] * 2


def test_the_code_must_follow_soon(site: Site) -> None:
    secret, _ = with_factor(site)
    client = site.client("dr-lee")
    site.clock.now_ns += 6 * MINUTE_NS
    assert client.post("/login/code", data={"code": code_at(site, secret)}).location == "/login"


def test_nothing_is_shown_of_a_secret_without_the_password(site: Site) -> None:
    client = site.client("dr-lee")
    confirm = "/account/second-factor/confirm"
    assert client.post(confirm, data={"code": "000000"}).location == "/account"
    client.post("/account/second-factor", data={"password": PASSWORD})
    assert client.post(confirm, data={"code": "000000"}).status_code == 400
    other = site.client("dr-lee")
    assert other.post(confirm, data={"code": "000000"}).location == "/account"
    site.clock.now_ns += 11 * MINUTE_NS
    assert client.post(confirm, data={"code": "000000"}).location == "/account"


def test_the_factor_goes_with_the_password_only(site: Site) -> None:
    secret, _ = with_factor(site)
    site.clock.now_ns += MINUTE_NS
    client = site.client("dr-lee")
    client.post("/login/code", data={"code": code_at(site, secret)})
    assert client.post("/account/second-factor/off", data={"password": "x"}).status_code == 403
    assert client.post("/account/second-factor", data={"password": PASSWORD}).status_code == 400
    off = client.post("/account/second-factor/off", data={"password": PASSWORD})
    assert off.status_code == 303
    assert site.client("dr-lee").get("/wearers").status_code == 200


def token_of(site: Site, name: str, *scopes: str, days: str = "30") -> str:
    page = site.client(name).post(
        "/account/tokens",
        data={"password": PASSWORD, "name": "notebook", "scope": list(scopes), "days": days},
    )
    found = re.search(r'<code id="token">([\w-]+)</code>', page.text)
    assert found, page.text
    return found[1]


def test_a_token_reads_what_its_user_may_see(site: Site) -> None:
    token = token_of(site, "dr-lee", "read")
    client = site.client()
    assert client.get("/api/v1/me", headers=bearer(token)).json == {
        "name": "dr-lee",
        "role": "clinician",
        "wearer": None,
    }
    assert client.get("/api/v1/wearers/anna/limits", headers=bearer(token)).status_code == 200
    assert client.get("/api/v1/wearers/ben/limits", headers=bearer(token)).status_code == 403
    assert site.clinic.audit_entries("anna")[0].detail == "limits, token 1"
    assert token.encode() not in b"".join(
        path.read_bytes() for path in site.clinic.folder.iterdir()
    )


def test_a_token_counts_and_not_the_cookie_beside_it(site: Site) -> None:
    token = token_of(site, "dr-lee", "read")
    client = site.client("anna-login")
    assert client.get("/api/v1/me", headers=bearer(token)).json["name"] == "dr-lee"
    assert client.get("/api/v1/me", headers=bearer("trunkline_x")).status_code == 401
    assert client.get("/api/v1/me", headers={"Authorization": "Basic YTpi"}).status_code == 401


def test_tokens_end(site: Site) -> None:
    token = token_of(site, "dr-lee", "read", days="2")
    client = site.client("dr-lee")
    other = token_of(site, "dr-lee", "read")
    assert "2 days left" in client.get("/account").text
    assert site.client("anna-login").post("/account/tokens/2/revoke").status_code == 400
    assert client.post("/account/tokens/2/revoke").status_code == 303
    assert site.client().get("/api/v1/me", headers=bearer(other)).status_code == 401
    site.clock.now_ns += 2 * DAY_NS
    assert site.client().get("/api/v1/me", headers=bearer(token)).status_code == 401
    site.clinic.remove_user("dr-lee")
    assert site.clinic.tokens("dr-lee") == []


@pytest.mark.parametrize(
    "form",
    [
        {"scope": []},
        {"scope": ["read", "write"]},
        {"days": "0"},
        {"days": "367"},
        {"days": "²"},
        {"name": ""},
        {"name": "x" * 61},
    ],
)
def test_tokens_that_cannot_be(site: Site, form: dict[str, object]) -> None:
    good = {"password": PASSWORD, "name": "n", "scope": ["read"], "days": "1"}
    assert site.client("dr-lee").post("/account/tokens", data=good | form).status_code == 400
    assert site.clinic.tokens("dr-lee") == []
