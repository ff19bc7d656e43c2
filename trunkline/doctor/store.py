"""Where samples and people are kept: files sound, InfluxDB reachable and keeping what it gets."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from analytics.store.base import RefusedError, StoreError
from analytics.store.clinic import FILE_NAME as CLINIC_FILE
from analytics.store.embedded import FILE_NAME as SAMPLES_FILE
from analytics.store.influx import databases
from analytics.store.influx_admin import keeps_for
from analytics.store.influx_server import InfluxServer
from trunkline.doctor.finding import Finding, failed, ok, warning
from trunkline.options import StoreOptions, influx_server

WHAT: Final = "store"


def check(options: StoreOptions) -> list[Finding]:
    """The clinic database, and the store that the options name."""
    findings = [_file(options.data_dir / CLINIC_FILE, "people")]
    if options.kind == "embedded":
        return [*findings, _file(options.data_dir / SAMPLES_FILE, "samples")]
    return [*findings, *_influx(options)]


def _file(path: Path, content: str) -> Finding:
    what = f"{WHAT} {path.name}"
    if not path.exists():
        return warning(
            what, f"there are no {content} yet", "made at the first start; or --data-dir?"
        )
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as database:
            (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        return failed(what, f"cannot be read ({error})", "restore it from the backup")
    if verdict != "ok":
        return failed(what, f"is damaged ({verdict})", "stop all and restore it from the backup")
    return ok(what, f"is sound, {path.stat().st_size / 1e6:.0f} MB")


def _influx(options: StoreOptions) -> list[Finding]:
    what = f"{WHAT} InfluxDB"
    try:
        server = influx_server(options)
    except StoreError as error:
        return [failed(what, error.message, error.advice)]
    with closing(server):
        try:
            findings = [ok(what, f"{server.major}.x answers at {options.influx_url}")]
            for database in databases(options.influx_database):
                findings.append(_retention(server, database))
        except StoreError as error:
            return [failed(what, error.message, error.advice)]
    return findings


def _retention(server: InfluxServer, database: str) -> Finding:
    what = f"{WHAT} {database}"
    try:
        kept = keeps_for(server, database)
    except RefusedError as error:
        return failed(what, error.message, error.advice)
    except StoreError:
        return failed(what, "there is no such database", "make it: trunkline deploy --influx-url")
    if kept is None:
        return ok(what, "keeps everything")
    return warning(
        what,
        f"forgets after {kept}",
        "what comes later than that is lost; trunkline store archive must run before",
    )
