"""What only the SQLite store has: its file."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest

from analytics.store.base import Provenance, Result, StoreError
from analytics.store.database import Database
from analytics.store.embedded import EmbeddedStore
from tests.analytics.store.samples import SESSION, T0_NS, batch, stored
from wire.batch import Batch, Channel

EVER = (0, 2**62)


def test_counts_are_kept_as_they_came_and_scaled_when_read(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "s.db")
    rng = np.random.default_rng(3)
    channels = {
        "accel": Channel(rng.integers(-(2**31), 2**31 - 1, (9, 3), np.int32), 1.7e-8),
        "gyro": Channel(rng.integers(-(2**15), 2**15 - 1, (9, 3), np.int16), 0.0010652644),
        "mag": Channel(rng.normal(size=(9, 3)).astype(np.float32), 0.15),
    }
    store.write_batches(stored("w", Batch(SESSION, 0, 0, T0_NS, 7, 9, channels, T0_NS, 0)))
    read = store.read_samples("w", "back", *EVER)
    for name, channel in channels.items():
        np.testing.assert_array_equal(read.values[name], channel.si())
    store.close()


def test_big_endian_counts(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "s.db")
    raw = np.arange(6, dtype=">i2").reshape(2, 3)
    store.write_batches(
        stored("w", Batch(SESSION, 0, 0, T0_NS, 7, 2, {"accel": Channel(raw)}, T0_NS, 0))
    )
    assert store.read_samples("w", "back", *EVER).values["accel"].tolist() == raw.tolist()
    store.close()


def test_a_second_opening_sees_what_is_written(tmp_path: Path) -> None:
    first, second = EmbeddedStore(tmp_path / "s.db"), EmbeddedStore(tmp_path / "s.db")
    first.write_batches(stored("w", batch(0)))
    assert len(second.read_samples("w", "back", *EVER)) == 50
    second.erase("w")
    first.write_batches(stored("w", batch(50)))
    assert len(second.read_samples("w", "back", *EVER)) == 50
    first.close()
    second.close()


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "s.db")
    with pytest.raises(RuntimeError):
        store.write_batches(_Failing(stored("w", batch(0))))
    assert store.sensors("w") == []
    store.close()


class _Failing(list):  # type: ignore[type-arg]
    """Breaks off the second time that it is gone through, after the first item."""

    times = 0

    def __iter__(self):  # type: ignore[no-untyped-def]
        self.times += 1
        yield from super().__iter__()
        if self.times > 1:
            raise RuntimeError


def test_threads_read_while_one_writes(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "s.db")
    store.write_batches(stored("w", batch(0)))
    counts: list[int] = []

    def read() -> None:
        counts.extend(len(store.read_samples("w", "back", *EVER)) for _ in range(20))

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for i in range(1, 20):
        store.write_batches(stored("w", batch(50 * i)))
    for thread in threads:
        thread.join()
    store.close()
    assert len(counts) == 60
    assert all(count % 50 == 0 for count in counts)
    with pytest.raises(StoreError, match="closed"):
        store.sensors("w")


def test_closing_waits_for_a_query_of_another_thread(tmp_path: Path) -> None:
    db = Database(tmp_path / "s.db", "")
    asked, answers = threading.Event(), []

    def ask() -> None:
        with db.read() as connection:
            for row in connection.execute(
                "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 200000)"
                " SELECT x FROM n"
            ):
                asked.set()
                answers.append(row[0])

    thread = threading.Thread(target=ask)
    thread.start()
    assert asked.wait(30)
    db.close()
    assert answers[-1] == 200000
    thread.join()
    with pytest.raises(StoreError, match="closed"), db.read():
        pass


def test_erased_values_are_not_in_the_file(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "s.db")
    store.write_batches(stored("w-secret-name", batch(0)))
    result = Result("sway", T0_NS, T0_NS + 1, {"note": "unmistakable"})
    store.write_results("w-secret-name", T0_NS, T0_NS + 1, [result], Provenance("1", "p"))
    store.erase("w-secret-name")
    for file in tmp_path.iterdir():
        content = file.read_bytes()
        assert b"w-secret-name" not in content
        assert b"unmistakable" not in content
    store.close()


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    EmbeddedStore(tmp_path / "s.db").close()
    connection = sqlite3.connect(tmp_path / "s.db")
    connection.execute("PRAGMA user_version = 9")
    connection.close()
    with pytest.raises(StoreError, match="schema 9"):
        EmbeddedStore(tmp_path / "s.db")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="check that"):
        EmbeddedStore(tmp_path / "file" / "s.db")


def test_a_full_disk_is_told_and_nothing_is_half_written(
    tmp_path: Path,
) -> None:
    store = EmbeddedStore(tmp_path / "s.db")
    store.write_batches(stored("w", batch(0)))
    with store._db.read() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="disk has room"):
        store.write_batches(stored("w", *(batch(50 * i) for i in range(1, 100))))
    assert len(store.read_samples("w", "back", *EVER)) == 50
    store.close()
