"""The host's clock as the agent sees it: the system's, or one that runs at another speed."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class HostClock(Protocol):
    """Time for everything that concerns samples: stamping, pacing, silence.

    Time-outs of network and radio transactions are not on this clock: a broker does not answer
    faster because a recording is replayed at twenty times its speed.
    """

    def monotonic_ns(self) -> int:
        """Nanoseconds from an arbitrary start; never goes back, unmoved by NTP or the user."""

    def utc_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC; may step when the host's clock is set."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of this clock."""


class SystemClock:
    """The host's own clock."""

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def utc_ns(self) -> int:
        return time.time_ns()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ScaledClock:
    """A clock that runs `speed` times as fast as the system's and starts at `utc0_ns`.

    For replays: the agent and the virtual sensor share one, so that stamps stay consistent.
    """

    def __init__(self, speed: float, utc0_ns: int | None = None) -> None:
        if not speed > 0:
            raise ValueError(f"speed is {speed}, must be positive")
        self.speed = speed
        self._real0_ns = time.monotonic_ns()
        self._utc0_ns = time.time_ns() if utc0_ns is None else utc0_ns

    def set_utc(self, monotonic_ns: int, utc_ns: int) -> None:
        """Let UTC be `utc_ns` at `monotonic_ns`."""
        self._utc0_ns = utc_ns - monotonic_ns

    def monotonic_ns(self) -> int:
        return round((time.monotonic_ns() - self._real0_ns) * self.speed)

    def utc_ns(self) -> int:
        return self._utc0_ns + self.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)
