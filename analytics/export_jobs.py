"""Exports made in the background, one after the other; their files last for some days.

A job that was under way when the process ended goes on with the next start. A job whose user or
wearer is gone leaves no file.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from analytics.export.errors import ExportError
from analytics.export_request import ExportRequest, exports_of
from analytics.own_records import own_records
from analytics.store.base import Store, StoreError
from analytics.store.clinic import EXPORTS, Clinic, remove_files
from analytics.store.records import ClinicError, ExportJob

logger = logging.getLogger(__name__)

MAX_OPEN: Final = 3
"""Exports of one user that wait or run."""
MAX_WAITING: Final = 100
"""Of all users together."""
KEPT_NS: Final = 7 * 86_400 * 1_000_000_000
TOLD_EVERY_S: Final = 0.5
PACKING: Final = 0.1
"""Share of the progress that belongs to packing the files into one."""
IDLE_S: Final = 600.0
"""How often files whose time is over are looked for."""


class _GoneError(Exception):
    """Nobody wants this export any more."""


class _EndError(Exception):
    """The process ends; the export goes on with the next start."""


class ExportJobs:
    """The list of exports and the one thread that works on it."""

    def __init__(self, store: Store, clinic: Clinic, clock_ns: Callable[[], int]) -> None:
        self._store, self._clinic, self._clock_ns = store, clinic, clock_ns
        self._folder = clinic.folder / EXPORTS
        self._wake, self._stop = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        if any(job.state in {"waiting", "running"} for job in clinic.exports()):
            self._start()

    def ask(self, user: str, request: ExportRequest, *, via: str = "") -> ExportJob:
        """Put an export on the list, and on record. Raises ExportError when it cannot be made and
        ClinicError when there are too many."""
        request.check()
        now_ns = self._clock_ns()
        job = ExportJob(secrets.token_urlsafe(12), user, request.json(), now_ns)
        with self._clinic.transaction():
            open_ = [j for j in self._clinic.exports() if j.state in {"waiting", "running"}]
            if sum(j.user == user for j in open_) >= MAX_OPEN or len(open_) >= MAX_WAITING:
                raise ClinicError("too many exports are under way; wait until one is ready")
            self._clinic.add_export(job, request.wearers)
            what = f"{request.format} {','.join(request.parts)} {request.first} {request.last}{via}"
            for wearer in request.wearers:
                self._clinic.audit(user, "export", wearer, what)
        self._start()
        self._wake.set()
        return job

    def remove(self, job: str) -> None:
        """Take an export back, and its file."""
        self._clinic.remove_export(job)
        remove_files(self._folder, job)

    def file(self, job: ExportJob) -> Path | None:
        """The finished file; None while there is none."""
        path = self._folder / f"{job.id}.zip"
        is_good = job.state == "ready" and (job.ends_ns or 0) > self._clock_ns()
        return path if is_good and path.is_file() else None

    def close(self) -> None:
        """Stop; what is under way goes on with the next start."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._run, name="exports", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            try:
                self._tidy()
                job = self._next()
                if job is not None:
                    self._make(job)
                    continue
            except StoreError as error:
                logger.error("exports: %s; trying again", error)
            self._wake.wait(IDLE_S)

    def _next(self) -> ExportJob | None:
        """The oldest one that is not done."""
        found = [j for j in self._clinic.exports() if j.state in {"waiting", "running"}]
        return found[-1] if found else None

    def _tidy(self) -> None:
        """Delete files whose time is over, and files that no job knows of."""
        now_ns = self._clock_ns()
        jobs = {job.id: job for job in self._clinic.exports()}
        for job in jobs.values():
            if job.ends_ns is not None and job.ends_ns <= now_ns:
                self.remove(job.id)
        for path in self._folder.glob("*.*"):
            if path.name.split(".")[0] not in jobs:
                remove_files(self._folder, path.name.split(".")[0])

    def _make(self, job: ExportJob) -> None:
        try:
            self._write(job)
        except _EndError:
            return
        except _GoneError:
            remove_files(self._folder, job.id)
        except (ExportError, ClinicError, StoreError) as error:
            self._failed(job, str(error))
        except Exception:
            logger.exception("an export failed")
            self._failed(job, "something went wrong; the error is on record")

    def _failed(self, job: ExportJob, why: str) -> None:
        remove_files(self._folder, job.id)
        ends_ns = self._clock_ns() + KEPT_NS
        self._clinic.set_export(job.id, "failed", detail=why, ends_ns=ends_ns)

    def _write(self, job: ExportJob) -> None:
        request = ExportRequest.of_json(job.asked)
        seen = self._clinic.visible_wearers(job.user)
        if hidden := set(request.wearers) - set(seen):
            raise ExportError(f"access to {len(hidden)} of the wearers was taken back")
        work = self._folder / f"{job.id}.work"
        self._folder.mkdir(mode=0o700, exist_ok=True)
        work.mkdir(mode=0o700, exist_ok=True)
        exports = exports_of(self._store, self._clinic, request, job.created_ns)
        progress = _Progress(self, job, sum(export.work_ns for _, export in exports))
        for folder, export in exports:
            target = work / folder
            if target.is_dir():
                progress(export.work_ns)
            else:
                export.write(target, progress=progress)
        if request.own:
            records = own_records(self._clinic, request.wearers[0])
            (work / "records.json").write_text(json.dumps(records, indent=2) + "\n")
        packed = self._folder / f"{job.id}.part"
        _pack(work, packed, progress.packed)
        with packed.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        size_bytes = packed.stat().st_size
        packed.replace(self._folder / f"{job.id}.zip")
        shutil.rmtree(work, ignore_errors=True)
        ends_ns = self._clock_ns() + KEPT_NS
        done = self._clinic.set_export(
            job.id, "ready", share=1.0, size_bytes=size_bytes, digest=digest, ends_ns=ends_ns
        )
        if not done:
            raise _GoneError

    def told(self, job: ExportJob, share: float) -> None:
        """Put the progress on record. Raises _GoneError when nobody wants the export any more, and
        _EndError when the process ends."""
        if self._stop.is_set():
            raise _EndError
        if not self._clinic.set_export(job.id, "running", share=share):
            raise _GoneError


class _Progress:
    """Tells of the progress now and then."""

    def __init__(self, jobs: ExportJobs, job: ExportJob, work_ns: int) -> None:
        self._jobs, self._job, self._work_ns = jobs, job, max(1, work_ns)
        self._done_ns, self._told_s = 0, float("-inf")

    def __call__(self, done_ns: int) -> None:
        self._done_ns += done_ns
        self._tell((1 - PACKING) * min(1.0, self._done_ns / self._work_ns))

    def packed(self, share: float) -> None:
        """The same of the packing."""
        self._tell(1 - PACKING + PACKING * share)

    def _tell(self, share: float) -> None:
        if time.monotonic() - self._told_s >= TOLD_EVERY_S:
            self._told_s = time.monotonic()
            self._jobs.told(self._job, share)


def _pack(folder: Path, target: Path, progress: Callable[[float], None]) -> None:
    files: Sequence[Path] = sorted(path for path in folder.rglob("*") if path.is_file())
    with zipfile.ZipFile(
        target, "w", zipfile.ZIP_DEFLATED, compresslevel=1, strict_timestamps=False
    ) as archive:
        for number, path in enumerate(files):
            archive.write(path, path.relative_to(folder))
            progress((number + 1) / len(files))
    target.chmod(0o600)
