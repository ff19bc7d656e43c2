"""Backups are consistent and verified; a restore brings nobody back who was erased."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from analytics.reanalysis import erase_versions
from analytics.store import backup as backups
from analytics.store import erasures
from analytics.store.archive import Archive
from analytics.store.archived import ArchivedStore
from analytics.store.archiving import archive_days
from analytics.store.backup import backup, check, restore
from analytics.store.base import Provenance, Result, StoredBatch, StoreError
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from analytics.store.migrations import HEAD
from analytics.store.migrations.versions import v0001_people
from analytics.store.records import DiaryEntry, ExportJob, Role
from tests.servers import PATIENCE_S
from wire.batch import Batch, Channel
from wire.ids import new_session

S = 1_000_000_000
DAY_NS = 86_400 * S
T0_NS = 20_000 * DAY_NS
WEARERS = ("keep-me", "forget-me")


def batch(second: int) -> Batch:
    counts = np.full((50, 3), second % 1000, np.int16)
    return Batch(
        session=new_session(),
        seq=second,
        floor_seq=0,
        t0_ns=T0_NS + second * S,
        dt_ns=20_000_000,
        n=50,
        channels={"accel": Channel(counts, 0.01)},
        rx_ns=T0_NS,
        clock_err_ns=0,
    )


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Two wearers with everything that can be said of one."""
    folder = tmp_path / "data"
    store, clinic = EmbeddedStore(folder / "samples.db"), Clinic(folder / "clinic.db")
    other = EmbeddedStore(folder / "reanalysis" / "6-abc.db")
    for wearer in WEARERS:
        clinic.add_wearer(wearer, "UTC")
        clinic.add_diary(DiaryEntry(wearer, T0_NS, "pain", None, None, 3, T0_NS, "cli"))
        clinic.audit("anna", "view", wearer)
        store.write_batches([StoredBatch(wearer, "trunk", batch(n)) for n in range(20)])
        found = [Result("movement", T0_NS, T0_NS + S, {"kind": "squat", "note": wearer})]
        for each in (store, other):
            each.write_results(wearer, T0_NS, T0_NS + DAY_NS, found, Provenance("6", "abc"))
    archive_days(store, Archive(folder / "archive"), T0_NS + 2 * DAY_NS)
    clinic.add_user("anna", "hash", Role.RESEARCHER)
    clinic.add_export(ExportJob("done", "anna", {}, T0_NS), ["keep-me"])
    clinic.set_export("done", "ready", share=1.0, ends_ns=2**62)
    (folder / "export.key").write_text("names")
    (folder / "export.key").chmod(0o600)
    for each in (store, other, clinic):
        each.close()
    return folder


def back_up(data_dir: Path, target: Path) -> Path:
    store = EmbeddedStore(data_dir / "samples.db")
    try:
        backup(data_dir, store, target)
    finally:
        store.close()
    return target


def opened(folder: Path) -> tuple[Clinic, ArchivedStore]:
    store = EmbeddedStore(folder / "samples.db")
    return Clinic(folder / "clinic.db"), ArchivedStore(store, Archive(folder / "archive"))


def erase(data_dir: Path, wearer: str) -> None:
    clinic, store = opened(data_dir)
    erasures.record(data_dir, wearer)
    clinic.erase(wearer, by="test")
    store.erase(wearer)
    erase_versions(data_dir, wearer)
    store.close()
    clinic.close()


def traces(folder: Path, word: str) -> set[str]:
    """Files that have the word in their name or anywhere in their bytes."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if word in path.name or (path.is_file() and word.encode() in path.read_bytes())
    }


def test_everything_comes_back(data_dir: Path, tmp_path: Path) -> None:
    source = back_up(data_dir, tmp_path / "backups" / "one")
    assert (source.stat().st_mode & 0o777) == 0o700
    done = restore(source, tmp_path / "new")
    assert done.erased == []
    for folder in (data_dir, tmp_path / "new"):
        clinic, store = opened(folder)
        assert [x.wearer for x in clinic.wearers()] == sorted(WEARERS)
        for wearer in WEARERS:
            assert len(store.read_samples(wearer, "trunk", T0_NS, T0_NS + DAY_NS)) == 1000
            assert len(store.read_results(wearer, "movement", T0_NS, T0_NS + DAY_NS)) == 1
            assert len(clinic.diary(wearer, 0, 2**62)) == 1
            assert store.archive.days(wearer)
        store.close()
        clinic.close()
    with closing(Clinic(tmp_path / "new" / "clinic.db")) as clinic:
        (job,) = clinic.exports()
    assert (job.state, job.detail) == (
        "failed",
        "its file is not part of a backup; ask for it again",
    )
    key = tmp_path / "new" / "export.key"
    assert (key.read_text(), key.stat().st_mode & 0o777) == ("names", 0o600)
    assert (tmp_path / "new" / "reanalysis" / "6-abc.db").is_file()
    assert not list((tmp_path / "new").glob(".*"))


@pytest.mark.parametrize("ledger", ["data", "backups", "later", "given"])
def test_an_older_backup_brings_nobody_back(data_dir: Path, tmp_path: Path, ledger: str) -> None:
    """Whichever record of the erasure survives: that of the lost server's data directory, that of
    the folder of backups, that inside a later backup, or a file that is given."""
    old = back_up(data_dir, tmp_path / "backups" / "old")
    assert traces(old, "forget-me")
    erase(data_dir, "forget-me")
    assert traces(data_dir, "forget-me") == {"clinic.db", erasures.FILE_NAME}
    new, ledgers = tmp_path / "new", []
    record = data_dir / erasures.FILE_NAME
    match ledger:
        case "data":
            new.mkdir()
            record.rename(new / record.name)
        case "backups":
            record.rename(tmp_path / "backups" / record.name)
        case "later":
            back_up(data_dir, tmp_path / "backups" / "later")
        case "given":
            ledgers = [record.rename(tmp_path / "kept.jsonl")]
    done = restore(old, new, ledgers=ledgers)
    assert done.erased == ["forget-me"]
    # Only that the pseudonym was erased, in the audit and in the record, is left.
    assert traces(new, "forget-me") == {"clinic.db", erasures.FILE_NAME}
    clinic, store = opened(new)
    assert {(x.action, x.user) for x in clinic.audit_entries("forget-me")} == {("erase", "restore")}
    assert store.wearers() == ["keep-me"]
    assert len(store.read_samples("keep-me", "trunk", T0_NS, T0_NS + DAY_NS)) == 1000
    store.close()
    clinic.close()
    raw = sqlite3.connect(new / "clinic.db")
    tables = [row[0] for row in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        rows = raw.execute(f"SELECT * FROM {table}").fetchall()
        assert table == "audit" or not any("forget-me" in str(row) for row in rows)
    raw.close()


def test_who_came_again_after_the_erasure_stays(data_dir: Path, tmp_path: Path) -> None:
    erase(data_dir, "forget-me")
    clinic = Clinic(data_dir / "clinic.db")
    clinic.add_wearer("forget-me", "UTC")
    clinic.close()
    source = back_up(data_dir, tmp_path / "backups" / "one")
    assert restore(source, tmp_path / "new").erased == []
    clinic = Clinic(tmp_path / "new" / "clinic.db")
    assert clinic.wearer("forget-me")
    clinic.close()


def test_a_damaged_record_of_erasures_stops_the_restore(data_dir: Path, tmp_path: Path) -> None:
    source = back_up(data_dir, tmp_path / "backups" / "one")
    (tmp_path / "backups" / erasures.FILE_NAME).write_text('{"wearer": "forget')
    with pytest.raises(StoreError, match="cannot be read"):
        restore(source, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_nothing_is_restored_over_data_or_from_a_changed_file(
    data_dir: Path, tmp_path: Path
) -> None:
    source = back_up(data_dir, tmp_path / "one")
    with pytest.raises(StoreError, match="has data already"):
        restore(source, data_dir)
    with pytest.raises(StoreError, match="is there already"):
        back_up(data_dir, source)
    day = next(source.glob("archive/*/*/trunk.parquet"))
    day.write_bytes(day.read_bytes()[:-1] + b"x")
    with pytest.raises(StoreError, match=r"trunk\.parquet of the backup is not what was written"):
        restore(source, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    with pytest.raises(StoreError, match="no backup"):
        check(tmp_path)


def test_an_older_schema_is_brought_up_to_date(data_dir: Path, tmp_path: Path) -> None:
    """A backup that the first Trunkline made of its people."""
    source = back_up(data_dir, tmp_path / "one")
    (source / "clinic.db").unlink()
    raw = sqlite3.connect(source / "clinic.db", isolation_level=None)
    for statement in v0001_people.TABLES:
        raw.execute(statement)
    raw.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    raw.execute("INSERT INTO alembic_version VALUES ('0001')")
    raw.execute("INSERT INTO wearer (wearer, time_zone, created_ns) VALUES ('old', 'UTC', 1)")
    raw.close()
    told = json.loads((source / backups.MANIFEST).read_text())
    content = (source / "clinic.db").read_bytes()
    told["files"]["clinic.db"] = hashlib.sha256(content).hexdigest()
    (source / backups.MANIFEST).write_text(json.dumps(told))
    restore(source, tmp_path / "new")
    clinic = Clinic(tmp_path / "new" / "clinic.db")
    assert [wearer.wearer for wearer in clinic.wearers()] == ["old"]
    assert clinic.alerts("old", 0, 2**62) == []
    clinic.close()
    raw = sqlite3.connect(tmp_path / "new" / "clinic.db")
    assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]
    raw.close()


@pytest.fixture
def writing(data_dir: Path) -> Iterator[threading.Event]:
    """Somebody writes all the time; set: they have begun."""
    begun, stop = threading.Event(), threading.Event()
    store = EmbeddedStore(data_dir / "samples.db")

    def work() -> None:
        for second in range(100, 5000):
            if stop.is_set():
                return
            store.write_batches([StoredBatch("keep-me", "trunk", batch(second))])
            begun.set()

    thread = threading.Thread(target=work)
    thread.start()
    yield begun
    stop.set()
    thread.join()
    store.close()


def test_a_backup_while_everybody_writes_is_one_state(
    data_dir: Path, tmp_path: Path, writing: threading.Event
) -> None:
    assert writing.wait(PATIENCE_S)
    source = back_up(data_dir, tmp_path / "one")
    check(source)
    store = EmbeddedStore(source / "samples.db")
    assert store.check() == []
    seconds = [x.seq for x in store.read_batches("keep-me", "trunk", 0, 2**62)]
    assert seconds == [*range(20), *range(100, 100 + len(seconds) - 20)]
    store.close()
