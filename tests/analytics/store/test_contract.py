"""What every store must do: the same tests against SQLite and a real InfluxDB 1.x."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.store.base import (
    DAY_SUM,
    MAX_RESULT_NS,
    Provenance,
    Result,
    ResultSpan,
    Samples,
    SensorSpan,
    Store,
)
from tests.analytics.store.samples import DT_NS, SESSION, T0_NS, assert_same, batch, stored
from wire.batch import MAX_VALUE, Batch, Channel

EVER = (0, 2**62)
V1 = Provenance("1.0", "aaaa")
V2 = Provenance("1.1", "bbbb")
NewWearer = Callable[[], str]
with_store = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def result(start: int, length: int = 1, kind: str = "movement", **body: object) -> Result:
    return Result(kind, T0_NS + start * DT_NS, T0_NS + (start + length) * DT_NS, body)


def at(number: int) -> int:
    return T0_NS + number * DT_NS


class TestSamples:
    def test_what_is_written_is_read_to_the_last_bit(self, store: Store, wearer: NewWearer) -> None:
        w, item = wearer(), batch(0)
        store.write_batches(stored(w, item))
        read = store.read_samples(w, "back", *EVER)
        expected = {name: channel.si() for name, channel in item.channels.items()}
        assert_same(read, Samples(item.t_ns, expected))

    @with_store
    @given(bits=st.lists(st.integers(0, 2**32 - 1), min_size=3, max_size=60))
    def test_every_float32_survives(self, store: Store, wearer: NewWearer, bits: list[int]) -> None:
        w = wearer()
        raw = np.array(bits[: len(bits) // 3 * 3], np.uint32).view(np.float32).reshape(-1, 3)
        raw = np.where(np.abs(raw) <= MAX_VALUE, raw, np.float32(1.0))  # a batch takes no other
        item = Batch(SESSION, 0, 0, T0_NS, 1, len(raw), {"accel": Channel(raw)}, T0_NS, 0)
        store.write_batches(stored(w, item))
        read = store.read_samples(w, "back", *EVER)
        expected = np.where(np.isfinite(raw), raw, np.float32(np.nan))
        some = ~np.isnan(expected).all(axis=1)
        assert read.t_ns.tolist() == item.t_ns[some].tolist()
        if some.any():
            np.testing.assert_array_equal(read.values["accel"], expected[some])
        else:
            assert read.values == {}

    @with_store
    @given(st.data())
    def test_redelivery_reordering_and_overlap_change_nothing(
        self, store: Store, wearer: NewWearer, data: st.DataObject
    ) -> None:
        spans = data.draw(
            st.lists(st.tuples(st.integers(0, 120), st.integers(1, 40)), min_size=1, max_size=8)
        )
        again = data.draw(st.permutations(spans + spans[:3]))
        cuts = data.draw(st.lists(st.integers(0, len(again)), max_size=3))
        w = wearer()
        edges = sorted({0, len(again), *cuts})
        for low, high in pairwise(edges):
            store.write_batches(stored(w, *(batch(*span) for span in again[low:high])))
        numbers = sorted({i for start, n in spans for i in range(start, start + n)})
        low, high = sorted(data.draw(st.tuples(st.integers(-5, 170), st.integers(-5, 170))))
        whole = batch(0, 160)
        inside = [i for i in numbers if low <= i < high]
        expected = Samples(
            whole.t_ns[inside],
            {k: c.si()[inside] for k, c in whole.channels.items()} if inside else {},
        )
        assert_same(store.read_samples(w, "back", at(low), at(high)), expected)

    def test_of_two_batches_with_the_same_start_the_longer_stays(
        self, store: Store, wearer: NewWearer
    ) -> None:
        for lengths in ((50, 20), (20, 50)):
            w = wearer()
            for n in lengths:
                store.write_batches(stored(w, batch(0, n)))
            assert len(store.read_samples(w, "back", *EVER)) == 50

    def test_a_quantity_without_a_sample_is_nan_there(
        self, store: Store, wearer: NewWearer
    ) -> None:
        w = wearer()
        store.write_batches(
            stored(
                w,
                batch(0, 5, quantities=("accel",)),
                batch(5, 5, quantities=("accel", "mag")),
                batch(10, 5, quantities=("mag",)),
            )
        )
        read = store.read_samples(w, "back", *EVER)
        missing = {k: np.flatnonzero(np.isnan(v).any(axis=1)) for k, v in read.values.items()}
        assert len(read) == 15
        assert missing["accel"].tolist() == [10, 11, 12, 13, 14]
        assert missing["mag"].tolist() == [0, 1, 2, 3, 4]
        assert "gyro" not in read.values

    def test_quantities_of_one_time_stamp_meet(self, store: Store, wearer: NewWearer) -> None:
        w = wearer()
        store.write_batches(stored(w, batch(0, 8, quantities=("accel",))))
        store.write_batches(stored(w, batch(-2, 6, quantities=("gyro",))))
        read = store.read_samples(w, "back", *EVER)
        assert len(read) == 10
        assert np.isnan(read.values["accel"]).any(axis=1).tolist() == [True] * 2 + [False] * 8
        assert np.isnan(read.values["gyro"]).any(axis=1).tolist() == [False] * 6 + [True] * 4

    def test_nothing_there_is_an_empty_answer(self, store: Store, wearer: NewWearer) -> None:
        w = wearer()
        assert len(store.read_samples(w, "back", *EVER)) == 0
        assert store.sensors(w) == []
        assert list(store.iter_samples(w, "back", *EVER, 10**9)) == []
        store.write_batches([])
        store.write_batches(stored(w, batch(0)))
        for start, end in ((at(50), at(90)), (at(10), at(10)), (at(20), at(10))):
            read = store.read_samples(w, "back", start, end)
            assert len(read) == 0
            assert read.values == {}
        assert len(store.read_samples(w, "other", *EVER)) == 0

    def test_wearers_and_sensors_are_kept_apart(self, store: Store, wearer: NewWearer) -> None:
        a, b = wearer(), wearer()
        store.write_batches(
            stored(a, batch(0, 10))
            + stored(a, batch(5, 30), sensor="thigh-left")
            + stored(b, batch(100, 20))
        )
        assert store.sensors(a) == [
            SensorSpan("back", at(0), at(9)),
            SensorSpan("thigh-left", at(5), at(34)),
        ]
        assert store.sensors(b) == [SensorSpan("back", at(100), at(119))]
        assert len(store.read_samples(a, "back", *EVER)) == 10

    def test_the_span_ends_with_the_last_sample_not_with_the_last_batch(
        self, store: Store, wearer: NewWearer
    ) -> None:
        w = wearer()
        store.write_batches(stored(w, batch(0, 100), batch(20, 10)))
        assert store.sensors(w) == [SensorSpan("back", at(0), at(99))]

    @with_store
    @given(
        starts=st.lists(st.integers(0, 400), min_size=1, max_size=6),
        low=st.integers(-50, 300),
        width=st.integers(0, 500),
        chunk=st.integers(1, 150),
    )
    def test_chunks_put_together_are_the_whole(
        self,
        store: Store,
        wearer: NewWearer,
        *,
        starts: list[int],
        low: int,
        width: int,
        chunk: int,
    ) -> None:
        w = wearer()
        store.write_batches(stored(w, *(batch(start, 30) for start in starts)))
        start_ns, end_ns = at(low), at(low + width)
        whole = store.read_samples(w, "back", start_ns, end_ns)
        parts = list(store.iter_samples(w, "back", start_ns, end_ns, chunk * DT_NS))
        assert all(0 < len(part) <= chunk for part in parts)
        assert [t for part in parts for t in part.t_ns.tolist()] == whole.t_ns.tolist()
        for name, column in whole.values.items():
            np.testing.assert_array_equal(
                np.concatenate([part.values[name] for part in parts]), column
            )

    def test_chunks_of_all_time_do_not_take_all_time(self, store: Store, wearer: NewWearer) -> None:
        w = wearer()
        store.write_batches(stored(w, batch(0)))
        assert [len(x) for x in store.iter_samples(w, "back", *EVER, 10**9)] in ([50], [1, 49])
        with pytest.raises(ValueError, match="chunk_ns"):
            list(store.iter_samples(w, "back", *EVER, 0))

    def test_many_wearers_in_one_write(self, store: Store, wearer: NewWearer) -> None:
        wearers = [wearer() for _ in range(40)]
        store.write_batches([x for w in wearers for x in stored(w, batch(0), batch(50))])
        assert all(len(store.read_samples(w, "back", *EVER)) == 100 for w in wearers)

    def test_how_batches_came_is_kept(self, store: Store, wearer: NewWearer) -> None:
        w = wearer()
        store.write_batches(stored(w, batch(0, seq=4), batch(60, seq=5, lost=10)))
        first, second = store.read_batches(w, "back", at(0), at(61))
        assert (first.seq, first.lost, first.session) == (4, 0, SESSION)
        assert (second.seq, second.lost, second.n, second.dt_ns) == (5, 10, 50, DT_NS)
        assert (second.t0_ns, second.clock_err_ns, second.flags) == (at(60), 1000, 0)
        assert store.read_batches(w, "back", at(0), at(60)) == [first]
        assert store.read_batches(w, "other", *EVER) == []


class TestResults:
    def test_many_results_are_read_whole(self, store: Store, wearer: NewWearer) -> None:
        w = wearer()
        many = [result(number, kind="timeline", number=number) for number in range(15_000)]
        store.write_results(w, at(0), at(len(many)), many, V1)
        assert store.read_results(w, "timeline", *EVER) == many

    def test_bodies_come_back_as_they_were(self, store: Store, wearer: NewWearer) -> None:
        w = wearer()
        body = {"peak_deg": 12.5, "n": None, "text": 'a "b" \\ ü, =\n', "list": [1, 2.5, None]}
        store.write_results(w, at(0), at(10), [result(3, 4, **body)], V1)
        assert store.read_results(w, "movement", *EVER) == [result(3, 4, **body)]
        assert store.read_results(w, "walking_bout", *EVER) == []

    def test_a_range_is_replaced_and_the_rest_stays(self, store: Store, wearer: NewWearer) -> None:
        w, other = wearer(), wearer()
        old = [result(i, 5, v=1) for i in (0, 9, 10, 15, 19, 20)]
        store.write_results(w, at(0), at(100), [*old, result(12, kind="sway")], V1)
        store.write_results(other, at(0), at(100), old, V1)
        new = [result(11, v=2), result(15, v=2)]
        store.write_results(w, at(10), at(20), new, V2)
        assert store.read_results(w, "movement", *EVER) == [old[0], old[1], *new, old[5]]
        assert store.read_results(w, "sway", *EVER) == []
        assert store.read_results(other, "movement", *EVER) == old
        assert store.provenances(w, *EVER) == [V1, V2]
        assert store.provenances(w, at(10), at(20)) == [V2]
        store.write_results(w, at(0), at(100), [], V2)
        assert store.read_results(w, "movement", *EVER) == []
        assert store.provenances(w, *EVER) == []

    def test_versions_lie_side_by_side(self, store: Store, wearer: NewWearer) -> None:
        w = wearer()
        shown, other = [result(3, v=1), result(8, v=1)], [result(3, 2, v=2)]
        sway = [result(4, kind="sway", v=3)]
        store.write_results(w, at(0), at(20), shown, V1)
        store.write_results(w, at(0), at(20), other + sway, V2, version="trial-1.0")
        store.write_results(w, at(0), at(20), shown, V2, version="trial-1.00")
        assert store.read_results(w, "movement", *EVER) == shown
        assert store.read_results(w, "movement", *EVER, version="trial-1.0") == other
        assert store.read_results(w, "movement", *EVER, version="trial-2") == []
        assert store.provenances(w, *EVER) == [V1]
        assert store.provenances(w, *EVER, version="trial-1.0") == [V2]
        assert store.result_spans(w) == [
            ResultSpan("", "movement", at(3), at(8)),
            ResultSpan("trial-1.0", "movement", at(3), at(3)),
            ResultSpan("trial-1.0", "sway", at(4), at(4)),
            ResultSpan("trial-1.00", "movement", at(3), at(8)),
        ]
        store.write_results(w, at(0), at(20), [], V2, version="trial-1.0")
        assert store.read_results(w, "movement", *EVER, version="trial-1.0") == []
        assert store.read_results(w, "movement", *EVER) == shown
        for bad in ("Trial", "a b", "x" * 33, "'; DROP", "a/b"):
            with pytest.raises(ValueError, match="is not 1-32"):
                store.write_results(w, at(0), at(20), shown, V1, version=bad)
        store.erase(w)
        assert store.result_spans(w) == []
        assert store.read_results(w, "movement", *EVER, version="trial-1.00") == []

    def test_the_sum_of_a_day_goes_with_what_it_sums_up(
        self, store: Store, wearer: NewWearer
    ) -> None:
        w, other = wearer(), wearer()
        days = [result(n * 100, 100, kind=DAY_SUM, n=n) for n in range(3)]
        for who in (w, other):
            store.write_results(who, at(0), at(300), [result(n * 50) for n in range(6)], V1)
            for day in days:
                store.write_day_sum(who, day, V1)
        assert store.read_results(w, DAY_SUM, *EVER) == days
        assert store.read_results(w, DAY_SUM, at(99), at(101)) == days[:2]
        assert store.provenances(w, *EVER) == [V1]
        assert [span.kind for span in store.result_spans(w)] == ["movement"]
        again = result(100, 100, kind=DAY_SUM, n=9)
        store.write_day_sum(w, again, V1)
        assert store.read_results(w, DAY_SUM, *EVER) == [days[0], again, days[2]]
        store.write_results(w, at(150), at(160), [result(150)], V1)
        assert store.read_results(w, DAY_SUM, *EVER) == [days[0], days[2]]
        store.write_results(w, at(0), at(10), [], V1, version="trial")
        assert store.read_results(w, DAY_SUM, *EVER) == [days[0], days[2]]
        store.write_day_sum(w, again, V1)
        store.write_results(w, at(90), at(95), [result(90, 20)], V1)  # reaches into the next day
        assert store.read_results(w, DAY_SUM, *EVER) == [days[2]]
        store.write_day_sum(w, again, V1)
        store.write_results(w, at(90), at(95), [], V1)  # what reached into it is gone
        assert store.read_results(w, DAY_SUM, *EVER) == [days[2]]
        store.write_results(w, at(200), at(300), [], V1)
        assert store.read_results(w, DAY_SUM, *EVER) == []
        assert store.read_results(other, DAY_SUM, *EVER) == days
        store.erase(other)
        assert store.read_results(other, DAY_SUM, *EVER) == []

    def test_writing_again_changes_nothing(self, store: Store, wearer: NewWearer) -> None:
        w = wearer()
        results = [result(1, v=1), result(1, v=2), result(1, kind="sway", v=3), result(2, v=4)]
        for _ in range(2):
            store.write_results(w, at(0), at(5), results, V1)
        assert store.read_results(w, "movement", *EVER) == [results[0], results[1], results[3]]
        assert store.read_results(w, "sway", *EVER) == [results[2]]

    @with_store
    @given(
        first=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 20)), max_size=8),
        second=st.lists(st.tuples(st.integers(10, 19), st.integers(0, 20)), max_size=8),
        low=st.integers(-5, 40),
        width=st.integers(1, 30),
    )
    def test_what_overlaps_is_found(
        self,
        store: Store,
        wearer: NewWearer,
        *,
        first: list[tuple[int, int]],
        second: list[tuple[int, int]],
        low: int,
        width: int,
    ) -> None:
        w = wearer()
        old = [result(*x, v=i) for i, x in enumerate(first)]
        new = [result(*x, v=-i) for i, x in enumerate(second)]
        store.write_results(w, at(0), at(40), old, V1)
        store.write_results(w, at(10), at(20), new, V1)
        kept = [x for x in old if not at(10) <= x.start_ns < at(20)] + new
        kept.sort(key=lambda x: x.start_ns)
        start, end = at(low), at(low + width)
        expected = [x for x in kept if x.start_ns < end and x.end_ns > start]
        assert store.read_results(w, "movement", start, end) == expected

    def test_the_longest_result_is_found_from_its_end(
        self, store: Store, wearer: NewWearer
    ) -> None:
        w = wearer()
        long = Result("quality", at(0), at(0) + MAX_RESULT_NS, {})
        store.write_results(w, at(0), at(1), [long], V1)
        assert store.read_results(w, "quality", long.end_ns - 1, long.end_ns + 9) == [long]
        assert store.read_results(w, "quality", long.end_ns, long.end_ns + 9) == []

    @pytest.mark.parametrize(
        "bad",
        [
            result(20),
            result(-1),
            Result("sway", at(1), at(0), {}),
            Result("sway", at(1), at(2) + MAX_RESULT_NS, {}),
        ],
        ids=["after", "before", "backwards", "too long"],
    )
    def test_a_result_that_cannot_be_replaced_is_refused(
        self, store: Store, wearer: NewWearer, bad: Result
    ) -> None:
        w = wearer()
        with pytest.raises(ValueError, match=r"starts outside|impossible length"):
            store.write_results(w, at(0), at(20), [bad], V1)
        assert store.read_results(w, bad.kind, *EVER) == []


def test_erase_leaves_nothing_and_nobody_else_out(store: Store, wearer: NewWearer) -> None:
    gone, stays = wearer(), wearer()
    for w in (gone, stays):
        store.write_batches(stored(w, batch(0)) + stored(w, batch(0), sensor="thigh"))
        store.write_results(w, at(0), at(10), [result(1)], V1)
    store.erase(gone)
    store.erase("never-was")
    assert store.sensors(gone) == []
    assert len(store.read_samples(gone, "back", *EVER)) == 0
    assert store.read_results(gone, "movement", *EVER) == []
    assert store.read_batches(gone, "back", *EVER) == []
    assert len(store.sensors(stays)) == 2
    assert len(store.read_results(stays, "movement", *EVER)) == 1
    store.write_batches(stored(gone, batch(70)))
    assert store.sensors(gone) == [SensorSpan("back", at(70), at(119))]


def test_everybody_is_known(store: Store, wearer: NewWearer) -> None:
    has_samples, has_results, gone = wearer(), wearer(), wearer()
    for w in (has_samples, gone):
        store.write_batches(stored(w, batch(0)))
    for w in (has_results, gone):
        store.write_results(w, at(0), at(10), [result(1)], V1)
    store.erase(gone)
    known = store.wearers()
    assert known == sorted(known)
    assert {has_samples, has_results} <= set(known)
    assert gone not in known


def test_names_are_data_not_query_text(store: Store, wearer: NewWearer) -> None:
    w = wearer()
    store.write_batches(stored(w, batch(0)))
    for name in ("' OR wearer != '", "\\' OR 1=1 --", 'x" OR "a'):
        assert store.sensors(name) == []
        assert len(store.read_samples(w, name, *EVER)) == 0
        store.erase(name)
    assert len(store.read_samples(w, "back", *EVER)) == 50
