"""What `trunkline up --demo` adds: a wearer with log-ins, some past days, a recording to play."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analytics.store.base import Store, StoredBatch
from analytics.store.clinic import Clinic
from analytics.store.records import DiaryEntry, Hold
from trunkline.synthetic.recording_file import write_recording
from trunkline.synthetic.wearer import SyntheticDay, SyntheticWearer, simulate_day
from wire.batch import MAX_SAMPLES, Batch, Channel
from wire.ids import new_session
from wire.messages import Birth

WEARER = "demo"
SENSOR = "trunk"
PROFILE = "movesense"
PLACEMENT = "T12"
RATE_HZ = 50.0
PAST_DAYS = 6
DAY_HOURS = (9.0, 17.0)
LIVE_MINUTES = 20
LIVE_SEED = 11
ACCEL_STEP_MPS2 = 8 * 9.80665 / 32768
GYRO_STEP_RADPS = np.deg2rad(2000) / 32768

logger = logging.getLogger(__name__)


def write_live_recording(path: Path) -> None:
    """The recording that the virtual sensor plays again and again."""
    wearer = SyntheticWearer(LIVE_MINUTES * 60.0, RATE_HZ, PLACEMENT, LIVE_SEED, story="demo")
    write_recording(wearer, path)


def fill_history(store: Store, clinic: Clinic, today: date, stop: threading.Event) -> None:
    """Synthetic past days, as if the sensor had been worn: samples, upright holds, symptoms.

    They go into the store like samples that ingest has written; the worker computes them.
    """
    rng = np.random.default_rng(7)
    for back in range(1, PAST_DAYS + 1):
        if stop.is_set():
            return
        day = simulate_day(today - timedelta(days=back), seed=3, hours=DAY_HOURS, rate_hz=RATE_HZ)
        start_ns = _utc_ns(str(day.metadata["start_utc"]))
        _record_setup(clinic, day, start_ns)
        items = list(_batches(day, start_ns))
        store.write_batches(items)
        clinic.add_arrivals(
            (WEARER, SENSOR, i.batch.t0_ns, i.batch.t0_ns + i.batch.n * i.batch.dt_ns)
            for i in items
        )
        _symptoms(clinic, rng, start_ns)
        logger.info("demo history: %d of %d days", back, PAST_DAYS)


def _record_setup(clinic: Clinic, day: SyntheticDay, start_ns: int) -> None:
    axes = {name: axis for name, axis in day.metadata["axes"].items() if axis}
    birth = Birth(
        session="0" * 26,  # sorts before every real session, whose birth then takes its place
        profile=PROFILE,
        placement=PLACEMENT,
        rate_hz=RATE_HZ,
        quantities=["accel", "gyro"],
        axes=axes,
    )
    clinic.record_birth(WEARER, SENSOR, birth)
    begin, end = (start_ns + round(1e9 * s) for s in day.metadata["upright_reference"])
    posture = str(day.metadata["reference_posture"])
    clinic.add_hold(Hold(WEARER, SENSOR, begin, end, posture, "recording"))


def _batches(day: SyntheticDay, start_ns: int) -> list[StoredBatch]:
    session, dt_ns = new_session(), round(1e9 / RATE_HZ)
    found = []
    for seq, at in enumerate(range(0, len(day.t_s), MAX_SAMPLES)):
        accel = _counts(day.accel[at : at + MAX_SAMPLES], ACCEL_STEP_MPS2)
        gyro = _counts(day.gyro[at : at + MAX_SAMPLES], GYRO_STEP_RADPS)
        batch = Batch(
            session=session,
            seq=seq,
            floor_seq=0,
            t0_ns=start_ns + at * dt_ns,
            dt_ns=dt_ns,
            n=len(accel.raw),
            channels={"accel": accel, "gyro": gyro},
            rx_ns=start_ns + (at + len(accel.raw)) * dt_ns,
            clock_err_ns=0,
        )
        found.append(StoredBatch(WEARER, SENSOR, batch))
    return found


def _counts(values: NDArray[np.float32], step: float) -> Channel:
    return Channel(np.round(values / step).clip(-32768, 32767).astype(np.int16), step)


def _symptoms(clinic: Clinic, rng: np.random.Generator, start_ns: int) -> None:
    for hour in sorted(rng.choice(np.arange(1, 12), size=int(rng.integers(1, 4)), replace=False)):
        at_ns = start_ns + int((hour + rng.random()) * 3600e9)
        clinic.add_diary(
            DiaryEntry(
                wearer=WEARER,
                at_ns=at_ns,
                symptom=str(rng.choice(["pain", "pain", "numbness"])),
                site=str(rng.choice(["lumbosacral", "iliac_crest"])),
                side="left",
                severity=int(rng.integers(2, 8)),
                entered_ns=at_ns,
                source="recording",
            )
        )


def _utc_ns(iso: str) -> int:
    moment = datetime.fromisoformat(iso)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * 10**9
