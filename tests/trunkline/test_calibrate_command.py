"""`trunkline calibrate` leads through the steps, as a person sees it; the worker is played."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from analytics.store.clinic import FILE_NAME, Clinic
from analytics.store.records import CalibrationStep, GuidedCalibration
from trunkline.commands.calibrate import command
from wire.ids import new_session
from wire.messages import CALIBRATION_STEPS, Birth

Verdict = Callable[[CalibrationStep], tuple[bool, str]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analytics.guidance.READY_S", 0)
    monkeypatch.setattr("analytics.guidance.STEP_S", dict.fromkeys(CALIBRATION_STEPS, 0.01))
    monkeypatch.setattr("trunkline.commands.calibrate.POLL_S", 0.01)


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    clinic = Clinic(tmp_path / FILE_NAME)
    clinic.add_wearer("p-001", "UTC")
    clinic.record_birth("p-001", "trunk", Birth(new_session(), "test", "T12", 50.0, ["accel"]))
    yield clinic
    clinic.close()


def calibrate(
    folder: Path, clinic: Clinic, verdict: Verdict | None, *options: str
) -> tuple[Result, GuidedCalibration | None]:
    """What the command says while `verdict` judges in the worker's place; None: nobody does."""
    ended = threading.Event()

    def judge() -> None:
        while verdict is not None and not ended.wait(0.01):
            for found in clinic.calibrations_to_judge():
                judged = []
                for step in found.steps:
                    passed, message = verdict(step)
                    judged.append(
                        CalibrationStep(
                            step.step, step.start_ns, step.end_ns, passed=passed, message=message
                        )
                    )
                stood = any(s.step == "stand" and s.passed for s in judged)
                quality = "rough" if stood else "failed"
                clinic.judge_calibration("p-001", found.session, judged, quality)

    worker = threading.Thread(target=judge)
    worker.start()
    try:
        words = ["--wearer", "p-001", "--data-dir", str(folder), *options]
        result = CliRunner().invoke(command, words)
    finally:
        ended.set()
        worker.join()
    made = clinic.calibrations("p-001")
    return result, made[0] if made else None


def test_all_steps_in_their_order(tmp_path: Path, clinic: Clinic) -> None:
    result, made = calibrate(tmp_path, clinic, lambda _: (True, ""), "--json")
    assert result.exit_code == 0
    assert made is not None
    assert [s.step for s in made.steps] == list(CALIBRATION_STEPS)
    assert (made.version, made.source) == (1, "cli")
    assert made.steps[-1].distance_m == 10.0
    (said,) = json.loads(result.stdout)
    assert said["version"] == 1
    places = [result.stderr.index(f"\n{step}: ") for step in CALIBRATION_STEPS]
    assert places == sorted(places)
    listed = CliRunner().invoke(
        command, ["--wearer", "p-001", "--data-dir", str(tmp_path), "--list"]
    )
    assert "trunk: calibration number 1, rough (stand, sit_tall" in listed.output


def test_a_step_that_failed_is_done_again_and_left_out_in_the_end(
    tmp_path: Path, clinic: Clinic
) -> None:
    def verdict(step: CalibrationStep) -> tuple[bool, str]:
        return step.step != "bend" and step.attempt > 1, f"Attempt {step.attempt} was shaky."

    options = ("--step", "bend", "--step", "walk", "--attempts", "2")
    result, made = calibrate(tmp_path, clinic, verdict, *options)
    assert result.exit_code == 0
    assert made is not None
    assert {s.step: (s.attempt, s.passed) for s in made.steps} == {
        "stand": (2, True),
        "bend": (2, False),
        "walk": (2, True),
    }
    assert "not yet. Attempt 1 was shaky." in result.stderr
    assert made.version == 1


def test_who_cannot_stand_still_gets_none(tmp_path: Path, clinic: Clinic) -> None:
    result, made = calibrate(tmp_path, clinic, lambda _: (False, "You moved."))
    assert result.exit_code == 1
    assert "without standing still" in result.stderr
    assert made is not None
    assert made.version is None


def test_a_worker_that_does_not_run_is_told(
    tmp_path: Path, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trunkline.commands.calibrate.ANSWER_NS", 10**8)
    result, _ = calibrate(tmp_path, clinic, None)
    assert result.exit_code == 1
    assert "is the worker running?" in result.stderr


def test_a_wearer_without_a_sensor(tmp_path: Path, clinic: Clinic) -> None:
    clinic.add_wearer("p-002", "UTC")
    words = ["--wearer", "p-002", "--data-dir", str(tmp_path)]
    result = CliRunner().invoke(command, words)
    assert result.exit_code == 1
    assert "no sensor on the trunk" in result.output
    halved = CliRunner().invoke(command, [*words, "--posture", "sitting"])
    assert halved.exit_code == 2
