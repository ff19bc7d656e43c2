"""Packets of a fixed layout that a user described, one by one and many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_profiles.base import (
    DecodeError,
    Event,
    Quantity,
    SampleBlock,
    SampleRun,
    StreamSettings,
)
from firmware_profiles.bulk import table
from firmware_profiles.stamps import LONGEST_GAP_NS, Passage, passage
from firmware_profiles.standard import standard_events
from firmware_profiles.toml_spec import ProfileSpec

_WIDEST_BITS: Final = 32
"""Of stamps and counters of which many are taken at once, in 64-bit arithmetic."""
_SHORTEST_TICK_NS: Final = 2.0
"""With shorter ticks a time in whole nanoseconds does not tell its count."""


@dataclass(slots=True)
class TomlDecoder:
    """Decodes packets of the described layout."""

    settings: StreamSettings
    spec: ProfileSpec
    _counter: int | None = None
    _time_ns: int | None = None
    """Device time of the newest packet's stamped sample."""
    _n: int = field(default=0)

    def decode(self, characteristic: str, data: bytes) -> list[Event]:
        if characteristic == self.spec.packet.characteristic:
            return [self.block(data)]
        return standard_events(characteristic, data)

    def block(self, data: bytes) -> SampleBlock:
        """The samples of one packet; raises DecodeError."""
        packet = self.spec.packet
        if not data.startswith(packet.begins_with):
            raise DecodeError(f"packet does not begin with {packet.begins_with.hex()}")
        n, rest = divmod(len(data) - packet.head_bytes, packet.sample.itemsize)
        if n < 1 or rest or n != (packet.samples or n):
            raise DecodeError(f"packet has {len(data)} bytes, which is not its layout")
        head = np.frombuffer(data, packet.head, 1, len(packet.begins_with))[0]
        records = np.frombuffer(data, packet.triples, n, packet.head_bytes)
        values, lsb = self._values(records)
        dt_ns = 1e9 / self.settings.rate_hz
        t0_ns, lost, restarted = self._stamped(head, n, dt_ns)
        if packet.has("counter"):
            lost, counter_restarted = self._counted(head, n)
            restarted |= counter_restarted and packet.stamp is None
        self._n = n
        return SampleBlock(n, t0_ns, dt_ns, values, lsb, 0 if restarted else lost, restarted)

    def _values(
        self, records: NDArray[np.void]
    ) -> tuple[dict[Quantity, NDArray[np.float32]], dict[Quantity, float]]:
        """SI values of sample records, SI per count where they are whole counts."""
        values, lsb = {}, {}
        for quantity, si_per_count in self.spec.packet.si_per_count.items():
            values[quantity], is_whole = _rows(records, quantity, si_per_count)
            if is_whole:
                lsb[quantity] = si_per_count
        return values, lsb

    def _stamped(self, head: np.void, n: int, dt_ns: float) -> tuple[int | None, int, bool]:
        """(device time of the first sample, samples lost before it, restarted)."""
        stamp = self.spec.packet.stamp
        if stamp is None:
            return None, 0, False
        count, wrap = int(head["stamp"]), 2 ** (8 * head["stamp"].dtype.itemsize)
        time_ns = round(count * stamp.tick_ns)
        if time_ns >= 2**63:
            raise DecodeError(f"stamp {count} is beyond the year 2262")
        if self._time_ns is not None and wrap < 2**64:  # the nearest time with these low bits
            before = round(self._time_ns / stamp.tick_ns)
            step = (count - before + wrap // 2) % wrap - wrap // 2
            time_ns = round((before + step) * stamp.tick_ns)
        verdict = passage(self._time_ns, time_ns)
        lost = 0
        if verdict is Passage.RESTART:
            time_ns = round(count * stamp.tick_ns)
        elif verdict is Passage.FORWARD and self._time_ns is not None:
            # whole packets: stamps jitter, and the true rate is a little off nominal
            due = n if stamp.of_last else self._n
            passed = (time_ns - self._time_ns) / dt_ns - due
            lost = max(0, round(passed / n)) * n
        if verdict is not Passage.REPEAT:
            self._time_ns = time_ns
        first_ns = time_ns - round((n - 1) * dt_ns) if stamp.of_last else time_ns
        return first_ns, lost, verdict is Passage.RESTART

    def _counted(self, head: np.void, n: int) -> tuple[int, bool]:
        """(samples lost before this packet, counter went back)."""
        counter, wrap = int(head["counter"]), 2 ** (8 * head["counter"].dtype.itemsize)
        before, self._counter = self._counter, counter
        if before is None:
            return 0, False
        per_packet = 1 if self.spec.packet.counts_packets else self._n
        missing = (counter - before - per_packet) % wrap
        if missing >= wrap // 2:
            return 0, True
        return missing * (n if self.spec.packet.counts_packets else 1), False

    # --- many packets at once -------------------------------------------------------------------

    def decode_run(self, characteristic: str, packets: Sequence[bytes]) -> SampleRun | None:
        packet, count = self.spec.packet, len(packets)
        joined = table(packets)
        begin = len(packet.begins_with)
        n, rest = divmod(len(packets[0]) - packet.head_bytes, packet.sample.itemsize)
        is_first = packet.stamp is not None and self._time_ns is None
        is_data = characteristic == packet.characteristic and not is_first
        if joined is None or not is_data or n < 1 or rest or n != (packet.samples or n):
            return None
        cells = np.frombuffer(joined, np.uint8).reshape(count, -1)
        if (cells[:, :begin] != np.frombuffer(packet.begins_with, np.uint8)).any():
            return None
        head = np.frombuffer(cells[:, begin : packet.head_bytes].tobytes(), packet.head)
        records = np.frombuffer(cells[:, packet.head_bytes :].tobytes(), packet.triples)
        try:
            values, lsb = self._values(records)
        except DecodeError:
            return None
        dt_ns = 1e9 / self.settings.rate_hz
        times_ns, lost, last_ns = None, np.zeros(count, np.int64), self._time_ns
        counted = self._counts(head["counter"], n) if packet.has("counter") else lost
        if packet.stamp is not None:
            found = self._stamps(head["stamp"], n, dt_ns)
            if found is None:
                return None
            times_ns, lost, last_ns = found
        if counted is None:
            return None
        if packet.has("counter"):
            lost, self._counter = counted, int(head["counter"][-1])
        self._n, self._time_ns = n, last_ns
        return SampleRun(np.arange(count), n, times_ns, np.full(count, dt_ns), values, lsb, lost)

    def _stamps(
        self, raw: NDArray[np.unsignedinteger], n: int, dt_ns: float
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], int] | None:
        """(times of the first samples, samples lost before, newest stamp's time); None unless all
        go forward."""
        stamp, bits = self.spec.packet.stamp, 8 * raw.dtype.itemsize
        if stamp is None or self._time_ns is None or bits > _WIDEST_BITS:
            return None
        before = round(self._time_ns / stamp.tick_ns)
        if round(before * stamp.tick_ns) != self._time_ns or stamp.tick_ns < _SHORTEST_TICK_NS:
            return None
        half = 1 << bits - 1
        wide: NDArray[np.int64] = raw.astype(np.int64)
        ahead: NDArray[np.int64] = np.diff(np.concatenate(([before], wide)))
        steps = (ahead + half) % (2 * half) - half
        counts = before + np.cumsum(steps)
        times_ns = np.rint(counts * stamp.tick_ns).astype(np.int64)
        steps_ns = np.diff(times_ns, prepend=self._time_ns)
        if (steps_ns <= 0).any() or (steps_ns > LONGEST_GAP_NS).any():
            return None
        due = np.full(len(raw), n)
        due[0] = n if stamp.of_last else self._n
        passed = steps_ns / dt_ns - due
        lost = np.maximum(0, np.rint(passed / n).astype(np.int64)) * n
        shift_ns = round((n - 1) * dt_ns) if stamp.of_last else 0
        return times_ns - shift_ns, lost, int(times_ns[-1])

    def _counts(self, raw: NDArray[np.unsignedinteger], n: int) -> NDArray[np.int64] | None:
        """Samples lost before each packet; None when the counter went back."""
        bits = 8 * raw.dtype.itemsize
        if self._counter is None or bits > _WIDEST_BITS:
            return None
        per_packet = np.full(len(raw), 1 if self.spec.packet.counts_packets else n)
        if not self.spec.packet.counts_packets:
            per_packet[0] = self._n
        steps: NDArray[np.int64] = np.diff(np.concatenate(([self._counter], raw.astype(np.int64))))
        missing: NDArray[np.int64] = np.mod(steps - per_packet, 1 << bits)
        if (missing >= 1 << bits - 1).any():
            return None
        return missing * (n if self.spec.packet.counts_packets else 1)


def _rows(
    records: NDArray[np.void], quantity: Quantity, si_per_count: float
) -> tuple[NDArray[np.float32], bool]:
    """((n, 3) SI values of a quantity, whether they are whole counts)."""
    if quantity.value in (records.dtype.names or ()):
        counts = records[quantity.value]
    else:
        counts = np.stack([records[f"{quantity.value}_{axis}"] for axis in "xyz"], 1)
    if counts.dtype.kind != "f":
        return (counts * si_per_count).astype(np.float32), True
    with np.errstate(over="ignore"):
        rows = (counts.astype(np.float64) * si_per_count).astype(np.float32)
    if not np.isfinite(rows).all():
        raise DecodeError("a value is not a finite number")
    return rows, False
