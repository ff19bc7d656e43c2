"""A recording against the clock: which sample is taken when, and what the device clock shows."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sensor_agent.clock import HostClock
from sensor_agent.virtual.encoders.base import Encoder, Frame, Stream
from sensor_agent.virtual.motion import Motion


@dataclass(frozen=True, slots=True)
class Conditions:
    """How a virtual sensor differs from an ideal one."""

    drift_ppm: float = 0.0
    """The device clock's error against the host clock."""
    clock_start_ns: int | None = None
    """What the device clock shows when the sensor is added; None: as after power-on."""
    rate_error: float = 0.0
    """Relative error of the true sampling rate: 0.015 samples 1.5 % faster than told."""
    mtu: int = 247
    """Largest ATT MTU that the sensor agrees to."""
    loop: bool = False
    """Begin the recording again at its end instead of falling silent."""
    keep_sent: bool = True
    """Remember every frame in `sent`; off for replays of many hours."""


class Playback:
    """Plays one recording for one sensor.

    The recording starts with the first stream and then runs with the clock, as a wearer moves on
    while the link is down. A frame is due when its last sample is taken; deadlines are absolute,
    so that a late loop catches up and no sample is left out. The last frame is filled up with the
    last sample.
    """

    def __init__(self, motion: Motion, clock: HostClock, conditions: Conditions) -> None:
        self._motion = motion
        self._clock = clock
        self._conditions = conditions
        self._origin_ns: int | None = None
        self._clock_start_ns = 0
        self._boot_ns = 0

    @property
    def origin_ns(self) -> int | None:
        """Host monotonic time of the recording's first sample; None before the first stream."""
        return self._origin_ns

    def restart_clock(self, start_ns: int) -> None:
        """Power-on: the device clock shows `start_ns` now."""
        self._boot_ns = self._clock.monotonic_ns()
        self._clock_start_ns = start_ns

    async def frames(self, stream: Stream, encoder: Encoder) -> AsyncIterator[Frame]:
        """Yield each frame when it is due, until the recording ends."""
        period_ns = 1e9 / (stream.rate_hz * (1 + self._conditions.rate_error))
        motion = self._motion.at_rate(1e9 / period_ns)
        now_ns = self._clock.monotonic_ns()
        if self._origin_ns is None:
            self._origin_ns = now_ns
        first = math.ceil((now_ns - self._origin_ns) / period_ns)
        while self._conditions.loop or first < len(motion):
            index = np.arange(first, first + stream.samples_per_frame)
            taken_ns = self._origin_ns + np.rint(index * period_ns).astype(np.int64)
            await self._until(int(taken_ns[-1]))
            index = (
                index % len(motion) if self._conditions.loop else index.clip(max=len(motion) - 1)
            )
            gyro = None if motion.gyro is None else motion.gyro[index]
            yield encoder.encode(self._device_time(taken_ns), motion.accel[index], gyro)
            first += stream.samples_per_frame

    async def _until(self, host_ns: int) -> None:
        wait_ns = host_ns - self._clock.monotonic_ns()
        if wait_ns > 0:
            await self._clock.sleep(wait_ns / 1e9)
        else:
            await asyncio.sleep(0)  # late: catch up, but let the others run

    def _device_time(self, host_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        elapsed_ns = host_ns - self._boot_ns
        drift_ns = np.rint(elapsed_ns * (self._conditions.drift_ppm * 1e-6)).astype(np.int64)
        stamps: NDArray[np.int64] = self._clock_start_ns + elapsed_ns + drift_ns
        return stamps
