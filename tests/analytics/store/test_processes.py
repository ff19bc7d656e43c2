"""Several processes at one store, and processes that are killed in the middle of it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from analytics.store.base import Samples, Store
from analytics.store.embedded import EmbeddedStore
from tests.analytics.store.conftest import Where
from tests.analytics.store.samples import SESSION, assert_same, batch, stored
from wire.batch import Batch

ROOT = Path(__file__).parents[3]
EVER = (0, 2**62)
NewWearer = Callable[[], str]


@contextmanager
def child(where: Where, *task: object) -> Iterator[subprocess.Popen[str]]:
    """Another process at the same store, killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.analytics.store.child", json.dumps(where), *map(str, task)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def lines(process: subprocess.Popen[str]) -> Iterator[int]:
    assert process.stdout is not None
    return (int(line) for line in process.stdout if line.endswith("\n"))


def expected(samples: int) -> Samples:
    parts = [batch(50 * k) for k in range(samples // 50)]
    return Samples(
        np.concatenate([x.t_ns for x in parts]),
        {
            name: np.concatenate([x.channels[name].si() for x in parts])
            for name in ("accel", "gyro")
        },
    )


def test_others_read_whole_batches_while_one_writes(
    where: Where, store: Store, wearer: NewWearer
) -> None:
    w, count = wearer(), 40
    with child(where, "read", w) as reader, child(where, "write", w, count) as writer:
        theirs = lines(reader)
        assert next(theirs) % 50 == 0
        for number in lines(writer):
            # What another process was told is written, everybody can read.
            if number % 10 == 9:
                assert len(store.read_samples(w, "back", *EVER)) >= 50 * (number + 1)
        seen = [0]
        while seen[-1] < 50 * count:
            seen.append(next(theirs))
    assert seen == sorted(seen)
    assert all(number % 50 == 0 for number in seen)
    assert_same(store.read_samples(w, "back", *EVER), expected(50 * count))


def test_a_writer_that_is_killed_loses_nothing_it_had_written(
    where: Where, store: Store, wearer: NewWearer
) -> None:
    for kill_after in (3, 11):
        w = wearer()
        with child(where, "write", w, 10_000) as writer:
            told = -1
            for told in lines(writer):
                if told >= kill_after:
                    break
            time.sleep(random.random() / 50)
            writer.kill()
            told = max([told, *lines(writer)])
        read = store.read_samples(w, "back", *EVER)
        assert len(read) % 50 == 0
        assert len(read) >= 50 * (told + 1)
        assert_same(read, expected(len(read)))
        # What the agent still holds comes again, as after every crash.
        store.write_batches(stored(w, *(batch(50 * k, seq=k) for k in range(len(read) // 50 + 2))))
        assert_same(store.read_samples(w, "back", *EVER), expected(len(read) + 100))
        assert [x.seq for x in store.read_batches(w, "back", *EVER)] == [
            *range(len(read) // 50 + 2)
        ]


def test_compaction_may_be_killed_at_any_moment(tmp_path: Path) -> None:
    """Many small cells, packed, disturbed by late batches and packed again, with kills between."""
    where = {"kind": "embedded", "path": str(tmp_path / "samples.db")}
    store = EmbeddedStore(tmp_path / "samples.db")
    w, rng = "w-1", random.Random(4)
    for _ in range(4):
        for _ in range(4):
            start = rng.randrange(0, 2_000_000, 50)
            store.write_batches(stored(w, *(batch(start + 50 * k, seq=k) for k in range(100))))
        before = store.read_samples(w, "back", *EVER)
        records = store.read_batches(w, "back", *EVER)
        with child(where, "compact") as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(rng.random() / 10)
            process.kill()
        assert store.check() == []
        assert_same(store.read_samples(w, "back", *EVER), before)
        assert store.read_batches(w, "back", *EVER) == records
    store.compact(2**62)
    assert_same(store.read_samples(w, "back", *EVER), before)
    store.close()


def test_two_compact_at_once_while_one_writes(tmp_path: Path) -> None:
    where = {"kind": "embedded", "path": str(tmp_path / "samples.db")}
    store = EmbeddedStore(tmp_path / "samples.db")
    with child(where, "compact") as one, child(where, "compact") as other:
        for process in (one, other):
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for number in range(100):
            store.write_batches(stored("w-1", batch(50 * number, seq=number)))
            if number % 20 == 0:
                assert len(store.read_samples("w-1", "back", *EVER)) == 50 * (number + 1)
    assert_same(store.read_samples("w-1", "back", *EVER), expected(5000))
    assert store.check() == []
    store.close()


@pytest.mark.parametrize("years", [10, 40])
def test_a_clock_in_the_future_is_kept_as_it_is_told(
    store: Store, wearer: NewWearer, years: int
) -> None:
    w, now = wearer(), batch(0)
    ahead_ns = years * 365 * 86_400 * 10**9
    ahead = Batch(SESSION, 1, 0, now.t0_ns + ahead_ns, now.dt_ns, now.n, now.channels, now.rx_ns, 0)
    store.write_batches(stored(w, now, ahead))
    read = store.read_samples(w, "back", 0, 2**63 - 1)
    assert read.t_ns.tolist() == [*now.t_ns.tolist(), *ahead.t_ns.tolist()]
    (span,) = store.sensors(w)
    assert (span.first_ns, span.last_ns) == (now.t0_ns, int(ahead.t_ns[-1]))
    assert len(store.read_samples(w, "back", 0, ahead.t0_ns)) == now.n
    store.erase(w)
    assert len(store.read_samples(w, "back", 0, 2**63 - 1)) == 0
