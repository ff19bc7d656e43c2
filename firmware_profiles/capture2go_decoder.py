"""Capture2Go notifications -> samples, battery levels, and notes about the rest."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from firmware_profiles.base import (
    DecodeError,
    Event,
    Note,
    Quantity,
    SampleBlock,
    SampleRun,
    StreamSettings,
)
from firmware_profiles.capture2go_notes import orientation, status, told
from firmware_profiles.capture2go_packages import (
    PACKAGE_HEAD,
    SAMPLING_HZ,
    START,
    STATUS_DATA,
    Package,
    PackageStream,
    cut,
    split_notification,
)
from firmware_profiles.stamps import LONGEST_GAP_NS, Passage, passage
from firmware_profiles.standard import standard_events

RX_UUID: Final = "80030002-e629-4c98-9324-aa7fc0c66de7"
TX_UUID: Final = "80030003-e629-4c98-9324-aa7fc0c66de7"

ACCEL_RANGE_G: Final = 16.0
GYRO_RANGE_DPS: Final = 2000.0
_LSB: Final = {
    Quantity.GYRO: np.pi / 180 * GYRO_RANGE_DPS / 32768,
    Quantity.ACCEL: ACCEL_RANGE_G * 9.81 / 32768,  # 9.81, not standard gravity, by the document
    Quantity.MAG: 1 / 16,
}
_WITH_MAG: Final = (Quantity.GYRO, Quantity.ACCEL, Quantity.MAG)
_WITHOUT_MAG: Final = (Quantity.GYRO, Quantity.ACCEL)
_LAYOUTS: Final = {
    # high digits of the header -> quantities, samples
    0x22: (_WITH_MAG, 8),
    0x23: (_WITHOUT_MAG, 8),
    0x24: (_WITH_MAG, 1),
    0x25: (_WITHOUT_MAG, 1),
}
_TAIL: Final = struct.Struct("<QhB")
_REAL_TIME: Final = 7
_NO_REAL_TIME: Final = 0xFF
"""First byte of a notification that is all stream."""


@dataclass(slots=True)
class _Progress:
    """Where the samples of one header got to."""

    time_ns: int
    n: int


@dataclass(slots=True)
class Capture2GoDecoder:
    """Decodes what a Capture2Go notifies.

    only: data header to take, None for all; details: orientation and error flags as notes, for
    people who look at packets.
    """

    settings: StreamSettings
    only: int | None = None
    details: bool = True
    stream: PackageStream = field(default_factory=PackageStream)
    _progress: dict[int, _Progress] = field(default_factory=dict)

    def decode(self, characteristic: str, data: bytes) -> list[Event]:
        if characteristic == TX_UUID:
            packages, rest = split_notification(data)
            packages += self.stream.feed(rest)
            skipped, held = self.stream.skipped, self.stream.held
        elif characteristic == RX_UUID:  # a write is one whole package
            written = PackageStream()
            packages = written.feed(data)
            skipped, held = written.skipped + written.held, 0
        else:
            return standard_events(characteristic, data)
        events: list[Event] = []
        problem = None
        for package in packages:
            try:
                events += self._events(package)
            except DecodeError as error:
                problem = error
        if problem and not events:
            raise problem
        if skipped and not packages and not held:
            raise DecodeError(f"{skipped} bytes belong to no package")
        if skipped:
            events.append(Note("skipped", {"skipped_bytes": skipped}))
        return events

    def _events(self, package: Package) -> list[Event]:
        header, payload = package.header, package.payload
        if header >> 4 in _LAYOUTS:
            return self._samples(header, payload)
        if header == STATUS_DATA:
            return status(payload)
        return [told(package)]

    def _samples(self, header: int, payload: bytes) -> list[Event]:
        quantities, n = _LAYOUTS[header >> 4]
        mode = header & 15
        is_real_time = mode == _REAL_TIME and n == 1
        if mode not in SAMPLING_HZ and not is_real_time:
            raise DecodeError(f"package {header:04x} is unknown")
        size = 8 + 6 * n * len(quantities) + _TAIL.size
        if len(payload) != size:
            raise DecodeError(f"package {header:04x} has {len(payload)} bytes, expected {size}")
        if self.only not in {None, header}:
            return []
        counts = np.frombuffer(payload, "<i2", 3 * n * len(quantities), 8).reshape(-1, n, 3)
        steps = np.array([_LSB[quantity] for quantity in quantities]).reshape(-1, 1, 1)
        values = dict(zip(quantities, (counts * steps).astype(np.float32), strict=True))
        lsb = {quantity: _LSB[quantity] for quantity in quantities}
        word, heading, flags = _TAIL.unpack_from(payload, size - _TAIL.size)
        time_ns = int.from_bytes(payload[:8], "little", signed=True)
        dt_ns = 1e9 / SAMPLING_HZ.get(mode, self.settings.rate_hz)
        lost, restarted = self._follow(header, time_ns, n, dt_ns)
        if is_real_time:  # the newest one whenever there is room: others are left out on purpose
            lost = 0
        block = SampleBlock(n, time_ns, dt_ns, values, lsb, lost, restarted)
        return [block, *self._details(header, word, heading, flags)]

    def decode_run(self, characteristic: str, packets: Sequence[bytes]) -> SampleRun | None:
        """Packages of the one kind that is taken, cut out of the byte stream at once."""
        before = self._progress.get(self.only or 0)
        if self.details or self.only is None or before is None or characteristic != TX_UUID:
            return None
        if any(not packet or packet[0] != _NO_REAL_TIME for packet in packets):
            return None
        quantities, n = _LAYOUTS[self.only >> 4]
        size = 8 + 6 * n * len(quantities) + _TAIL.size
        whole = PACKAGE_HEAD.size + size
        ends = self.stream.held + np.cumsum([len(packet) - 1 for packet in packets])
        joined = self.stream.joined(packet[1:] for packet in packets)
        count = len(joined) // whole
        packages = np.frombuffer(joined, np.uint8, count * whole).reshape(count, whole)
        # all begin alike but for their checksums
        head = PACKAGE_HEAD.pack(START, 0, size, self.only)
        is_head = (packages[:, 5:8] == np.frombuffer(head[5:], np.uint8)).all()
        is_start = (packages[:, 0] == START).all()
        rest = joined[count * whole :]
        if not count or not is_head or not is_start or cut(rest, 0) != (None, 0):
            return None
        crcs = np.ascontiguousarray(packages[:, 1:5]).view("<u4")[:, 0].tolist()
        view = memoryview(joined)
        for k, crc in enumerate(crcs):
            if zlib.crc32(view[k * whole + 6 : (k + 1) * whole]) != crc:
                return None
        times_ns = np.ascontiguousarray(packages[:, 8:16]).view("<i8")[:, 0]
        steps_ns = np.diff(times_ns, prepend=before.time_ns)
        if (steps_ns <= 0).any() or (steps_ns > LONGEST_GAP_NS).any():
            return None
        dt_ns = 1e9 / SAMPLING_HZ[self.only & 15]
        passed = steps_ns / dt_ns - before.n
        lost = np.maximum(0, np.rint(passed / n).astype(np.int64)) * n
        body = np.ascontiguousarray(packages[:, 16 : whole - _TAIL.size]).view("<i2")
        counts = body.reshape(count, len(quantities), n, 3)
        values = {
            quantity: (counts[:, column].reshape(-1, 3) * _LSB[quantity]).astype(np.float32)
            for column, quantity in enumerate(quantities)
        }
        self._progress[self.only] = _Progress(int(times_ns[-1]), n)
        self.stream.keep(rest)
        packet = np.searchsorted(ends, whole * np.arange(1, count + 1))
        lsb = {quantity: _LSB[quantity] for quantity in quantities}
        return SampleRun(packet, n, times_ns, np.full(count, dt_ns), values, lsb, lost)

    def _details(self, header: int, word: int, heading: int, flags: int) -> list[Event]:
        if not self.details:
            return []
        return [Note("orientation", {"header": header, **orientation(word, heading, flags)})]

    def _follow(self, header: int, time_ns: int, n: int, dt_ns: float) -> tuple[int, bool]:
        """(samples lost before a package, clock restarted)."""
        before = self._progress.get(header)
        verdict = passage(before.time_ns if before else None, time_ns)
        if verdict is Passage.REPEAT:
            return 0, False
        self._progress[header] = _Progress(time_ns, n)
        if before is None or verdict is Passage.RESTART:
            return 0, verdict is Passage.RESTART
        passed = (time_ns - before.time_ns) / dt_ns - before.n
        return max(0, round(passed / n)) * n, False
