"""The most probable sequence of states between the events that change them.

Between two events the trunk stays in one state. Each stretch has some evidence for each state, each
border between stretches a score for each change. The best path through all of it is found with the
Viterbi algorithm, the probability of each state with the forward-backward algorithm.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class State(IntEnum):
    """What the wearer does; CROUCH is a squat that is held."""

    SIT = 0
    STAND = 1
    CROUCH = 2
    LIE = 3


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch between two events."""

    start_s: float
    stop_s: float
    evidence: NDArray[np.float64]
    """(4,) log evidence by State."""


@dataclass(frozen=True, slots=True)
class Link:
    """What lies between two stretches."""

    cost: NDArray[np.float64]
    """(4, 4) log score of going from state (row) to state (column)."""
    pulse: int | None = None
    """Index of the pulse, None at other borders."""


@dataclass(frozen=True, slots=True)
class Path:
    """The best sequence of states."""

    states: list[State]
    probability: list[float]
    """Probability of that state in each stretch."""


def best_path(stretches: list[Stretch], links: list[Link], initial: NDArray[np.float64]) -> Path:
    """The most probable states; `links[i]` lies before `stretches[i]`, links[0] is not used."""
    n = len(stretches)
    score = initial + stretches[0].evidence
    forward = [score]
    total = [score]
    back = []
    for i in range(1, n):
        step = links[i].cost
        options = score[:, None] + step
        back.append(options.argmax(axis=0))
        score = options.max(axis=0) + stretches[i].evidence
        forward.append(
            np.logaddexp.reduce(forward[-1][:, None] + step, axis=0) + stretches[i].evidence
        )
        total.append(forward[-1])
    states = [int(score.argmax())]
    for step_back in reversed(back):
        states.append(int(step_back[states[-1]]))
    states.reverse()
    behind = np.zeros(4)
    probability = [0.0] * n
    for i in range(n - 1, -1, -1):
        both = total[i] + behind
        probability[i] = float(np.exp(both[states[i]] - np.logaddexp.reduce(both)))
        if i:
            ahead = links[i].cost + (stretches[i].evidence + behind)[None, :]
            behind = np.logaddexp.reduce(ahead, axis=1)
    return Path([State(s) for s in states], probability)
