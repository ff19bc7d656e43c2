"""A fast clock that waits for a busy machine."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time

from sensor_agent.clock import ScaledClock

LOOK_S = 0.001
STALL_NS = 50_000_000
"""A longer stop of the whole machine does not count as time."""


class PatientClock(ScaledClock):
    """Goes on from one sleeper to the next, and only when its event loop has nothing left to do.

    For virtual sensors and an agent in one event loop: a packet reaches the agent at the very time
    at which it was sent, however long the machine took, so that what is asserted of stamps does not
    depend on its load. Runs from the first `sleep`; other threads may read it.
    """

    def __init__(self, speed: float, utc0_ns: int | None = None) -> None:
        super().__init__(speed, utc0_ns)
        self._now_ns = self._until_ns = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._order = itertools.count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def monotonic_ns(self) -> int:
        return self._now_ns

    async def sleep(self, seconds: float) -> None:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._looked_ns = time.monotonic_ns()
            self._loop.call_soon(self._look)
        end = self._loop.create_future()
        due_ns = self._now_ns + max(0, round(seconds * 1e9))
        heapq.heappush(self._sleepers, (due_ns, next(self._order), end))
        await end

    def _look(self) -> None:
        """How far time may go now."""
        looked_ns = time.monotonic_ns()
        passed_ns = min(looked_ns - self._looked_ns, STALL_NS)
        self._looked_ns = looked_ns
        self._until_ns = self._now_ns + round(passed_ns * self.speed)
        self._go()

    def _go(self) -> None:
        assert self._loop is not None
        if self._loop._ready:  # type: ignore[attr-defined]
            self._loop.call_soon(self._go)
        elif self._sleepers and self._sleepers[0][0] <= self._until_ns:
            self._now_ns, _, end = heapq.heappop(self._sleepers)
            if not end.done():
                end.set_result(None)
            self._loop.call_soon(self._go)
        else:
            self._now_ns = self._until_ns
            self._loop.call_later(LOOK_S, self._look)
