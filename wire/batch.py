"""The batch: about one second of one sensor's samples, its times fixed once by the agent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntFlag
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

UNITS: Mapping[str, str] = MappingProxyType({"accel": "m/s2", "gyro": "rad/s", "mag": "uT"})
"""Quantity -> SI unit. Every quantity has three axes x, y, z in the sensor's own frame."""

MAX_SAMPLES = 4096
"""Largest batch accepted: 4 s at 1 kHz; far above the agreed second, far below a memory risk."""


MAX_SPAN_NS = MAX_SAMPLES * 10**9
"""Longest time that a batch may cover: no sensor of ours is slower than one sample a second. The
stores look so far back for batches, and nobody must be sent through centuries."""
MAX_T_NS = 4_102_444_800 * 10**9
"""The year 2100: no clock is right that shows more. One that shows too little is believed, since
machines without a clock begin in 1970."""
MAX_COUNT = 2**48
"""Batches of a session, lost samples: more than any sensor sends in a lifetime."""
MAX_VALUE = 1e9
"""SI units, far beyond any sensor."""


class Flag(IntFlag):
    """What is particular about a batch."""

    NONE = 0
    GAP_BEFORE = 1
    """Samples are missing between the previous batch and this one."""
    BACKFILL = 2
    """Read from the sensor's own memory after the fact."""
    CLOCK_RESET = 4
    """The device clock restarted; the clock fit began anew with this batch."""
    NEW_LINK = 8
    """The connection to the sensor was lost and made anew before this batch."""


class BatchError(ValueError):
    """A batch that breaks the contract of wire version 1; the message names the field."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One quantity: SI value = raw * scale.

    raw: (n, 3) int16, int32 or float32 in the sensor's axes; scale: SI units per count
    (1.0 for float32).
    """

    raw: NDArray[np.int16] | NDArray[np.int32] | NDArray[np.float32]
    scale: float = 1.0

    def si(self) -> NDArray[np.float32]:
        """(n, 3) float32 in the unit that UNITS names for the quantity."""
        if self.raw.dtype == np.float32 and self.scale == 1.0:
            return self.raw.astype(np.float32, copy=False)
        return (self.raw.astype(np.float64) * self.scale).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples i = 0..n-1 at t0_ns + i * dt_ns (UTC, integer nanoseconds)."""

    session: str
    """ULID of the sensor session: one per agent start and sensor."""
    seq: int
    """0, 1, 2 ... within the session, without holes when the batch is made."""
    floor_seq: int
    """Lowest sequence number of this session that the agent still holds; what lies below is
    either committed or was dropped on record, so nobody needs to wait for it."""
    t0_ns: int
    dt_ns: int
    n: int
    channels: Mapping[str, Channel] = field(repr=False)
    rx_ns: int
    """Host UTC when the last packet of the batch arrived."""
    clock_err_ns: int
    """Half width of the clock fit's uncertainty; 2**62 when not known."""
    lost: int = 0
    """Samples known to be lost between the previous batch and this one (0 = none known)."""
    flags: Flag = Flag.NONE

    def __post_init__(self) -> None:
        if not 1 <= self.n <= MAX_SAMPLES:
            raise BatchError(f"n is {self.n}, must be 1..{MAX_SAMPLES}")
        if self.dt_ns <= 0:
            raise BatchError(f"dt_ns is {self.dt_ns}, must be positive")
        if not 0 <= self.floor_seq <= self.seq:
            raise BatchError(f"floor_seq {self.floor_seq} is not in 0..seq ({self.seq})")
        if self.n * self.dt_ns > MAX_SPAN_NS:
            raise BatchError(f"dt_ns is {self.dt_ns}: the batch covers more than {MAX_SAMPLES} s")
        if not 0 <= self.t0_ns < MAX_T_NS:
            raise BatchError("t0_ns is outside the range of a UTC nanosecond stamp, 1970 to 2100")
        if self.lost < 0 or self.clock_err_ns < 0:
            raise BatchError("lost and clock_err_ns must not be negative")
        if max(self.seq, self.lost) > MAX_COUNT:
            raise BatchError(f"seq or lost is above {MAX_COUNT}")
        self._check_channels()

    def _check_channels(self) -> None:
        if not self.channels:
            raise BatchError("a batch needs at least one channel")
        for name, channel in self.channels.items():
            if name not in UNITS:
                raise BatchError(f"channel {name[:20]!r} is unknown")
            if channel.raw.shape != (self.n, 3):
                raise BatchError(f"channel {name} has shape {channel.raw.shape}, not ({self.n}, 3)")
            if not np.isfinite(channel.scale) or channel.scale <= 0:
                raise BatchError(f"channel {name} has scale {channel.scale}")
            largest = max(float(channel.raw.max()), -float(channel.raw.min())) * channel.scale
            if not largest <= MAX_VALUE:  # nor NaN
                raise BatchError(f"channel {name} has values that no sensor gives ({largest:g})")

    @property
    def t_ns(self) -> NDArray[np.int64]:
        """(n,) int64 UTC nanoseconds of every sample."""
        return self.t0_ns + self.dt_ns * np.arange(self.n, dtype=np.int64)
