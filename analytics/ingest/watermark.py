"""How far a sensor session is in the store; pure arithmetic on sequence numbers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from analytics.store.records import Watermark

MAX_RANGES = 4096
"""Ranges kept beyond the watermark. What is forgotten above is only sent once more, but a session
with a hole at every second number must not make the record grow without end."""


def advance(mark: Watermark, received: Iterable[tuple[int, int]]) -> Watermark:
    """The watermark after batches (seq, floor_seq) are in the store, in any order, repeated or not.

    Below the highest floor nobody waits: the agent holds nothing there any more.
    """
    numbers = sorted(received)
    committed = max([mark.committed, *(floor - 1 for _, floor in numbers)])
    merged: list[tuple[int, int]] = []
    for low, high in sorted([*mark.beyond, *((seq, seq) for seq, _ in numbers)]):
        if low <= committed + 1:
            committed = max(committed, high)
        elif merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return Watermark(committed, tuple(merged[:MAX_RANGES]))


def contains(mark: Watermark, seq: int) -> bool:
    """Whether the number has been accounted for."""
    index = bisect_right(mark.beyond, (seq, 2**63)) - 1
    return seq <= mark.committed or (index >= 0 and seq <= mark.beyond[index][1])
