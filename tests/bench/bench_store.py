"""Ingest into the embedded store, a day read back, and both against InfluxDB's own speed."""

from __future__ import annotations

import base64
import shutil
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np

from analytics.ingest.triage import Message
from analytics.ingest.writer import Writer
from analytics.store.base import StoredBatch
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from analytics.store.influx import InfluxStore
from analytics.store.influx_text import sample_lines
from tests.bench.budget import Budget, best_s
from tests.servers import Influx, influxd
from wire.batch import Batch, Channel
from wire.codec import encode
from wire.ids import new_session

WEARERS = 1500
GROUP = 500
DAY_S = 86_400
INFLUX_S = 7_200
T0_NS = 1_800_000_000_000_000_000
SECOND_NS = 1_000_000_000
SESSION = new_session()


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
    counts = raw[which % WEARERS]
    return Batch(
        session=SESSION,
        seq=second,
        floor_seq=0,
        t0_ns=T0_NS + second * SECOND_NS,
        dt_ns=20_000_000,
        n=50,
        channels={
            "accel": Channel(np.ascontiguousarray(counts[:, :3]), 0.0024),
            "gyro": Channel(np.ascontiguousarray(counts[:, 3:]), 0.0012),
        },
        rx_ns=T0_NS,
        clock_err_ns=1_000_000,
    )


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
    ingest_s = best_s(one_second_of_everybody)
    for start in range(0, DAY_S, GROUP):
        chunk = range(start, min(DAY_S, start + GROUP))
        store.write_batches([StoredBatch("day", "trunk", _batch(raw, i, i)) for i in chunk])
    end_ns = T0_NS + DAY_S * SECOND_NS
    read_s = best_s(lambda: store.read_samples("day", "trunk", T0_NS, end_ns))
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
        Budget("embedded store: a day of 50 Hz, 6 axes, read back", read_s, 1.0, "s"),
        Budget("clinic database: open when current", open_s, 0.3, "s"),
    ]


def _influx(server: Influx, raw: np.ndarray) -> list[Budget]:  # type: ignore[type-arg]
    store = InfluxStore(server.url, server.database, user=server.user, password=server.password)
    items = [StoredBatch("day", "trunk", _batch(raw, i, i)) for i in range(INFLUX_S)]
    groups = [items[start : start + GROUP] for start in range(0, INFLUX_S, GROUP)]
    for group in groups:
        store.write_batches(group)
    lines = [sample_lines(group) for group in groups[:4]]
    write_s = best_s(lambda: [store.write_batches(group) for group in groups[:4]])
    server_write_s = best_s(lambda: [_post(server, body) for body in lines])
    end_ns = T0_NS + INFLUX_S * SECOND_NS
    read_s = best_s(lambda: store.read_samples("day", "trunk", T0_NS, end_ns))
    server_read_s = best_s(lambda: _download(server, end_ns))
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
            "InfluxDB: read, share of the server's own CSV speed",
            server_read_s / read_s,
            0.6,
            "of the server",
            at_most=False,
            note=f"{INFLUX_S * 50 / read_s:.0f} samples/s",
        ),
    ]


def _post(server: Influx, body: bytes) -> None:
    query = urllib.parse.urlencode({"db": server.database, "precision": "ns"})
    with urllib.request.urlopen(_request(server, f"/write?{query}", body)) as answer:
        answer.read()


def _download(server: Influx, end_ns: int) -> None:
    fields = ", ".join(f"{name}_{axis}" for name in ("accel", "gyro") for axis in "xyz")
    statement = (
        f"SELECT {fields} FROM imu WHERE wearer = 'day' AND sensor = 'trunk'"
        f" AND time >= {T0_NS} AND time < {end_ns}"
    )
    query = urllib.parse.urlencode(
        {"db": server.database, "epoch": "ns", "chunked": "true", "q": statement}
    )
    with urllib.request.urlopen(_request(server, f"/query?{query}")) as answer:
        while answer.read(1 << 20):
            pass


def _request(server: Influx, path: str, body: bytes | None = None) -> urllib.request.Request:
    login = base64.b64encode(f"{server.user}:{server.password}".encode()).decode()
    headers = {"Authorization": f"Basic {login}", "Accept": "application/csv"}
    return urllib.request.Request(server.url + path, data=body, headers=headers)
