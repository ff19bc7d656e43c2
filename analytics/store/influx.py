"""The InfluxDB store: 1.x, 2.x and 3 Core by the two requests that all of them answer.

Writing is line protocol to `/write`, reading InfluxQL from `/query`. (2.x maps a bucket to a
database of the same name. 3 Core has no DELETE: there results cannot be replaced by fewer, nor a
wearer erased; the store says so when it is asked to.) influxdb_client carries the requests: its
own write and query calls speak the 2.x API only, which a Debian 1.6 does not have.

Measurements: `imu` (tags wearer, sensor; fields accel_x .. mag_z in SI), `batch` (the same tags;
the bookkeeping of every batch at its t0), `result` (tags wearer, kind, nr; one point a result at
its start; nr tells apart results of one kind that start together).
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException

from analytics.store.assemble import chunk_bounds, join
from analytics.store.base import (
    MAX_RESULT_NS,
    BatchRecord,
    Provenance,
    RefusedError,
    RejectedError,
    Result,
    Samples,
    SensorSpan,
    StoredBatch,
    StoreError,
    check_results,
)
from analytics.store.influx_text import (
    AXES,
    csv_blocks,
    field,
    parse_samples,
    quote,
    sample_lines,
    tag,
)
from wire.batch import UNITS

CONNECT_TIMEOUT_MS: Final = 5_000
READ_TIMEOUT_MS: Final = 120_000
"""Between two pieces of an answer; a large DELETE keeps a server silent for a while."""
MAX_SAMPLES_PER_WRITE: Final = 40_000
"""About 5 MB of line protocol; servers refuse more than 25 MB (1.x) or 10 MB (3 Core)."""
CSV_CHUNK_ROWS: Final = 10_000

_SENTINEL: Final = "SHOW DATABASES"
_FIELDS: Final = tuple(f"{name}_{axis}" for name in UNITS for axis in AXES)


class InfluxStore:
    """A `Store` in one database. Making it sends nothing: a server that is down at start-up is
    the same as one that goes down later. Thread-safe."""

    def __init__(
        self,
        url: str,
        database: str,
        *,
        token: str | None = None,
        user: str | None = None,
        password: str | None = None,
    ) -> None:
        """`database` is the bucket in 2.x. `token` for 2.x and 3 Core, `user` with `password`
        for 1.x, none of them for a server without authentication."""
        if not url.startswith(("http://", "https://")):
            raise StoreError(
                f"InfluxDB address {url[:80]!r} is not a URL", "give one like http://127.0.0.1:8086"
            )
        self._url = url.rstrip("/")
        self._database = database
        # Any: the package is typed in part only.
        self._client: Any = InfluxDBClient(
            self._url, token="", timeout=(CONNECT_TIMEOUT_MS, READ_TIMEOUT_MS)
        )
        self._headers = {"Content-Type": "text/plain; charset=utf-8"}
        if token is not None:
            self._headers["Authorization"] = f"Token {token}"
        elif user is not None:
            login = base64.b64encode(f"{user}:{password or ''}".encode()).decode()
            self._headers["Authorization"] = f"Basic {login}"

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    # --- samples ---------------------------------------------------------------------------

    def write_batches(self, items: Sequence[StoredBatch]) -> None:
        """See `Store.write_batches`. Every request is all or nothing; when one of several fails,
        what was written before is written again, unchanged, by the next attempt."""
        for group in _groups(items):
            bookkeeping = "\n".join(_batch_line(item) for item in group).encode()
            self._write(sample_lines(group) + b"\n" + bookkeeping)

    def read_samples(self, wearer: str, sensor: str, start_ns: int, end_ns: int) -> Samples:
        """See `Store.read_samples`."""
        fields = self._fields()
        if not fields:
            return join([])
        answer = self._request(
            "GET",
            "/query",
            {
                "q": _select(
                    ", ".join(fields),
                    "imu",
                    _of(wearer),
                    _at(sensor),
                    _between(start_ns, end_ns),
                )
                + f"; {_SENTINEL}",
                "epoch": "ns",
                "chunked": "true",
                "chunk_size": str(CSV_CHUNK_ROWS),
            },
            accept="application/csv",
        )
        parts = []
        complete = False
        try:
            for columns, rows in csv_blocks(answer):
                if "time" in columns:
                    parts.append(parse_samples(columns, rows))
                else:
                    complete = True
        except urllib3.exceptions.HTTPError as error:
            raise self._unreachable(error) from error
        finally:
            answer.release_conn()
        if not complete:
            # CSV answers carry no errors: a query that fails just ends. But then the server does
            # not carry out the statement after it.
            raise StoreError("InfluxDB broke off its answer", "look at its log, then try again")
        return join(parts)

    def iter_samples(
        self, wearer: str, sensor: str, start_ns: int, end_ns: int, chunk_ns: int
    ) -> Iterator[Samples]:
        """See `Store.iter_samples`."""
        for span in self.sensors(wearer):
            if span.sensor != sensor:
                continue
            for low, high in chunk_bounds(start_ns, end_ns, chunk_ns, span.first_ns, span.last_ns):
                samples = self.read_samples(wearer, sensor, low, high)
                if len(samples):
                    yield samples

    def sensors(self, wearer: str) -> list[SensorSpan]:
        """See `Store.sensors`."""
        # One statement a field: a lone first() or last() is answered from the ends of the files,
        # and keeps the time stamp of its point.
        statements = "; ".join(
            _select(f"{end}({name})", "imu", _of(wearer)) + " GROUP BY sensor"
            for end in ("first", "last")
            for name in self._fields()
        )
        if not statements:
            return []
        times: dict[str, list[int]] = {}
        for tags, _, values in self._ask(statements):
            times.setdefault(tags["sensor"], []).extend(row[0] for row in values)
        return [SensorSpan(name, min(found), max(found)) for name, found in sorted(times.items())]

    def read_batches(
        self, wearer: str, sensor: str, start_ns: int, end_ns: int
    ) -> list[BatchRecord]:
        """See `Store.read_batches`."""
        answer = self._ask(
            _select(
                "dt_ns, n, session, seq, lost, flags, rx_ns, clock_err_ns",
                "batch",
                _of(wearer),
                _at(sensor),
                _between(start_ns, end_ns),
            )
        )
        return [BatchRecord(*row) for _, _, values in answer for row in values]

    # --- results ---------------------------------------------------------------------------

    def write_results(
        self,
        wearer: str,
        start_ns: int,
        end_ns: int,
        results: Sequence[Result],
        provenance: Provenance,
    ) -> None:
        """See `Store.write_results`.

        InfluxDB has no transaction over DELETE and write. The range is emptied only when it holds
        a result that the new ones do not overwrite in place; a reader may meet an empty range in
        between, and after a crash the same call again brings the range to its final state.
        """
        check_results(start_ns, end_ns, results)
        numbers: Counter[tuple[str, int]] = Counter()
        points: dict[tuple[str, int, int], str] = {}
        for result in results:
            number = numbers[result.kind, result.start_ns]
            numbers[result.kind, result.start_ns] += 1
            points[result.kind, number, result.start_ns] = _result_line(
                wearer, number, result, provenance
            )
        inside = (_of(wearer), _between(start_ns, end_ns))
        present = {
            (tags["kind"], int(tags["nr"]), row[0])
            for tags, _, values in self._ask(
                _select("end_ns", "result", *inside) + " GROUP BY kind, nr"
            )
            for row in values
        }
        if present - points.keys():
            self._delete("result", *inside)
        if points:
            self._write("\n".join(points.values()).encode())

    def read_results(self, wearer: str, kind: str, start_ns: int, end_ns: int) -> list[Result]:
        """See `Store.read_results`."""
        answer = self._ask(
            _select(
                "end_ns, body, nr",
                "result",
                _of(wearer),
                f"kind = {quote(kind)}",
                _between(start_ns - MAX_RESULT_NS, end_ns),
                f"end_ns > {start_ns}",
            )
        )
        rows = sorted(
            ((row[0], int(row[3]), row[1], row[2]) for _, _, values in answer for row in values),
            key=lambda row: row[:2],
        )
        return [Result(kind, start, end, json.loads(body)) for start, _, end, body in rows]

    def provenances(self, wearer: str, start_ns: int, end_ns: int) -> list[Provenance]:
        """See `Store.provenances`."""
        answer = self._ask(
            _select(
                "algorithm_version, params_hash",
                "result",
                _of(wearer),
                _between(start_ns, end_ns),
            )
        )
        return sorted({Provenance(row[1], row[2]) for _, _, values in answer for row in values})

    def erase(self, wearer: str) -> None:
        """See `Store.erase`. InfluxDB frees the space at its next compaction."""
        for measurement in ("imu", "batch", "result"):
            self._delete(measurement, _of(wearer))

    def _fields(self) -> list[str]:
        """Those of accel_x .. mag_z that any sensor in the database has."""
        known = {row[0] for _, _, values in self._ask("SHOW FIELD KEYS FROM imu") for row in values}
        return [name for name in _FIELDS if name in known]

    # --- requests --------------------------------------------------------------------------

    def _write(self, lines: bytes) -> None:
        self._request("POST", "/write", {"precision": "ns"}, body=lines).release_conn()

    def _delete(self, measurement: str, *conditions: str) -> None:
        statement = f"DELETE FROM {measurement}{_where(conditions)}"  # noqa: S608 - see _where
        self._ask(statement, method="POST")

    def _ask(
        self, statements: str, method: str = "GET"
    ) -> list[tuple[dict[str, str], list[str], list[list[Any]]]]:
        """(tags, columns, rows) of every series in the JSON answer; times are ns.

        The answer is asked for in chunks, one JSON document a line, each but the last of a series
        marked partial: in one piece, 1.x marks complete answers of over 10,000 rows so, too.
        """
        answer = self._request(
            method,
            "/query",
            {"q": statements, "epoch": "ns", "chunked": "true"},
            accept="application/json",
        )
        try:
            documents = [json.loads(line) for line in answer.data.splitlines() if line]
        except (ValueError, urllib3.exceptions.HTTPError) as error:
            raise self._unreachable(error) from error
        finally:
            answer.release_conn()
        series = []
        unfinished = False
        for result in (result for document in documents for result in document.get("results", [])):
            if "error" in result:
                raise self._refused(str(result["error"]))
            for found in result.get("series", []):
                unfinished = bool(found.get("partial"))
                series.append((found.get("tags", {}), found["columns"], found["values"]))
        if unfinished:
            raise StoreError(
                "InfluxDB cut its answer short", "set max-row-limit = 0 in its settings"
            )
        return series

    def _request(
        self,
        method: str,
        path: str,
        query: dict[str, str],
        *,
        body: bytes = b"",
        accept: str = "application/json",
    ) -> urllib3.BaseHTTPResponse:
        try:
            response: urllib3.BaseHTTPResponse = self._client.api_client.request(
                method,
                self._url + path,
                query_params={"db": self._database, **query},
                headers={**self._headers, "Accept": accept},
                body=body,
                _preload_content=False,
            )
        except ApiException as error:
            raise self._failed(error, path) from error
        except urllib3.exceptions.HTTPError as error:
            raise self._unreachable(error) from error
        return response

    def _failed(self, error: ApiException, path: str) -> StoreError:
        text = _error_text(error)
        if error.status in {401, 403}:
            return RefusedError(
                f"InfluxDB at {self._url} refused the log-in ({text})",
                f"check the token or the user and password, and their right to read and write "
                f"database {self._database!r}",
            )
        if error.status == 404 or "not found" in text or (path, error.status) == ("/query", 400):
            return self._refused(text)
        if "field type conflict" in text:
            # all data would be refused: not for the dead letters
            return StoreError(
                f"InfluxDB refused the data ({text})",
                f"database {self._database!r} holds `imu` fields of another type: give Trunkline "
                "a database of its own, or drop that measurement",
            )
        if error.status in {400, 413, 422}:
            return RejectedError(
                f"InfluxDB refused the data ({text})",
                "check the retention policy and the field types of its database",
            )
        return StoreError(
            f"InfluxDB at {self._url} failed with status {error.status} ({text})",
            "look at its log, then try again",
        )

    def _refused(self, text: str) -> StoreError:
        if "database not found" in text or "bucket" in text:
            return StoreError(
                f"InfluxDB at {self._url} has no database {self._database!r}",
                f"make it: influx -execute 'CREATE DATABASE {self._database}' in 1.x, "
                f"influx bucket create --name {self._database} in 2.x",
            )
        return StoreError(f"InfluxDB refused a query ({text})", "look at its version and its log")

    def _unreachable(self, error: Exception) -> StoreError:
        return StoreError(
            f"InfluxDB at {self._url} does not answer ({type(error).__name__})",
            "check that it runs and that the address is right",
        )


def _error_text(error: ApiException) -> str:
    """The server's own words on one line, cut: answers may be HTML pages of a proxy."""
    body = error.body or error.reason or ""
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
    try:
        parsed = json.loads(text)
        text = str(parsed.get("error") or parsed.get("message") or text)
    except (ValueError, AttributeError):
        pass
    return " ".join(text.split())[:160]


def _groups(items: Sequence[StoredBatch]) -> Iterator[list[StoredBatch]]:
    group: list[StoredBatch] = []
    samples = 0
    for item in items:
        if samples + item.batch.n > MAX_SAMPLES_PER_WRITE and group:
            yield group
            group, samples = [], 0
        group.append(item)
        samples += item.batch.n
    if group:
        yield group


def _select(what: str, measurement: str, *conditions: str) -> str:
    return f"SELECT {what} FROM {measurement}{_where(conditions)}"  # noqa: S608 - see _where


def _where(conditions: Sequence[str]) -> str:
    """Every value in a condition is a number or has been through quote()."""
    return " WHERE " + " AND ".join(conditions)


def _of(wearer: str) -> str:
    return f"wearer = {quote(wearer)}"


def _at(sensor: str) -> str:
    return f"sensor = {quote(sensor)}"


def _between(start_ns: int, end_ns: int) -> str:
    return f"time >= {start_ns} AND time < {end_ns}"


def _batch_line(item: StoredBatch) -> str:
    batch = item.batch
    return (
        f"batch,sensor={tag(item.sensor)},wearer={tag(item.wearer)} dt_ns={batch.dt_ns}i,"
        f"n={batch.n}i,session={field(batch.session)},seq={batch.seq}i,lost={batch.lost}i,"
        f"flags={int(batch.flags)}i,rx_ns={batch.rx_ns}i,clock_err_ns={batch.clock_err_ns}i "
        f"{batch.t0_ns}"
    )


def _result_line(wearer: str, number: int, result: Result, provenance: Provenance) -> str:
    body = json.dumps(dict(result.body), separators=(",", ":"), allow_nan=False)
    return (
        f"result,kind={tag(result.kind)},nr={number},wearer={tag(wearer)} "
        f"end_ns={result.end_ns}i,body={field(body)},"
        f"algorithm_version={field(provenance.algorithm_version)},"
        f"params_hash={field(provenance.params_hash)} {result.start_ns}"
    )
