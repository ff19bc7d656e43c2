"""What the step from one device stamp to the next means; shared by every stamped sensor."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

REPEAT_NS: Final = 2_000_000_000
"""A stamp at most this far back is a packet delivered twice (BlueZ does so after a reconnect that
left a subscription behind); nothing else brings packets out of order on BLE."""

LONGEST_GAP_NS: Final = 3_600_000_000_000
"""A stamp further ahead than this is a clock that was set, not samples that were lost: a link does
not survive more than 32 s of silence (Core specification, supervision timeout)."""


class Passage(Enum):
    """How device time went on."""

    FIRST = auto()
    FORWARD = auto()
    REPEAT = auto()
    RESTART = auto()


def passage(previous_ns: int | None, stamp_ns: int) -> Passage:
    """Judge a stamp by the newest one before it (None: there was none)."""
    if previous_ns is None:
        return Passage.FIRST
    step_ns = stamp_ns - previous_ns
    if 0 < step_ns <= LONGEST_GAP_NS:
        return Passage.FORWARD
    if -REPEAT_NS <= step_ns <= 0:
        return Passage.REPEAT
    return Passage.RESTART
