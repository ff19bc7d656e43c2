"""Device ticks -> UTC: a robust line under one-sided arrival delays, and stamps that only grow.

A packet never arrives before its last sample was taken, so the line that maps device time to host
time is the lower envelope of the arrivals: of all lines below every point, the one nearest to them
(Moon, Skelly, Towsley, "Estimation and removal of clock skew from network delay measurements",
INFOCOM 1999: the edge of the lower convex hull above the mean abscissa). The link's smallest delay
cannot be seen from one side; it stays in the stamps and in `clock_err_ns`.

What happens when something steps:

* The device clock restarts, or jumps against the arrivals: a new fit, `Flag.CLOCK_RESET`.
* The host's UTC is set (NTP, a user): see `HostUtc`.
* The fit improves: later stamps move towards it by at most 5 % of the elapsed time. What was
  stamped is never stamped again, and no stamp is ever smaller than one before it.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_profiles.base import SampleBlock
from sensor_agent.clock import HostClock
from wire.batch import Flag

log = logging.getLogger(__name__)

SECOND_NS = 1_000_000_000
WARM_UP_NS = 2 * SECOND_NS
"""A fit younger than this has hardly seen an undelayed packet: stamping waits for it."""
LINK_DELAY_NS = 10_000_000
"""Allowance for the smallest delay of the link: connection intervals are 7.5-30 ms, the mean wait
for the next one is half of that."""
YOUNG_DELAY_NS = 60_000_000
"""Further allowance, divided by the seconds of history: so few packets, all may have waited."""
SLEW = 0.05
"""Largest change of pace while stamps approach a better fit: 50 ms a second, harmless to angles."""
JUMP_NS = 250_000_000
"""A target further ahead than this is jumped to, with CLOCK_RESET, rather than approached."""
DISAGREE_NS = SECOND_NS
"""A stamp this far from the fit is not delay but another clock: beyond any connection interval."""
LATE_NS = 5 * SECOND_NS
"""The first packet of a new link may be this late: a slow host connects, configures and only then
empties what has piled up. A restart within this much of the last stamp is found by `broken`."""
REWIND_NS = 2 * SECOND_NS
"""A stamp this far behind the newest one is a restart; a duplicate is at most a few packets old."""
MAX_BACK_STEP_NS = 10 * SECOND_NS
"""Largest backward step of the host's UTC that is followed (by slewing, in at most 200 s)."""


@dataclass(frozen=True, slots=True)
class FitLimits:
    """What is physically possible for one kind of device time."""

    max_drift_ppm: float
    usual_drift_ppm: float
    """What the line leans towards as long as the history says more about jitter than about drift
    (standard deviation of a drift about 0)."""
    first_span_s: float
    """Shorter histories say nothing about drift: it is taken as 0."""
    sure_span_s: float
    """Shorter histories leave drift in doubt: the whole of `max_drift_ppm` goes into the error."""
    window_s: float
    step_s: float
    """Arrivals later than the line by this for `step_buckets` seconds on end: time was lost."""
    step_buckets: int


STAMPED = FitLimits(200.0, 50.0, 8.0, 60.0, 300.0, 1.0, 30)
"""Crystals: +-20 ppm typical, +-100 ppm in cheap parts, twice that as the bound."""
COUNTED = FitLimits(30_000.0, 15_000.0, 4.0, 4.0, 60.0, 0.3, 5)
"""Sensors without stamps: IMU output rates are within 1-3 % of nominal, losses are not visible."""


class LatencyEnvelope:
    """host = device + delay(device): the line under the per-second minima of the delay."""

    def __init__(
        self, limits: FitLimits, device_ns: int, arrival_ns: int, stamp_step_ns: float = 0.0
    ) -> None:
        self._limits = limits
        self._x0_ns, self._y0_ns = device_ns, arrival_ns - device_ns
        self._minima: deque[tuple[float, float]] = deque()  # (device s, delay s), relative
        self._open: tuple[float, float] | None = None
        self._slope = self._offset = self._spread = 0.0
        self._half_step_ns = round(stamp_step_ns / 2)
        self._behind = 0

    @property
    def drift_ppm(self) -> float:
        """How much faster the host's clock runs than the device's, 0 while not known."""
        return self._slope * 1e6

    @property
    def broken(self) -> bool:
        """True when nothing has come near the line for so long that the line must be wrong."""
        return self._behind >= self._limits.step_buckets

    def add(self, device_ns: int, arrival_ns: int) -> None:
        """One packet: device time of its last sample, host time of its arrival."""
        x = (device_ns - self._x0_ns) / SECOND_NS
        y = (arrival_ns - device_ns - self._y0_ns) / SECOND_NS
        self._offset = min(self._offset, y - self._slope * x)
        if self._open is None:
            self._open = (x, y)
        elif int(x) < int(self._open[0]):
            return  # a late duplicate: says nothing new
        elif int(x) > int(self._open[0]):
            self._close_bucket(self._open)
            self._open = (x, y)
        elif y - self._slope * x < self._open[1] - self._slope * self._open[0]:
            self._open = (x, y)

    def host_ns(self, device_ns: int) -> int:
        """Host monotonic time of a device time, evened out over several stamps.

        The line lies under the packets whose stamp was rounded up most: half a step too early.
        """
        x = (device_ns - self._x0_ns) / SECOND_NS
        delay_s = self._offset + self._slope * x
        return device_ns + self._y0_ns + self._half_step_ns + round(delay_s * SECOND_NS)

    def residual_ns(self, device_ns: int, arrival_ns: int) -> int:
        """Delay beyond the line's; negative means earlier than the line thought possible."""
        return arrival_ns - self.host_ns(device_ns)

    def err_ns(self) -> int:
        """Half width of the uncertainty at the newest end of the line."""
        span_s = self._span_s()
        drift_s = 1.5 * self._spread
        if span_s < self._limits.sure_span_s:
            drift_s = self._spread + self._limits.max_drift_ppm * 1e-6 * (span_s + 2.0)
        young_ns = YOUNG_DELAY_NS / (1.0 + span_s)
        return LINK_DELAY_NS + round(young_ns + drift_s * SECOND_NS)

    def _span_s(self) -> float:
        return self._minima[-1][0] - self._minima[0][0] if self._minima else 0.0

    def _likely_slope(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
        """Slope of the line under the minima, leaning towards 0 as long as few of them can tell:
        the mean of a normal prior and of what was measured."""
        bound = self._limits.max_drift_ppm * 1e-6
        slope = min(max(_hull_slope(self._minima), -bound), bound)
        if self._span_s() >= self._limits.sure_span_s:
            return slope
        late = y - slope * x
        # delays are one-sided: the lowest of n lies above the true line by about their scale by n;
        # the two ends of the line come from half of the minima each, half of the time apart
        lowest_s = 2 * float(np.median(late) - late.min()) / (len(x) / 2)
        doubt = 2 * lowest_s / ((x[-1] - x[0]) / 2)
        return float(slope / (1.0 + (doubt / (self._limits.usual_drift_ppm * 1e-6)) ** 2))

    def _close_bucket(self, minimum: tuple[float, float]) -> None:
        late_s = minimum[1] - self._offset - self._slope * minimum[0]
        self._behind = self._behind + 1 if late_s > self._limits.step_s else 0
        self._minima.append(minimum)
        while self._span_s() > self._limits.window_s:
            self._minima.popleft()
        x, y = np.array(self._minima).T
        if self._span_s() >= self._limits.first_span_s:
            self._slope = self._likely_slope(x, y)
        late = y - self._slope * x
        self._offset = float(late.min())
        self._spread = float(np.median(late[-30:])) - self._offset


def _hull_slope(points: deque[tuple[float, float]]) -> float:
    """Slope of the lower convex hull's edge at the mean x; x strictly increasing, >= 2 points."""
    hull: list[tuple[float, float]] = []
    for x, y in points:
        while len(hull) >= 2:
            (x1, y1), (x2, y2) = hull[-2:]
            if (y2 - y1) * (x - x1) < (y - y1) * (x2 - x1):
                break
            hull.pop()
        hull.append((x, y))
    mean_x = sum(x for x, _ in points) / len(points)
    right = next(i for i in range(1, len(hull)) if hull[i][0] >= mean_x)
    (x1, y1), (x2, y2) = hull[right - 1 : right + 1]
    return (y2 - y1) / (x2 - x1)


class HostUtc:
    """The offset UTC - monotonic of an agent run, shared by its sensors.

    Monotonic time carries the samples; UTC is laid over it. The offset is measured when the run
    begins and again at every batch. A forward step (first NTP answer after boot, wake-up from
    suspend) is followed at once. A backward step up to MAX_BACK_STEP_NS is followed too, and the
    stamps approach it by slewing, because they must not run backwards. A larger backward step
    begins a new era: what belongs to the old one keeps its offset, and sessions begin anew.
    """

    def __init__(self, clock: HostClock) -> None:
        self._clock = clock
        self._offsets_ns = [clock.utc_ns() - clock.monotonic_ns()]
        self._is_used = False

    @property
    def era(self) -> int:
        """Number of the present era, after a look at the clock."""
        measured_ns = self._clock.utc_ns() - self._clock.monotonic_ns()
        step_ns = measured_ns - self._offsets_ns[-1]
        if self._is_used and step_ns < -MAX_BACK_STEP_NS:
            log.warning(
                "this machine's clock was set back by %d s; samples follow the new time from now "
                "on, those before it keep theirs",
                -step_ns // SECOND_NS,
            )
            self._offsets_ns.append(measured_ns)
        elif self._is_used and step_ns > MAX_BACK_STEP_NS:
            log.warning(
                "this machine's clock was set forward by %d s; samples follow it from now on, "
                "those before it keep theirs",
                step_ns // SECOND_NS,
            )
        self._offsets_ns[-1] = measured_ns
        return len(self._offsets_ns) - 1

    def offset_ns(self, era: int) -> int:
        """UTC - monotonic of an era by the rule above."""
        self._is_used = True
        return self._offsets_ns[-1] if era == self.era else self._offsets_ns[era]


@dataclass(frozen=True, slots=True)
class Stamp:
    """Times of n samples: t0_ns + i * dt_ns, UTC."""

    t0_ns: int
    dt_ns: int
    clock_err_ns: int
    flags: Flag


class DeviceClock:
    """One sensor's device time in UTC. Feed every block to `observe`, stamp runs of samples.

    The caller asks `breaks` first; when true it stamps what it still holds, calls `restart`, and
    goes on with the block.
    """

    def __init__(self, utc: HostUtc, after_ns: int | None = None) -> None:
        """after_ns: UTC that every stamp lies behind."""
        self._utc, self._era = utc, utc.era
        self._fit: LatencyEnvelope | None = None
        self._fit_began_ns = 0
        self._newest_device_ns = 0
        self._counted = 0  # samples since the fit began, for sensors without stamps
        self.stamp_step_ns = 0.0
        """Resolution of the device's stamps; counts from the next fit on."""
        self._new_link = False
        self._reset = False
        # (device, UTC) of the last stamped sample
        self._end: tuple[int | None, int] | None = None if after_ns is None else (None, after_ns)

    @property
    def is_over(self) -> bool:
        """Whether the host's clock was set back so far that a new session must begin."""
        return self._utc.era != self._era

    @property
    def drift_ppm(self) -> float | None:
        """Drift of the device clock against the host's; None before the first block."""
        return self._fit.drift_ppm if self._fit else None

    def settled(self, now_ns: int) -> bool:
        """True when the fit has seen enough arrivals (host monotonic `now_ns`)."""
        return self._fit is not None and now_ns - self._fit_began_ns >= WARM_UP_NS

    def utc_ns(self, monotonic_ns: int) -> int:
        """UTC of a host monotonic time."""
        return monotonic_ns + self._utc.offset_ns(self._era)

    def link_started(self) -> None:
        """The connection is new: the device clock may have restarted without a sign."""
        self._new_link = True

    def breaks(self, block: SampleBlock, arrival_ns: int) -> bool:
        """True when this block's time does not continue the present fit."""
        if self._fit is None:
            return False
        if block.device_t0_ns is None:
            return self._new_link or block.restarted or self._fit.broken
        residual_ns = self._fit.residual_ns(_newest_ns(block, block.device_t0_ns), arrival_ns)
        return (
            block.restarted
            or self._fit.broken
            or block.device_t0_ns < self._newest_device_ns - REWIND_NS
            or (self._new_link and not -DISAGREE_NS <= residual_ns <= LATE_NS)
            or (residual_ns < -DISAGREE_NS and self.settled(arrival_ns))
        )

    def restart(self) -> None:
        """Begin a new fit; the next stamp carries CLOCK_RESET."""
        self._fit, self._counted, self._reset = None, 0, True
        if self._end:
            self._end = (None, self._end[1])

    def observe(self, block: SampleBlock, arrival_ns: int) -> int:
        """Take a block in; returns the device time of its first sample."""
        self._new_link = False
        t0_ns = block.device_t0_ns
        if t0_ns is None:
            t0_ns = round((self._counted + block.lost_before) * block.device_dt_ns)
            self._counted += block.lost_before + block.n
        last_ns, newest_ns = _last_ns(block, t0_ns), _newest_ns(block, t0_ns)
        if self._fit is None:
            limits = COUNTED if block.device_t0_ns is None else STAMPED
            self._fit = LatencyEnvelope(limits, newest_ns, arrival_ns, self.stamp_step_ns)
            self._fit_began_ns, self._newest_device_ns = arrival_ns, last_ns
        self._fit.add(newest_ns, arrival_ns)
        self._newest_device_ns = max(self._newest_device_ns, last_ns)
        return t0_ns

    def stamp(self, first_ns: float, dt_ns: float, n: int, *, gap: bool) -> Stamp:
        """UTC of n samples at device times first_ns + i * dt_ns; `gap`: samples are missing
        before them. Never at or before a sample stamped earlier."""
        if self._fit is None:
            raise RuntimeError("stamp() before observe()")
        offset_ns = self._utc.offset_ns(self._era)
        first, last = round(first_ns), round(first_ns + (n - 1) * dt_ns)
        t0_ns = self._fit.host_ns(first) + offset_ns
        t1_ns = self._fit.host_ns(last) + offset_ns
        step_ns = dt_ns * (1 + self._fit.drift_ppm * 1e-6)
        flags = Flag.CLOCK_RESET if self._reset else Flag.NONE
        ahead_ns = 0  # stamps minus fit
        if self._end:
            end_device_ns, end_ns = self._end
            ahead_ns = max(0, end_ns + round(step_ns) - t0_ns)
            if end_device_ns is not None and not gap:
                ahead_ns = end_ns - self._fit.host_ns(end_device_ns) - offset_ns
                if ahead_ns < -JUMP_NS:
                    ahead_ns, flags = 0, Flag.CLOCK_RESET
                ahead_ns = _towards_zero(ahead_ns, SLEW * step_ns)
            t0_ns = max(t0_ns + ahead_ns, end_ns + 1)
        if n > 1:
            ahead_ns = _towards_zero(ahead_ns, SLEW * (n - 1) * step_ns)
            step_ns = (t1_ns + ahead_ns - t0_ns) / (n - 1)
        step = max(1, round(step_ns))
        self._end, self._reset = (last, t0_ns + (n - 1) * step), False
        err_ns = self._fit.err_ns() + abs(ahead_ns)
        return Stamp(t0_ns, step, err_ns, flags)


def _last_ns(block: SampleBlock, t0_ns: int) -> int:
    return t0_ns + round((block.n - 1) * block.device_dt_ns)


def _newest_ns(block: SampleBlock, t0_ns: int) -> int:
    """What arrived with the packet: a block that waited for another stream is older than it."""
    return _last_ns(block, t0_ns) if block.newest_ns is None else block.newest_ns


def _towards_zero(value: float, by: float) -> int:
    return round(max(0.0, value - by) if value > 0 else min(0.0, value + by))
