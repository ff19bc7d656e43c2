"""Deny by default: every route of the URL map, asked by those who must not have it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.routing import Rule

from analytics.accounts import tokens
from analytics.dashboard import report
from analytics.dashboard.access import Permission, permission_of, scope_of
from analytics.dashboard.api import PREFIX
from analytics.limits import tag_of
from analytics.store.records import Role
from tests.analytics.dashboard.synthetic import Site

VALUES = {
    "entry_id": 1,
    "on": "2026-06-10",
    "filename": "style.css",
    "sensor": "back",
    "kind": "movement",
    "token_id": 1,
    "secret": "x",
    "job": "nobodys",
    "cohort": 1,
}
RANGES = {
    "dates": "from=2026-06-09&to=2026-06-10",
    "span": "from=2026-06-09T00:00:00Z&to=2026-06-10T00:00:00Z",
}


@pytest.fixture(autouse=True)
def paper(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser that prints is tried elsewhere; here it would print for everybody."""
    monkeypatch.setattr(report, "browser", lambda: "a browser")
    monkeypatch.setattr(report, "printed", lambda *_: b"%PDF")


def rules(app: Flask) -> list[tuple[Rule, str]]:
    return [
        (rule, method)
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


def address(app: Flask, rule: Rule, wearer: str) -> str:
    values = {name: VALUES.get(name, wearer) for name in rule.arguments}
    with app.test_request_context():
        return str(app.url_for(rule.endpoint, **values))


def test_every_endpoint_says_what_it_requires(site: Site) -> None:
    marks = {r.endpoint: permission_of(site.app, r.endpoint) for r, _ in rules(site.app)}
    assert None not in marks.values()
    public = {name for name, mark in marks.items() if mark is Permission.PUBLIC}
    log_in = {"auth.login", "auth.code", "invitations.accept", "language.choose"}
    log_in |= {"provider.start", "provider.back"}
    open_to_all = {"assets.service_worker", "assets.offline", "health", "openapi"}
    assert public == {"static", *log_in, *open_to_all}


def test_every_route_about_a_wearer_checks_the_wearer(site: Site) -> None:
    for rule, _ in rules(site.app):
        mark = permission_of(site.app, rule.endpoint)
        about_one = mark in {Permission.WEARER, Permission.CLINICIAN}
        assert ("wearer" in rule.arguments) == about_one, rule


def test_anonymous_is_refused_everywhere(site: Site) -> None:
    client = site.client()
    for rule, method in rules(site.app):
        if permission_of(site.app, rule.endpoint) is Permission.PUBLIC:
            continue
        answer = client.open(address(site.app, rule, "anna"), method=method)
        if rule.rule.startswith("/api/"):
            assert answer.status_code == 401, rule
            assert answer.json == {"error": "log in first"}
        else:
            assert answer.status_code == 302, rule
            assert answer.location.startswith("/login")


USERS = {
    "anna-login": Role.PATIENT,
    "ben-login": Role.PATIENT,
    "dr-lee": Role.CLINICIAN,
    "dr-kim": Role.CLINICIAN,
    "lea": Role.RESEARCHER,
    "root": Role.ADMIN,
}
SEES = {"anna-login": "anna", "ben-login": "ben", "dr-lee": "anna", "lea": "anna"}
"""The clinic of conftest: who may see which of the two wearers."""
OPEN_TO = {
    Permission.LOGGED_IN: set(Role),
    Permission.PATIENT: {Role.PATIENT},
    Permission.STAFF: {Role.CLINICIAN, Role.RESEARCHER, Role.ADMIN},
    Permission.INVITES: {Role.CLINICIAN, Role.ADMIN},
    Permission.RESEARCHER: {Role.RESEARCHER},
    Permission.ADMIN: {Role.ADMIN},
    Permission.WEARER: set(Role),
    Permission.CLINICIAN: {Role.CLINICIAN, Role.ADMIN},
}
LEAVES = {"auth.logout", "account.end_sessions"}
"""These end the session that the walk needs."""


def may(user: str, mark: Permission, wearer: str) -> bool:
    if mark in {Permission.WEARER, Permission.CLINICIAN} and SEES.get(user) != wearer:
        return False
    if mark is Permission.EXPORT:
        return False  # nobody's job; test_exports asks for own and foreign ones
    return USERS[user] in OPEN_TO[mark]


@pytest.mark.parametrize("user", USERS)
def test_every_route_for_every_role_own_and_foreign(site: Site, user: str) -> None:
    """What is refused is refused with 403; what is allowed fails for other reasons at most."""
    client, asked = site.client(user), 0
    for rule, method in rules(site.app):
        mark = permission_of(site.app, rule.endpoint)
        assert mark is not None
        if mark is Permission.PUBLIC or rule.endpoint in LEAVES:
            continue
        for wearer in ("anna", "ben", "nobody") if "wearer" in rule.arguments else ("anna",):
            answer = client.open(address(site.app, rule, wearer), method=method)
            answer.close()
            allowed = may(user, mark, wearer)
            asks_password = re.match(r"account\.|provider\.|.*erase", rule.endpoint) is not None
            assert (answer.status_code != 403) == allowed or asks_password, (rule, method, wearer)
            assert answer.status_code < 500, (rule, method, wearer)
            asked += 1
    assert asked > 60


@pytest.mark.parametrize("user", ["anna-login", "dr-lee", "lea"])
@pytest.mark.parametrize("scopes", [("read",), ("export",), ("limits",)])
def test_every_route_for_tokens(site: Site, user: str, scopes: tuple[str, ...]) -> None:
    """A token opens the routes of its scopes, as far as its user may go, and no page."""
    found = site.clinic.user(user)
    assert found is not None
    now_ns = site.clock.now_ns
    token = tokens.issue(site.clinic, found, "walk", scopes, 1, now_ns=now_ns, by=user)
    client, headers = site.client(), {"Authorization": f"Bearer {token}"}
    opened = 0
    for rule, method in rules(site.app):
        mark = permission_of(site.app, rule.endpoint)
        assert mark is not None
        if mark is Permission.PUBLIC:
            continue
        scope = scope_of(site.app, rule.endpoint)
        assert scope is None or rule.rule.startswith(PREFIX), rule
        for wearer in ("anna", "ben"):
            path = address(site.app, rule, wearer)
            answer = client.open(path, method=method, headers=headers)
            answer.close()
            allowed = scope in scopes and may(user, mark, wearer)
            assert (answer.status_code != 403) == allowed, (rule, method, wearer)
            opened += allowed
    assert bool(opened) == (scopes != ("limits",) or user == "dr-lee")


def test_writing_takes_a_token_made_for_that(site: Site) -> None:
    for rule, method in rules(site.app):
        if method != "GET":
            scope = tokens.LIMITS if rule.endpoint == "api.change" else tokens.EXPORT
            assert scope_of(site.app, rule.endpoint) in {None, scope}, rule


def test_an_endpoint_without_a_mark_is_refused(site: Site) -> None:
    site.app.add_url_rule("/forgotten", view_func=lambda: "secret", endpoint="forgotten")
    assert site.client("dr-lee").get("/forgotten").status_code == 403
    assert site.client().get("/forgotten").status_code == 403


def test_those_who_may_do(site: Site) -> None:
    assert site.client("anna-login").get("/wearers/anna").status_code == 200
    assert site.client("dr-lee").get("/wearers/anna").status_code == 200
    page = site.client("dr-kim").get("/wearers")
    assert page.status_code == 200
    assert "anna" not in page.text


def test_a_grant_taken_back_counts_at_once(site: Site) -> None:
    client = site.client("dr-lee")
    assert client.get("/wearers/anna").status_code == 200
    site.clinic.revoke("dr-lee", "anna")
    assert client.get("/wearers/anna").status_code == 403


def test_who_saw_whom_is_on_record(site: Site) -> None:
    client = site.client("dr-lee")
    client.get("/wearers")
    client.get("/wearers/anna/2026-06-09")
    for _ in range(3):
        client.get("/api/v1/wearers/anna/now")
    client.get("/wearers/ben")
    seen = [
        (e.user, e.action, e.detail)
        for e in site.clinic.audit_entries("anna")
        if e.user == "dr-lee"
    ]
    assert seen == [
        ("dr-lee", "view", "now"),
        ("dr-lee", "view", "week 2026-06-09"),
        ("dr-lee", "view", "list"),
    ]
    assert [e.user for e in site.clinic.audit_entries("ben")] == []


FORMS = {
    "clinical.set_limits": {"slouch_bout_min_s": "4", "walking_limit_s": "20", "tag": "{tag}"},
    "clinical.add_note": {"text": "walks well"},
}
"""What a form must say so that something is written."""


def test_every_answer_about_a_wearer_is_on_record(site: Site) -> None:
    """A clinician may ask all that is about one wearer; the wearer sees each of these."""
    user = "dr-lee"
    client, walked = site.client(user), 0
    for rule, method in rules(site.app):
        mark = permission_of(site.app, rule.endpoint)
        if mark not in {Permission.WEARER, Permission.CLINICIAN} or not may(user, mark, "anna"):
            continue
        before = site.clinic.audit_count("anna")
        asked, tag = address(site.app, rule, "anna"), tag_of(site.clinic.wearer("anna").settings)
        form = {name: text.format(tag=tag) for name, text in FORMS.get(rule.endpoint, {}).items()}
        body: dict[str, Any] = {"data": form}
        if rule.endpoint == "api.change":
            body = {"json": {"walking_limit_s": 600}, "headers": {"If-Match": tag}}
        for query in RANGES.values():
            answer = client.open(f"{asked}?{query}", method=method, **body)
            answer.close()
            if answer.status_code != 422:
                break
        assert answer.status_code in {200, 201, 303}, rule
        assert site.clinic.audit_count("anna") > before, rule
        assert site.clinic.audit_entries("anna", limit=1)[0].user == user, rule
        walked += 1
    assert walked > 30


def test_the_manual_lists_every_address(site: Site) -> None:
    docs = Path(__file__).parents[3] / "docs"
    pages, api = (docs / "dashboard.md").read_text(), (docs / "api.md").read_text()
    for rule, method in rules(site.app):
        if rule.endpoint == "static":
            continue
        shown = re.sub(r"<int:\w+>", "<id>", rule.rule).replace("<on>", "<date>")
        if shown.startswith(PREFIX):
            assert f"`{method} {shown.removeprefix(PREFIX)}`" in api, shown
        else:
            assert f"`{shown}`" in pages, shown
