"""Disks that fill up under an archive or a copy, and a server that restarts in mid-write."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from analytics.store.archive import Archive
from analytics.store.archived import ArchivedStore
from analytics.store.base import StoreError
from analytics.store.copying import copy
from analytics.store.embedded import EmbeddedStore
from analytics.store.influx import InfluxStore
from tests.analytics.store.samples import assert_same, batch, stored
from tests.analytics.store.test_archive import fill, run
from tests.conftest import missing
from tests.servers import PATIENCE_S, Influx, influxd, tiny_disk
from wire.batch import Batch

EVER = (0, 2**62)
ROUNDS = 3


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        missing("a small file system can only be mounted by root")
    with tiny_disk(tmp_path / "disk", "4m") as folder:
        yield folder


def filled_up(disk: Path, but: int) -> Path:
    """A file that leaves so many bytes."""
    filler = disk / "filler"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    filler.write_bytes(b"\0" * (free - but))
    return filler


def test_a_full_disk_under_the_archive(tmp_path: Path, disk: Path) -> None:
    store, archive = EmbeddedStore(tmp_path / "s.db"), Archive(disk / "archive")
    fill(store, "w-1")
    before = store.read_samples("w-1", "back", *EVER)
    filler = filled_up(disk, 4096)
    with pytest.raises(StoreError, match="space"):
        run(store, archive, "w-1", keep_days=1, drop=store.drop_samples)
    assert not [f for f in archive.folder.rglob("*.partial") if f.is_file()]
    assert_same(store.read_samples("w-1", "back", *EVER), before)
    filler.unlink()
    run(store, archive, "w-1", keep_days=1, drop=store.drop_samples)
    assert len(store.read_samples("w-1", "back", *EVER)) < len(before)
    assert_same(ArchivedStore(store, archive).read_samples("w-1", "back", *EVER), before)
    store.close()


def test_a_full_disk_under_a_copy(tmp_path: Path, disk: Path) -> None:
    source, target = EmbeddedStore(tmp_path / "s.db"), EmbeddedStore(disk / "t.db")
    for start in range(0, 25_000, 2500):
        source.write_batches(stored("w-1", *(batch(start + 50 * k) for k in range(50))))
    filler = filled_up(disk, 200_000)
    with pytest.raises(StoreError, match="disk has room"):
        copy(source, target)
    filler.unlink()
    copy(source, target)
    assert_same(
        target.read_samples("w-1", "back", *EVER), source.read_samples("w-1", "back", *EVER)
    )
    assert target.check() == []
    source.close()
    target.close()


@pytest.mark.influxdb
def test_a_server_that_restarts_in_mid_write_loses_nothing_it_confirmed(
    influxd_bin: Path, tmp_path: Path
) -> None:
    """Killed several times while a writer goes on: what failed is told and written again, and in
    the end everything is there once."""
    with influxd(influxd_bin, tmp_path / "influx") as server:
        store = InfluxStore(server.url, server.database, user=server.user, password=server.password)
        written: list[Batch] = []
        failures: list[str] = []
        stop = threading.Event()

        def write() -> None:
            while not stop.is_set():
                item = batch(50 * len(written), seq=len(written))
                try:
                    store.write_batches(stored("w-1", item))
                except StoreError as error:
                    failures.append(str(error))
                    time.sleep(0.05)
                else:
                    written.append(item)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(ROUNDS):
                _kill_in_mid_write(server, written, failures)
        finally:
            stop.set()
            writer.join(PATIENCE_S)
        assert all("does not answer" in text or "status 50" in text for text in failures)
        read = store.read_samples("w-1", "back", *EVER)
        assert len(read) == sum(item.n for item in written)
        records = store.read_batches("w-1", "back", *EVER)
        assert [record.seq for record in records] == list(range(len(written)))
        store.close()


def _kill_in_mid_write(server: Influx, written: list[Batch], failures: list[str]) -> None:
    _grows(written, 20)
    server.kill()
    _grows(failures, 1)
    server.start()
    _grows(written, 20)


def _grows(found: Sequence[object], by: int, timeout_s: float = PATIENCE_S) -> None:
    """Wait until there are so many more."""
    wanted, deadline_s = len(found) + by, time.monotonic() + timeout_s
    while len(found) < wanted:
        assert time.monotonic() < deadline_s, "it took too long"
        time.sleep(0.01)
