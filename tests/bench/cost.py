"""What a wearer-day costs: `python -m tests.bench.cost` prints the figures of docs/scale.md.

Processor time of this process, not wall time: it holds on a busy machine, too.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from analytics.ingest.triage import Message
from analytics.ingest.writer import Writer
from analytics.store.archive import DAY_NS, Archive
from analytics.store.archiving import archive_days
from analytics.store.base import StoredBatch
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from analytics.store.influx import InfluxStore
from analytics.worker import Worker
from tests.bench.load import PATH
from tests.servers import influxd
from trunkline.synthetic.wearer import simulate
from wire.batch import Batch, Channel
from wire.codec import encode
from wire.ids import new_session
from wire.messages import Birth
from wire.topics import Kind, sensor_topic

S = 1_000_000_000
DAY_S = 86_400
T0_NS = 20_000 * DAY_NS + 8 * 3600 * S
WEARERS = 10
BEFORE_S = 600
"""What each wearer has worn before the clock starts: the worker looks back over it."""
LIVE_S = 480
"""Half a block of the pipeline."""
STORED_S = 1200


def main() -> None:
    lively = _batches("demo")
    with tempfile.TemporaryDirectory() as name:
        _on_the_wire(lively)
        _live(Path(name) / "day", _batches("day"), "an office hour")
        _live(Path(name) / "demo", lively, "always on the move")
        _at_rest(Path(name), lively)


def _batches(story: str) -> list[Batch]:
    day = simulate(
        float(STORED_S), rate_hz=50, placement="T12", seed=3, story=story, first_hour=9.0
    )
    accel = np.round(day.accel / 0.0024).astype(np.int16)
    gyro = np.round(day.gyro / 0.0012).astype(np.int16)
    session = new_session()
    return [
        Batch(
            session=session,
            seq=second,
            floor_seq=0,
            t0_ns=T0_NS + second * S,
            dt_ns=S // 50,
            n=50,
            channels={
                "accel": Channel(accel[50 * second : 50 * second + 50], 0.0024),
                "gyro": Channel(gyro[50 * second : 50 * second + 50], 0.0012),
            },
            rx_ns=T0_NS + second * S + S,
            clock_err_ns=1_000_000,
        )
        for second in range(STORED_S)
    ]


def _tell(what: str, figure: float, unit: str) -> None:
    print(f"{what:<52} {figure:>10.4g} {unit}", flush=True)


def _on_the_wire(batches: list[Batch]) -> None:
    # MQTT 3.1.1, QoS 1: fixed header 3, topic length 2, packet id 2, PUBACK 4 back.
    topic = len(sensor_topic("p-0001", "trunk", Kind.IMU))
    size = sum(len(encode(batch)) + topic + 11 for batch in batches) / len(batches)
    _tell("wire: one batch a second, MQTT included", size, "bytes/s")
    _tell("wire: a wearer-day", size * DAY_S / 1e6, "MB")


def _live(folder: Path, batches: list[Batch], story: str) -> None:
    """Ingest and worker for some wearers whose batches come at once, in the midst of a day."""
    folder.mkdir()
    clinic, store = Clinic(folder / "clinic.db"), EmbeddedStore(folder / "samples.db")
    names = [f"p-{number:04}" for number in range(WEARERS)]
    with clinic.transaction():
        for name in names:
            clinic.add_wearer(name, "UTC")
            birth = Birth(batches[0].session, "test", "T12", 50.0, ["accel", "gyro"])
            clinic.record_birth(name, "trunk", birth)
    writer, worker = Writer(store, clinic), Worker(store, clinic)
    topics = [sensor_topic(name, "trunk", Kind.IMU) for name in names]
    writer.write([Message(t, encode(batch)) for t in topics for batch in batches[:BEFORE_S]])
    worker.tick()
    ingest_s = worker_s = 0.0
    for batch in batches[BEFORE_S : BEFORE_S + LIVE_S]:
        messages = [Message(topic, encode(batch)) for topic in topics]
        began_s = time.process_time()
        writer.write(messages)
        wrote_s = time.process_time()
        worker.tick()
        ingest_s += wrote_s - began_s
        worker_s += time.process_time() - wrote_s
    each = WEARERS * LIVE_S
    _tell(f"ingest: a batch, {WEARERS} at once", 1e3 * ingest_s / each, "ms CPU")
    _tell("ingest: a wearer-day", ingest_s / each * DAY_S, "s CPU")
    _tell(f"worker, live: a second, {story}", 1e3 * worker_s / each, "ms CPU")
    _tell(f"worker, live: a wearer-day, {story}", worker_s / each * DAY_S, "s CPU")
    clinic.close()
    store.close()


def _at_rest(folder: Path, batches: list[Batch]) -> None:
    items = [StoredBatch("w", "trunk", batch) for batch in batches]
    store = EmbeddedStore(folder / "rest.db")
    store.write_batches(items)
    store.compact(2**62)
    archive = Archive(folder / "archive")
    archive_days(store, archive, T0_NS + DAY_NS)
    store.close()
    scale = DAY_S / STORED_S / 1e6
    _tell("embedded store, compacted: a wearer-day", _size(folder / "rest.db") * scale, "MB")
    files = sum(_size(path) for path in (folder / "archive").rglob("*.parquet"))
    _tell("archive (Parquet): a wearer-day", files * scale, "MB")
    binary = shutil.which("influxd", path=PATH)
    if binary is None:
        return
    with influxd(Path(binary), folder / "influx") as server:
        influx = InfluxStore(
            server.url, server.database, user=server.user, password=server.password
        )
        for start in range(0, len(items), 300):
            influx.write_batches(items[start : start + 300])
        influx.close()
    # Stopped, its cache is in the write-ahead log; started again it writes its own files.
    wal = sum(_size(path) for path in (folder / "influx").rglob("*.wal"))
    tsm = sum(_size(path) for path in (folder / "influx").rglob("*.tsm"))
    _tell("InfluxDB 1.6, write-ahead log: a wearer-day", wal * scale, "MB")
    _tell("InfluxDB 1.6, compacted files so far: a wearer-day", tsm * scale, "MB")


def _size(path: Path) -> int:
    return path.stat().st_size


if __name__ == "__main__":
    main()
