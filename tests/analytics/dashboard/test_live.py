"""Live pages: server-sent events, how many, for how long, and what stands in for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.test import TestResponse

from analytics.dashboard import live
from analytics.dashboard.app import close_app
from analytics.exposure.days import NS_PER_S
from analytics.store.base import Result
from tests.analytics.dashboard.synthetic import (
    MINUTE_NS,
    PROVENANCE,
    Site,
    minute_result,
    runs_result,
)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "EVERY_S", 0.01)


def events(answer: TestResponse) -> Iterator[str]:
    """The parts of a stream as they come."""
    for part in answer.response:
        yield part if isinstance(part, str) else part.decode()


def state_in(event: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(event.removeprefix("data: "))
    return found


def test_an_event_when_something_changes_and_a_sign_of_life_when_not(filled: Site) -> None:
    answer = filled.client("anna-login").get("/live/anna")
    assert answer.mimetype == "text/event-stream"
    stream = events(answer)
    assert next(stream) == "retry: 300\n\n"
    first = state_in(next(stream))
    assert (first["headline"], first["figure"], first["slouched"]) == ("Sitting", "sitting", True)
    assert 5 < first["lean_deg"] < 25
    assert next(stream) == ":\n\n"
    filled.clock.now_ns += 60 * NS_PER_S
    assert state_in(next(part for part in stream if part != ":\n\n"))["headline"] == "No live data"
    answer.close()


def test_a_movement_that_is_counted_is_told_at_once(filled: Site) -> None:
    """The page reads the day again then."""
    client = filled.client("anna-login")
    before = client.get("/live/anna/once").json
    assert client.get("/live/anna/once").json == before
    at_ns = filled.clock.now_ns - 3 * NS_PER_S
    bend = Result("movement", at_ns, at_ns + NS_PER_S, {"kind": "forward_bend"})
    filled.store.write_results("anna", at_ns, at_ns + NS_PER_S, [bend], PROVENANCE)
    after = client.get("/live/anna/once").json
    assert before is not None
    assert after is not None
    assert after["events"] != before["events"]


def test_a_stream_ends_so_that_the_log_in_is_looked_at_again(
    filled: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "STREAM_S", 0.0)
    answer = filled.client("anna-login").get("/live/anna")
    assert len(list(events(answer))) == 2
    answer.close()


def test_a_stream_ends_quietly_when_its_database_is_closed(filled: Site) -> None:
    client = filled.client("anna-login")
    answer = client.get("/live/anna")
    stream = events(answer)
    assert next(stream) == "retry: 300\n\n"
    filled.store.close()
    filled.clinic.close()
    assert len(list(stream)) == 1
    answer.close()


def test_a_stream_ends_when_the_server_does(filled: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "EVERY_S", 60.0)
    answer = filled.client("anna-login").get("/live/anna")
    stream = events(answer)
    next(stream), next(stream)
    close_app(filled.app)
    assert list(stream) == []
    answer.close()


def test_streams_are_bounded_and_asking_stands_in(filled: Site) -> None:
    client = filled.client("anna-login")
    opened = [client.get("/live/anna") for _ in range(live.MAX_STREAMS)]
    assert {answer.status_code for answer in opened} == {200}
    assert client.get("/live/anna").status_code == 503
    assert client.get("/live/anna/once").json["headline"] == "Sitting"  # type: ignore[index]
    opened.pop().close()
    again = client.get("/live/anna")
    assert again.status_code == 200
    for answer in (again, *opened):
        answer.close()


def test_a_stream_that_cannot_begin_takes_no_place(
    filled: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = filled.client("anna-login")
    filled.app.config.update(TESTING=False)
    monkeypatch.setattr(filled.store, "read_results", lambda *_: 1 / 0)
    for _ in range(live.MAX_STREAMS + 1):
        assert client.get("/live/anna").status_code == 500


def test_timers_stand_beside_the_own_limits(filled: Site) -> None:
    page = filled.client("anna-login").get("/live/anna/once").json
    assert page is not None
    assert "<strong>Slouched for 1 h 20 min</strong> <small>your limit: 10 min</small>" in page[
        "timers_html"
    ].replace("\n", "")
    assert "Sitting for " in page["timers_html"]
    begin_ns = filled.clock.now_ns
    walk = [
        minute_result(
            begin_ns + n * MINUTE_NS, {"posture": ["walking"] * 60, "slouched": [None] * 60}
        )
        for n in range(3)
    ]
    results = [*walk, *map(runs_result, walk)]
    filled.store.write_results("anna", begin_ns, begin_ns + 3 * MINUTE_NS, results, PROVENANCE)
    filled.clock.now_ns += 3 * MINUTE_NS
    page = filled.client("anna-login").get("/live/anna/once").json
    assert page is not None
    assert "Walking for 3 min" in page["timers_html"]
    assert "Slouched for" not in page["timers_html"]
    assert page["figure"] == "walking"
