"""Two streams of one sensor, stamped apart, become blocks with one time base.

A SampleBlock has one time for all its quantities, but some sensors send acceleration and rotation
in packets of their own. Acceleration is the time base: each of its samples takes the one rotation
sample that was measured nearest to it, unchanged, so that counts stay counts. Both streams of a
chip run on one oscillator, so the distance between the two is constant and below half a step.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_profiles.base import Quantity, SampleBlock, SampleRun

_NEAREST: Final = 0.5
"""Steps between the samples of the first pair at most."""
_FARTHEST: Final = 0.8
"""The same for pairs that follow: two streams half a step apart are not paired to and fro by the
jitter of their stamps."""


_LONGEST_STEP: Final = 1.4
"""The same between samples that follow on each other."""
_Column = tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.intp]]


@dataclass(slots=True)
class _Partner:
    """Samples of the second stream that wait: times (n,) ns, values (n, 3)."""

    times_ns: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    values: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 3), np.float32))

    def add(self, block: SampleBlock, t0_ns: int, quantity: Quantity) -> None:
        times_ns = t0_ns + np.arange(block.n) * block.device_dt_ns
        self.times_ns = np.concatenate((self.times_ns, times_ns))
        self.values = np.concatenate((self.values, block.values[quantity]))

    def drop(self, n: int) -> None:
        self.times_ns, self.values = self.times_ns[n:], self.values[n:]


@dataclass(slots=True)
class Pairing:
    """Puts blocks of two quantities together.

    base: the quantity whose times count; partner: the other one; patience_ns: a base sample for
    which nothing came within this time goes out alone, as does one whose partner was lost. Before
    both streams have begun nothing goes out. A packet that came twice is left out.
    """

    base: Quantity
    partner: Quantity
    patience_ns: int
    _held: deque[SampleBlock] = field(default_factory=deque)
    _others: _Partner = field(default_factory=_Partner)
    _other_lsb: float | None = None
    _newest_ns: dict[Quantity, float] = field(default_factory=dict)
    _is_running: bool = False
    _is_in_step: bool = False

    def add(self, block: SampleBlock) -> list[SampleBlock]:
        """Take a stamped block of one of the two quantities; what is complete."""
        (quantity,) = block.values
        if block.device_t0_ns is None:
            raise ValueError("only stamped streams can be paired")
        out: list[SampleBlock] = []
        last_ns = block.device_t0_ns + (block.n - 1) * block.device_dt_ns
        if block.restarted:
            out = self._restart(quantity, last_ns)
        if last_ns <= self._newest_ns.get(quantity, -np.inf):
            return out
        self._newest_ns[quantity] = last_ns
        if quantity is self.base:
            self._held.append(block)
        else:
            self._others.add(block, block.device_t0_ns, quantity)
            self._other_lsb = block.lsb.get(quantity)
        out += self._complete()
        newest_ns = round(max(self._newest_ns.values()))
        return [replace(made, newest_ns=newest_ns) for made in out]

    @property
    def is_steady(self) -> bool:
        """Whether both streams run and the newest samples of both were paired."""
        return self._is_running and self._is_in_step and len(self._newest_ns) == 2

    def add_run(
        self,
        base: SampleRun,
        partner: SampleRun,
    ) -> SampleRun | None:
        """Take many stamped blocks of one sample each, of both streams in the order of their
        packets; what is complete. None, with nothing changed, unless each base sample finds the
        partner sample of the same number, and neither stream runs ahead."""
        steady = self._steady(base, partner)
        if steady is None:
            return None
        (base_ns, base_rows, base_packet), (other_ns, other_rows, other_packet) = steady
        k = min(len(base_ns), len(other_ns))
        packet = np.maximum(base_packet[:k], other_packet[:k])
        size = int(max(base_packet[-1], other_packet[-1])) + 1
        arrived_ns = np.full(size + 1, -np.inf)  # one place more: what was held before came first
        arrived_ns[base_packet] = base_ns
        arrived_ns[other_packet] = np.maximum(arrived_ns[other_packet], other_ns)
        arrived_ns[-1] = max(self._newest_ns.values())
        newest_ns = np.maximum(np.maximum.accumulate(arrived_ns[:-1]), arrived_ns[-1])[packet]
        lsb = dict(base.lsb)
        if self.partner in partner.lsb:
            lsb[self.partner] = self._other_lsb = partner.lsb[self.partner]
        self._held = deque(
            SampleBlock(1, round(at), float(base.device_dt_ns[0]), {self.base: row[None]}, base.lsb)
            for at, row in zip(base_ns[k:].tolist(), base_rows[k:], strict=True)
        )
        self._others = _Partner(other_ns[k:], other_rows[k:])
        self._newest_ns = {self.base: float(base_ns[-1]), self.partner: float(other_ns[-1])}
        return SampleRun(
            packet,
            1,
            base_ns[:k].astype(np.int64),
            np.full(k, base.device_dt_ns[0]),
            {self.base: base_rows[:k], self.partner: other_rows[:k]},
            lsb,
            np.zeros(k, np.int64),
            newest_ns.astype(np.int64),
        )

    def _steady(self, base: SampleRun, partner: SampleRun) -> tuple[_Column, _Column] | None:
        """(times, rows, packets) of both streams with what is held in front (packet -1), when they
        are in step."""
        held = [(block, _t0_ns(block)) for block in self._held]
        waiting = len(self._others.times_ns)
        if not self.is_steady or (held and waiting):
            return None
        if any(block.n > 1 or block.lost_before or block.restarted for block, _ in held):
            return None
        if base.device_t0_ns is None or partner.device_t0_ns is None:
            return None
        held_rows = [block.values[self.base] for block, _ in held]
        base_ns = np.concatenate(([float(at) for _, at in held], base.device_t0_ns))
        base_rows = np.concatenate((*held_rows, base.values[self.base]))
        base_packet = np.concatenate((np.full(len(held), -1), base.packet))
        other_ns = np.concatenate((self._others.times_ns, partner.device_t0_ns.astype(np.float64)))
        other_rows = np.concatenate((self._others.values, partner.values[self.partner]))
        other_packet = np.concatenate((np.full(waiting, -1), partner.packet))
        dt_ns = float(base.device_dt_ns[0])
        k = min(len(base_ns), len(other_ns))
        ahead = np.zeros(int(max(base.packet[-1], partner.packet[-1])) + 1, np.int64)
        ahead[base.packet] = 1
        ahead[partner.packet] -= 1
        most_ahead = np.abs(len(held) - waiting + np.cumsum(ahead)).max()
        if (
            not k
            or min(len(base_packet) - len(held), len(other_packet) - waiting) < 1
            or (np.abs(other_ns[:k] - base_ns[:k]) > _FARTHEST * dt_ns).any()
            or (_uneven(base_ns, self._newest_ns[self.base], dt_ns, len(held)))
            or (_uneven(other_ns, self._newest_ns[self.partner], dt_ns, waiting))
            or (most_ahead + 2) * _LONGEST_STEP * dt_ns > self.patience_ns
        ):
            return None
        return (base_ns, base_rows, base_packet), (other_ns, other_rows, other_packet)

    def _restart(self, quantity: Quantity, last_ns: float) -> list[SampleBlock]:
        """The clock of one stream began anew: what lies far ahead of it belongs to the old one."""
        limit_ns = last_ns + self.patience_ns
        self._newest_ns.pop(quantity, None)
        self._newest_ns = {q: ns for q, ns in self._newest_ns.items() if ns <= limit_ns}
        held, self._held = list(self._held), deque()
        self._held.extend(block for block in held if _t0_ns(block) <= limit_ns)
        if len(self._others.times_ns) and self._others.times_ns[-1] > limit_ns:
            self._others = _Partner()
        self._is_in_step = False
        return [block for block in held if self._is_running and _t0_ns(block) > limit_ns]

    def _complete(self) -> list[SampleBlock]:
        out: list[SampleBlock] = []
        while self._held:
            head, others = self._held[0], self._others
            half_ns = 0.5 * head.device_dt_ns
            if not len(others.times_ns):
                out += self._give_up(head)
                break
            k = min(head.n, len(others.times_ns))
            base_ns = _times_ns(head, k)
            off_ns = others.times_ns[:k] - base_ns
            limit = _FARTHEST if self._is_in_step else _NEAREST
            far = np.abs(off_ns) > _FARTHEST * head.device_dt_ns
            far[0] = abs(off_ns[0]) > limit * head.device_dt_ns
            n = int(far.argmax()) if far.any() else k
            self._is_in_step = n > 0
            if n:
                self._is_running = True
                out.append(self._pair(n))
            elif off_ns[0] < 0:
                others.drop(max(1, int(np.searchsorted(others.times_ns, base_ns[0] - half_ns))))
            else:
                alone = _times_ns(head, head.n) < others.times_ns[0] - half_ns
                out += self._alone(max(1, int(alone.sum())))
        self._forget_old()
        return out

    def _give_up(self, head: SampleBlock) -> list[SampleBlock]:
        """The head alone, when its partners ought to have come."""
        newest_ns = self._newest_ns.get(self.base, -np.inf)
        if newest_ns - _times_ns(head, head.n)[-1] <= self.patience_ns:
            return []
        self._is_running = True
        return self._alone(head.n)

    def _pair(self, n: int) -> SampleBlock:
        block = self._take(n)
        lsb = dict(block.lsb)
        if self._other_lsb is not None:
            lsb[self.partner] = self._other_lsb
        values = {**block.values, self.partner: self._others.values[:n]}
        self._others.drop(n)
        return replace(block, values=values, lsb=lsb)

    def _alone(self, n: int) -> list[SampleBlock]:
        block = self._take(n)
        return [block] if self._is_running else []

    def _take(self, n: int) -> SampleBlock:
        """The first n samples of the head; the rest stays."""
        head = self._held.popleft()
        if n < head.n:
            t0_ns = _t0_ns(head) + round(n * head.device_dt_ns)
            self._held.appendleft(
                SampleBlock(
                    head.n - n,
                    t0_ns,
                    head.device_dt_ns,
                    {self.base: head.values[self.base][n:]},
                    head.lsb,
                )
            )
        return replace(head, n=n, values={self.base: head.values[self.base][:n]})

    def _forget_old(self) -> None:
        """Bound what waits for a base stream that has fallen silent."""
        times_ns = self._others.times_ns
        if len(times_ns) and not self._held:
            oldest_ns = times_ns[-1] - self.patience_ns
            self._others.drop(int(np.searchsorted(times_ns, oldest_ns)))


def _t0_ns(block: SampleBlock) -> int:
    if block.device_t0_ns is None:
        raise ValueError("only stamped streams can be paired")
    return block.device_t0_ns


def _times_ns(block: SampleBlock, n: int) -> NDArray[np.float64]:
    """Times of the first n samples."""
    return _t0_ns(block) + np.arange(n, dtype=np.float64) * block.device_dt_ns


def _uneven(times_ns: NDArray[np.float64], newest_ns: float, dt_ns: float, held: int) -> bool:
    """Whether samples do not follow on each other; the first `held` were there before."""
    steps_ns = np.diff(times_ns, prepend=times_ns[0] if held else newest_ns)[1 if held else 0 :]
    return bool((steps_ns <= 0).any() or (steps_ns > _LONGEST_STEP * dt_ns).any())
