"""Packets of the Movesense GATT Sensor Data Protocol (GSP v1): parts, arrays, stamps.

Source: movesense.com/docs/esw/gatt_sensordata_protocol; the vendor's gatt_sensordata_app sample
for the part size; packets of real units published by sensein/movesense-py and
sokolmarek/movesense-commander for float order and step sizes.
"""

from __future__ import annotations

import re
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
from firmware_profiles.steps import StepFinder

COMMANDS_UUID: Final = "34800001-7185-4d5d-b431-630e7050e8f0"
DATA_UUID: Final = "34800002-7185-4d5d-b431-630e7050e8f0"
RATES_HZ: Final = (13.0, 26.0, 52.0, 104.0, 208.0, 416.0, 833.0, 1666.0)
RESPONSE: Final = 1
_FIRST_PART: Final = 2
_LATER_PARTS: Final = (3, 4)
_PART_BYTES: Final = 150
"""Body bytes in one part at most; packets that fit are never split."""
_WRAP_MS: Final = 2**32
_MS_NS: Final = 1_000_000

_ARRAYS: Final = {
    "Acc": (Quantity.ACCEL,),
    "Gyro": (Quantity.GYRO,),
    "Magn": (Quantity.MAG,),
    "IMU6": (Quantity.ACCEL, Quantity.GYRO),
    "IMU6m": (Quantity.ACCEL, Quantity.MAG),
    "IMU9": (Quantity.ACCEL, Quantity.GYRO, Quantity.MAG),
}
_PATH: Final = re.compile(rf"/Meas/({'|'.join(_ARRAYS)})/(\d+)")

_TO_SI: Final = {Quantity.ACCEL: 1.0, Quantity.GYRO: np.pi / 180, Quantity.MAG: 1.0}
"""The sensor sends m/s2, deg/s and uT."""
_STEPS: Final = {
    # 0.244 mg at 8 g, taken times 9.807 by the firmware: every published packet is whole multiples
    Quantity.ACCEL: tuple(k * 1e-3 * 9.807 for k in (0.244, 0.122, 0.061)),
    # 70 mdps at 2000 dps, then half of it for each range below
    Quantity.GYRO: (0.07, 0.035, 0.0175, 0.00875, 0.004375),
}


class PathError(ValueError):
    """A resource path that this decoder does not know."""


@dataclass(slots=True)
class GspDecoder:
    """Decodes the notifications of one subscription to a /Meas/<sensors>/<rate> resource.

    path: as subscribed; reference: the byte that the subscription was given; discard_first: drop
    the first packet. Raises PathError for a path that is not an inertial one.
    """

    path: str
    reference: int
    discard_first: bool = False
    firmware: str | None = None
    settings: StreamSettings = field(init=False)
    _samples: int = field(init=False)
    """Samples in a packet: the firmware sends rate / 13 at a time. There is no count in it, so a
    packet of another length is not guessed at: its arrays would be taken for each other."""
    _expected_bytes: int = field(init=False)
    _body: bytearray = field(default_factory=bytearray)
    _stamp_ms: int | None = None
    _time_ns: int | None = None
    _n: int = 0
    _step_finder: StepFinder = field(init=False)
    _si_per_unit: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        match = _PATH.fullmatch(self.path)
        if match is None or float(match[2]) not in RATES_HZ:
            raise PathError(f"{self.path[:40]!r} is not /Meas/{{{'|'.join(_ARRAYS)}}}/{{rate}}")
        self._samples = round(float(match[2]) / 13)
        self._expected_bytes = 4 + 12 * self._samples * len(_ARRAYS[match[1]])
        si_per_unit = {quantity: _TO_SI[quantity] for quantity in _ARRAYS[match[1]]}
        self._si_per_unit = np.array(list(si_per_unit.values())).reshape(-1, 1, 1)
        self._step_finder = StepFinder(_STEPS, si_per_unit)
        # the range is the firmware's choice and not told by this protocol
        self.settings = StreamSettings(
            float(match[2]), _ARRAYS[match[1]], None, None, self.firmware, _MS_NS
        )

    def decode(self, characteristic: str, data: bytes) -> list[Event]:
        if characteristic != DATA_UUID:
            return standard_events(characteristic, data)
        if len(data) < 2:
            raise DecodeError(f"packet has {len(data)} bytes, a header has 2")
        kind, reference, part = data[0], data[1], data[2:]
        if kind == RESPONSE:
            return []
        if kind != _FIRST_PART and kind not in _LATER_PARTS:
            raise DecodeError(f"packet kind {kind} is unknown")
        if reference != self.reference:
            raise DecodeError(f"packet has reference {reference}, expected {self.reference}")
        body = self._assemble(kind, part)
        return [] if body is None else self._block(body)

    def is_body(self, data: bytes | bytearray) -> bool:
        """Whether the length is that of a stamp and whole samples."""
        sample_bytes = 12 * len(self.settings.quantities)
        return len(data) > 4 and (len(data) - 4) % sample_bytes == 0

    def decode_body(self, body: bytes) -> list[Event]:
        """A whole body without header, with as many samples as it holds; raises DecodeError."""
        if not self.is_body(body):
            raise DecodeError(
                f"body has {len(body)} bytes, which are not a stamp and whole samples"
            )
        return self._block(body)

    def _assemble(self, kind: int, part: bytes) -> bytes | None:
        """The whole body when `part` completes it. A packet whose later part was lost is dropped
        when the next one begins; the stamps then show what is missing."""
        if kind == _FIRST_PART:
            self._body.clear()
        elif not self._body:
            raise DecodeError("a continuation came without its first part")
        self._body += part
        missing = self._expected_bytes - len(self._body)
        if missing > 0 and self._expected_bytes > _PART_BYTES:
            return None
        body = bytes(self._body)
        self._body.clear()
        if missing:
            raise DecodeError(f"body has {len(body)} bytes, {self._expected_bytes} were expected")
        return body

    def _block(self, body: bytes) -> list[Event]:
        quantities = self.settings.quantities
        n = (len(body) - 4) // (12 * len(quantities))
        floats = np.frombuffer(body, dtype="<f4", offset=4).reshape(len(quantities), n, 3)
        if not np.isfinite(floats).all():
            raise DecodeError("a value is not a finite number")
        device_t0_ns, lost, restarted, is_first = self._follow(
            int.from_bytes(body[:4], "little"), n
        )
        if is_first and self.discard_first:
            return []
        wide = floats.astype(np.float64)
        rows = (wide * self._si_per_unit).astype(np.float32)
        values = dict(zip(quantities, rows, strict=True))
        dt_ns = 1e9 / self.settings.rate_hz
        lsb = self._step_finder.find(wide)
        return [SampleBlock(n, device_t0_ns, dt_ns, values, lsb, lost, restarted)]

    def _follow(self, stamp_ms: int, n: int) -> tuple[int, int, bool, bool]:
        """(time of the first sample in ns, samples lost before it, restarted, first packet)."""
        if self._stamp_ms is None or self._time_ns is None:
            time_ns = stamp_ms * _MS_NS
        else:  # the nearest time with these low 32 bits
            step_ms = (stamp_ms - self._stamp_ms + _WRAP_MS // 2) % _WRAP_MS - _WRAP_MS // 2
            time_ns = self._time_ns + step_ms * _MS_NS
        verdict = passage(self._time_ns, time_ns)
        if verdict is Passage.REPEAT:
            return time_ns, 0, False, False
        lost = 0
        if verdict is Passage.RESTART:
            time_ns = stamp_ms * _MS_NS
        elif self._time_ns is not None:
            # whole packets: stamps jitter by a millisecond, the true rate is a little off nominal
            passed = (time_ns - self._time_ns) * 1e-9 * self.settings.rate_hz - self._n
            lost = max(0, round(passed / n)) * n
        self._stamp_ms, self._time_ns, self._n = stamp_ms, time_ns, n
        return time_ns, lost, verdict is Passage.RESTART, verdict is Passage.FIRST

    # --- many packets at once -------------------------------------------------------------------

    def decode_run(self, characteristic: str, packets: Sequence[bytes]) -> SampleRun | None:
        if characteristic != DATA_UUID or self._time_ns is None or self._stamp_ms is None:
            return None
        parts = -(-self._expected_bytes // _PART_BYTES)
        held, partial = divmod(len(self._body), _PART_BYTES)
        if partial or held >= parts:
            return None
        lead = (parts - held) % parts
        whole = lead + (len(packets) - lead) // parts * parts
        if whole <= lead:
            return None
        rows = self._rows(packets[lead:whole], parts)
        first = self._joined(packets[:lead], held)
        rest = self._joined(packets[whole:], 0)
        if rows is None or first is None or rest is None:
            return None
        if lead:
            body = np.frombuffer(bytes(self._body) + first, np.uint8)
            if len(body) != self._expected_bytes:
                return None
            rows = np.concatenate((body[None], rows))
        run = self._run(rows, np.arange(lead - 1 if lead else parts - 1, whole, parts))
        if run is not None:
            self._body[:] = rest
        return run

    def _rows(self, packets: Sequence[bytes], parts: int) -> NDArray[np.uint8] | None:
        """(bodies, bytes) of whole bodies in `parts` packets each."""
        columns = []
        for part in range(parts):
            joined = table(packets[part::parts])
            if joined is None:
                return None
            cells = np.frombuffer(joined, np.uint8).reshape(len(packets) // parts, -1)
            if not self._is_part(cells[:, :2], part):
                return None
            columns.append(cells[:, 2:])
        rows = columns[0] if parts == 1 else np.concatenate(columns, axis=1)
        sizes = [column.shape[1] for column in columns[:-1]]
        is_plain = rows.shape[1] == self._expected_bytes and set(sizes) <= {_PART_BYTES}
        return rows if is_plain else None

    def _joined(self, packets: Sequence[bytes], part: int) -> bytes | None:
        """Bytes of some parts in a row, of which `part` is the first."""
        for place, packet in enumerate(packets):
            head = np.frombuffer(packet[:2], np.uint8)[None]
            is_last = (part + place + 1) * _PART_BYTES >= self._expected_bytes
            if not self._is_part(head, part + place) or (
                not is_last and len(packet) != 2 + _PART_BYTES
            ):
                return None
        return b"".join(packet[2:] for packet in packets)

    def _is_part(self, heads: NDArray[np.uint8], part: int) -> bool:
        """Whether all (n, 2) headers are those of the part with this number."""
        if heads.shape[1] != 2:
            return False
        kinds = (_FIRST_PART,) if part == 0 else _LATER_PARTS
        return bool(np.isin(heads[:, 0], kinds).all() and (heads[:, 1] == self.reference).all())

    def _run(self, rows: NDArray[np.uint8], packet: NDArray[np.intp]) -> SampleRun | None:
        if self._time_ns is None or self._stamp_ms is None:
            return None
        quantities, n = self.settings.quantities, self._samples
        words = np.ascontiguousarray(rows).view("<u4")
        floats = words[:, 1:].view("<f4").reshape(len(rows), len(quantities), n, 3)
        stamps_ms = np.concatenate(([self._stamp_ms], words[:, 0].astype(np.int64)))
        steps_ms = (np.diff(stamps_ms) + _WRAP_MS // 2) % _WRAP_MS - _WRAP_MS // 2
        steps_ns = steps_ms * _MS_NS
        is_forward = (steps_ns > 0) & (steps_ns <= LONGEST_GAP_NS)
        if not is_forward.all() or not np.isfinite(floats).all():
            return None
        wide = floats.astype(np.float64).transpose(1, 0, 2, 3).reshape(len(quantities), -1, 3)
        lsb = self._step_finder.fit(wide)
        if lsb is None:
            return None
        times_ns = self._time_ns + np.cumsum(steps_ns)
        before = np.full(len(rows), n)
        before[0] = self._n
        passed = steps_ns * 1e-9 * self.settings.rate_hz - before
        lost = np.maximum(0, np.rint(passed / n).astype(np.int64)) * n
        self._stamp_ms, self._time_ns, self._n = int(stamps_ms[-1]), int(times_ns[-1]), n
        values = dict(zip(quantities, (wide * self._si_per_unit).astype(np.float32), strict=True))
        dt_ns = np.full(len(rows), 1e9 / self.settings.rate_hz)
        return SampleRun(packet, n, times_ns, dt_ns, values, lsb, lost)
