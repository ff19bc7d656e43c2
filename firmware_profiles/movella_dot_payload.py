"""Measurement notifications of a Movella DOT: payload modes, fields, stamps.

Source: Xsens DOT BLE Services Specifications XD0506P revision F (2021); custom mode 5 from
github.com/xsens/xsens_dot_server at 364d521 and github.com/njanssen/node-movella-dot at 3c55c3a.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from firmware_profiles.base import (
    DecodeError,
    Event,
    Note,
    Quantity,
    SampleBlock,
    SampleRun,
    StreamSettings,
)
from firmware_profiles.bulk import table
from firmware_profiles.movella_dot_notes import BATTERY_UUID, NOTES, PAYLOAD_UUIDS, battery
from firmware_profiles.standard import standard_events
from firmware_profiles.ticks import SampleTicks, TickClock

LONG_UUID, MEDIUM_UUID, SHORT_UUID = PAYLOAD_UUIDS
_LENGTH: Final = {LONG_UUID: 63, MEDIUM_UUID: 40, SHORT_UUID: 20}

RATE_MODE: Final = 21
_MICROSECOND_NS: Final = 1000.0
_MAG_UT: Final = 40.0 / 4096
"""Fixed point with 12 bits behind the point, in a unit of about 40 uT: the field where the sensor
was calibrated."""

_FIELDS: Final = {
    "quat_wxyz": ("<f4", 4),
    "euler_deg": ("<f4", 3),
    "free_acc_mps2": ("<f4", 3),
    "dq_wxyz": ("<f4", 4),
    "dv_mps": ("<f4", 3),
    "acc": ("<f4", 3),
    "gyro": ("<f4", 3),
    "mag": ("<i2", 3),
    "status": ("<u2",),
    "clip_acc": ("u1",),
    "clip_gyro": ("u1",),
}
_CLIPPED: Final = tuple(f"{q}_{axis}" for q in ("acc", "gyro", "mag") for axis in "xyz")
"""Names of the lower status bits; the one above them tells a new magnetometer sample."""
_CLIPS: Final = ("status", "clip_acc", "clip_gyro")
_MODES: Final = {
    2: (MEDIUM_UUID, ("quat_wxyz", "free_acc_mps2", *_CLIPS)),
    3: (MEDIUM_UUID, ("quat_wxyz", "free_acc_mps2")),
    4: (SHORT_UUID, ("euler_deg",)),
    5: (SHORT_UUID, ("quat_wxyz",)),
    6: (SHORT_UUID, ("free_acc_mps2",)),
    7: (MEDIUM_UUID, ("euler_deg", "free_acc_mps2", *_CLIPS)),
    16: (MEDIUM_UUID, ("euler_deg", "free_acc_mps2")),
    18: (MEDIUM_UUID, ("dq_wxyz", "dv_mps", "mag")),
    19: (MEDIUM_UUID, ("dq_wxyz", "dv_mps")),
    20: (MEDIUM_UUID, ("acc", "gyro", "mag")),
    RATE_MODE: (MEDIUM_UUID, ("acc", "gyro")),
    22: (MEDIUM_UUID, ("euler_deg", "free_acc_mps2", "gyro")),
    23: (MEDIUM_UUID, ("euler_deg", "free_acc_mps2", "mag")),
    24: (MEDIUM_UUID, ("quat_wxyz", "gyro")),
    26: (LONG_UUID, ("quat_wxyz", "acc", "gyro")),
}
_QUANTITIES: Final = {
    "acc": (Quantity.ACCEL, 1.0),
    "gyro": (Quantity.GYRO, np.pi / 180),
    "mag": (Quantity.MAG, _MAG_UT),
}
_LSB: Final = {Quantity.MAG: _MAG_UT}
"""The rest comes as floating point of unknown resolution."""


class ModeError(ValueError):
    """A payload mode that only the vendor's program can unpack, or none at all."""


@dataclass(slots=True)
class DotDecoder:
    """Decodes the notifications of one stream in payload mode `mode`; raises ModeError.

    Free acceleration is in the earth frame without gravity, and orientation is the sensor's own
    estimate: neither is a quantity of the wire, both are given as notes.
    """

    mode: int
    rate_hz: float
    firmware: str | None = None
    finds_loss: bool = True
    first_events: list[Event] = field(default_factory=list)
    """What was learnt while the stream was configured; goes out before the first sample."""
    settings: StreamSettings = field(init=False)
    _ticks: SampleTicks = field(init=False)
    _layout: np.dtype[Any] = field(init=False)
    _uuid: str = field(init=False)

    def __post_init__(self) -> None:
        if self.mode not in _MODES:
            known = ", ".join(str(mode) for mode in _MODES)
            raise ModeError(f"payload mode {self.mode} cannot be decoded, only {known}")
        self._uuid, names = _MODES[self.mode]
        self._layout = np.dtype([("time", "<u4"), *((name, *_FIELDS[name]) for name in names)])
        quantities = tuple(_QUANTITIES[name][0] for name in names if name in _QUANTITIES)
        self.settings = StreamSettings(self.rate_hz, quantities, None, None, self.firmware)
        self._ticks = SampleTicks(self.rate_hz, TickClock(_MICROSECOND_NS), self.finds_loss)

    def decode(self, characteristic: str, data: bytes) -> list[Event]:
        if characteristic == self._uuid:
            events = self._samples(data)
            if self.first_events:
                events, self.first_events = self.first_events + events, []
            return events
        if characteristic in NOTES:
            return NOTES[characteristic](data)
        if characteristic == BATTERY_UUID:
            return battery(data)
        if characteristic in _LENGTH:
            raise DecodeError(f"payload mode {self.mode} does not use this characteristic")
        return standard_events(characteristic, data)

    def decode_run(self, characteristic: str, packets: Sequence[bytes]) -> SampleRun | None:
        names = (self._layout.names or ())[1:]
        joined = table(packets)
        if (
            characteristic != self._uuid
            or self.first_events
            or self._ticks.clock.ticks is None
            or joined is None
            or not set(names) <= _QUANTITIES.keys()
            or not self._layout.itemsize <= len(packets[0]) <= _LENGTH[self._uuid]
        ):
            return None
        used = np.frombuffer(joined, np.uint8).reshape(len(packets), -1)[:, : self._layout.itemsize]
        rows = np.ascontiguousarray(used).view(self._layout)[:, 0]
        values = {}
        for name in names:
            if not np.isfinite(rows[name]).all():
                return None
            quantity, si = _QUANTITIES[name]
            values[quantity] = (rows[name].astype(np.float64) * si).astype(np.float32)
        times_ns = self._ticks.place_run(rows["time"].astype(np.int64))
        if times_ns is None:
            return None
        count = len(rows)
        dt_ns = np.full(count, 1e9 / self.rate_hz)
        lsb = {quantity: step for quantity, step in _LSB.items() if quantity in values}
        packet, none_lost = np.arange(count), np.zeros(count, np.int64)
        return SampleRun(packet, 1, times_ns, dt_ns, values, lsb, none_lost)

    def _samples(self, data: bytes) -> list[Event]:
        """One sample; captures may hold several notifications, one after the other."""
        length, used = _LENGTH[self._uuid], self._layout.itemsize
        if len(data) > length and len(data) % length == 0:
            parts = [data[at : at + length] for at in range(0, len(data), length)]
        else:
            parts = [data]
        if not used <= len(parts[0]) <= length:
            raise DecodeError(f"payload has {len(data)} bytes, mode {self.mode} has {used}")
        rows = [np.frombuffer(part, self._layout, count=1)[0] for part in parts]
        for name in self._layout.names or ():
            if not all(np.isfinite(row[name]).all() for row in rows):
                raise DecodeError("a value is not a finite number")
        return [event for row in rows for event in self._sample(row)]

    def _sample(self, row: np.void) -> list[Event]:
        raw = int(row["time"])
        time_ns, lost, restarted = self._ticks.place(raw)
        values: dict[Quantity, NDArray[np.float32]] = {}
        other: dict[str, object] = {}
        for name in (self._layout.names or ())[1:]:
            if name in _QUANTITIES:
                quantity, si = _QUANTITIES[name]
                values[quantity] = (row[name].astype(np.float64) * si).astype(np.float32)[None]
            else:
                other[name] = row[name].tolist()
        if "status" in other:
            word = int(row["status"])
            other["clipped"] = [name for bit, name in enumerate(_CLIPPED) if word >> bit & 1]
            other["new_mag"] = bool(word >> len(_CLIPPED) & 1)
        events: list[Event] = []
        if values:
            lsb = {quantity: step for quantity, step in _LSB.items() if quantity in values}
            dt_ns = 1e9 / self.rate_hz
            events.append(SampleBlock(1, time_ns, dt_ns, values, lsb, lost, restarted))
        if other:
            events.append(Note("reading", {"timestamp_us": raw, "device_t_ns": time_ns, **other}))
        return events
