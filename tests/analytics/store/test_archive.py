"""The archive of raw samples, and a store that reads from it what it has not any more."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from analytics.store.archive import DAY_NS, Archive, day_of
from analytics.store.archived import ArchivedStore
from analytics.store.archiving import Archived, archive_days
from analytics.store.base import Store, StoreError
from analytics.store.embedded import EmbeddedStore
from analytics.store.influx import InfluxStore
from tests.analytics.store.samples import DT_NS, T0_NS, assert_same, batch, stored

EVER = (0, 2**62)
DAY = DAY_NS // DT_NS
MIDNIGHT = (T0_NS // DAY_NS + 1) * DAY_NS
FIRST = (MIDNIGHT - T0_NS) // DT_NS
"""Number of the first sample after the first midnight; samples lie on both sides of it."""
NewWearer = Callable[[], str]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


def fill(store: Store, w: str) -> None:
    """Three days: some on the first, one batch over midnight, some on the second and third."""
    store.write_batches(
        stored(
            w,
            *(batch(50 * k, seq=k) for k in range(4)),
            batch(FIRST - 30, seq=9),
            *(batch(FIRST + 1000 + 50 * k, seq=10 + k, quantities=("accel",)) for k in range(4)),
            batch(FIRST + DAY + 77, seq=20),
        )
    )
    store.write_batches(stored(w, batch(FIRST + 5, quantities=("mag",)), sensor="thigh"))


def run(store: Store, archive: Archive, w: str, days: float = 3, **more: object) -> Archived:
    now_ns = MIDNIGHT + int((days - 1) * DAY_NS) + 5
    return archive_days(store, archive, now_ns, wearers=[w], **more)  # type: ignore[arg-type]


def forget(store: Store, w: str, before_ns: int) -> None:
    """As the server's retention does, or the nightly job."""
    if isinstance(store, InfluxStore):
        store.server.ask(
            store.raw, f"DELETE FROM imu WHERE wearer = '{w}' AND time < {before_ns}", "POST"
        )
    else:
        assert isinstance(store, EmbeddedStore)
        count = len(store.read_batches(w, "back", 0, before_ns))
        store.drop_samples(w, "back", before_ns, count)


def test_what_the_store_has_no_more_is_read_from_the_archive(
    store: Store, wearer: NewWearer, archive: Archive
) -> None:
    w = wearer()
    fill(store, w)
    before = store.read_samples(w, "back", *EVER)
    records, spans = store.read_batches(w, "back", *EVER), store.sensors(w)
    assert run(store, archive, w, days=3, keep_days=4).written == 4
    archive.set_horizon(MIDNIGHT + DAY_NS)
    forget(store, w, MIDNIGHT + DAY_NS)
    assert len(store.read_samples(w, "back", *EVER)) < len(before)
    both = ArchivedStore(store, archive)
    assert_same(both.read_samples(w, "back", *EVER), before)
    assert both.read_batches(w, "back", *EVER) == records
    assert both.sensors(w) == spans
    assert w in both.wearers()
    low, high = T0_NS + 33 * DT_NS, MIDNIGHT + 1020 * DT_NS
    inside = (before.t_ns >= low) & (before.t_ns < high)
    part = both.read_samples(w, "back", low, high)
    assert part.t_ns.tolist() == before.t_ns[inside].tolist()
    chunks = list(both.iter_samples(w, "back", *EVER, 3600 * 10**9))
    assert sum(map(len, chunks)) == len(before)
    # What comes late for a day that has gone is there at once, and after the next night.
    store.write_batches(stored(w, batch(300, seq=5)))
    assert len(both.read_samples(w, "back", *EVER)) == len(before) + 50
    assert run(store, archive, w, keep_days=4).written == 1
    forget(store, w, MIDNIGHT)
    assert len(both.read_samples(w, "back", *EVER)) == len(before) + 50
    both.erase(w)
    assert not (archive.folder / w).exists()
    assert len(both.read_samples(w, "back", *EVER)) == 0
    assert both.sensors(w) == []


def test_a_file_explains_itself(tmp_path: Path, archive: Archive) -> None:
    store = EmbeddedStore(tmp_path / "s.db")
    fill(store, "w-1")
    assert run(store, archive, "w-1") == Archived(written=4, unchanged=0)
    assert run(store, archive, "w-1") == Archived(written=0, unchanged=4)
    path = archive.folder / "w-1" / day_of(T0_NS).isoformat() / "back.parquet"
    table = pq.read_table(path)
    assert table.column_names == ["time", *(f"{q}_{a}" for q in ("accel", "gyro") for a in "xyz")]
    assert table.schema.field("gyro_y").metadata == {b"unit": b"rad/s"}
    assert pq.ParquetFile(path).metadata.row_group(0).column(1).compression == "ZSTD"
    meta = json.loads(table.schema.metadata[b"trunkline"])
    assert (meta["schema"], meta["wearer"], meta["sensor"]) == (
        "trunkline-archive/1",
        "w-1",
        "back",
    )
    assert meta["samples"] == len(table)
    assert meta["software"].startswith("trunkline ")
    assert archive.check("w-1", "back", day_of(T0_NS)) is None
    store.close()


def test_the_day_that_runs_is_not_archived(tmp_path: Path, archive: Archive) -> None:
    store = EmbeddedStore(tmp_path / "s.db")
    fill(store, "w-1")
    run(store, archive, "w-1", days=1.5)
    assert [str(day) for day, _ in archive.days("w-1")] == [str(day_of(T0_NS))]
    store.close()


def test_nothing_leaves_the_store_that_is_not_archived(tmp_path: Path, archive: Archive) -> None:
    store = EmbeddedStore(tmp_path / "s.db")
    fill(store, "w-1")

    def late_arrival(wearer: str, sensor: str, before_ns: int, batches: int) -> None:
        if sensor == "back":
            store.write_batches(stored("w-1", batch(700, seq=7)))
        store.drop_samples(wearer, sensor, before_ns, batches)

    run(store, archive, "w-1", days=4, keep_days=2, drop=late_arrival)
    both = ArchivedStore(store, archive)
    assert len(store.read_samples("w-1", "back", 0, MIDNIGHT)) == 4 * 50 + 30 + 50
    run(store, archive, "w-1", days=4, keep_days=2, drop=store.drop_samples)
    assert len(store.read_samples("w-1", "back", 0, MIDNIGHT)) == 0
    assert len(both.read_samples("w-1", "back", 0, MIDNIGHT)) == 4 * 50 + 30 + 50
    store.close()


def test_a_damaged_day_is_told(tmp_path: Path, archive: Archive) -> None:
    store = EmbeddedStore(tmp_path / "s.db")
    fill(store, "w-1")
    run(store, archive, "w-1")
    path = archive.folder / "w-1" / day_of(T0_NS).isoformat() / "back.parquet"
    content = path.read_bytes()
    for bad in (b"", b"rubbish", content[: len(content) // 2]):
        path.write_bytes(bad)
        with pytest.raises(StoreError, match=r"archive file .*back.parquet is damaged"):
            archive.read_samples("w-1", "back", *EVER)
    store.close()


def test_names_that_could_lead_out_of_the_folder(tmp_path: Path, archive: Archive) -> None:
    store = EmbeddedStore(tmp_path / "s.db")
    archive.set_horizon(2**60)
    both = ArchivedStore(store, archive)
    for name in ("../x", "/etc", "a/../../b", ""):
        assert len(both.read_samples(name, "back", *EVER)) == 0
        assert both.sensors(name) == []
        both.erase(name)
    store.close()
