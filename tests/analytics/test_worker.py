"""The worker: whatever the order of arrival, a day's results are those of the whole day at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from analytics.day_reading import days_to_keep, read_day, read_days
from analytics.exposure.days import Day
from analytics.pipeline import Pipeline
from analytics.result import results
from analytics.store.base import DAY_SUM, Result, StoredBatch
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from analytics.store.records import ClinicError, Hold, WearerSettings
from analytics.track import TrackKey
from analytics.worker import Worker
from tests.analytics.dashboard.synthetic import PROVENANCE, TODAY, fill_day
from trunkline.synthetic.wearer import SyntheticDay, simulate
from wire.batch import Batch, Channel
from wire.ids import new_session
from wire.messages import Birth

START_NS = int(datetime(2026, 3, 2, 9, 0, tzinfo=UTC).timestamp()) * 10**9
RATE_HZ = 50
ALL_TIME = (0, 2**62)


@pytest.fixture(scope="module")
def day() -> SyntheticDay:
    return simulate(420.0, rate_hz=RATE_HZ, placement="T12", seed=5, story="demo")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    store = EmbeddedStore(tmp_path / "samples.db")
    yield store
    store.close()


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    clinic = Clinic(tmp_path / "clinic.db")
    clinic.add_wearer("demo", "Europe/Berlin")
    yield clinic
    clinic.close()


def batches(day: SyntheticDay, start_ns: int = START_NS) -> list[StoredBatch]:
    session, out = new_session(), []
    for seq, at in enumerate(range(0, len(day.t_s), RATE_HZ)):
        part = slice(at, at + RATE_HZ)
        accel, gyro = day.accel[part], day.gyro[part]
        batch = Batch(
            session=session,
            seq=seq,
            floor_seq=0,
            t0_ns=start_ns + round(day.t_s[at] * 1e9),
            dt_ns=10**9 // RATE_HZ,
            n=len(accel),
            channels={"accel": Channel(accel), "gyro": Channel(gyro)},
            rx_ns=start_ns,
            clock_err_ns=0,
        )
        out.append(StoredBatch("demo", "trunk", batch))
    return out


def arrive(store: EmbeddedStore, clinic: Clinic, items: list[StoredBatch]) -> None:
    """What ingest does with messages."""
    store.write_batches(items)
    clinic.add_arrivals(
        ("demo", "trunk", b.batch.t0_ns, b.batch.t0_ns + b.batch.n * b.batch.dt_ns) for b in items
    )


def birth(clinic: Clinic, day: SyntheticDay, **changes: object) -> None:
    axes = {k: v for k, v in day.metadata["axes"].items() if v}
    fields = {"placement": "T12", "axes": axes} | changes
    clinic.record_birth(
        "demo",
        "trunk",
        Birth(new_session(), "test", rate_hz=50.0, quantities=["accel", "gyro"], **fields),
    )


def hold(clinic: Clinic, day: SyntheticDay) -> None:
    begin, end = (START_NS + round(s * 1e9) for s in day.metadata["upright_reference"])
    clinic.add_hold(Hold("demo", "trunk", begin, end, day.metadata["reference_posture"], "mark"))


def settle(worker: Worker) -> None:
    """As when nothing has come for a while."""
    for running in worker._running.values():
        running.changed_s = -np.inf
    worker._settle()
    worker._grouped.flush()


def found(store: EmbeddedStore) -> list[Result]:
    kinds = ("timeline", "timeline_runs", "movement", "slouch_episode", "walking_bout")
    return [result for kind in kinds for result in store.read_results("demo", kind, *ALL_TIME)]


@pytest.fixture
def expected(day: SyntheticDay, tmp_path: Path) -> list[Result]:
    """The same day in one piece, through a store of its own."""
    store, clinic = EmbeddedStore(tmp_path / "e.db"), Clinic(tmp_path / "ec.db")
    clinic.add_wearer("demo", "Europe/Berlin")
    birth(clinic, day)
    hold(clinic, day)
    arrive(store, clinic, batches(day))
    Worker(store, clinic).tick()
    out = found(store)
    store.close()
    clinic.close()
    return out


def test_the_results_are_those_of_the_pipeline(
    day: SyntheticDay, store: EmbeddedStore, clinic: Clinic, expected: list[Result]
) -> None:
    postures = {word for r in expected if r.kind == "timeline" for word in r.body["posture"]}
    assert {"standing", "walking"} <= postures
    worker = Worker(store, clinic)
    birth(clinic, day)
    hold(clinic, day)
    arrive(store, clinic, batches(day))
    worker.tick()
    (running,) = worker._running.values()
    pipeline = Pipeline(running.track.context)
    samples = store.read_samples("demo", "trunk", *ALL_TIME)
    pipeline.push(samples.t_ns, samples.values["accel"], samples.values["gyro"])
    direct = pipeline.finish()
    assert direct is not None
    wanted = [r for r in results(direct, running.track.context) if r.kind != "quality"]
    assert sorted(found(store), key=repr) == sorted(wanted, key=repr)


@pytest.mark.parametrize("group", [1, 7, 100])
def test_live_ticks_end_in_the_same_results(
    day: SyntheticDay, store: EmbeddedStore, clinic: Clinic, expected: list[Result], group: int
) -> None:
    worker = Worker(store, clinic)
    birth(clinic, day)
    items = batches(day)
    first = max(group, 20)
    arrive(store, clinic, items[:first])
    worker.tick()
    hold(clinic, day)
    for at in range(first, len(items), group):
        arrive(store, clinic, items[at : at + group])
        worker.tick()
    settle(worker)
    assert found(store) == expected
    assert clinic.arrivals() == []


def test_a_hold_that_is_told_before_its_samples_come_is_used_whole(
    day: SyntheticDay, store: EmbeddedStore, clinic: Clinic, expected: list[Result]
) -> None:
    worker = Worker(store, clinic)
    birth(clinic, day)
    hold(clinic, day)
    items = batches(day)
    for at in range(0, len(items), 3):
        arrive(store, clinic, items[at : at + 3])
        worker.tick()
        for running in worker._running.values():
            running.cost_s = 0.0  # nothing is put off in this test
    settle(worker)
    assert found(store) == expected


def test_late_and_shuffled_arrivals_end_in_the_same_results(
    day: SyntheticDay, store: EmbeddedStore, clinic: Clinic, expected: list[Result]
) -> None:
    worker = Worker(store, clinic)
    birth(clinic, day)
    hold(clinic, day)
    items = batches(day)
    np.random.default_rng(3).shuffle(items)  # type: ignore[arg-type]
    for at in range(0, len(items), 60):
        arrive(store, clinic, items[at : at + 60])
        worker.tick()
        for running in worker._running.values():
            running.cost_s = 0.0  # nothing is put off in this test
    worker.tick()
    settle(worker)
    assert clinic.arrivals() == []
    assert found(store) == expected


def test_a_late_arrival_is_put_off_but_not_forgotten(
    day: SyntheticDay, store: EmbeddedStore, clinic: Clinic
) -> None:
    worker = Worker(store, clinic)
    birth(clinic, day)
    hold(clinic, day)
    items = batches(day)
    arrive(store, clinic, items[100:110])
    worker.tick()
    (running,) = worker._running.values()
    running.cost_s = 3600.0
    arrive(store, clinic, items[90:100])
    assert worker.tick() == 0
    assert len(clinic.arrivals()) == 10
    assert worker._running.popitem()[1] is running
    assert worker.tick() == 10


def test_a_new_worker_takes_up_where_the_last_one_was(
    day: SyntheticDay, store: EmbeddedStore, clinic: Clinic, expected: list[Result]
) -> None:
    birth(clinic, day)
    hold(clinic, day)
    items = batches(day)
    for at in range(0, len(items), 50):
        arrive(store, clinic, items[at : at + 50])
        Worker(store, clinic).tick()
    assert found(store) == expected


def test_a_settled_day_is_summed_up_and_any_write_takes_the_sum_back(
    day: SyntheticDay,
    store: EmbeddedStore,
    clinic: Clinic,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("analytics.worker.SETTLED_S", 0.0)
    worker = Worker(store, clinic)
    birth(clinic, day)
    hold(clinic, day)
    today = Day.at(START_NS, ZoneInfo("Europe/Berlin"))
    items = batches(day)
    late = items.pop(50)

    def sums() -> int:
        return len(store.read_results("demo", DAY_SUM, *ALL_TIME))

    arrive(store, clinic, items[:300])
    worker.tick()
    assert sums() == 1
    monkeypatch.setattr("analytics.worker.SETTLED_S", 1e9)
    for part in (items[300:], [late], [late]):
        worker._running[TrackKey("demo", "trunk", today)].cost_s = 0.0  # nothing is put off
        arrive(store, clinic, part)
        worker.tick()
        assert sums() == 0
        assert read_days(store, "demo", [today]) == [read_day(store, "demo", today).exposure]
    worker.tick()
    assert clinic.arrivals() == []
    monkeypatch.setattr("analytics.worker.SETTLED_S", 0.0)
    worker.tick()
    assert sums() == 1
    assert read_days(store, "demo", [today]) == [read_day(store, "demo", today).exposure]


def test_days_that_no_worker_summed_up_are_summed_up_by_the_next_one(
    store: EmbeddedStore, clinic: Clinic
) -> None:
    days = [TODAY.plus(n) for n in range(-3, 1)]
    for day in (days[0], days[1], days[3]):
        fill_day(store, "demo", day, 1)
    worker = Worker(store, clinic)
    for _ in range(4):
        worker.tick()
    kept = store.read_results("demo", DAY_SUM, *ALL_TIME)
    assert [r.start_ns for r in kept] == [days[n].start_ns for n in (0, 1, 3)]
    assert days_to_keep(store, "demo", days) == []
    store.write_day_sum("demo", replace(kept[0], body=kept[0].body | {"format": "0"}), PROVENANCE)
    assert days_to_keep(store, "demo", days) == [days[0]]
    wanted = [read_day(store, "demo", day).exposure for day in days]
    assert read_days(store, "demo", days) == wanted


def test_a_journey_told_afterwards_counts_the_days_where_they_were_lived(
    day: SyntheticDay, store: EmbeddedStore, clinic: Clinic
) -> None:
    """In Berlin it is past midnight, on the journey it is still the day before."""
    midnight_ns = int(datetime(2026, 3, 2, 23, 0, tzinfo=UTC).timestamp()) * 10**9
    worker = Worker(store, clinic)
    birth(clinic, day)
    arrive(store, clinic, batches(day, midnight_ns - 120 * 10**9))
    worker.tick()
    assert [key.day.date.day for key in worker._running] == [3]
    clinic.add_journey("demo", midnight_ns - 3600 * 10**9, "America/New_York")
    worker.tick()
    zone = clinic.wearer("demo").zone
    here = Day(date(2026, 3, 2), zone)
    assert here in [key.day for key in worker._running]
    assert here.end_ns == int(datetime(2026, 3, 3, 5, 0, tzinfo=UTC).timestamp()) * 10**9
    exposure = read_day(store, "demo", here).exposure.exposure
    assert exposure.gap_min == pytest.approx((here.end_ns - here.start_ns) / 60e9 - 7, abs=0.1)
    assert read_days(store, "demo", [here])[0].exposure == exposure
    for bad in ((0, "UTC"), (midnight_ns, "Nowhere")):
        with pytest.raises(ClinicError):
            clinic.add_journey("demo", *bad)


def test_midnight_parts_the_days(day: SyntheticDay, store: EmbeddedStore, clinic: Clinic) -> None:
    midnight_ns = int(datetime(2026, 3, 2, 23, 0, tzinfo=UTC).timestamp()) * 10**9  # in Berlin
    worker = Worker(store, clinic)
    birth(clinic, day)
    items = batches(day, midnight_ns - 120 * 10**9)
    for at in range(0, len(items), 10):
        arrive(store, clinic, items[at : at + 10])
        worker.tick()
    (key,) = worker._running
    assert key.day.start_ns == midnight_ns
    minutes = store.read_results("demo", "timeline", *ALL_TIME)
    starts = [minute.start_ns for minute in minutes]
    assert starts == [midnight_ns + m * 60 * 10**9 for m in range(-2, 5)]


def test_personal_limits_count_from_the_next_samples_on(
    day: SyntheticDay, store: EmbeddedStore, clinic: Clinic
) -> None:
    worker = Worker(store, clinic)
    birth(clinic, day)
    hold(clinic, day)
    items = batches(day)
    arrive(store, clinic, items[:-10])
    worker.tick()
    assert store.read_results("demo", "slouch_episode", *ALL_TIME) == []  # none of ten minutes
    before = store.read_results("demo", "timeline", *ALL_TIME)
    slouched = sum(flag is True for r in before for flag in r.body["slouched"])
    assert slouched > 30
    clinic.set_settings("demo", WearerSettings(slouch_bout_min_s=20.0, walking_limit_s=15.0))
    arrive(store, clinic, items[-10:])
    worker.tick()
    assert store.read_results("demo", "slouch_episode", *ALL_TIME)
    assert any(r.body["prolonged"] for r in store.read_results("demo", "walking_bout", *ALL_TIME))
    clinic.set_settings("demo", WearerSettings(slouch_enter_deg=80.0))
    hold(clinic, day)  # tells the worker to look again
    worker.tick()
    after = store.read_results("demo", "timeline", *ALL_TIME)
    assert not any(flag is True for r in after for flag in r.body["slouched"])


def test_only_the_trunk_sensor_is_computed(
    day: SyntheticDay, store: EmbeddedStore, clinic: Clinic
) -> None:
    worker = Worker(store, clinic)
    birth(clinic, day, placement="wrist_left", axes=None)
    arrive(store, clinic, batches(day)[:30])
    worker.tick()
    assert found(store) == []
    assert clinic.arrivals() == []
