"""Guided calibrations in the worker: judged as their samples come, and valid from a time on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from analytics.calibration import PATIENCE_NS, references
from analytics.day_basis import personal
from analytics.detect.findings import join
from analytics.detect.parameters import Parameters
from analytics.exposure.days import Day
from analytics.pipeline import Pipeline
from analytics.result import results
from analytics.signal.calibration import ForwardSource
from analytics.store.base import Provenance, Result, StoredBatch
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from analytics.store.records import CalibrationStep, ClinicError, GuidedCalibration, Hold
from analytics.track import TrackKey
from analytics.worker import Worker
from tests.analytics.signals import Wearer, played
from wire.batch import Batch, Channel
from wire.ids import new_session
from wire.messages import CALIBRATION_STEPS, Birth

S = 10**9
START_NS = int(datetime(2026, 3, 2, 9, 0, tzinfo=UTC).timestamp()) * S
DAY = Day(date(2026, 3, 2), ZoneInfo("UTC"))
EVER = (0, 2**62)
KINDS = ("timeline", "timeline_runs", "movement", "slouch_episode", "walking_bout")
STAND, TALL, SLOUCH, BEND, WALK = CALIBRATION_STEPS


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    store = EmbeddedStore(tmp_path / "samples.db")
    yield store
    store.close()


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    clinic = Clinic(tmp_path / "clinic.db")
    clinic.add_wearer("anna", "UTC")
    birth = Birth(new_session(), "test", "T12", 50.0, ["accel", "gyro"])
    clinic.record_birth("anna", "trunk", birth)
    yield clinic
    clinic.close()


class Patient:
    """Does one thing after the other; what was done when is known, and sent when asked to."""

    def __init__(self, store: EmbeddedStore, clinic: Clinic, mount: Rotation) -> None:
        self.store, self.clinic, self.mount = store, clinic, mount
        self.now_ns = START_NS
        self.batch_session, self.seq = new_session(), 0

    def does(self, wearer: Wearer, *, skip_s: float = 0.0, send: bool = True) -> tuple[int, int]:
        """From when to when; the first seconds are getting there and do not count."""
        t_ns, accel, gyro = played(wearer.script(), mount=self.mount)
        begun_ns, items = self.now_ns, []
        for at in range(0, len(t_ns), 50):
            part = slice(at, at + 50)
            channels = {
                "accel": Channel(accel[part].astype(np.float32)),
                "gyro": Channel(gyro[part].astype(np.float32)),
            }
            batch = Batch(
                session=self.batch_session,
                seq=self.seq,
                floor_seq=0,
                t0_ns=begun_ns + int(t_ns[at]),
                dt_ns=S // 50,
                n=len(accel[part]),
                channels=channels,
                rx_ns=begun_ns,
                clock_err_ns=0,
            )
            items.append(StoredBatch("anna", "trunk", batch))
            self.seq += 1
        self.now_ns = begun_ns + len(t_ns) * S // 50
        if send:
            self.store.write_batches(items)
            self.clinic.add_arrivals([("anna", "trunk", begun_ns, self.now_ns)])
        return begun_ns + round(skip_s * S), self.now_ns

    def step(
        self, session: str, name: str, wearer: Wearer, skip_s: float = 0.0, *, send: bool = True
    ) -> None:
        start_ns, end_ns = self.does(wearer, skip_s=skip_s, send=send)
        distance_m = 10.0 if name == WALK else None
        step = CalibrationStep(name, start_ns, end_ns, distance_m)
        self.clinic.add_calibration_step("anna", "trunk", session, step, source="mark")


DONE = {
    STAND: (Wearer().hold(6), 0.0),
    TALL: (Wearer().go(0.5, flexion=-3).hold(6), 1.0),
    SLOUCH: (Wearer().go(0.5, flexion=19).hold(6), 1.0),
    BEND: (Wearer().hold(1).go(1.5, flexion=60).hold(0.5).go(1.5, flexion=0).hold(1), 0.0),
    WALK: (Wearer().hold(1).walk(11).hold(1), 0.0),
}


def newest(clinic: Clinic) -> GuidedCalibration:
    return clinic.calibrations("anna")[0]


def checks(clinic: Clinic) -> dict[str, bool | None]:
    return {step.step: step.passed for step in newest(clinic).steps}


def test_each_step_is_judged_and_all_of_them_make_a_version(
    store: EmbeddedStore, clinic: Clinic
) -> None:
    patient = Patient(store, clinic, Rotation.random(random_state=3))
    worker = Worker(store, clinic, clock_ns=lambda: patient.now_ns)
    patient.does(Wearer().hold(30))
    session = new_session()
    for count, (name, (wearer, skip_s)) in enumerate(DONE.items(), start=1):
        assert newest(clinic).version is None if count > 1 else not clinic.calibrations("anna")
        patient.step(session, name, wearer, skip_s)
        assert checks(clinic)[name] is None
        worker.tick()
        assert checks(clinic) == dict.fromkeys(list(DONE)[:count], True)
    found = newest(clinic)
    assert (found.version, found.quality, found.sensor) == (1, "good", "trunk")
    assert found.valid_from_ns == START_NS + 30 * S
    walk = found.steps[-1]
    assert (walk.step, walk.distance_m) == (WALK, 10.0)
    assert 105 < walk.figures["cadence_spm"] < 115
    patient.does(Wearer().sit_down().hold(40))
    worker.tick()
    (running,) = worker._running.values()
    calibration = running.track.context.calibration
    assert calibration.forward is ForwardSource.BEND
    assert calibration.slouch_range is not None
    assert calibration.slouch_range.deepest_deg == pytest.approx(19, abs=1)
    assert running.track.context.step_scale is not None
    with pytest.raises(ClinicError, match="begin a new one"):
        patient.step(session, STAND, DONE[STAND][0])


def test_a_failed_step_says_why_and_is_done_again(store: EmbeddedStore, clinic: Clinic) -> None:
    patient = Patient(store, clinic, Rotation.identity())
    worker = Worker(store, clinic, clock_ns=lambda: patient.now_ns)
    session = new_session()
    patient.step(session, STAND, Wearer().walk(6))
    worker.tick()
    (stand,) = newest(clinic).steps
    assert (stand.passed, stand.attempt) == (False, 1)
    assert "keep still" in stand.message
    assert newest(clinic).quality == "failed"
    patient.step(session, STAND, DONE[STAND][0])
    (stand,) = newest(clinic).steps
    assert (stand.passed, stand.attempt, stand.message) == (None, 2, "")
    worker.tick()
    assert checks(clinic) == {STAND: True}
    assert newest(clinic).quality == "rough"  # forward is not known
    clinic.accept_calibration("anna", session)
    worker.tick()
    (running,) = worker._running.values()
    assert running.track.context.calibration.reference_posture == "standing"


def test_a_step_whose_samples_do_not_come_fails_after_a_while(
    store: EmbeddedStore, clinic: Clinic
) -> None:
    patient = Patient(store, clinic, Rotation.identity())
    clock = [patient.now_ns]
    worker = Worker(store, clinic, clock_ns=lambda: clock[0])
    patient.step(new_session(), STAND, DONE[STAND][0], send=False)
    clock[0] = patient.now_ns + PATIENCE_NS - S
    worker.tick()
    assert checks(clinic) == {STAND: None}
    clock[0] = patient.now_ns + PATIENCE_NS
    worker.tick()
    assert checks(clinic) == {STAND: False}
    assert "connected" in newest(clinic).steps[0].message


def test_a_calibration_counts_from_its_time_on(store: EmbeddedStore, clinic: Clinic) -> None:
    """The sensor is put on upside down in the afternoon: each part of the day is what a pipeline
    with its own calibration says, whatever the order in which things were told."""
    first = Patient(store, clinic, Rotation.identity())
    worker = Worker(store, clinic, clock_ns=lambda: first.now_ns)
    life = Wearer().sit_down().hold(20).go(1, flexion=25).hold(30).stand_up().walk(20)
    held = first.does(Wearer().hold(6))
    clinic.add_hold(Hold("anna", "trunk", *held, "standing", "mark"))
    first.does(life)
    worker.tick()
    second = Patient(store, clinic, Rotation.from_euler("x", 180, degrees=True))
    second.now_ns = START_NS + 3 * 60 * S
    session = new_session()
    for name, (wearer, skip_s) in DONE.items():
        second.step(session, name, wearer, skip_s)
        worker.tick()
    second.does(life)
    worker.tick()
    live = _all(store)
    assert [r.from_ns for r in references(clinic, "anna", "trunk", DAY)] == [
        START_NS,
        START_NS + 3 * 60 * S,
    ]
    other = Worker(store, clinic, clock_ns=lambda: second.now_ns)
    store.write_results("anna", *EVER, [], Provenance("0", "0"))
    assert other.recompute("anna", DAY)
    whole = _all(store)
    wanted: list[Result] = []
    key = TrackKey("anna", "trunk", DAY)
    parameters = personal(Parameters(), clinic.wearer("anna").settings)
    contexts = [c for _, c in other.basis.contexts(key, other.basis.setup(key), parameters)]
    edges = (DAY.start_ns, START_NS + 3 * 60 * S, DAY.end_ns)
    for context, low, high in zip(contexts, edges[:-1], edges[1:], strict=True):
        pipeline = Pipeline(context, parameters)
        samples = store.read_samples("anna", "trunk", low, high)
        pipeline.push(samples.t_ns, samples.values["accel"], samples.values["gyro"])
        found = join([f for f in (pipeline.finish(),) if f is not None])
        assert found is not None
        wanted += [r for r in results(found, context) if r.kind in KINDS]
    assert sorted(whole, key=repr) == sorted(wanted, key=repr)
    later = [r for r in live if r.start_ns < edges[1]]
    assert later == [r for r in whole if r.start_ns < edges[1]]
    slouched = [r for r in whole if r.kind == "timeline_runs" and "true" in repr(r.body).lower()]
    assert {r.start_ns >= edges[1] for r in slouched} == {True, False}


def test_one_that_counts_from_before_is_computed_back_to_there(
    store: EmbeddedStore, clinic: Clinic
) -> None:
    patient = Patient(store, clinic, Rotation.from_euler("y", 90, degrees=True))
    worker = Worker(store, clinic, clock_ns=lambda: patient.now_ns)
    patient.does(Wearer().hold(70))
    worker.tick()
    session = new_session()
    for name, (wearer, skip_s) in DONE.items():
        if name != WALK:
            patient.step(session, name, wearer, skip_s)
    worker.tick()
    assert set(_postures(store)) == {"unknown"}
    clinic.accept_calibration("anna", session, valid_from_ns=START_NS)
    worker.tick()
    assert newest(clinic).valid_from_ns == START_NS
    assert _postures(store)[:60] == ["standing"] * 60
    assert clinic.accept_calibration("anna", session) == 1
    with pytest.raises(ClinicError, match="no such calibration"):
        clinic.accept_calibration("anna", new_session())


def test_versions_count_by_sensor_and_only_usable_ones_count(
    store: EmbeddedStore, clinic: Clinic
) -> None:
    sessions = sorted(new_session() for _ in range(4))
    for n, session in enumerate(sessions):
        step = CalibrationStep(STAND, START_NS + n * 60 * S, START_NS + n * 60 * S + 6 * S)
        clinic.add_calibration_step("anna", "trunk", session, step, source="cli")
        clinic.add_calibration_step("anna", "trunk", session, step, source="cli")  # told twice
        judged = [replace(step, passed=n != 1)]
        quality = "failed" if n == 1 else "rough"
        if n != 3:
            clinic.judge_calibration("anna", session, judged, quality)
        assert clinic.accept_calibration("anna", session) == n + 1
    assert [c.version for c in clinic.calibrations("anna")] == [4, 3, 2, 1]
    counting = references(clinic, "anna", "trunk", DAY)
    assert [r.from_ns for r in counting] == [START_NS, START_NS + 120 * S]
    tomorrow = references(clinic, "anna", "trunk", DAY.plus(1))
    assert [r.made_of for r in tomorrow] == [clinic.calibrations("anna", "trunk")[1]]
    assert references(clinic, "anna", "trunk", DAY.plus(-1)) == ()
    early, step = new_session(), CalibrationStep(STAND, START_NS, START_NS + S)
    clinic.add_calibration_step("anna", "trunk", early, step, source="cli")
    with pytest.raises(ClinicError, match="a day before"):
        clinic.accept_calibration("anna", early, valid_from_ns=0)
    for bad in (CalibrationStep("jump", 1, 2), CalibrationStep(STAND, 2, 1)):
        with pytest.raises(ClinicError, match="out of range"):
            clinic.add_calibration_step("anna", "trunk", new_session(), bad, source="cli")
    with pytest.raises(ClinicError, match="unknown"):
        clinic.add_calibration_step("nobody", "trunk", new_session(), step, source="cli")
    clinic.erase("anna", "test")
    assert clinic.calibrations("anna") == []


def _all(store: EmbeddedStore) -> list[Result]:
    return [r for kind in KINDS for r in store.read_results("anna", kind, *EVER)]


def _postures(store: EmbeddedStore) -> list[str]:
    minutes = store.read_results("anna", "timeline", *EVER)
    return [word for minute in minutes for word in minute.body["posture"] if word is not None]
