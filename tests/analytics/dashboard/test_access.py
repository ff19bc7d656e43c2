"""Deny by default: every route of the URL map, asked by those who must not have it."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from werkzeug.routing import Rule

from analytics.dashboard.access import Permission, permission_of
from analytics.dashboard.api import PREFIX
from tests.analytics.dashboard.synthetic import Site

VALUES = {
    "entry_id": 1,
    "on": "2026-06-10",
    "filename": "style.css",
    "sensor": "back",
    "kind": "movement",
}
RANGES = {
    "dates": "from=2026-06-09&to=2026-06-10",
    "span": "from=2026-06-09T00:00:00Z&to=2026-06-10T00:00:00Z",
}


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
    open_to_all = {"auth.login", "assets.service_worker", "assets.offline", "health", "openapi"}
    assert public == {"static", "language.choose", *open_to_all}


def test_every_route_about_a_wearer_checks_the_wearer(site: Site) -> None:
    for rule, _ in rules(site.app):
        mark = permission_of(site.app, rule.endpoint)
        assert ("wearer" in rule.arguments) == (mark is Permission.WEARER), rule


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


@pytest.mark.parametrize(
    ("user", "wearer"),
    [("ben-login", "anna"), ("dr-kim", "anna"), ("dr-lee", "ben"), ("dr-lee", "nobody")],
)
def test_the_wrong_person_is_refused_for_every_wearer_route(
    site: Site, user: str, wearer: str
) -> None:
    client = site.client(user)
    asked = 0
    for rule, method in rules(site.app):
        if permission_of(site.app, rule.endpoint) is Permission.WEARER:
            answer = client.open(address(site.app, rule, wearer), method=method)
            assert answer.status_code == 403, rule
            asked += 1
    assert asked >= 4


def test_roles_are_kept_apart(site: Site) -> None:
    patient, staff = site.client("anna-login"), site.client("dr-lee")
    for rule, method in rules(site.app):
        mark = permission_of(site.app, rule.endpoint)
        path = address(site.app, rule, "anna")
        if mark is Permission.STAFF:
            assert patient.open(path, method=method).status_code == 403, rule
        if mark is Permission.PATIENT:
            assert staff.open(path, method=method).status_code == 403, rule


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


def test_every_answer_about_a_wearer_is_on_record(filled: Site) -> None:
    client = filled.client("anna-login")
    for rule, method in rules(filled.app):
        if permission_of(filled.app, rule.endpoint) is not Permission.WEARER:
            continue
        before = filled.clinic.audit_count("anna")
        asked = address(filled.app, rule, "anna")
        codes = set()
        for query in RANGES.values():
            codes.add(client.open(f"{asked}?{query}", method=method).status_code)
        assert codes & {200, 201, 303}, rule
        assert filled.clinic.audit_count("anna") > before, rule


def test_the_manual_lists_every_address(site: Site) -> None:
    docs = Path(__file__).parents[3] / "docs"
    pages, api = (docs / "dashboard.md").read_text(), (docs / "api.md").read_text()
    for rule, method in rules(site.app):
        if rule.endpoint == "static":
            continue
        shown = rule.rule.replace("<int:entry_id>", "<id>").replace("<on>", "<date>")
        if shown.startswith(PREFIX):
            assert f"`{method} {shown.removeprefix(PREFIX)}`" in api, shown
        else:
            assert f"`{shown}`" in pages, shown
