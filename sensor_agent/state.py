"""The states of one sensor's connection and what leads from one to the next. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where a sensor's connection stands; the values travel in wire.messages.Status."""

    WAITING = "waiting"
    """Between two attempts."""
    SCANNING = "scanning"
    CONNECTING = "connecting"
    CONFIGURING = "configuring"
    RECALLING = "recalling"
    """Reading out what the sensor kept in its own memory."""
    STREAMING = "streaming"
    STOPPED = "stopped"


class Event(StrEnum):
    """What happens to a connection."""

    BEGIN = "begin"
    FOUND = "found"
    CONNECTED = "connected"
    RECALL = "recall"
    RECALLED = "recalled"
    CONFIGURED = "configured"
    FAILED = "failed"
    """Not found, refused, lost, silent for too long, or ended by the sensor."""
    STOP = "stop"


TRANSITIONS: Mapping[tuple[State, Event], State] = MappingProxyType(
    {
        (State.WAITING, Event.BEGIN): State.SCANNING,
        (State.SCANNING, Event.FOUND): State.CONNECTING,
        (State.CONNECTING, Event.CONNECTED): State.CONFIGURING,
        (State.CONFIGURING, Event.RECALL): State.RECALLING,
        (State.RECALLING, Event.RECALLED): State.CONFIGURING,
        (State.CONFIGURING, Event.CONFIGURED): State.STREAMING,
        (State.SCANNING, Event.FAILED): State.WAITING,
        (State.CONNECTING, Event.FAILED): State.WAITING,
        (State.CONFIGURING, Event.FAILED): State.WAITING,
        (State.RECALLING, Event.FAILED): State.WAITING,
        (State.STREAMING, Event.FAILED): State.WAITING,
        **{(state, Event.STOP): State.STOPPED for state in State},
    }
)


class TransitionError(RuntimeError):
    """An event that cannot happen in a state: a bug of the caller."""


def next_state(state: State, event: Event) -> State:
    """The state after `event`; raises TransitionError."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise TransitionError(f"{event} cannot happen while {state}") from None


class Backoff:
    """How long to wait before the next attempt: 1 s, doubling to 60 s, each with jitter.

    The first wait is short because most losses are a moment out of range; 60 s keeps the radio free
    for other sensors when one stays away. The jitter (half to all of it) keeps sensors that were
    lost together from coming back together on one adapter.
    """

    FIRST_S = 1.0
    LONGEST_S = 60.0

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)  # noqa: S311 (no secret)
        self._next_s = self.FIRST_S

    def wait_s(self) -> float:
        """Seconds to wait now."""
        wait_s = self._next_s * self._random.uniform(0.5, 1.0)
        self._next_s = min(2 * self._next_s, self.LONGEST_S)
        return wait_s

    def reset(self) -> None:
        """The connection worked."""
        self._next_s = self.FIRST_S


class Remedy(StrEnum):
    """What to do about a radio that fails again and again."""

    RETRY = "retry"
    FORGET = "forget"
    """Let the system forget the device: what it has cached may be wrong. And try another adapter
    where there is one."""
    RESET = "reset"
    """Switch the adapter off and on, when nobody else streams over it."""
    LEAVE = "leave"
    """End the process, when nothing streams at all: the supervisor starts it anew."""


class Escalation:
    """Which remedy the next failure in a row asks for.

    Only failures of the radio count; a sensor that is not in range is no failure of ours. The
    numbers: most trouble is over after one or two retries; with the back-off, 4 failures are about
    15 s, 8 are four minutes, 16 a quarter of an hour.
    """

    FORGET_AT, RESET_AT, LEAVE_AT = 4, 8, 16

    def __init__(self) -> None:
        self.failures = 0

    def failed(self) -> Remedy:
        """One more failure in a row."""
        self.failures += 1
        match self.failures:
            case self.FORGET_AT:
                return Remedy.FORGET
            case self.RESET_AT:
                return Remedy.RESET
            case self.LEAVE_AT:
                self.failures = 0
                return Remedy.LEAVE
        return Remedy.RETRY

    def worked(self) -> None:
        """A stream began."""
        self.failures = 0
