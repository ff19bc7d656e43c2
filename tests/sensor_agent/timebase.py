"""A host clock that stands still until told, and blocks as a sensor with its own clock sends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from firmware_profiles.base import Quantity, SampleBlock

UTC0_NS = 1_750_000_000_000_000_000
SECOND_NS = 1_000_000_000


class StillClock:
    """Host clock moved by hand; `utc_step_ns` is what NTP or a user did to UTC."""

    def __init__(self) -> None:
        self.now_ns = 5 * SECOND_NS
        self.utc_step_ns = 0

    def monotonic_ns(self) -> int:
        return self.now_ns

    def utc_ns(self) -> int:
        return UTC0_NS + self.now_ns + self.utc_step_ns

    async def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * SECOND_NS)


@dataclass
class Sensor:
    """True sample i is taken at host time start_ns + i / rate; its own clock drifts."""

    rate_hz: float = 50.0
    per_block: int = 4
    drift_ppm: float = 0.0
    start_ns: int = 5 * SECOND_NS
    epoch_ns: int = 777 * SECOND_NS
    resolution_ns: int = 1
    stamped: bool = True

    @property
    def dt_ns(self) -> float:
        return 1e9 / self.rate_hz

    def true_ns(self, i: int) -> int:
        """Host monotonic time of sample i."""
        return self.start_ns + round(i * self.dt_ns)

    def block(self, k: int, **changes: object) -> SampleBlock:
        """Block k; the x axis of accel carries the sample's number."""
        i = np.arange(k * self.per_block, (k + 1) * self.per_block)
        device = (self.true_ns(int(i[0])) - self.start_ns) * (1 + self.drift_ppm * 1e-6)
        device_ns = self.epoch_ns + int(device // self.resolution_ns) * self.resolution_ns
        values = np.zeros((self.per_block, 3), dtype=np.float32)
        values[:, 0] = i
        fields = {
            "n": self.per_block,
            "device_t0_ns": device_ns if self.stamped else None,
            "device_dt_ns": self.dt_ns,
            "values": {Quantity.ACCEL: values},
            **changes,
        }
        return SampleBlock(**fields)  # type: ignore[arg-type]

    def arrivals(self, blocks: int, delay_s: Callable[[int], float]) -> list[tuple[int, int]]:
        """(block, host arrival): in order, never before the last sample plus the delay."""
        newest, out = 0, []
        for k in range(blocks):
            taken = self.true_ns((k + 1) * self.per_block - 1)
            newest = max(newest, taken + round(delay_s(k) * SECOND_NS))
            out.append((k, newest))
        return out
