"""Ingest into the embedded store, a day read back, and both against InfluxDB's own speed."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import psutil
import pyarrow.parquet as pq

from analytics.day_reading import read_days
from analytics.exposure.day_sum import body_of
from analytics.exposure.days import Day
from analytics.exposure.summary import day_exposure
from analytics.exposure.timeline import timeline
from analytics.ingest.triage import Message
from analytics.ingest.writer import Writer
from analytics.store.base import DAY_SUM, Provenance, Result, Store, StoredBatch
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from analytics.store.influx import InfluxStore
from analytics.store.influx_text import sample_lines
from tests.analytics.dashboard.synthetic import moved, synthetic_day
from tests.bench.batches import SECOND_NS, one_second
from tests.bench.budget import Budget, best_s, set_aside
from tests.conftest import SHARED
from tests.servers import Influx, influxd
from wire.batch import Batch, Channel
from wire.codec import encode
from wire.ids import new_session

WEARERS = 1500
GROUP = 500
DAY_S = 86_400
INFLUX_S = 7_200
PAGE_DAYS = 90
T0_NS = 1_800_000_000_000_000_000
SESSION = new_session()
CORPUS = SHARED / "corpus" / "recordings"


def measure() -> list[Budget]:
    raw = np.random.default_rng(1).integers(-20_000, 20_000, (WEARERS, 50, 6)).astype(np.int16)
    with tempfile.TemporaryDirectory() as folder:
        budgets = _embedded(Path(folder), raw)
        binary = shutil.which("influxd", path="/usr/sbin:/usr/bin:/usr/local/bin")
        if binary:
            with influxd(Path(binary), Path(folder) / "influx") as server:
                budgets += _influx(server, raw)
        return budgets


def _batch(raw: np.ndarray, which: int, second: int) -> Batch:  # type: ignore[type-arg]
    return one_second(raw[which % WEARERS], SESSION, second, T0_NS + second * SECOND_NS)


def _embedded(folder: Path, raw: np.ndarray) -> list[Budget]:  # type: ignore[type-arg]
    clinic, store = Clinic(folder / "clinic.db"), EmbeddedStore(folder / "samples.db")
    with clinic.transaction():
        for number in range(WEARERS):
            clinic.add_wearer(f"w{number}", "UTC")
    writer = Writer(store, clinic)
    seconds = iter(range(100))

    def one_second_of_everybody() -> None:
        second = next(seconds)
        for start in range(0, WEARERS, GROUP):
            writer.write(payloads[second % 3][start : start + GROUP])

    payloads = [
        [
            Message(f"trunkline/v1/w{k}/trunk/imu", encode(_batch(raw, k, second)))
            for k in range(WEARERS)
        ]
        for second in range(3)
    ]
    set_aside()
    ingest_s = best_s(one_second_of_everybody)
    for start in range(0, DAY_S, GROUP):
        chunk = range(start, min(DAY_S, start + GROUP))
        store.write_batches([StoredBatch("day", "trunk", _batch(raw, i, i)) for i in chunk])
    end_ns = T0_NS + DAY_S * SECOND_NS
    loose_s = best_s(lambda: store.read_samples("day", "trunk", T0_NS, end_ns))
    store.compact(2**62)
    read_s = best_s(lambda: store.read_samples("day", "trunk", T0_NS, end_ns))
    page_s = _page_s(store)
    store.close()
    clinic.close()
    open_s = best_s(lambda: Clinic(folder / "clinic.db").close())
    return [
        Budget(
            "ingest: decode, write, commit, one-second batches",
            WEARERS / ingest_s,
            1500,
            "batches/s",
            at_most=False,
        ),
        Budget("embedded store: a day of 50 Hz, 6 axes, read back", loose_s, 1.0, "s"),
        Budget("embedded store: the same day compacted", read_s, 1.0, "s"),
        Budget("embedded store: 90 days of results for a page", 1e3 * page_s, 50, "ms"),
        *_sizes(folder),
        Budget("clinic database: open when current", open_s, 0.3, "s"),
    ]


def _influx(server: Influx, raw: np.ndarray) -> list[Budget]:  # type: ignore[type-arg]
    store = InfluxStore(server.url, server.database, user=server.user, password=server.password)
    items = [StoredBatch("day", "trunk", _batch(raw, i, i)) for i in range(INFLUX_S)]
    groups = [items[start : start + GROUP] for start in range(0, INFLUX_S, GROUP)]
    for group in groups:
        store.write_batches(group)
    lines = [sample_lines(group) for group in groups[:4]]
    set_aside()
    assert server.process is not None
    cpu = psutil.Process(server.process.pid).cpu_times
    ours_s, theirs_s = time.process_time(), sum(cpu()[:2])
    write_s = best_s(lambda: [store.write_batches(group) for group in groups[:4]])
    ours_s, theirs_s = time.process_time() - ours_s, sum(cpu()[:2]) - theirs_s
    server_write_s = best_s(lambda: [_post(server, body) for body in lines])
    end_ns = T0_NS + INFLUX_S * SECOND_NS
    read_s = best_s(lambda: store.read_samples("day", "trunk", T0_NS, end_ns))
    server_read_s = best_s(lambda: _download(server, store.raw, end_ns))
    page_s = _page_s(store)
    store.close()
    return [
        Budget(
            "InfluxDB: write, share of the server's own speed",
            server_write_s / write_s,
            0.6,
            "of the server",
            at_most=False,
            note=f"{4 * GROUP / write_s:.0f} batches/s",
        ),
        Budget(
            "InfluxDB: CPU of the client on write", 100 * ours_s / theirs_s, 25, "% of the server's"
        ),
        Budget(
            "InfluxDB: read, share of what curl gets of the same CSV",
            server_read_s / read_s,
            0.6,
            "of the server",
            at_most=False,
            note=f"{INFLUX_S * 50 / read_s:.0f} samples/s",
        ),
        Budget("InfluxDB: 90 days of results for a page", 1e3 * page_s, 50, "ms"),
    ]


def _page_s(store: Store) -> float:
    """Reading the exposure of 90 days by day and hour for one page, from the sums of the days."""
    zone = ZoneInfo("UTC")
    first = Day.at(T0_NS, zone)
    days = [first.plus(n) for n in range(PAGE_DAYS)]
    results = synthetic_day(first, 1)
    runs = [x for x in results if x.kind == "timeline_runs"]
    items = [x for x in results if not x.kind.startswith("timeline")]
    model = day_exposure(first, timeline(runs, first.start_ns, first.end_ns), items)
    for day in days:
        day_sum = Result(DAY_SUM, day.start_ns, day.end_ns, body_of(moved(model, day)))
        store.write_day_sum("page", day_sum, Provenance("1", "bench"))

    def read() -> None:
        found = read_days(store, "page", days)
        assert all(day.exposure.worn_min for day in found)

    return best_s(read, repeats=5)


def _sizes(folder: Path) -> list[Budget]:
    """The corpus' six-axis recordings as a sensor would send them, file size once compacted."""
    if not CORPUS.is_dir():
        return []
    store = {kind: EmbeddedStore(folder / f"{kind}.db") for kind in ("int16", "float32")}
    samples, start_ns = 0, T0_NS
    for path in sorted(CORPUS.glob("*/*.parquet")):
        table = pq.read_table(path)
        if "gyro_x" not in table.column_names:
            continue
        values = {
            name: np.nan_to_num(
                np.stack([table[f"{name}_{axis}"].to_numpy() for axis in "xyz"], axis=1)
            )
            for name in ("accel", "gyro")
        }
        dt_ns = round(SECOND_NS / json.loads(table.schema.metadata[b"trunkline"])["rate_hz"])
        for kind, opened in store.items():
            batches = _as_sent(values, kind, dt_ns, start_ns)
            opened.write_batches([StoredBatch("corpus", "trunk", batch) for batch in batches])
        samples += len(values["accel"])
        start_ns += len(values["accel"]) * dt_ns + SECOND_NS
    found = {}
    for kind, opened in store.items():
        opened.compact(2**62)
        opened.close()
        found[kind] = (folder / f"{kind}.db").stat().st_size / samples
    return [
        Budget(
            "embedded store: corpus at rest, as int16 counts",
            found["int16"],
            7,
            "bytes/sample",
            note=f"{samples} six-axis samples; as float32 {found['float32']:.2f} bytes",
        )
    ]


def _as_sent(
    values: dict[str, np.ndarray],  # type: ignore[type-arg]
    kind: str,
    dt_ns: int,
    start_ns: int,
) -> Iterator[Batch]:
    """One-second batches; int16: +-8 g and +-2000 degrees/s over 16 bits."""
    n = round(SECOND_NS / dt_ns)
    scales = {"accel": 8 * 9.80665 / 32768, "gyro": np.radians(2000) / 32768}
    rng = np.random.default_rng(1)
    for seq, at in enumerate(range(0, len(values["accel"]), n)):
        channels = {}
        for name, column in values.items():
            part = column[at : at + n]
            if kind == "int16":
                counts = np.clip(np.round(part / scales[name]), -32768, 32767).astype(np.int16)
                channels[name] = Channel(counts, scales[name])
            else:
                channels[name] = Channel(part.astype(np.float32))
        t0_ns = start_ns + at * dt_ns + int(rng.integers(100_000))
        yield Batch(
            session=SESSION,
            seq=seq,
            floor_seq=0,
            t0_ns=t0_ns,
            dt_ns=dt_ns,
            n=len(part),
            channels=channels,
            rx_ns=t0_ns + SECOND_NS + int(rng.integers(30_000_000)),
            clock_err_ns=int(rng.integers(900_000, 1_100_000)),
        )


def _post(server: Influx, body: bytes) -> None:
    query = urllib.parse.urlencode({"db": f"{server.database}_raw", "precision": "ns"})
    with urllib.request.urlopen(_request(server, f"/write?{query}", body)) as answer:
        answer.read()


def _download(server: Influx, database: str, end_ns: int) -> None:
    fields = ", ".join(f"{name}_{axis}" for name in ("accel", "gyro") for axis in "xyz")
    statement = (
        f"SELECT {fields} FROM imu WHERE wearer = 'day' AND sensor = 'trunk'"
        f" AND time >= {T0_NS} AND time < {end_ns}"
    )
    query = urllib.parse.urlencode(
        {"db": database, "epoch": "ns", "chunked": "true", "q": statement}
    )
    login = f"{server.user}:{server.password}"
    target = f"{server.url}/query?{query}"
    options = ["--silent", "--fail", "--output", "/dev/null", "--header", "Accept: application/csv"]
    subprocess.run(["curl", *options, "--user", login, target], check=True)


def _request(server: Influx, path: str, body: bytes | None = None) -> urllib.request.Request:
    login = base64.b64encode(f"{server.user}:{server.password}".encode()).decode()
    headers = {"Authorization": f"Basic {login}", "Accept": "application/csv"}
    return urllib.request.Request(server.url + path, data=body, headers=headers)
