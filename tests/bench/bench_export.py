"""Export of raw samples to Parquet, from the archive and from the embedded store.

`python -m tests.bench.bench_export 30` measures so many days instead of the usual quarter of one.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from analytics.export.bundle import Export, Request
from analytics.export.formats import named
from analytics.export.subject import Subject
from analytics.store.archive import DAY_NS, Archive
from analytics.store.archived import ArchivedStore
from analytics.store.archiving import archive_days
from analytics.store.base import Store, StoredBatch
from analytics.store.embedded import EmbeddedStore
from tests.bench.batches import SECOND_NS, one_second
from tests.bench.budget import Budget
from wire.ids import new_session

T0_NS = 20_000 * DAY_NS
USUAL_S = 21_600
GROUP = 1800
REPEATS = 3


def measure(seconds: int = USUAL_S, repeats: int = REPEATS) -> list[Budget]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = EmbeddedStore(folder / "samples.db")
        fill(store, seconds)
        store.compact(2**62)
        archive = Archive(folder / "archive")
        archive_days(store, archive, T0_NS + seconds * SECOND_NS + DAY_NS)
        archive.set_horizon(T0_NS + seconds * SECOND_NS + DAY_NS)
        emptied = EmbeddedStore(folder / "emptied.db")
        figures = [
            _speed(folder, ArchivedStore(emptied, archive), seconds, repeats),
            _speed(folder, store, seconds, repeats),
        ]
        store.close()
        emptied.close()
    note = f"{seconds / 3600:g} h of 50 Hz, six axes; processor time, wall {{:.2f}}"
    return [
        Budget(name, found[0], limit, "M samples/s", at_most=False, note=note.format(found[1]))
        for name, found, limit in zip(
            ("export: archive to Parquet", "export: embedded store to Parquet"),
            figures,
            (5.0, 1.0),
            strict=True,
        )
    ]


def fill(store: Store, seconds: int) -> None:
    """One-second batches of somebody who moves slowly, as counts of 16 bit."""
    rng = np.random.default_rng(1)
    steps = np.cumsum(rng.integers(-40, 41, (3000 * 50, 6)), axis=0)
    counts = (steps % 30_000 - 15_000).astype(np.int16).reshape(3000, 50, 6)
    session = new_session()
    for start in range(0, seconds, GROUP):
        store.write_batches(
            [
                StoredBatch(
                    "w",
                    "trunk",
                    one_second(counts[second % 3000], session, second, T0_NS + second * SECOND_NS),
                )
                for second in range(start, min(start + GROUP, seconds))
            ]
        )


def _speed(folder: Path, store: Store, seconds: int, repeats: int) -> tuple[float, float]:
    """M samples a second of processor time and of wall time, each the best of several runs."""
    end_ns = T0_NS + seconds * SECOND_NS
    subject = Subject("w", "w", T0_NS, end_ns, ZoneInfo("UTC"), lambda *_: [])
    request = Request([subject], named("parquet"), frozenset({"raw"}))
    times = []
    for number in range(repeats):
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        said = Export(store, request, about={}).write(folder / f"out{type(store).__name__}{number}")
        times.append((time.process_time() - cpu_s, time.perf_counter() - wall_s))
        assert sum(said["rows"].values()) == seconds * 50
    best = [min(kind) for kind in zip(*times, strict=True)]
    return seconds * 50 / best[0] / 1e6, seconds * 50 / best[1] / 1e6


if __name__ == "__main__":
    for budget in measure(int(sys.argv[1]) * 86_400, repeats=1):
        print(f"{budget.name}: {budget.measured:.2f} {budget.unit} ({budget.note})")
