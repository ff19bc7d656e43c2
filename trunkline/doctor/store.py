"""Where samples and people are kept: files sound, InfluxDB reachable and keeping what it gets."""

from __future__ import annotations

import base64
import json
import sqlite3
import urllib.error
import urllib.parse
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from analytics.store.clinic import FILE_NAME as CLINIC_FILE
from analytics.store.embedded import FILE_NAME as SAMPLES_FILE
from trunkline.doctor.finding import Finding, failed, ok, warning
from trunkline.options import StoreOptions, secret_from

WHAT: Final = "store"
TIMEOUT_S: Final = 10.0


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


class _InfluxError(Exception):
    """A question that InfluxDB did not answer."""

    def __init__(self, text: str, advice: str) -> None:
        super().__init__(text)
        self.finding = failed(WHAT, text, advice)


def _influx(options: StoreOptions) -> list[Finding]:
    what = f"{WHAT} InfluxDB"
    try:
        version = _get(options, "/ping", {}).headers.get("X-Influxdb-Version", "of unknown version")
        databases = [row[0] for row in _ask(options, "SHOW DATABASES")]
        findings = [ok(what, f"{version} answers at {options.influx_url}")]
        if options.influx_database not in databases:
            advice = "create the database (1.x, 3) or bucket (2.x), or grant us access to it"
            name = options.influx_database
            return [*findings, failed(f"{what} database", f"there is no {name!r}", advice)]
        return [*findings, _retention(options)]
    except _InfluxError as error:
        return [error.finding]


def _retention(options: StoreOptions) -> Finding:
    what = f"{WHAT} retention"
    name = options.influx_database.replace('"', '\\"')
    rows = _ask(options, f'SHOW RETENTION POLICIES ON "{name}"')
    # name, duration, shardGroupDuration, replicaN, default
    standard = [row for row in rows if row[-1] is True] or rows
    if not standard:
        return warning(what, "is not told", "make sure that the bucket keeps data for ever")
    duration = str(standard[0][1])
    if duration in {"0s", "0"}:
        return ok(what, f"{options.influx_database} keeps everything")
    return warning(
        what,
        f"{options.influx_database} forgets after {duration}",
        "data that come later than that are lost: keep for ever, or export before",
    )


def _ask(options: StoreOptions, query: str) -> list[list[Any]]:
    """The rows of an InfluxQL answer."""
    with _get(options, "/query", {"q": query, "db": options.influx_database}) as answer:
        body = json.load(answer)
    found = body.get("results", [{}])[0]
    if "error" in found:
        raise _InfluxError(f"InfluxDB says: {found['error']}", "check user and database")
    return [row for series in found.get("series", []) for row in series.get("values", [])]


def _get(options: StoreOptions, path: str, query: dict[str, str]) -> Any:
    url = f"{options.influx_url.rstrip('/')}{path}?{urllib.parse.urlencode(query)}"
    if not url.startswith(("http://", "https://")):
        raise _InfluxError(f"{options.influx_url!r} is no URL", "give one like http://host:8086")
    request = urllib.request.Request(url, headers=_log_in(options))  # noqa: S310 - checked above
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT_S)  # noqa: S310
    except urllib.error.HTTPError as error:
        with error:
            if error.code in {401, 403}:
                raise _InfluxError(
                    "InfluxDB refuses the log-in",
                    "check --influx-token-file, or --influx-user and --influx-password-file",
                ) from error
            raise _InfluxError(
                f"InfluxDB answers with status {error.code}", "look at its log"
            ) from error
    except OSError as error:
        raise _InfluxError(
            f"InfluxDB at {options.influx_url} does not answer", "check that it runs, and the URL"
        ) from error


def _log_in(options: StoreOptions) -> dict[str, str]:
    if token := secret_from(options.influx_token_file):
        return {"Authorization": f"Token {token}"}
    if options.influx_user:
        pair = f"{options.influx_user}:{secret_from(options.influx_password_file) or ''}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {}
