"""Results that wait are written together, all or none, and are there for whoever asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from analytics.store.archive import Archive
from analytics.store.archived import ArchivedStore
from analytics.store.base import Provenance, Result, StoreError
from analytics.store.embedded import EmbeddedStore
from analytics.store.grouped import GroupedResults

S = 10**9
MADE_BY = Provenance("7", "abc")


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[EmbeddedStore]:
    store = EmbeddedStore(tmp_path / "samples.db")
    yield store
    store.close()


@pytest.fixture
def grouped(stored: EmbeddedStore, tmp_path: Path) -> GroupedResults:
    grouped = GroupedResults(ArchivedStore(stored, Archive(tmp_path / "archive")))
    for wearer in ("w1", "w2"):
        movement = Result("movement", S, 2 * S, {"kind": "squat"})
        grouped.write_results(wearer, 0, 10 * S, [movement], MADE_BY)
    return grouped


def count(store: EmbeddedStore) -> int:
    return sum(len(store.read_results(w, "movement", 0, 10 * S)) for w in ("w1", "w2"))


def test_nothing_is_there_before_and_everything_after(
    grouped: GroupedResults, stored: EmbeddedStore
) -> None:
    assert count(stored) == 0
    grouped.flush()
    assert count(stored) == 2
    grouped.flush()
    assert count(stored) == 2


def test_who_asks_gets_what_waits(grouped: GroupedResults, stored: EmbeddedStore) -> None:
    assert len(grouped.read_results("w1", "movement", 0, 10 * S)) == 1
    assert count(stored) == 2
    assert grouped.provenances("w2", 0, 10 * S) == [MADE_BY]


def test_a_failure_leaves_nothing_half_written(
    grouped: GroupedResults, stored: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = stored.write_results

    def fail_at_the_second(wearer: str, *what: object, **more: object) -> None:
        if wearer == "w2":
            raise StoreError("the disk is full", "make room")
        write(wearer, *what, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(stored, "write_results", fail_at_the_second)
    with pytest.raises(StoreError):
        grouped.flush()
    assert count(stored) == 0
    monkeypatch.undo()
    grouped.flush()
    assert count(stored) == 2
    grouped.write_results("w1", 0, 10 * S, [], MADE_BY)
    grouped.forget()
    grouped.flush()
    assert count(stored) == 2
