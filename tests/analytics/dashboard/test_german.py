"""No English sentence is left on a German page, whatever it tells of."""

from __future__ import annotations

import ast
import re
from html import unescape
from itertools import product
from pathlib import Path

import pytest

from analytics.dashboard import association_words, calibration_words, given_alerts
from analytics.detect import guided, guided_checks
from analytics.exposure import alerts
from analytics.exposure.alerts import Present
from analytics.exposure.association.answer import (
    ASSOCIATED,
    NO_CHANGE,
    NOT_ENOUGH,
    NOT_FOUND,
    PAIN_CONSTANT,
    Effect,
    TriggerAnswer,
)
from analytics.exposure.association.flares import FlareOdds
from analytics.exposure.triggers import TRIGGERS
from analytics.store.records import DiaryEntry, GivenAlert
from tests.analytics.dashboard.browsing import PATIENT, STAFF
from tests.analytics.dashboard.synthetic import MINUTE_NS, TODAY, Site

ENGLISH = re.compile(
    r"\b(the|and|of|is|are|were|with|without|for|your?|not|no|yes|from|than|this|that|these|it"
    r"|has|have|more|less|by|day|days|week|today|last|each|all|none|worn|slouched?|pain|walking"
    r"|sitting|standing|lying|bending|data|seen|new|show|save|log)\b",
    re.IGNORECASE,
)
"""Words that are no German ones; "was", "in", "am", "war" are both."""
SAID_AS_IT_IS = re.compile(
    r"API|OpenAPI|Log-in|all-day|data_dictionary|records\.csv|\bdata\b(?=[-_.])|data types?"
)
GERMAN = {"Accept-Language": "de-DE"}
ALSO_PATIENT = ("/me/data", "/me/data/erase", "/wearers/anna")


def english_in(page: str) -> list[str]:
    """Pieces of text with an English word in them."""
    page = re.sub(r"<(script|style|code)\b.*?</\1>", " ", page, flags=re.S)
    spoken = re.findall(r'\s(?:aria-label|title|placeholder|alt|content)="([^"]*)"', page)
    texts = [*re.sub(r"<[^>]*>", "\n", page).split("\n"), *spoken]
    found = (SAID_AS_IT_IS.sub(" ", unescape(text)).strip() for text in texts)
    return [text for text in found if ENGLISH.search(text)]


@pytest.mark.parametrize(
    ("user", "paths"), [("anna-login", (*PATIENT, *ALSO_PATIENT)), ("dr-lee", STAFF)]
)
def test_pages(filled: Site, user: str, paths: tuple[str, ...]) -> None:
    for minute, kind in enumerate(alerts.KINDS):
        given = GivenAlert(
            "anna", TODAY.start_ns + (600 + minute) * MINUTE_NS, kind, alerts.text(kind, NOW)
        )
        filled.clinic.add_alert(given)
    at_ns = TODAY.start_ns + 650 * MINUTE_NS
    filled.clinic.add_diary(DiaryEntry("anna", at_ns, "pain", "groin", "left", 6, at_ns, "x"))
    client = filled.client(user)
    for path in paths:
        answer = client.get(path, headers=GERMAN)
        assert answer.status_code == 200, path
        assert '<html lang="de">' in answer.text
        assert english_in(answer.text) == [], path


NOW = Present(slouched_s=720.0, walking_s=900.0, transitions=31, silent_s=2400.0, battery_pct=9)


def test_an_english_sentence_is_found() -> None:
    assert english_in("<p>Gut</p><p title='x'>All is well</p>") == ["All is well"]
    assert english_in('<svg aria-label="Nothing of it">') == ["Nothing of it"]


def test_every_alert(site: Site) -> None:
    with site.app.test_request_context(headers=GERMAN):
        for kind in alerts.KINDS:
            said = alerts.text(kind, NOW)
            shown = given_alerts.in_words(GivenAlert("anna", 1, kind, said))
            assert not ENGLISH.search(shown), shown
            assert re.findall(r"\d+", shown) == re.findall(r"\d+", said)
        older = GivenAlert("anna", 1, "slouch", "Sit up, please")
        assert given_alerts.in_words(older) == "Sit up, please"
    with site.app.test_request_context():
        for kind in alerts.KINDS:
            said = alerts.text(kind, NOW)
            assert given_alerts.in_words(GivenAlert("anna", 1, kind, said)) == said


def test_every_sentence_of_an_association(site: Site) -> None:
    effects = (Effect(0.1, -0.2, 0.4, 1.2, 12.0), Effect(-0.1, -0.4, 0.2, -1.2, 120.0))
    verdicts = (ASSOCIATED, NOT_FOUND, NOT_ENOUGH, NO_CHANGE, PAIN_CONSTANT)
    told = []
    with site.app.test_request_context(headers=GERMAN):
        for trigger, lag, verdict, effect, p, days in product(
            TRIGGERS, ("0_2h", "same_day", "next_day"), verdicts, effects, (None, 0.02), (None, 9)
        ):
            answer = TriggerAnswer(trigger, lag, verdict, 30, p, p, effect, days)
            told.append(association_words.sentence(answer))
            told.append(association_words.reverse_sentence(answer))
        for trigger, ratio, flares in product(TRIGGERS, (None, 1.4), (3, 40)):
            odds = FlareOdds(trigger, "0_2h", flares, 9, ratio, 1.1, 1.9)
            told.append(association_words.flare_sentence(odds))
        told.append(association_words.caution())
    assert [text for text in told if ENGLISH.search(text)] == []
    assert any("1,90" in text for text in told)


def _sentences(module: Path) -> list[str]:
    """Sentences in a module as they would be said, 7 in place of every figure."""
    tree = ast.parse(module.read_text())
    quiet = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    }
    found = []
    for node in ast.walk(tree):
        if id(node) in quiet | parts:
            continue
        if isinstance(node, ast.JoinedStr):
            text = "".join(
                str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        if text.count(" ") > 2 and text[-1] in ".?":
            found.append(text)
    return found


@pytest.mark.parametrize("module", [guided, guided_checks])
def test_every_remark_of_the_guided_calibration(site: Site, module: object) -> None:
    said = _sentences(Path(str(getattr(module, "__file__", ""))))
    assert len(said) > 5
    with site.app.test_request_context(headers=GERMAN):
        shown = [calibration_words.in_words(text) for text in said]
    assert [text for text in shown if ENGLISH.search(text)] == []
    with site.app.test_request_context():
        assert [calibration_words.in_words(text) for text in said] == said
