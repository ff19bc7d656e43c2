"""The InfluxDB store: 1.x, 2.x and 3 Core, one schema.

Three databases (buckets in 2.x), so that each may have a retention of its own: `<name>_raw` with
`imu`, `<name>_results` with one measurement a kind of result, `<name>_operations` with `batch`,
how every batch came. Tags are wearer and sensor, everything else is a field. The placement is no
tag: it may be set right between two deliveries of the same batch, and a tag is part of a point's
identity, so that the batch would be there twice.

Writing is line protocol, reading InfluxQL, which all three versions answer. 3 Core has no DELETE:
there results cannot be replaced by fewer, nor a wearer erased; the store says so when asked to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from analytics.store.assemble import chunk_bounds, join
from analytics.store.base import (
    DAY_SUM,
    MAX_RESULT_NS,
    PRESENT,
    BatchRecord,
    Provenance,
    RejectedError,
    Result,
    ResultSpan,
    Samples,
    SensorSpan,
    StoredBatch,
    StoreError,
    check_results,
    check_version,
    reach_ns,
)
from analytics.store.influx_server import InfluxServer, Series
from analytics.store.influx_text import AXES, field, parse_samples, quote, sample_lines
from wire.batch import UNITS
from wire.ids import IdError, check_sensor, check_wearer

MAX_SAMPLES_PER_WRITE: Final = 40_000
"""About 5 MB of line protocol; servers refuse more than 25 MB (1.x) or 10 MB (3 Core)."""

_FIELDS: Final = tuple(f"{name}_{axis}" for name in UNITS for axis in AXES)
_KIND: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")


class InfluxStore:
    """A `Store` on one server; thread-safe. Identifiers are checked before they become part of
    a query: of a wearer or sensor that cannot be, nothing is found and nothing written."""

    def __init__(
        self,
        url: str,
        database: str,
        *,
        token: str | None = None,
        user: str | None = None,
        password: str | None = None,
        org: str | None = None,
    ) -> None:
        """`database`: what the names of the three begin with. See InfluxServer for the rest."""
        self.server = InfluxServer(url, token=token, user=user, password=password, org=org)
        self.raw, self.results, self.operations = databases(database)
        self._fields: tuple[str, ...] = ()

    def close(self) -> None:
        """Close the connections."""
        self.server.close()

    def transaction(self) -> AbstractContextManager[None]:
        """See `Store.transaction`: a server has none."""
        return nullcontext()

    # --- samples ---------------------------------------------------------------------------

    def write_batches(self, items: Sequence[StoredBatch]) -> None:
        """See `Store.write_batches`. Every request is all or nothing; when one of several fails,
        what was written before is written again, unchanged, by the next attempt."""
        for item in items:
            if _of(item.wearer) is None or _at(item.sensor) is None:
                raise RejectedError("a wearer or sensor id is not valid", "see wire/ids.py")
        for group in _groups(items):
            if lines := sample_lines(group):
                self.server.write(self.raw, lines)
            self.server.write(self.operations, "\n".join(map(_batch_line, group)).encode())

    def read_samples(self, wearer: str, sensor: str, start_ns: int, end_ns: int) -> Samples:
        """See `Store.read_samples`."""
        where = _where(_of(wearer), _at(sensor), _between(start_ns, end_ns))
        fields = self._known_fields()
        if where is None or not fields:
            return join([])
        query = f"SELECT {', '.join(fields)} FROM imu{where}"  # noqa: S608 - see _where
        return join([parse_samples(*block) for block in self.server.csv(self.raw, query)])

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
        where = _where(_of(wearer))
        # One statement a field: a lone first() or last() is answered from the ends of the files,
        # and keeps the time stamp of its point.
        statements = "; ".join(
            f"SELECT {end}({name}) FROM imu{where} GROUP BY sensor"  # noqa: S608 - see _where
            for end in ("first", "last")
            for name in self._known_fields()
        )
        if not statements or where is None:
            return []
        times: dict[str, list[int]] = {}
        for series in self.server.ask(self.raw, statements):
            times.setdefault(series.tags["sensor"], []).extend(row[0] for row in series.values)
        return [SensorSpan(name, min(found), max(found)) for name, found in sorted(times.items())]

    def read_batches(
        self, wearer: str, sensor: str, start_ns: int, end_ns: int
    ) -> list[BatchRecord]:
        """See `Store.read_batches`."""
        what = "dt_ns, n, session, seq, lost, flags, rx_ns, clock_err_ns"
        conditions = (_of(wearer), _at(sensor), _between(start_ns, end_ns))
        found = self._select(self.operations, what, "batch", *conditions)
        return [BatchRecord(*row) for series in found for row in series.values]

    # --- results ---------------------------------------------------------------------------

    def write_results(
        self,
        wearer: str,
        start_ns: int,
        end_ns: int,
        results: Sequence[Result],
        provenance: Provenance,
        *,
        version: str = PRESENT,
    ) -> None:
        """See `Store.write_results`.

        InfluxDB has no transaction over DELETE and write. A range is emptied only when it holds
        a result that the new ones do not overwrite in place; a reader may meet an empty range in
        between, and after a crash the same call again brings the range to its final state.
        """
        check_version(version)
        check_results(start_ns, end_ns, results)
        inside = (_wearer_condition(wearer), _between(start_ns, end_ns))
        # Results of one kind that start together are one point.
        points: dict[tuple[str, int], list[Result]] = {}
        for result in results:
            points.setdefault((_measurement(result.kind, version), result.start_ns), []).append(
                result
            )
        around = (inside[0], _between(start_ns - MAX_RESULT_NS, end_ns + MAX_RESULT_NS))
        sums = _measurement(DAY_SUM, version)
        found = self._select_several(
            self.results, "end_ns", (_kinds(version), inside), (f'"{sums}"', around)
        )
        present = {
            (series.name, row[0]): row[1]
            for series in found
            for row in series.values
            if start_ns <= row[0] < end_ns
        }
        reached_ns = reach_ns(end_ns, [*(r.end_ns for r in results), *present.values()])
        for measurement in sorted({name for name, _ in present.keys() - points.keys()} - {sums}):
            self._delete(self.results, measurement, *inside)
        lines = [
            _result_line(wearer, name, group, provenance) for (name, _), group in points.items()
        ]
        # Not deleted: 3 Core cannot, and a point without items is no result.
        lines += [
            f'{sums},wearer={wearer} end_ns={row[0]}i,items="[]" {row[0]}'
            for series in found
            if series.name == sums
            for row in series.values
            if row[0] < reached_ns and row[1] > start_ns
        ]
        if lines:
            self.server.write(self.results, "\n".join(lines).encode())

    def write_day_sum(self, wearer: str, day_sum: Result, provenance: Provenance) -> None:
        """See `Store.write_day_sum`: the point is overwritten in place."""
        _wearer_condition(wearer)
        name = _measurement(DAY_SUM, PRESENT)
        self.server.write(self.results, _result_line(wearer, name, [day_sum], provenance).encode())

    def read_results(
        self, wearer: str, kind: str, start_ns: int, end_ns: int, *, version: str = PRESENT
    ) -> list[Result]:
        """See `Store.read_results`."""
        if not _KIND.fullmatch(kind):
            return []
        found = self._select(
            self.results,
            "items",
            f'"{_measurement(kind, version)}"',
            _of(wearer),
            _between(start_ns - MAX_RESULT_NS, end_ns),
            f"end_ns > {start_ns}",
        )
        rows = [row for series in found for row in series.values]
        # One document instead of thousands: most of the reading would be the calls.
        bodies = json.loads(f"[{','.join(row[1] for row in rows)}]")
        return [
            Result(kind, row[0], end, body)
            for row, items in zip(rows, bodies, strict=True)
            for end, body in items
            if end > start_ns
        ]

    def provenances(
        self, wearer: str, start_ns: int, end_ns: int, *, version: str = PRESENT
    ) -> list[Provenance]:
        """See `Store.provenances`."""
        found = self._select(
            self.results,
            "algorithm_version, params_hash",
            _kinds(version),
            _of(wearer),
            _between(start_ns, end_ns),
        )
        return sorted(
            {
                Provenance(row[1], row[2])
                for series in found
                if series.name != _measurement(DAY_SUM, version)
                for row in series.values
            }
        )

    def result_spans(self, wearer: str) -> list[ResultSpan]:
        """See `Store.result_spans`."""
        times: dict[str, list[int]] = {}
        for end in ("first", "last"):
            for series in self._select(self.results, f"{end}(end_ns)", "/.*/", _of(wearer)):
                times.setdefault(series.name, []).extend(row[0] for row in series.values)
        spans = []
        for name, found in times.items():
            kind, _, version = name.partition("@")
            if kind != DAY_SUM:
                spans.append(ResultSpan(version, kind, min(found), max(found)))
        return sorted(spans, key=lambda span: (span.version, span.kind))

    # --- everything ------------------------------------------------------------------------

    def wearers(self) -> list[str]:
        """See `Store.wearers`."""
        # Not the index of tag values: 2.x keeps an erased wearer in it until it compacts.
        raw = "; ".join(
            f"SELECT last({name}) FROM imu GROUP BY wearer"  # noqa: S608 - our own field names
            for name in self._known_fields()
        )
        found = self.server.ask(self.raw, raw) if raw else []
        found += self.server.ask(self.results, "SELECT last(end_ns) FROM /.*/ GROUP BY wearer")
        return sorted({series.tags["wearer"] for series in found})

    def erase(self, wearer: str) -> None:
        """See `Store.erase`. InfluxDB frees the space at its next compaction."""
        if _of(wearer) is None:
            return
        # Without reading anything: ingest erases too, and has no right to read.
        for database in (self.raw, self.operations, self.results):
            if self.server.deletes_by_api:
                self.server.delete(database, f'wearer="{check_wearer(wearer)}"')
            else:
                where = _where(_of(wearer))
                self.server.ask(database, f"DELETE{where}", method="POST")

    def _known_fields(self) -> tuple[str, ...]:
        """Those of accel_x .. mag_z that any sensor in the database has."""
        if len(self._fields) < len(_FIELDS):  # a field that is there stays there
            known = {
                row[0]
                for series in self.server.ask(self.raw, "SHOW FIELD KEYS FROM imu")
                for row in series.values
            }
            self._fields = tuple(name for name in _FIELDS if name in known)
        return self._fields

    def _select(
        self, database: str, what: str, source: str, *conditions: str | None
    ) -> list[Series]:
        where = _where(*conditions)
        if where is None:
            return []
        return self.server.ask(database, f"SELECT {what} FROM {source}{where}")  # noqa: S608

    def _select_several(
        self, database: str, what: str, *parts: tuple[str, tuple[str, ...]]
    ) -> list[Series]:
        """The answers to several (source, conditions) in one request."""
        queries = [f"SELECT {what} FROM {source}{_where(*where)}" for source, where in parts]  # noqa: S608
        return self.server.ask(database, "; ".join(queries))

    def _delete(self, database: str, measurement: str, *conditions: str | None) -> None:
        statement = f'DELETE FROM "{measurement}"{_where(*conditions)}'  # noqa: S608 - see _where
        self.server.ask(database, statement, method="POST")


def databases(name: str) -> tuple[str, str, str]:
    """Names of the raw, the results and the operations database."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", name):
        raise StoreError(
            f"InfluxDB database {name[:60]!r} is not a name of ours",
            "use 1-40 letters, digits, '_' and '-'",
        )
    return f"{name}_raw", f"{name}_results", f"{name}_operations"


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


def _where(*conditions: str | None) -> str | None:
    """Every condition is made of numbers and checked identifiers; None: one was not valid."""
    if None in conditions:
        return None
    return " WHERE " + " AND ".join(x for x in conditions if x is not None)


def _of(wearer: str) -> str | None:
    try:
        return f"wearer = {quote(check_wearer(wearer))}"
    except IdError:
        return None


def _wearer_condition(wearer: str) -> str:
    """`_of` for writing: ValueError when this can be nobody."""
    condition = _of(wearer)
    if condition is None:
        raise ValueError(f"wearer {wearer[:40]!r} is not valid")
    return condition


def _at(sensor: str) -> str | None:
    try:
        return f"sensor = {quote(check_sensor(sensor))}"
    except IdError:
        return None


def _between(start_ns: int, end_ns: int) -> str:
    return f"time >= {start_ns} AND time < {end_ns}"


def _measurement(kind: str, version: str) -> str:
    """The measurement of a kind of result; ValueError when one of both cannot name one."""
    check_version(version)
    if not _KIND.fullmatch(kind):
        raise ValueError(f"kind {kind[:40]!r} is not a word of a-z, 0-9 and '_'")
    return f"{kind}@{version}" if version != PRESENT else kind


def _kinds(version: str) -> str:
    """Every measurement of a version, as InfluxQL's FROM takes it."""
    check_version(version)
    return r"/^[a-z0-9_]+$/" if version == PRESENT else f"/^[a-z0-9_]+@{re.escape(version)}$/"


def _batch_line(item: StoredBatch) -> str:
    batch = item.batch
    return (
        f"batch,sensor={item.sensor},wearer={item.wearer} dt_ns={batch.dt_ns}i,"
        f"n={batch.n}i,session={field(batch.session)},seq={batch.seq}i,lost={batch.lost}i,"
        f"flags={int(batch.flags)}i,rx_ns={batch.rx_ns}i,clock_err_ns={batch.clock_err_ns}i "
        f"{batch.t0_ns}"
    )


def _result_line(
    wearer: str, measurement: str, results: Sequence[Result], provenance: Provenance
) -> str:
    items: list[tuple[int, dict[str, Any]]] = [(x.end_ns, dict(x.body)) for x in results]
    text = json.dumps(items, separators=(",", ":"), allow_nan=False)
    return (
        f"{measurement},wearer={wearer} end_ns={max(end for end, _ in items)}i,"
        f"items={field(text)},algorithm_version={field(provenance.algorithm_version)},"
        f"params_hash={field(provenance.params_hash)} {results[0].start_ns}"
    )
