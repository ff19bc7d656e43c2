"""Invitations: a link that works once, for a while, and only as far as its maker may go."""

from __future__ import annotations

import re

import pytest

from analytics.accounts.sessions import DAY_NS
from analytics.store.records import Role
from tests.analytics.dashboard.synthetic import PASSWORD, Site

NEW = "quite another battery"


def link(site: Site, by: str, path: str = "/people/invite", **form: str) -> str:
    page = site.client(by).post(path, data=form)
    found = re.search(r'<code id="link">http://localhost(/[^<]+)</code>', page.text)
    assert found, page.text
    return found[1]


def test_a_clinician_invites_a_patient(site: Site) -> None:
    address = link(site, "dr-lee", name="anna-two", role="patient", wearer="anna")
    client = site.client()
    page = client.get(address)
    assert "<strong>anna-two</strong>" in page.text
    assert client.post(address, data={"new": NEW, "again": "x"}).status_code == 400
    assert client.post(address, data={"new": "short", "again": "short"}).status_code == 400
    assert client.post(address, data={"new": NEW, "again": NEW}).status_code == 303
    assert client.get("/me").status_code == 200
    user = site.clinic.user("anna-two")
    assert user is not None
    assert (user.role, user.wearer) == (Role.PATIENT, "anna")
    for method in ("get", "post"):
        used = site.client().open(address, method=method, data={"new": NEW, "again": NEW})
        assert used.status_code == 404
        assert "not good any more" in used.text
    actions = {e.action for e in site.clinic.audit_entries("anna")}
    assert {"invite", "invitation accepted"} <= actions


def test_an_invitation_is_over_after_a_week(site: Site) -> None:
    address = link(site, "dr-lee", name="anna-two", role="patient", wearer="anna")
    site.clock.now_ns += 7 * DAY_NS
    assert site.client().get(address).status_code == 404
    assert site.clinic.user("anna-two") is None


def test_an_invitation_can_be_withdrawn(site: Site) -> None:
    address = link(site, "dr-lee", name="anna-two", role="patient", wearer="anna")
    said = {"name": "anna-two"}
    assert site.client("dr-kim").post("/people/withdraw", data=said).status_code == 404
    assert "anna-two" in site.client("dr-lee").get("/people").text
    assert site.client("dr-lee").post("/people/withdraw", data=said).status_code == 303
    assert site.client().get(address).status_code == 404


@pytest.mark.parametrize(
    ("by", "form"),
    [
        ("dr-lee", {"role": "clinician"}),
        ("dr-lee", {"role": "admin"}),
        ("dr-lee", {"role": "patient", "wearer": "ben"}),
        ("dr-lee", {"role": "patient"}),
        ("dr-lee", {"role": "king"}),
        ("dr-lee", {"role": "patient", "wearer": "anna", "name": "ben-login"}),
        ("dr-lee", {"role": "patient", "wearer": "anna", "name": ""}),
        ("root", {"role": "patient", "wearer": "nobody"}),
    ],
)
def test_who_may_invite_whom(site: Site, by: str, form: dict[str, str]) -> None:
    answer = site.client(by).post("/people/invite", data={"name": "new", **form})
    assert answer.status_code == 400
    assert site.clinic.invitations(by) == []


def test_an_admin_invites_everybody_and_sees_nobodys_data(site: Site) -> None:
    address = link(site, "root", name="dr-new", role="clinician")
    client = site.client()
    assert client.post(address, data={"new": NEW, "again": NEW}).status_code == 303
    assert client.get("/wearers").status_code == 200
    assert site.client("root").get("/wearers/anna").status_code == 403


def test_an_admin_gives_a_link_to_a_new_password(site: Site) -> None:
    old = site.client("anna-login")
    address = link(site, "root", "/people/invite-again", name="anna-login")
    assert old.get("/me").status_code == 200
    client = site.client()
    assert client.post(address, data={"new": NEW, "again": NEW}).status_code == 303
    assert client.get("/me").status_code == 200
    assert old.get("/me").status_code == 302
    log_in = {"name": "anna-login", "password": PASSWORD}
    assert site.client().post("/login", data=log_in).status_code == 401
    assert site.client("dr-lee").post("/people/invite-again").status_code == 403


def test_links_cannot_be_guessed_at_leisure(site: Site) -> None:
    found = [site.client().get(f"/invitation/{n}").status_code for n in range(7)]
    assert found == [404] * 5 + [429] * 2
