"""One InfluxDB server: requests, answers, and what goes wrong with them.

influxdb_client carries every request; it is imported here and nowhere else. Its query calls are
not used (they speak Flux, which a 1.x has not, or pandas), nor is its batching writer, which
gives up silently: a write here returns when the server has the data, or raises.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

from analytics.store.base import RefusedError, RejectedError, StoreError
from analytics.store.influx_text import csv_blocks

CONNECT_TIMEOUT_MS: Final = 5_000
READ_TIMEOUT_MS: Final = 120_000
"""Between two pieces of an answer; a large DELETE keeps a server silent for a while."""
CSV_CHUNK_ROWS: Final = 10_000

_SENTINEL: Final = "SHOW DATABASES"
_VERSION: Final = re.compile(r"v?(\d+)\.")
_LARGEST_MAJOR: Final = 3


class Series(NamedTuple):
    """One series of an answer; times are ns."""

    name: str
    tags: dict[str, str]
    columns: list[str]
    values: list[list[Any]]


class InfluxServer:
    """Making it sends nothing: a server that is down at start-up is the same as one that goes
    down later. Thread-safe. Every method raises StoreError."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        user: str | None = None,
        password: str | None = None,
        org: str | None = None,
    ) -> None:
        """`token` for 2.x and 3 Core, `user` with `password` for 1.x, none of them for a server
        without authentication; `org` is needed in 2.x only."""
        if not url.startswith(("http://", "https://")):
            raise StoreError(
                f"InfluxDB address {url[:80]!r} is not a URL", "give one like http://127.0.0.1:8086"
            )
        self.url = url.rstrip("/")
        self.org = org
        # Any: the package is typed in part only.
        self._client: Any = InfluxDBClient(
            self.url, token=token or "", timeout=(CONNECT_TIMEOUT_MS, READ_TIMEOUT_MS)
        )
        self._writer: Any = self._client.write_api(write_options=SYNCHRONOUS)
        self._has_token = token is not None
        self._major: int | None = None
        self._headers = {"Content-Type": "text/plain; charset=utf-8"}
        if token is not None:
            self._headers["Authorization"] = f"Token {token}"
        elif user is not None:
            login = base64.b64encode(f"{user}:{password or ''}".encode()).decode()
            self._headers["Authorization"] = f"Basic {login}"

    def close(self) -> None:
        """Close the connections."""
        self._writer.close()
        self._client.close()

    @property
    def major(self) -> int:
        """1, 2 or 3: asked of the server once, at first use."""
        if self._major is None:
            self._major = self._ask_major()
        return self._major

    def write(self, database: str, lines: bytes) -> None:
        """Line protocol with ns time stamps; the server has it when this returns."""
        if self.major == 1 or not self._has_token:
            query = {"db": database, "precision": "ns"}
            self.request("POST", "/write", query, body=lines, database=database).release_conn()
            return
        try:
            self._writer.write(database, self.org or "-", lines, write_precision="ns")
        except ApiException as error:
            raise self._failed(error, "/write", database) from error
        except urllib3.exceptions.HTTPError as error:
            raise self._unreachable(error) from error

    @property
    def deletes_by_api(self) -> bool:
        """Whether `delete` can be used: a 2.x with a token."""
        return self.major == 2 and self._has_token

    def delete(self, database: str, predicate: str) -> None:
        """Remove the points of all time that a predicate of 2.x names."""
        body = {"start": "1677-09-22T00:00:00Z", "stop": "2262-04-11T00:00:00Z"}
        self.api(
            "POST",
            "/api/v2/delete",
            {**body, "predicate": predicate},
            bucket=database,
            org=self.org or "-",
        )

    def ask(self, database: str, statements: str, method: str = "GET") -> list[Series]:
        """Every series in the JSON answer to InfluxQL statements.

        The answer is asked for in chunks, one JSON document a line, each but the last of a series
        marked partial: in one piece, 1.x marks complete answers of over 10,000 rows so, too.
        """
        answer = self.request(
            method,
            "/query",
            {"db": database, "q": statements, "epoch": "ns", "chunked": "true"},
            database=database,
        )
        documents = self._documents(answer)
        series = []
        unfinished = False
        for result in (result for document in documents for result in document.get("results", [])):
            if "error" in result:
                raise self._refused(str(result["error"]), database)
            for found in result.get("series", []):
                unfinished = bool(found.get("partial"))
                series.append(
                    Series(
                        found.get("name", ""),
                        found.get("tags", {}),
                        found["columns"],
                        found["values"],
                    )
                )
        if unfinished:
            raise StoreError(
                "InfluxDB cut its answer short", "set max-row-limit = 0 in its settings"
            )
        return series

    def csv(self, database: str, statement: str) -> Iterator[tuple[tuple[str, ...], bytes]]:
        """(column names, whole rows) of the CSV answer to one SELECT, as it arrives."""
        answer = self.request(
            "GET",
            "/query",
            {
                "db": database,
                "q": f"{statement}; {_SENTINEL}",
                "epoch": "ns",
                "chunked": "true",
                "chunk_size": str(CSV_CHUNK_ROWS),
            },
            accept="application/csv",
            database=database,
        )
        complete = False
        try:
            for columns, rows in csv_blocks(answer):
                if "time" in columns:
                    yield columns, rows
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

    def api(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: str
    ) -> dict[str, Any]:
        """The JSON answer of a management call; an empty answer is an empty object."""
        answer = self.request(
            method,
            path,
            query,
            body=b"" if body is None else dict(body),
            content="text/plain" if body is None else "application/json",  # the client encodes
        )
        documents = self._documents(answer)
        return documents[0] if documents else {}

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        *,
        body: bytes | dict[str, Any] = b"",
        accept: str = "application/json",
        content: str = "text/plain; charset=utf-8",
        database: str = "",
    ) -> urllib3.BaseHTTPResponse:
        """An answer with a status that means success, its body not yet read. `database` is for
        the words of an error."""
        try:
            response: urllib3.BaseHTTPResponse = self._client.api_client.request(
                method,
                self.url + path,
                query_params=dict(query),
                headers={**self._headers, "Accept": accept, "Content-Type": content},
                body=body,
                _preload_content=False,
            )
        except ApiException as error:
            raise self._failed(error, path, database) from error
        except urllib3.exceptions.HTTPError as error:
            raise self._unreachable(error) from error
        return response

    # --- answers ---------------------------------------------------------------------------

    def _ask_major(self) -> int:
        answer = self.request("GET", "/ping", {})
        answer.release_conn()
        told = _VERSION.match(answer.headers.get("X-Influxdb-Version", ""))
        if told is None:
            health = self.api("GET", "/health")
            told = _VERSION.match(str(health.get("version", "")))
        if told is None:
            raise StoreError(
                f"the server at {self.url} does not say which InfluxDB it is",
                "check that the address is InfluxDB's own",
            )
        return min(max(int(told[1]), 1), _LARGEST_MAJOR)

    def _documents(self, answer: urllib3.BaseHTTPResponse) -> list[dict[str, Any]]:
        """A JSON document a line."""
        try:
            text = answer.data
            try:
                documents = [json.loads(line) for line in text.splitlines() if line.strip()]
            except ValueError:  # one document, indented
                documents = [json.loads(text)]
        except (ValueError, urllib3.exceptions.HTTPError) as error:
            raise self._unreachable(error) from error
        finally:
            answer.release_conn()
        return documents

    def _failed(self, error: ApiException, path: str, database: str) -> StoreError:
        text = _error_text(error)
        if error.status in {401, 403}:
            return RefusedError(
                f"InfluxDB at {self.url} refused the log-in ({text})",
                f"check the token or the user and password, and their right to database "
                f"{database!r}",
            )
        if error.status == 404 or "not found" in text or (path != "/write" and error.status == 400):
            return self._refused(text, database)
        if "field type conflict" in text:
            # all data would be refused: not for the dead letters
            return StoreError(
                f"InfluxDB refused the data ({text})",
                f"database {database!r} holds `imu` fields of another type: give Trunkline "
                "a database of its own, or drop that measurement",
            )
        if path == "/write" and error.status in {400, 413, 422}:
            return RejectedError(
                f"InfluxDB refused the data ({text})",
                "check the retention policy and the field types of its database",
            )
        return StoreError(
            f"InfluxDB at {self.url} failed with status {error.status} ({text})",
            "look at its log, then try again",
        )

    def _refused(self, text: str, database: str) -> StoreError:
        if "database not found" in text or "bucket" in text:
            return StoreError(
                f"InfluxDB at {self.url} has no database {database!r}",
                "make it: trunkline deploy --influx-url (see docs/storage.md)",
            )
        return StoreError(f"InfluxDB refused a query ({text})", "look at its version and its log")

    def _unreachable(self, error: Exception) -> StoreError:
        return StoreError(
            f"InfluxDB at {self.url} does not answer ({type(error).__name__})",
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
