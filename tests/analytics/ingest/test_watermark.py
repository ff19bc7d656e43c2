"""Watermark arithmetic against the plain set that it stands for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.ingest import watermark
from analytics.ingest.watermark import advance, contains
from analytics.store.records import Watermark

arrivals = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda x: (x[0], min(x))), max_size=60
)


def expected(received: list[tuple[int, int]]) -> int:
    """The highest number below which every number from the highest floor on has arrived."""
    floor = max((floor for _, floor in received), default=0)
    seqs = {seq for seq, _ in received}
    number = floor
    while number in seqs:
        number += 1
    return number - 1


def in_groups(received: list[tuple[int, int]], size: int) -> Watermark:
    mark = Watermark()
    for start in range(0, len(received), size):
        mark = advance(mark, received[start : start + size])
    return mark


@given(arrivals, st.integers(1, 8))
def test_any_order_any_repetition_any_loss(received: list[tuple[int, int]], size: int) -> None:
    mark = in_groups(received, size)
    assert mark.committed == expected(received)
    seqs = {seq for seq, _ in received}
    for seq in range(50):
        assert contains(mark, seq) == (seq in seqs or seq <= mark.committed)


@given(arrivals, st.randoms(use_true_random=False))
def test_order_and_grouping_do_not_matter(received: list[tuple[int, int]], random: object) -> None:
    shuffled = list(received)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert in_groups(received, 1) == in_groups(shuffled + received[:5], 3)


@given(arrivals)
def test_ranges_are_disjoint_ascending_and_apart(received: list[tuple[int, int]]) -> None:
    mark = in_groups(received, 4)
    edge = mark.committed
    for low, high in mark.beyond:
        assert low > edge + 1
        assert high >= low
        edge = high


@given(arrivals, arrivals)
def test_it_never_goes_back(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> None:
    before = in_groups(a, 5)
    assert advance(before, b).committed >= before.committed


@pytest.mark.parametrize(
    ("received", "committed"),
    [
        ([(0, 0), (1, 0), (2, 0)], 2),
        ([(0, 0), (2, 0)], 0),
        ([(7, 7)], 7),  # a lost ingest database: the agent holds nothing below 7
        ([(0, 0), (5, 5)], 5),  # 1..4 were dropped on record
        ([(3, 0)], -1),
        ([], -1),
    ],
)
def test_examples(received: list[tuple[int, int]], committed: int) -> None:
    assert in_groups(received, 1).committed == committed


def test_holes_without_end_do_not_grow_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watermark, "MAX_RANGES", 10)
    mark = in_groups([(2 * i + 1, 0) for i in range(100)], 7)
    assert mark.committed == -1
    assert len(mark.beyond) == 10
    mark = advance(mark, [(2 * i, 0) for i in range(100)] + [(2 * i + 1, 0) for i in range(100)])
    assert mark == Watermark(199)
