"""Ingest into the stores and reading a day back.

What the broker's connection costs is left out; a message is decoded, written, accounted for and on
disk before it counts. InfluxDB is measured when influxd is installed.
"""

from __future__ import annotations

import shutil
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from analytics.ingest.triage import Message
from analytics.ingest.writer import Writer
from analytics.store.base import Store
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from analytics.store.influx import InfluxStore
from tests.bench.budget import Budget, best_s
from tests.servers import Influx, influxd
from wire.batch import Batch, Channel
from wire.codec import encode
from wire.ids import new_session
from wire.topics import Kind, sensor_topic

RATE_HZ = 50
DAY_S = 86_400
DAY_NS = DAY_S * 10**9
START_NS = 1_772_000_000 * 10**9
GROUP = 500
WEARERS = 50


def messages(seconds: int, wearers: int) -> list[Message]:
    """One-second batches of six axes, as ingest gets them: all wearers, second by second."""
    rng = np.random.default_rng(6)
    raw = rng.integers(-20_000, 20_000, (2, RATE_HZ, 3)).astype(np.int16)
    channels = {"accel": Channel(raw[0], 0.0024), "gyro": Channel(raw[1], 0.0012)}
    sessions = [new_session() for _ in range(wearers)]
    found = []
    for second in range(seconds):
        for number, session in enumerate(sessions):
            batch = Batch(
                session=session,
                seq=second,
                floor_seq=max(0, second - 5),
                t0_ns=START_NS + second * 10**9,
                dt_ns=10**9 // RATE_HZ,
                n=RATE_HZ,
                channels=channels,
                rx_ns=START_NS + (second + 1) * 10**9,
                clock_err_ns=4_000_000,
            )
            found.append(Message(sensor_topic(f"w{number}", "trunk", Kind.IMU), encode(batch)))
    return found


def write_all(store: Store, clinic: Clinic, items: Sequence[Message]) -> float:
    """Seconds to take all messages in groups, durably."""
    writer = Writer(store, clinic, "UTC")
    begun_s = time.perf_counter()
    for at in range(0, len(items), GROUP):
        writer.write(items[at : at + GROUP])
    return time.perf_counter() - begun_s


def read_s(store: Store) -> float:
    def read() -> None:
        samples = store.read_samples("w0", "trunk", START_NS, START_NS + DAY_NS)
        assert len(samples) == DAY_S * RATE_HZ

    return best_s(read, 2)


def embedded(folder: Path) -> list[Budget]:
    store, clinic = EmbeddedStore(folder / "samples.db"), Clinic(folder / "clinic.db")
    crowd = messages(200, WEARERS)
    per_s = len(crowd) / write_all(store, clinic, crowd)
    store.close()
    clinic.close()
    day_store, day_clinic = EmbeddedStore(folder / "day.db"), Clinic(folder / "day-clinic.db")
    write_all(day_store, day_clinic, messages(DAY_S, 1))
    read = read_s(day_store)
    day_store.close()
    day_clinic.close()
    return [
        Budget("ingest into the embedded store", per_s, 1500, "batches/s", False),
        Budget("read back 24 h, embedded store", read, 1, "s"),
    ]


def server_csv_s(influx: Influx, measurement: str) -> float:
    """The same day as the server's own CSV, downloaded and thrown away."""
    query = (
        f"SELECT * FROM \"{measurement}\" WHERE wearer = 'w0' "
        f"AND time >= {START_NS} AND time < {START_NS + DAY_NS}"
    )
    fields = {"db": influx.database, "q": query, "epoch": "ns", "chunked": "true"}
    login = {"u": influx.user, "p": influx.password}
    request = urllib.request.Request(
        f"{influx.url}/query?{urllib.parse.urlencode(fields | login)}",
        headers={"Accept": "application/csv"},
    )

    def download() -> None:
        size = 0
        with urllib.request.urlopen(request, timeout=300) as answer:
            while part := answer.read(1 << 20):
                size += len(part)
        assert size > DAY_S * RATE_HZ * 30

    return best_s(download, 2)


def influx(folder: Path, binary: str) -> list[Budget]:
    with influxd(Path(binary), folder / "influx") as server:
        store = InfluxStore(server.url, server.database, user=server.user, password=server.password)
        clinic = Clinic(folder / "influx-clinic.db")
        crowd = messages(40, WEARERS)
        per_s = len(crowd) / write_all(store, clinic, crowd)
        write_all(store, clinic, messages(DAY_S, 1))
        read, plain = read_s(store), server_csv_s(server, "imu")
        store.close()
        clinic.close()
    note = f"{plain:.1f} s by the server, {read:.1f} s by us"
    return [
        Budget("ingest into InfluxDB", per_s, 1, "batches/s", False, "no budget: the server's"),
        Budget("read back 24 h, InfluxDB against its CSV", plain / read, 0.6, "x", False, note),
    ]


def measure() -> list[Budget]:
    with tempfile.TemporaryDirectory() as name:
        found = embedded(Path(name))
        if binary := shutil.which("influxd"):
            found += influx(Path(name), binary)
        else:
            print("InfluxDB is not measured: apt install influxdb")
        return found
