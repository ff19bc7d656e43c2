"""Backup and restore of a data directory: people, samples, results, archive, key of exports.

A backup is a folder that appears when it is complete, with a manifest of every file's SHA-256. It
is made while everything runs: each database is copied in one state, people first, so that nothing
is said to be stored that the copied store does not have. What is in InfluxDB is copied into a file
of the embedded store, and so can be restored into either.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from analytics.store import erasures
from analytics.store.archive import FOLDER as ARCHIVE
from analytics.store.archive import Archive
from analytics.store.base import Store, StoreError
from analytics.store.clinic import EXPORT_KEY, Clinic
from analytics.store.clinic import FILE_NAME as CLINIC
from analytics.store.copying import copy
from analytics.store.embedded import FILE_NAME as SAMPLES
from analytics.store.embedded import EmbeddedStore

MANIFEST: Final = "backup.json"
SCHEMA: Final = "trunkline-backup/1"
REANALYSIS: Final = "reanalysis"
_OURS: Final = (CLINIC, SAMPLES, ARCHIVE, REANALYSIS, EXPORT_KEY)
_NO_FILE: Final = "its file is not part of a backup; ask for it again"
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did."""

    files: int
    erased: Sequence[str]
    """wearers that had been erased since the backup was made"""


def backup(
    data_dir: Path, store: Store, target: Path, progress: Progress = lambda _done, _all: None
) -> int:
    """Make the folder `target`; returns how many files it has. `store`: without the archive behind
    it. Raises StoreError; then there is no `target`."""
    if target.exists():
        raise StoreError(f"{target} is there already", "name a new folder")
    stage = target.parent / f".{target.name}.part"
    with _errors(target):
        shutil.rmtree(stage, ignore_errors=True)
        stage.mkdir(parents=True, mode=0o700)
        created_ns = time.time_ns()
        clinic = Clinic(data_dir / CLINIC)
        try:
            clinic.copy_to(stage / CLINIC)
        finally:
            clinic.close()
        _copy_store(store, stage / SAMPLES, progress)
        for path in sorted((data_dir / REANALYSIS).glob("*.db")):
            (stage / REANALYSIS).mkdir(exist_ok=True)
            results = EmbeddedStore(path)
            try:
                results.copy_to(stage / REANALYSIS / path.name)
            finally:
                results.close()
        _copy_archive(data_dir / ARCHIVE, stage / ARCHIVE, progress)
        for name in (erasures.FILE_NAME, EXPORT_KEY):
            if (data_dir / name).exists():
                shutil.copy(data_dir / name, stage / name)
        files = _write_manifest(stage, created_ns)
        stage.rename(target)
    return files


def restore(
    source: Path,
    data_dir: Path,
    *,
    ledgers: Sequence[Path] = (),
    into: Store | None = None,
    progress: Progress = lambda _done, _all: None,
) -> Restored:
    """Put a backup where no data are. Who was erased after it was made, by its neighbours, by what
    stands in `data_dir` or by `ledgers`, is erased again before anything is in place; an older
    schema is brought up to date. into: another store for samples and results. Raises StoreError."""
    taken = [name for name in _OURS if (data_dir / name).exists()]
    if taken:
        raise StoreError(
            f"{data_dir} has data already ({', '.join(taken)})",
            "name an empty --data-dir; nothing is ever restored over what is there",
        )
    if into is not None and into.wearers():
        raise StoreError("the store has data already", "restore into empty databases")
    told = check(source, progress)
    name = erasures.FILE_NAME
    beside = sorted(source.resolve().parent.glob(f"*/{name}"))
    known = [*ledgers, data_dir / name, source.resolve().parent / name, *beside]
    erased = erasures.erased_since(known, told["created_ns"])
    stage = data_dir / ".restore.part"
    with _errors(data_dir):
        shutil.rmtree(stage, ignore_errors=True)
        data_dir.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, stage, ignore=shutil.ignore_patterns(MANIFEST))
        stage.chmod(0o700)
        _bring_up_to_date(stage, erased)
        if into is not None:
            samples = EmbeddedStore(stage / SAMPLES)
            try:
                copy(samples, into, None, progress)
            finally:
                samples.close()
            (stage / SAMPLES).unlink()
        _keep_ledgers(stage / name, [*known, stage / name])
        for path in sorted(stage.iterdir()):
            path.replace(data_dir / path.name)
        stage.rmdir()
    return Restored(len(told["files"]), erased)


def check(source: Path, progress: Progress = lambda _done, _all: None) -> dict[str, Any]:
    """The manifest of a backup whose every file is as it was written; StoreError for any other."""
    path = source / MANIFEST
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if told["schema"] != SCHEMA:
            raise ValueError(told["schema"])
        files = told["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{source} is no backup of ours", "name a folder made by: trunkline backup"
        ) from error
    with _errors(source):
        for number, (name, digest) in enumerate(sorted(files.items())):
            progress(number, len(files))
            file = source / name
            if not file.is_file() or _sha256(file) != digest:
                raise StoreError(
                    f"{name} of the backup is not what was written", "use another backup"
                )
    progress(len(files), len(files))
    return told


def _copy_store(store: Store, path: Path, progress: Progress) -> None:
    if isinstance(store, EmbeddedStore):
        store.copy_to(path)
        return
    target = EmbeddedStore(path)
    try:
        copy(store, target, None, progress)
        target.compact(time.time_ns())
    finally:
        target.close()


def _copy_archive(source: Path, target: Path, progress: Progress) -> None:
    """Day files never change in place: each is there whole, or gone because it was erased."""
    paths = [path for path in sorted(source.rglob("*")) if path.suffix in {".parquet", ".json"}]
    for number, path in enumerate(paths):
        progress(number, len(paths))
        to = target / path.relative_to(source)
        to.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(path, to)
        except FileNotFoundError:
            to.unlink(missing_ok=True)


def _bring_up_to_date(stage: Path, erased: Sequence[str]) -> None:
    clinic = Clinic(stage / CLINIC)
    stores = [EmbeddedStore(path) for path in [stage / SAMPLES, *(stage / REANALYSIS).glob("*.db")]]
    try:
        for wearer in erased:
            clinic.erase(wearer, by="restore")
            Archive(stage / ARCHIVE).erase(wearer)
            for store in stores:
                store.erase(wearer)
        for job in clinic.exports():
            if job.state == "ready":
                clinic.set_export(job.id, "failed", detail=_NO_FILE, ends_ns=job.ends_ns)
    finally:
        clinic.close()
        for store in stores:
            store.close()


def _keep_ledgers(path: Path, known: Sequence[Path]) -> None:
    """Everything that any ledger says, once: the next restore may see this one only."""
    lines = {line for each in known if each.is_file() for line in each.read_text().splitlines()}
    if lines:
        path.write_text("".join(f"{line}\n" for line in sorted(lines)), encoding="utf-8")


def _write_manifest(stage: Path, created_ns: int) -> int:
    files = {}
    for path in sorted(stage.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
            files[path.relative_to(stage).as_posix()] = _sha256(path)
    told = {
        "schema": SCHEMA,
        "created_ns": created_ns,
        "software": f"trunkline {version('trunkline')}",
        "files": files,
    }
    (stage / MANIFEST).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return len(files)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, shutil.Error) as error:
        raise StoreError(
            f"{path}: {getattr(error, 'strerror', None) or error}",
            "check that the disk has room and may be written",
        ) from error
