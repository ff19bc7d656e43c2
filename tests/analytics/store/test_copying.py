"""From one store to another, the same to the last bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from analytics.store.base import Provenance, Result, Store, StoredBatch, StoreError
from analytics.store.copying import copy
from analytics.store.embedded import EmbeddedStore
from tests.analytics.store.samples import DT_NS, T0_NS, assert_same, batch, stored

EVER = (0, 2**62)
DAY = 86_400_000_000_000 // DT_NS
NewWearer = Callable[[], str]


def fill(store: Store, w: str) -> None:
    store.write_batches(
        stored(
            w,
            *(batch(50 * k, seq=k, lost=k) for k in range(5)),
            batch(320, 20, quantities=("accel", "mag")),
            batch(330, 30, quantities=("accel", "mag")),
            # of one time stamp two batches may have different quantities
            batch(400, 8, seq=5, quantities=("accel",)),
            batch(398, 6, seq=6, quantities=("gyro",)),
            *(batch(DAY * d // 2, seq=10 + d) for d in range(1, 5)),
        )
    )
    store.write_batches(stored(w, batch(7, quantities=("accel",)), sensor="thigh"))
    results = [Result("sway", T0_NS + k, T0_NS + k + 5, {"k": k}) for k in range(3)]
    store.write_results(w, T0_NS, T0_NS + 9, results, Provenance("1", "p"))
    store.write_results(w, T0_NS, T0_NS + 9, results[1:], Provenance("2", "q"), version="trial")


def assert_equal(a: Store, b: Store, w: str) -> None:
    assert a.sensors(w) == b.sensors(w)
    for span in a.sensors(w):
        assert_same(a.read_samples(w, span.sensor, *EVER), b.read_samples(w, span.sensor, *EVER))
        assert a.read_batches(w, span.sensor, *EVER) == b.read_batches(w, span.sensor, *EVER)
    assert a.result_spans(w) == b.result_spans(w)
    for span in a.result_spans(w):
        what = (w, span.kind, *EVER)
        assert a.read_results(*what, version=span.version) == b.read_results(
            *what, version=span.version
        )
        assert a.provenances(w, *EVER, version=span.version) == b.provenances(
            w, *EVER, version=span.version
        )


def test_there_and_back(store: Store, wearer: NewWearer, tmp_path: Path) -> None:
    """Embedded -> the store -> embedded."""
    w = wearer()
    first, last = EmbeddedStore(tmp_path / "a.db"), EmbeddedStore(tmp_path / "b.db")
    fill(first, w)
    steps: list[tuple[int, int]] = []
    done = copy(first, store, [w], lambda done, of: steps.append((done, of)))
    assert (done.days, done.same, done.results) == (4, 0, 5)
    assert steps[-1] == (4, 4)
    assert_equal(first, store, w)
    copy(store, last, [w])
    assert_equal(first, last, w)
    again = copy(first, store, [w])
    assert (again.days, again.same) == (0, 4)
    first.close()
    last.close()


class Stopping(EmbeddedStore):
    """Breaks off at the third write."""

    left = 3

    def write_batches(self, items: Sequence[StoredBatch]) -> None:
        self.left -= 1
        if self.left == 0:
            raise StoreError("disk full", "make room")
        super().write_batches(items)


def test_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    source, target = EmbeddedStore(tmp_path / "a.db"), Stopping(tmp_path / "b.db")
    fill(source, "w-1")
    with pytest.raises(StoreError, match="disk full"):
        copy(source, target)
    done = copy(source, target)
    assert done.same == 2
    assert done.days == 2
    assert_equal(source, target, "w-1")
    source.close()
    target.close()


class Forgetful(EmbeddedStore):
    """Loses a batch of every write."""

    def write_batches(self, items: Sequence[StoredBatch]) -> None:
        super().write_batches(items[:-1])


def test_a_copy_that_is_not_the_same_is_told(tmp_path: Path) -> None:
    source, target = EmbeddedStore(tmp_path / "a.db"), Forgetful(tmp_path / "b.db")
    fill(source, "w-1")
    with pytest.raises(StoreError, match="is not the same after the copy"):
        copy(source, target)
    source.close()
    target.close()
