"""The supervisor of `up`: starts, restarts with back-off, lets one-shot children end, stops."""

from __future__ import annotations

import subprocess
import time
from typing import Any

import pytest

from tests.servers import PATIENCE_S
from trunkline.supervisor import FIRST_BACKOFF_S, HEALTHY_AFTER_S, Child, Supervisor


class FakeProcess:
    """Stands in for a child process so that time and exit codes are ours."""

    def __init__(self) -> None:
        self.code: int | None = None
        self.terminated = False

    def poll(self) -> int | None:
        return self.code

    def terminate(self) -> None:
        self.terminated = True

    def wait(self, timeout: float | None = None) -> int:
        return 0


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[FakeProcess]:
    processes: list[FakeProcess] = []

    def popen(*_: Any, **__: Any) -> FakeProcess:
        processes.append(FakeProcess())
        return processes[-1]

    monkeypatch.setattr(subprocess, "Popen", popen)
    return processes


def test_a_crash_is_restarted_with_growing_back_off(started: list[FakeProcess]) -> None:
    supervisor = Supervisor([Child("worker", ["worker"])])
    supervisor.tick(0.0)
    started[0].code = 1
    supervisor.tick(1.0)
    supervisor.tick(1.0 + FIRST_BACKOFF_S / 2)
    assert len(started) == 1
    supervisor.tick(1.0 + FIRST_BACKOFF_S)
    assert len(started) == 2
    started[1].code = 1
    supervisor.tick(2.0)
    supervisor.tick(2.0 + FIRST_BACKOFF_S)
    assert len(started) == 2
    supervisor.tick(2.0 + 2 * FIRST_BACKOFF_S)
    assert len(started) == 3
    started[2].code = 1
    late = 10.0 + HEALTHY_AFTER_S
    supervisor.tick(late)
    supervisor.tick(late + FIRST_BACKOFF_S)
    assert len(started) == 4


def test_a_one_shot_child_may_end(started: list[FakeProcess]) -> None:
    supervisor = Supervisor([Child("history", ["history"], once=True)])
    supervisor.tick(0.0)
    started[0].code = 0
    supervisor.tick(1.0)
    supervisor.tick(100.0)
    assert len(started) == 1


def test_stopping_ends_every_child(started: list[FakeProcess]) -> None:
    supervisor = Supervisor([Child("a", ["a"]), Child("b", ["b"])])
    supervisor.tick(0.0)
    supervisor.stop()
    assert [process.terminated for process in started] == [True, True]


def test_real_children_run_and_are_gone_afterwards() -> None:
    child = Child("help", ["broker", "--help"], once=True)
    deadline = time.monotonic() + PATIENCE_S
    Supervisor([child]).run(lambda: child.done or time.monotonic() > deadline)
    assert child.done
    assert child.process is None
