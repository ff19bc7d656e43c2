"""The watch over stored results: in time, on record, and none twice after a restart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from analytics.alert_watch import AlertWatch
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from analytics.store.records import GivenAlert, TimeMark, WearerSettings
from analytics.worker import Worker
from tests.analytics.test_worker import START_NS, arrive, batches, birth, hold
from trunkline.synthetic.wearer import SyntheticDay, simulate

S = 10**9
ANY_HOUR = {"quiet_from_min": 0, "quiet_to_min": 0, "between_min": 0}


@pytest.fixture(scope="module")
def day() -> SyntheticDay:
    return simulate(120.0, rate_hz=50, placement="T12", seed=5, story="demo")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    store = EmbeddedStore(tmp_path / "samples.db")
    yield store
    store.close()


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    clinic = Clinic(tmp_path / "clinic.db")
    clinic.add_wearer("demo", "Europe/Berlin")
    clinic.set_settings("demo", WearerSettings(alerts_on=True))
    clinic.set_alert_settings("demo", {**ANY_HOUR, "slouch_after_min": 0.5})
    yield clinic
    clinic.close()


class Clock:
    now_ns = START_NS

    def __call__(self) -> int:
        return self.now_ns


def play(
    day: SyntheticDay, store: EmbeddedStore, clinic: Clinic, watch: AlertWatch, clock: Clock
) -> list[GivenAlert]:
    """Second by second: samples arrive, the worker computes, the watch looks."""
    worker, found = Worker(store, clinic), []
    items = batches(day)
    arrive(store, clinic, items[:20])
    birth(clinic, day)
    hold(clinic, day)
    for item in items[20:]:
        arrive(store, clinic, [item])
        clock.now_ns = item.batch.t0_ns + S
        worker.tick()
        for running in worker._running.values():
            running.cost_s = 0.0  # nothing is put off in this test
        found += watch.look()
    return found


def test_a_slouch_is_told_within_five_seconds_of_the_limit(
    day: SyntheticDay, store: EmbeddedStore, clinic: Clinic
) -> None:
    clock, delivered = Clock(), []
    watch = AlertWatch(store, clinic, [delivered.append], clock_ns=clock)
    found = play(day, store, clinic, watch, clock)
    slouches = [a for a in found if a.kind == "slouch"]
    assert slouches
    assert delivered == found == clinic.alerts("demo", 0, 2**62)
    minutes = store.read_results("demo", "timeline", 0, 2**62)
    state = np.array([s is True for m in minutes for s in m.body["slouched"]])
    first_ns = minutes[0].start_ns
    begins = np.flatnonzero(np.diff(np.r_[False, state].astype(int)) == 1)
    crossings = [first_ns + (int(b) + 30) * S for b in begins if state[b : b + 30].all()]
    for alert in slouches:
        late_s = min((alert.at_ns - c) / S for c in crossings if c <= alert.at_ns + S)
        assert late_s <= 5.0
    clock.now_ns = found[0].at_ns + 2 * S
    assert AlertWatch(store, clinic, clock_ns=clock).look() == []  # as after a restart


@pytest.mark.parametrize("why", ["off", "study", "resting", "none a day"])
def test_silence_is_kept(day: SyntheticDay, store: EmbeddedStore, clinic: Clinic, why: str) -> None:
    if why == "off":
        clinic.set_settings("demo", WearerSettings(alerts_on=False))
    elif why == "resting":
        clinic.add_mark(TimeMark("demo", START_NS, "pause"))
    else:
        change = {"study": True} if why == "study" else {"daily_most": 0}
        clinic.set_alert_settings("demo", {**ANY_HOUR, "slouch_after_min": 0.5, **change})
    birth(clinic, day)
    hold(clinic, day)
    arrive(store, clinic, batches(day))
    Worker(store, clinic).tick()
    clock = Clock()
    watch = AlertWatch(store, clinic, clock_ns=clock)
    for second in range(60, 120, 3):
        clock.now_ns = START_NS + second * S
        assert watch.look() == []
    assert clinic.alerts("demo", 0, 2**62) == []


def test_rest_ends_by_word_or_by_time(clinic: Clinic) -> None:
    from analytics.alert_watch import resting, settings_of

    settings = settings_of(clinic, clinic.wearer("demo"))
    clinic.add_mark(TimeMark("demo", START_NS, "pause"))
    assert resting(clinic, "demo", settings, START_NS + 59 * 60 * S)
    assert not resting(clinic, "demo", settings, START_NS + 60 * 60 * S)
    clinic.add_mark(TimeMark("demo", START_NS + 60 * S, "resume"))
    assert not resting(clinic, "demo", settings, START_NS + 61 * S)


def test_a_silent_sensor_and_settings_that_cannot_be_read(
    day: SyntheticDay, store: EmbeddedStore, clinic: Clinic
) -> None:
    clinic.set_alert_settings("demo", {"daily_most": "many"})
    arrive(store, clinic, batches(day)[:30])
    clock = Clock()
    clock.now_ns = START_NS + 40 * 60 * S
    (alert,) = AlertWatch(store, clinic, clock_ns=clock).look()
    assert alert.kind == "silent"
