"""Two streams of one sensor whose packets carry neither time nor count, put together by turn."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np

from firmware_profiles.base import Quantity, SampleBlock, SampleRun


@dataclass(slots=True)
class PacketPairing:
    """Puts packed packets of acceleration and rotation together that carry neither time nor count:
    the k-th of one belongs to the k-th of the other, and they come in turn, now and then swapped.

    When one kind stays ahead for `tolerance` packets, one of the other kind was lost. A lost packet
    that only changes whose turn it is cannot be told from that: the two then stay apart by one
    packet.
    """

    tolerance: int = 8
    _waiting: dict[Quantity, deque[SampleBlock]] = field(
        default_factory=lambda: {Quantity.ACCEL: deque(), Quantity.GYRO: deque()}
    )
    _since_level: int = 0
    _lost: int = 0

    def add(self, block: SampleBlock) -> list[SampleBlock]:
        """Take a block of one of the two quantities; what is complete."""
        (quantity,) = block.values
        accel, gyro = self._waiting[Quantity.ACCEL], self._waiting[Quantity.GYRO]
        self._waiting[quantity].append(block)
        self._since_level += 1
        out: list[SampleBlock] = []
        if self._since_level > self.tolerance:
            if len(accel) > len(gyro):  # rotation was lost: acceleration goes alone
                out.append(self._told(accel.popleft()))
            elif gyro:
                self._lost += gyro.popleft().n
        if accel and gyro:
            one, other = accel.popleft(), gyro.popleft()
            both = replace(one, values={**one.values, **other.values}, lsb={**one.lsb, **other.lsb})
            out.append(self._told(both))
        if not accel and not gyro:
            self._since_level = 0
        return out

    def add_run(self, accel: SampleRun, gyro: SampleRun) -> SampleRun | None:
        """Take many packets of both kinds, numbered without a gap from 0; what is complete. None,
        with nothing changed, unless they come in turn or nearly so."""
        held = {quantity: list(blocks) for quantity, blocks in self._waiting.items()}
        total = len(accel.packet) + len(gyro.packet)
        turns = np.empty(total, np.int64)
        turns[accel.packet], turns[gyro.packet] = 1, -1
        first = len(held[Quantity.ACCEL]) - len(held[Quantity.GYRO])
        level = np.flatnonzero(first + np.cumsum(turns) == 0)
        since = np.diff(np.concatenate(([-1 - self._since_level], level, [total - 1])))
        if self._lost or since.max() > self.tolerance:
            return None
        columns = {
            quantity: (
                np.concatenate([*(b.values[quantity] for b in blocks), run.values[quantity]]),
                np.concatenate((np.full(len(blocks), -1), run.packet)),
            )
            for (quantity, blocks), run in zip(held.items(), (accel, gyro), strict=True)
        }
        k, n = min(len(packet) for _, packet in columns.values()), accel.n
        dt_ns = float(accel.device_dt_ns[0])
        lsb = {**accel.lsb, **gyro.lsb}
        for quantity, (rows, packet) in columns.items():
            self._waiting[quantity] = deque(
                SampleBlock(n, None, dt_ns, {quantity: rest}, {quantity: lsb[quantity]})
                for rest in rows[k * n :].reshape(len(packet) - k, n, 3)
            )
        self._since_level = total - 1 - int(level[-1]) if len(level) else self._since_level + total
        return SampleRun(
            np.maximum(*(packet[:k] for _, packet in columns.values())),
            n,
            None,
            np.full(k, dt_ns),
            {quantity: rows[: k * n] for quantity, (rows, _) in columns.items()},
            lsb,
            np.zeros(k, np.int64),
        )

    def _told(self, block: SampleBlock) -> SampleBlock:
        lost, self._lost = self._lost, 0
        return replace(block, lost_before=lost)
