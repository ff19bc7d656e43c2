"""Every text of the pages can be translated, and dates and numbers follow the reader's habits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from flask import request
from werkzeug.datastructures import LanguageAccept

from analytics.dashboard import catalogue, language
from tests.analytics.dashboard.synthetic import Site

TEMPLATES = catalogue.SOURCE / "templates"
SAID_AS_IT_IS = {
    "Trunkline",
    "API",
    "OpenAPI",
    "CSV",
    "JSON",
    "PDF",
    "min",
    "h",
    "Hz",
    "s",
    "MB",
    "TOTP",
    "id",
}
"""Names and units that are the same in every language."""
SPOKEN = re.compile(r'\s(?:aria-label|title|placeholder|alt|label)="([^"]*)"')


def test_catalogues_are_up_to_date() -> None:
    for code in list(language.LANGUAGES)[1:]:
        path = language.FOLDER / f"{code}.po"
        assert path.read_text() == catalogue.renewed(code), (
            "run: python -m analytics.dashboard.catalogue"
        )


def _loose_text(template: str) -> Iterator[str]:
    """Words of a template that stand outside of every {{ ... }} and {% trans %}."""
    text = re.sub(r"\{#.*?#\}|\{%-?\s*trans.*?endtrans\s*-?%\}", " ", template, flags=re.S)
    text = re.sub(r"\{% block body_class %\}.*?\{% endblock %\}", " ", text)
    text = re.sub(r"<(script|style)\b.*?</\1>", " ", text, flags=re.S)
    text = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "\0", text, flags=re.S)
    for value in SPOKEN.findall(text):
        yield from re.findall(r"[^\W\d_]{2,}", value)
    text = re.sub(r"&\w+;", " ", text)
    yield from re.findall(r"[^\W\d_]{2,}", re.sub(r"<[^>]*>", " ", text))


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.name)
def test_no_text_of_a_template_is_left_out(path: Path) -> None:
    found = set(_loose_text(path.read_text()))
    assert found <= SAID_AS_IT_IS


def test_loose_text_is_found() -> None:
    assert list(_loose_text('<p title="Worn {{ x }}">Hello {{ _("you") }}</p>')) == [
        "Worn",
        "Hello",
    ]
    assert list(_loose_text("{% trans %}Hello{% endtrans %}<b>{{ a }}</b>{# note #}")) == []


def test_a_translation_names_the_same_values() -> None:
    """A wrong placeholder would be an error on the page of a reader of that language."""
    for code in list(language.LANGUAGES)[1:]:
        with (language.FOLDER / f"{code}.po").open("rb") as file:
            for message in filter(lambda message: message.id, read_po(file, code)):
                one = message.id if isinstance(message.id, str) else message.id[-1]
                said = [message.string] if isinstance(message.string, str) else message.string
                for text in filter(None, said):
                    assert _named(text) == _named(one), one
                    assert ("<" in text) == ("<" in one), one


def _named(text: str) -> list[str]:
    return sorted(set(re.findall(r"%(?:\(\w+\)[\d.]*[sd]|%)", text)))


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ([], "en_GB"),
        ([("en", 1)], "en_GB"),
        ([("en-US", 1)], "en_US"),
        ([("de-AT", 1), ("en", 0.5)], "de_AT"),
        ([("fr", 1), ("de", 0.3)], "de_DE"),
        ([("en-XX", 1)], "en_GB"),
        ([("../../etc", 1)], "en_GB"),
    ],
)
def test_the_locale_follows_the_browser(accepted: list[tuple[str, float]], expected: str) -> None:
    assert language.chosen(LanguageAccept(accepted)) == expected


def test_what_the_reader_chose_goes_before() -> None:
    assert language.chosen(LanguageAccept([("en-US", 1)]), "de") == "de_DE"
    assert language.chosen(LanguageAccept([("en", 1), ("de-CH", 0.5)]), "de") == "de_CH"
    assert language.chosen(LanguageAccept([("de", 1)]), "klingon") == "de_DE"


def test_the_choice_is_kept_and_leads_back(site: Site) -> None:
    client = site.client()
    page = client.get("/login", headers={"Accept-Language": "de"}).text
    assert '<html lang="de">' in page
    referrer = {"Referer": "http://localhost/login?next=/me"}
    answer = client.post("/language", data={"language": "de"}, headers=referrer)
    assert answer.location == "/login?next=/me"
    assert '<html lang="de">' in client.get("/login").text
    client.post("/language", data={"language": "xx"})
    assert '<html lang="de">' in client.get("/login").text
    for elsewhere in ("http://evil.example/me", "http://localhost//evil.example", "nonsense"):
        back = client.post("/language", data={"language": "en"}, headers={"Referer": elsewhere})
        assert back.location == "/"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("en-GB", ["Sun 7 Jun", "7 June 2026", "15:04", "1,234.5", "+1.2"]),
        ("en-US", ["Sun, Jun 7", "June 7, 2026", "3:04\u202fPM", "1,234.5", "+1.2"]),
        ("de-DE", ["So., 7. Juni", "7. Juni 2026", "15:04", "1.234,5", "+1,2"]),
    ],
)
def test_dates_and_numbers(site: Site, accept: str, expected: list[str]) -> None:
    with site.app.test_request_context(headers={"Accept-Language": accept}):
        assert request.accept_languages
        on, at = date(2026, 6, 7), datetime(2026, 6, 7, 15, 4, 9)
        assert [
            language.short_day(on),
            language.long_day(on),
            language.clock(at),
            language.number(1234.5, 1),
            language.signed(1.2),
        ] == expected
