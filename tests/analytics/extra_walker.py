"""A walker with extra sensors whose samples arrive in a store, and the worker for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from scipy.spatial.transform import Rotation

from analytics.exposure.days import Day
from analytics.extra_days import SETTLED_S
from analytics.extra_sensors import KIND
from analytics.store.base import Result, StoredBatch
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from analytics.store.records import Hold
from analytics.worker import Worker
from tests.analytics.test_limbs import story
from trunkline.synthetic.limbs import LIMBS
from trunkline.synthetic.wearer import SyntheticWearer
from wire.batch import Batch, Channel
from wire.ids import new_session
from wire.messages import Birth

START_NS = int(datetime(2026, 3, 2, 9, 0, tzinfo=UTC).timestamp()) * 10**9
DAY = Day.at(START_NS, ZoneInfo("Europe/Berlin"))
RATE_HZ = 50
ALL_TIME = (0, 2**62)
LATE = "wrist_right"
"""Its clock is off by a third of a second."""


@dataclass(frozen=True)
class Walked:
    """What every sensor of a wearer sent in a minute and a half, and the truth."""

    truth: dict[str, Any]
    meta: dict[str, Any]
    batches: dict[str, list[StoredBatch]]
    """by sensor: trunk, and extra ones by their placement"""


@cache
def walked() -> Walked:
    """A minute of walking in between standing."""
    clocks = dict.fromkeys(LIMBS, 0.02) | {LATE: 0.35}
    wearer = SyntheticWearer(90.0, RATE_HZ, "T12", 11, story=story, limbs=clocks)
    pieces = list(wearer.pieces())
    columns = {"trunk": ("accel", "gyro")} | {
        name: (f"{name}_accel", f"{name}_gyro") for name in LIMBS
    }
    values = {
        "accel": np.concatenate([p.accel for p in pieces]),
        "gyro": np.concatenate([p.gyro for p in pieces]),
    } | {name: np.concatenate([p.limbs[name] for p in pieces]) for name in wearer.extra_quantities}
    sent = {name: _batches(name, *(values[c] for c in pair)) for name, pair in columns.items()}
    return Walked(wearer.truth["limbs"], wearer.metadata, sent)


def front_first(walked: Walked) -> list[StoredBatch]:
    """What the pelvis' sensor would have sent with its +x to the front."""
    (turn, _) = Rotation.align_vectors(
        [[1.0, 0.0, 0.0]], [walked.meta["extra_axes"]["pelvis"]["forward"]]
    )
    return [
        replace(
            item,
            batch=replace(
                item.batch,
                channels={
                    name: Channel(turn.apply(channel.raw))
                    for name, channel in item.batch.channels.items()
                },
            ),
        )
        for item in walked.batches["pelvis"]
    ]


def _batches(sensor: str, accel: np.ndarray, gyro: np.ndarray) -> list[StoredBatch]:
    session, out = new_session(), []
    for seq, at in enumerate(range(0, len(accel), RATE_HZ)):
        part = slice(at, at + RATE_HZ)
        batch = Batch(
            session=session,
            seq=seq,
            floor_seq=0,
            t0_ns=START_NS + at * (10**9 // RATE_HZ),
            dt_ns=10**9 // RATE_HZ,
            n=len(accel[part]),
            channels={"accel": Channel(accel[part]), "gyro": Channel(gyro[part])},
            rx_ns=START_NS,
            clock_err_ns=0,
        )
        out.append(StoredBatch("demo", sensor, batch))
    return out


@dataclass
class Bench:
    """A store and a clinic with their worker, and a clock that the test moves."""

    store: EmbeddedStore
    clinic: Clinic
    now_s: float = 1000.0
    wearer: str = "demo"

    def __post_init__(self) -> None:
        self.worker = self.another()

    def another(self) -> Worker:
        """A worker that knows nothing yet."""
        worker = Worker(self.store, self.clinic)
        worker._extra.clock_s = lambda: self.now_s
        return worker

    def know(self, walked: Walked, *, stands: bool = True, pelvis_front: str = "") -> None:
        """Births, and the hold of the trunk's sensor; pelvis_front: its axis that points there."""
        axes = {"trunk": walked.meta["axes"], "pelvis": {"forward": pelvis_front}}
        for sensor in walked.batches:
            told = {k: v for k, v in (axes.get(sensor) or {}).items() if v}
            placement = "T12" if sensor == "trunk" else sensor
            self.clinic.record_birth(
                self.wearer,
                sensor,
                Birth(new_session(), "test", placement, 50.0, ["accel", "gyro"], axes=told or None),
            )
        if stands:
            begin, end = (START_NS + round(s * 1e9) for s in walked.meta["upright_reference"])
            self.clinic.add_hold(Hold(self.wearer, "trunk", begin, end, "standing", "mark"))

    def arrive(self, items: list[StoredBatch]) -> None:
        """What ingest does."""
        items = [replace(item, wearer=self.wearer) for item in items]
        self.store.write_batches(items)
        self.clinic.add_arrivals(
            (b.wearer, b.sensor, b.batch.t0_ns, b.batch.t0_ns + b.batch.n * b.batch.dt_ns)
            for b in items
        )

    def settle(self) -> None:
        """Nothing comes for a while; a day at most is looked at in each turn."""
        for pause_s in (0.0, 0.0, SETTLED_S + 1.0, 0.0):
            self.now_s += pause_s
            for running in self.worker._running.values():
                running.cost_s = 0.0  # nothing is put off
            self.worker.tick()

    def told(self) -> list[Result]:
        """What the worker has written of extra sensors."""
        return self.store.read_results(self.wearer, KIND, *ALL_TIME)
