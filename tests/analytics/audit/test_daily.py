"""Which days are audited by themselves, and that each is once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from analytics.audit import daily
from analytics.audit.daily import NS_PER_S, audit_when_due, due
from analytics.exposure.days import Day
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from tests.analytics.store.samples import batch, stored
from tests.servers import PATIENCE_S

HOUR_NS = 3600 * NS_PER_S
NOON_NS = 1_772_452_800 * NS_PER_S  # 2026-03-02 12:00 UTC


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    opened = Clinic(tmp_path / "clinic.db")
    yield opened
    opened.close()


def test_yesterday_is_due_once_and_an_hour_after_its_end(clinic: Clinic) -> None:
    clinic.add_wearer("w1", "UTC")
    clinic.add_wearer("w2", "Pacific/Auckland")
    today, sunday, saturday = date(2026, 3, 2), date(2026, 3, 1), date(2026, 2, 28)
    assert due(clinic, NOON_NS) == [("w1", sunday), ("w2", today)]  # there it is past midnight
    assert due(clinic, NOON_NS - 11 * HOUR_NS - 1) == [("w1", saturday), ("w2", sunday)]
    clinic.set_delivery("w1", "2026-03-01", {"sensors": []})
    assert due(clinic, NOON_NS) == [("w2", today)]


def test_a_finding_made_before_the_day_was_over_does_not_count(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic.add_wearer("w1", "UTC")
    monkeypatch.setattr("analytics.store.deliveries.time.time_ns", lambda: NOON_NS - 24 * HOUR_NS)
    clinic.set_delivery("w1", "2026-03-01", {"sensors": []})
    assert due(clinic, NOON_NS) == [("w1", date(2026, 3, 1))]


def test_the_loop_keeps_its_finding_and_says_what_is_wrong(
    clinic: Clinic,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    clinic.add_wearer("w1", "UTC")
    store = EmbeddedStore(tmp_path / "samples.db")
    first, after = stored("w1", batch(0, seq=0), batch(500, seq=1))
    store.write_batches([first, after])
    day = Day.at(first.batch.t0_ns, Day(date(2026, 1, 1), ZoneInfo("UTC")).zone)
    monkeypatch.setattr(daily.time, "time_ns", lambda: day.end_ns + 2 * HOUR_NS)
    stop = threading.Event()
    loop = threading.Thread(target=audit_when_due, args=(store, clinic, stop))
    loop.start()
    try:
        text = day.date.isoformat()
        for _ in range(6000):
            if clinic.deliveries("w1", text, text):
                break
            stop.wait(0.01)
        (kept,) = clinic.deliveries("w1", text, text)
    finally:
        stop.set()
        loop.join(PATIENCE_S)
    (found,) = kept.body["sensors"]
    assert found["stored"] == first.batch.n + after.batch.n
    assert found["missing"]["unexplained"] == 450
    assert "is not as it should be" in caplog.text
    clinic.erase("w1", by="test")
    assert clinic.deliveries("w1", text, text) == []
    store.close()
