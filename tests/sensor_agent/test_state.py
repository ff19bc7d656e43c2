"""Every transition of a sensor's connection, and none besides."""

from __future__ import annotations

import itertools

import pytest

from sensor_agent.state import (
    TRANSITIONS,
    Backoff,
    Escalation,
    Event,
    Remedy,
    State,
    TransitionError,
    next_state,
)

EXPECTED = {
    (State.WAITING, Event.BEGIN): State.SCANNING,
    (State.SCANNING, Event.FOUND): State.CONNECTING,
    (State.SCANNING, Event.FAILED): State.WAITING,
    (State.CONNECTING, Event.CONNECTED): State.CONFIGURING,
    (State.CONNECTING, Event.FAILED): State.WAITING,
    (State.CONFIGURING, Event.RECALL): State.RECALLING,
    (State.RECALLING, Event.RECALLED): State.CONFIGURING,
    (State.RECALLING, Event.FAILED): State.WAITING,
    (State.RECALLING, Event.STOP): State.STOPPED,
    (State.CONFIGURING, Event.CONFIGURED): State.STREAMING,
    (State.CONFIGURING, Event.FAILED): State.WAITING,
    (State.STREAMING, Event.FAILED): State.WAITING,
    (State.WAITING, Event.STOP): State.STOPPED,
    (State.SCANNING, Event.STOP): State.STOPPED,
    (State.CONNECTING, Event.STOP): State.STOPPED,
    (State.CONFIGURING, Event.STOP): State.STOPPED,
    (State.STREAMING, Event.STOP): State.STOPPED,
    (State.STOPPED, Event.STOP): State.STOPPED,
}


@pytest.mark.parametrize(("state", "event"), EXPECTED)
def test_transition(state: State, event: Event) -> None:
    assert next_state(state, event) is EXPECTED[state, event]


@pytest.mark.parametrize(
    ("state", "event"), [p for p in itertools.product(State, Event) if p not in EXPECTED]
)
def test_nothing_else_is_possible(state: State, event: Event) -> None:
    with pytest.raises(TransitionError):
        next_state(state, event)


def test_the_table_is_complete() -> None:
    assert dict(TRANSITIONS) == EXPECTED


def test_waits_double_up_to_a_minute_with_jitter() -> None:
    backoff = Backoff(seed=1)
    waits = [backoff.wait_s() for _ in range(10)]
    for wait_s, full_s in zip(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60], strict=True):
        assert full_s / 2 <= wait_s <= full_s
    assert waits != [Backoff(seed=2).wait_s() for _ in range(10)]
    backoff.reset()
    assert backoff.wait_s() <= 1


def test_remedies_follow_each_other_until_something_works() -> None:
    escalation = Escalation()
    remedies = [escalation.failed() for _ in range(16)]
    assert remedies[3] is Remedy.FORGET
    assert remedies[7] is Remedy.RESET
    assert remedies[15] is Remedy.LEAVE
    assert remedies.count(Remedy.RETRY) == 13
    for _ in range(3):
        escalation.failed()
    escalation.worked()
    assert [escalation.failed() for _ in range(3)] == [Remedy.RETRY] * 3
