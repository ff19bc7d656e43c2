"""One measured budget, and how the best of several runs is taken."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Budget:
    """`measured` is in units of `limit`'s unit; at_most tells which side is good."""

    name: str
    measured: float
    limit: float
    unit: str
    at_most: bool = True
    note: str = ""

    @property
    def ratio(self) -> float:
        """Share of the budget that is used: above 1 it is broken."""
        return self.measured / self.limit if self.at_most else self.limit / self.measured

    @property
    def kept(self) -> bool:
        return self.ratio <= 1


def set_aside() -> None:
    """What a benchmark itself holds is no part of a service's heap: the garbage collector need not
    walk through it while something is measured."""
    gc.collect()
    gc.freeze()


def best_s(work: Callable[[], object], repeats: int = 3) -> float:
    """Shortest of several wall-clock times: the least disturbed by the rest of the machine."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)
