"""A folder that is filled beside its place, survives a kill half-way, and appears whole or not at
all.

Finished pieces stand in a journal with the SHA-256 of their files. The same request made again
finds them and goes on; any other request begins anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from analytics.export.errors import ExportError
from analytics.export.piece import Written
from analytics.store.base import StoreError
from analytics.store.database import only_one

MANIFEST: Final = "manifest.json"
PROVENANCE: Final = "provenance.json"
_JOURNAL: Final = ".journal"
_LOCK: Final = ".lock"


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One finished file, as the manifest tells of it."""

    file: str
    bytes: int
    sha256: str
    rows: int | None = None
    table: str | None = None


@dataclass(slots=True)
class Stage:
    """The folder under way."""

    folder: Path
    _journal: Path
    _done: dict[str, list[FileRecord]] = field(default_factory=dict)

    def has(self, piece: str) -> bool:
        """Whether the piece was finished, by this run or by one before."""
        return piece in self._done

    def finish(self, piece: str, written: Sequence[Written]) -> None:
        """Put the files of a piece on disk and on record."""
        records = [self._record(each) for each in written]
        line = {"piece": piece, "files": [asdict(record) for record in records]}
        _append(self._journal, line)
        self._done[piece] = records

    def add(self, file: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file that belongs to no piece."""
        write_json(self.folder / file, content)
        self.finish(f"file {file}", [Written(file)])

    def files(self) -> list[FileRecord]:
        """Everything finished so far, sorted."""
        found = {record.file: record for records in self._done.values() for record in records}
        return [found[name] for name in sorted(found)]

    def _record(self, written: Written) -> FileRecord:
        path = self.folder / written.file
        with path.open("rb") as file:
            os.fsync(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        name = None if written.table is None else written.table.name
        return FileRecord(written.file, path.stat().st_size, digest, written.rows, name)


@contextmanager
def staged(target: Path, request: Mapping[str, Any], *, force: bool) -> Iterator[Stage]:
    """The stage of `target`, which takes its place when the block ends well and stays for the next
    attempt when it does not.

    Raises ExportError for a target that must not be replaced or cannot be written, and when
    another run is filling the same stage.
    """
    check_target(target, force)
    folder = target.parent / f".{target.name}.part"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with only_one(folder / _LOCK, "export"):
            stage = _opened(folder, request)
            yield stage
            _write_manifest(stage)
            check_target(target, force)
            stage._journal.unlink()
            (folder / _LOCK).unlink()
        _swap(folder, target)
    except StoreError as error:
        if "another export" in error.message:
            raise ExportError(f"another export to {target} is running; wait for it") from error
        raise
    except OSError as error:
        raise ExportError(
            f"cannot write {target}: {error.strerror or error}; check the disk and its permissions"
        ) from error


def _opened(folder: Path, request: Mapping[str, Any]) -> Stage:
    """The stage as the last run of this request left it, or an empty one."""
    stage = Stage(folder, folder / _JOURNAL)
    name = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
    lines = _journal_lines(stage._journal)
    if lines and lines[0].get("request") == name:
        for line in lines[1:]:
            records = [FileRecord(**file) for file in line["files"]]
            if all(_is_there(folder, record) for record in records):
                stage._done[line["piece"]] = records
        return stage
    for path in folder.iterdir():
        if path.name == _LOCK:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    _append(stage._journal, {"request": name})
    return stage


def _journal_lines(path: Path) -> list[dict[str, Any]]:
    """What the journal says; a line that was being written when the run ended is left out."""
    if not path.exists():
        return []
    lines = []
    for text in path.read_text(encoding="utf-8").split("\n")[:-1]:
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines


def _append(path: Path, line: Mapping[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _is_there(folder: Path, record: FileRecord) -> bool:
    path = folder / record.file
    return path.is_file() and path.stat().st_size == record.bytes


def _write_manifest(stage: Stage) -> None:
    files = [
        {name: value for name, value in asdict(record).items() if value is not None}
        for record in stage.files()
    ]
    write_json(stage.folder / MANIFEST, {"schema": "trunkline-manifest/1", "files": files})
    wanted = {record["file"] for record in files} | {MANIFEST, _JOURNAL, _LOCK}
    for path in sorted(stage.folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(stage.folder).as_posix() not in wanted:
            path.unlink()  # of a piece that a killed run had begun


def differences(folder: Path) -> list[str]:
    """Compare a finished export with its manifest; one line for every file that is not as it was.

    Raises ExportError when there is no manifest.
    """
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError) as error:
        raise ExportError(f"{folder} has no {MANIFEST} of an export; name its folder") from error
    found = []
    for record in files:
        path = folder / record["file"]
        if not path.is_file():
            found.append(f"{record['file']} is missing")
            continue
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != record["sha256"]:
                found.append(f"{record['file']} has changed")
    return found


def write_json(path: Path, content: Any) -> None:
    """UTF-8 JSON, indented for people."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def check_target(target: Path, force: bool) -> None:
    """Raise ExportError unless `target` is new, empty, or (with force) an earlier export."""
    if target.exists() and not target.is_dir():
        raise ExportError(f"{target} is a file; choose a folder")
    if not target.exists() or not any(target.iterdir()):
        return
    if not force:
        raise ExportError(f"{target} is not empty; choose another folder or use --force")
    if not all((target / mark).is_file() for mark in (MANIFEST, PROVENANCE)):
        raise ExportError(
            f"{target} holds something that is not an export and will not be replaced; "
            "choose another folder"
        )


def _swap(folder: Path, target: Path) -> None:
    if target.exists() and any(target.iterdir()):
        old = folder.with_suffix(".old")
        target.rename(old)
        folder.rename(target)
        shutil.rmtree(old)
    else:
        folder.replace(target)
