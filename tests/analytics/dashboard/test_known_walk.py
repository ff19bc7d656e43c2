"""A walk of known length, entered on the page: later steps have that length in store and page."""

from __future__ import annotations

import re

import pytest
from scipy.spatial.transform import Rotation

from analytics.worker import Worker
from tests.analytics.dashboard.synthetic import Site
from tests.analytics.dashboard.test_clinician_pages import text
from tests.analytics.signals import Wearer
from tests.analytics.test_calibration import EVER, START_NS, Patient
from wire.ids import new_session
from wire.messages import Birth

WALK_S = 12.0
CADENCE_SPM = 110.0


def test_ten_metres_scale_the_steps(site: Site) -> None:
    birth = Birth(new_session(), "test", "T12", 50.0, ["accel", "gyro"])
    site.clinic.record_birth("anna", "trunk", birth)
    patient = Patient(site.store, site.clinic, Rotation.identity())
    worker = Worker(site.store, site.clinic, clock_ns=lambda: patient.now_ns)
    site.clock.now_ns = START_NS
    client = site.client("dr-lee")
    pages = "/wearers/anna/calibration"

    def step(name: str, wearer: Wearer) -> None:
        site.clock.now_ns = patient.now_ns
        answer = client.post(f"{pages}/step", data={"step": name, "distance_m": "10"})
        assert answer.status_code == 303
        patient.does(wearer)
        worker.tick()

    patient.does(Wearer().hold(20))
    step("stand", Wearer().hold(15))
    step("walk", Wearer().hold(8).walk(WALK_S).hold(8))
    (calibration,) = site.clinic.calibrations("anna")
    assert [(s.step, s.passed, s.distance_m) for s in calibration.steps] == [
        ("stand", True, None),
        ("walk", True, 10.0),
    ]
    assert client.post(f"{pages}/accept").status_code == 303
    patient.does(Wearer().hold(10).walk(100.0, cadence_spm=CADENCE_SPM).hold(40))
    worker.tick()
    for running in worker._running.values():
        running.track.finish()
    worker._grouped.flush()
    last = site.store.read_results("anna", "walking_bout", *EVER)[-1]
    expected_m = 10.0 / WALK_S * 60.0 / CADENCE_SPM
    assert last.body["step_length_calibrated"] is True
    assert last.body["step_length_m"] == pytest.approx(expected_m, rel=0.06)
    site.clock.now_ns = patient.now_ns
    page = text(client, "/wearers/anna/trends")
    told = re.search(r"Step length \(cm\).*?Mon 2 Mar (\d+)", page)
    assert told is not None
    assert float(told[1]) == pytest.approx(100.0 * expected_m, rel=0.06)
