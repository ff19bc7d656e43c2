"""Sample blocks -> batches of about one second, their times fixed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from firmware_profiles.base import SampleBlock
from sensor_agent.device_clock import DeviceClock
from sensor_agent.outbox import StreamEnd
from wire.batch import MAX_SAMPLES, MAX_VALUE, Batch, Channel, Flag

BATCH_S = 1.0
STAMP_JITTER_NS = 1_000_000
"""Many sensors stamp in milliseconds: a stamp may be off by one without meaning anything."""
SILENT_GAP_NS = 100_000_000
"""Stamps that jump by more than this (and four samples) are a gap, whatever the decoder says."""
COUNTED_GAP_NS = 86_400 * 1_000_000_000
"""A stream that broke off longer ago was not lost but over."""
LOSSLESS_LSB = 0.01
"""Values within this part of a step of a whole number of steps are that number: float32 has that
much rounding at full scale (2**15 steps * 2**-24), a value that is not quantised has not."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """One block on its way into a batch."""

    t0_ns: int
    block: SampleBlock
    arrival_ns: int


@dataclass(slots=True)
class BatchCounters:
    """What happened to samples so far."""

    samples: int = 0
    lost_samples: int = 0
    duplicate_blocks: int = 0


@dataclass(slots=True)
class Batcher:
    """One sensor session's batches, numbered from 0. `floor_seq` is 0 in all of them: only the
    outbox knows it."""

    session: str
    clock: DeviceClock
    counters: BatchCounters = field(default_factory=BatchCounters)
    next_seq: int = 0
    follows: StreamEnd | None = None
    """Where the sensor's stream broke off before this session: what is missing since is a gap."""
    _pieces: list[_Piece] = field(default_factory=list)
    _next_device_ns: float | None = None
    _gap: bool = False
    _lost: int = 0
    _new_link: bool = False
    _backfill: bool = False
    _is_first: bool = False

    def link_started(self) -> None:
        """Blocks come over a new connection from now on; what was held has been flushed."""
        self.clock.link_started()
        self._new_link, self._is_first, self._backfill = self.next_seq > 0, True, False

    def add(self, block: SampleBlock, arrival_ns: int) -> list[Batch]:
        """Take a block that arrived at host monotonic `arrival_ns`; batches that became full."""
        done: list[Batch] = []
        if self.clock.breaks(block, arrival_ns):
            done += self.flush()
            self.clock.restart()
            self._next_device_ns, self._gap = None, True
        t0_ns = self.clock.observe(block, arrival_ns)
        lost = block.lost_before
        if self._next_device_ns is not None:
            ahead_ns = t0_ns - self._next_device_ns
            if ahead_ns < -(0.5 * block.device_dt_ns + STAMP_JITTER_NS):
                block, t0_ns = _without_head(block, t0_ns, -ahead_ns)
                self.counters.duplicate_blocks += 1
                if not block.n:
                    return done
                lost = 0
            elif not lost and ahead_ns > self._silent_gap_ns(block.device_dt_ns):
                lost = round(ahead_ns / block.device_dt_ns)
        if lost or self._changes_shape(block):
            done += self.flush()
        if lost:
            self._gap = True
            self._lost += lost
            self.counters.lost_samples += lost
        self._pieces.append(_Piece(t0_ns, block, arrival_ns))
        self._next_device_ns, self._is_first = t0_ns + block.n * block.device_dt_ns, False
        self.counters.samples += block.n
        if self.clock.settled(arrival_ns) and self._held_s() >= BATCH_S:
            done += self.flush()
        return done

    def recall(self, block: SampleBlock, arrival_ns: int) -> list[Batch]:
        """Take a block that the sensor had kept in its own memory, between the end of one link and
        the start of the next; batches that became full. What came live is left out. Its arrival
        says nothing about the clock, and without a clock that knows the device it is of no use."""
        t0_ns = block.device_t0_ns
        if t0_ns is None or self._next_device_ns is None:
            return []
        ahead_ns = t0_ns - self._next_device_ns
        if ahead_ns < -0.5 * block.device_dt_ns:
            block, t0_ns = _without_head(block, t0_ns, -ahead_ns)
            if not block.n:
                return []
        done: list[Batch] = []
        if ahead_ns > 0.75 * block.device_dt_ns:
            done += self.recalled()
            lost = round(ahead_ns / block.device_dt_ns)
            self._gap, self._lost = True, self._lost + lost
            self.counters.lost_samples += lost
        self._backfill = True
        self._pieces.append(_Piece(t0_ns, block, arrival_ns))
        self._next_device_ns = t0_ns + block.n * block.device_dt_ns
        self.counters.samples += block.n
        return done + self.recalled() if self._held_s() >= BATCH_S else done

    def recalled(self) -> list[Batch]:
        """The rest of what `recall` has taken."""
        done = self.flush()
        self._backfill = False
        return done

    def flush(self) -> list[Batch]:
        """Everything held, however short, as batches of at most about a second."""
        done = []
        while self._pieces:
            done.append(self._make(self._take()))
        return done

    def _silent_gap_ns(self, dt_ns: float) -> float:
        """Stamps that jump by more than this are a gap; after a new connection every one is."""
        return 0.75 * dt_ns if self._is_first else max(4 * dt_ns, SILENT_GAP_NS)

    def _held_s(self) -> float:
        return sum(p.block.n * p.block.device_dt_ns for p in self._pieces) * 1e-9

    def _changes_shape(self, block: SampleBlock) -> bool:
        if not self._pieces:
            return False
        held = self._pieces[-1].block
        return held.values.keys() != block.values.keys() or held.lsb != block.lsb

    def _take(self) -> list[_Piece]:
        n, held_s, count = 0, 0.0, 0
        for piece in self._pieces:
            if count and n + piece.block.n > MAX_SAMPLES:
                break
            n += piece.block.n
            held_s += piece.block.n * piece.block.device_dt_ns * 1e-9
            count += 1
            if held_s >= BATCH_S:
                break
        taken, self._pieces = self._pieces[:count], self._pieces[count:]
        return taken

    def _make(self, pieces: Sequence[_Piece]) -> Batch:
        n = sum(piece.block.n for piece in pieces)
        first_ns, dt_ns = _even_times(pieces)
        stamp = self.clock.stamp(first_ns, dt_ns, n, gap=self._gap)
        if self.follows is not None:
            self._gap, self._lost = True, max(self._lost, _missing(self.follows, stamp.t0_ns))
            self.follows = None
        batch = Batch(
            session=self.session,
            seq=self.next_seq,
            floor_seq=0,
            t0_ns=stamp.t0_ns,
            dt_ns=stamp.dt_ns,
            n=n,
            channels={
                str(quantity): _channel(
                    np.concatenate([piece.block.values[quantity] for piece in pieces]),
                    pieces[0].block.lsb.get(quantity),
                )
                for quantity in pieces[0].block.values
            },
            rx_ns=self.clock.utc_ns(pieces[-1].arrival_ns),
            clock_err_ns=stamp.clock_err_ns,
            lost=self._lost,
            flags=stamp.flags
            | (Flag.GAP_BEFORE if self._gap else Flag.NONE)
            | (Flag.NEW_LINK if self._new_link else Flag.NONE)
            | (Flag.BACKFILL if self._backfill else Flag.NONE),
        )
        self.next_seq += 1
        self._gap, self._lost, self._new_link = False, 0, False
        return batch


def is_plausible(block: SampleBlock) -> bool:
    """Whether a batch may carry these values: garbage in a packet of floats decodes to numbers of
    any size."""
    return all(max(rows.max(), -rows.min()) <= MAX_VALUE for rows in block.values.values())


def _missing(before: StreamEnd, t0_ns: int) -> int:
    """Samples between two sessions; 0 when nobody can say: the clock was set, or days went by."""
    gap_ns = t0_ns - before.end_ns
    return max(0, round(gap_ns / before.dt_ns) - 1) if gap_ns <= COUNTED_GAP_NS else 0


def _without_head(block: SampleBlock, t0_ns: int, overlap_ns: float) -> tuple[SampleBlock, int]:
    """The block without the samples that were there before; possibly nothing (n = 0)."""
    known = min(block.n, round(overlap_ns / block.device_dt_ns))
    values = {quantity: rows[known:] for quantity, rows in block.values.items()}
    t0_ns += round(known * block.device_dt_ns)
    return (
        SampleBlock(block.n - known, block.device_t0_ns, block.device_dt_ns, values, block.lsb),
        t0_ns,
    )


def _even_times(pieces: Sequence[_Piece]) -> tuple[float, float]:
    """(device time of the first sample, step): the line through the blocks' stamps, which evens
    out their resolution."""
    if len(pieces) < 4:
        first, last = pieces[0], pieces[-1]
        between = sum(piece.block.n for piece in pieces[:-1])
        dt_ns = (last.t0_ns - first.t0_ns) / between if between else last.block.device_dt_ns
        return float(first.t0_ns), dt_ns
    counts = np.array([piece.block.n for piece in pieces])
    index = np.concatenate(([0], np.cumsum(counts)[:-1])).astype(np.float64)
    t_ns = np.array([piece.t0_ns - pieces[0].t0_ns for piece in pieces], dtype=np.float64)
    centred = index - index.mean()
    dt_ns = float(centred @ t_ns / (centred @ centred))
    return pieces[0].t0_ns + float(t_ns.mean() - dt_ns * index.mean()), dt_ns


def _channel(values: NDArray[np.float32], lsb: float | None) -> Channel:
    """int16 when every value is a whole number of steps that fits, else float32 as it is."""
    if lsb:
        steps = values.astype(np.float64) / lsb
        counts = np.rint(steps)
        if np.all(np.abs(counts) <= 32767) and np.all(np.abs(steps - counts) <= LOSSLESS_LSB):
            return Channel(counts.astype(np.int16), lsb)
    return Channel(np.ascontiguousarray(values, dtype=np.float32))
