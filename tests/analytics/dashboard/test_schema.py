"""Questions made from the OpenAPI document itself: no server error, and answers as described."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from analytics.accounts import tokens
from analytics.dashboard.api import PREFIX
from tests.analytics.dashboard.synthetic import Site

CHECKS = [
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
    content_type_conformance,
]
EXAMPLES = 12
BUDGET_S = 12.0
"""For all routes together; a busy machine tries fewer questions of each, but all routes."""
PATHS = {"wearer": "anna", "on": "2026-06-09", "sensor": "back"}


def operations(site: Site) -> Iterator[Any]:
    schema = schemathesis.openapi.from_wsgi(f"{PREFIX}/openapi.json", site.app)
    for result in schema.get_all_operations():
        yield result.ok()


def header_of(site: Site, who: str) -> dict[str, str]:
    """A token with every scope, or the cookie of a log-in where no token writes."""
    if who == "anna-login":
        client = site.client(who)
        cookie = client.get_cookie("trunkline")
        assert cookie is not None
        return {"Cookie": f"trunkline={cookie.value}"}
    user = site.clinic.user(who)
    assert user is not None
    now_ns = site.clock.now_ns
    token = tokens.issue(site.clinic, user, "fuzz", tokens.SCOPES, 1, now_ns=now_ns, by=who)
    return {"Authorization": f"Bearer {token}"}


def asker(path: str) -> str:
    """Who may ask most of a route."""
    if path.startswith(f"{PREFIX}/me"):
        return "anna-login"
    return "dr-lee" if "/limits" in path else "lea"


@pytest.mark.parametrize("who", ["lea", "anna-login", "dr-lee"])
def test_no_question_gets_a_server_error(site: Site, who: str) -> None:
    headers, routes = header_of(site, who), 0
    until_s = time.monotonic() + BUDGET_S / 3
    for operation in operations(site):
        if who != asker(operation.path):
            continue
        tried = 0

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            nonlocal tried
            if tried and time.monotonic() > until_s:
                return
            tried += 1
            for name in set(PATHS) & set(case.path_parameters or {}):
                if tried % 2:
                    case.path_parameters[name] = PATHS[name]
            answer = case.call(headers=headers)
            case.validate_response(answer, checks=CHECKS)

        ask()
        assert tried
        routes += 1
    assert routes >= {"lea": 20, "anna-login": 4, "dr-lee": 3}[who]
