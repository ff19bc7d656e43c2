"""The page of the guided calibration: a step starts, runs, is judged, and is done again."""

from __future__ import annotations

import re

import pytest

from analytics.guidance import READY_S, STEP_S
from analytics.store.records import CalibrationStep, GuidedCalibration
from tests.analytics.dashboard.synthetic import Site
from wire.ids import new_session
from wire.messages import CALIBRATION_STEPS, Birth

S = 10**9
URL = "/wearers/anna/calibration"


@pytest.fixture
def ready(site: Site) -> Site:
    site.clinic.record_birth("anna", "back", Birth(new_session(), "test", "T12", 50.0, ["accel"]))
    return site


def newest(site: Site) -> GuidedCalibration:
    return site.clinic.calibrations("anna")[0]


def states(page: str) -> dict[str, str]:
    return dict(re.findall(r'<li id="(\w+)" class="card" data-state="(\w+)"', page))


def judge(site: Site, *, passed: bool, message: str = "", quality: str = "rough") -> None:
    found = newest(site)
    last = found.steps[-1]
    judged = CalibrationStep(last.step, last.start_ns, last.end_ns, passed=passed, message=message)
    site.clinic.judge_calibration("anna", found.session, [judged], quality)


def test_a_step_runs_by_itself_and_its_verdict_is_shown(ready: Site) -> None:
    anna = ready.client("anna-login")
    page = anna.get(URL).text
    assert states(page) == dict.fromkeys(CALIBRATION_STEPS, "open")
    assert "http-equiv" not in page
    begun_ns = ready.clock.now_ns
    answer = anna.post(f"{URL}/step", data={"step": "stand"})
    assert (answer.status_code, answer.location) == (303, f"{URL}#stand")
    (step,) = newest(ready).steps
    assert step.start_ns == begun_ns + READY_S * S
    assert step.end_ns == step.start_ns + STEP_S["stand"] * S
    page = anna.get(URL).text
    assert states(page)["stand"] == "ready"
    assert "Get ready: 5" in page
    assert '<noscript><meta http-equiv="refresh"' in page
    assert "<button" not in anna.get(f"{URL}/steps").text  # one thing at a time
    ready.clock.now_ns = step.start_ns + S // 2
    assert "Now: 8" in anna.get(f"{URL}/steps").text
    ready.clock.now_ns = step.end_ns
    assert states(anna.get(f"{URL}/steps").text)["stand"] == "checking"
    judge(ready, passed=False, message="You moved: keep still until the time is over.")
    page = anna.get(f"{URL}/steps").text
    assert states(page)["stand"] == "failed"
    assert "You moved" in page
    anna.post(f"{URL}/step", data={"step": "stand"})
    assert [s.attempt for s in newest(ready).steps] == [2]
    assert len(ready.clinic.calibrations("anna")) == 1


def test_what_was_done_so_far_can_be_used_and_is_listed(ready: Site) -> None:
    anna = ready.client("anna-login")
    assert "stand still first" in anna.post(f"{URL}/accept", follow_redirects=True).text
    anna.post(f"{URL}/step", data={"step": "stand"})
    assert "stand still first" in anna.post(f"{URL}/accept", follow_redirects=True).text
    assert newest(ready).version is None
    ready.clock.now_ns += 20 * S
    judge(ready, passed=True)
    assert "Use what was done so far" in anna.get(URL).text
    assert anna.post(f"{URL}/accept").status_code == 303
    page = anna.get(URL).text
    assert "Number 1, from" in page
    assert "calibration number 1 of this sensor" in page
    anna.post(f"{URL}/step", data={"step": "stand"})  # a new one begins
    assert [c.version for c in ready.clinic.calibrations("anna")] == [None, 1]
    assert any(e.action == "calibration accept" for e in ready.clinic.audit_entries("anna"))


def test_steps_of_another_day_are_another_calibration(ready: Site) -> None:
    anna = ready.client("anna-login")
    anna.post(f"{URL}/step", data={"step": "stand"})
    ready.clock.now_ns += 2 * 3600 * S
    anna.post(f"{URL}/step", data={"step": "stand"})
    assert len({c.session for c in ready.clinic.calibrations("anna")}) == 2


def test_the_length_of_the_walk_is_kept_and_checked(ready: Site) -> None:
    anna = ready.client("anna-login")
    walk = {"step": "walk"}
    for bad in ("far", "0", "nan", "1e9"):
        assert anna.post(f"{URL}/step", data=walk | {"distance_m": bad}).status_code == 400
    assert ready.clinic.calibrations("anna") == []
    anna.post(f"{URL}/step", data=walk | {"distance_m": "12,5"})
    (done,) = newest(ready).steps
    assert (done.step, done.distance_m) == ("walk", 12.5)


def test_only_who_may_see_the_wearer_may_calibrate(ready: Site) -> None:
    assert ready.client("dr-lee").post(f"{URL}/step").status_code == 303
    for name in ("dr-kim", "ben-login"):
        client = ready.client(name)
        assert client.get(URL).status_code == 403
        assert client.post(f"{URL}/step").status_code == 403
        assert client.post(f"{URL}/accept").status_code == 403
    assert ready.client().post(f"{URL}/step").status_code in {302, 303, 401}
    assert ready.client("anna-login").post(f"{URL}/step", data={"step": "jump"}).status_code == 400


def test_without_a_sensor_it_says_so(site: Site) -> None:
    anna = site.client("anna-login")
    assert "No sensor on the trunk" in anna.post(f"{URL}/step", follow_redirects=True).text
    assert site.clinic.calibrations("anna") == []
