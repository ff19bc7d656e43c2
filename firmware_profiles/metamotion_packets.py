"""Notifications of a MbientLab board -> events: raw, stamped and packed samples, fusion, log.

Source: github.com/mbientlab/MetaWear-SDK-Cpp at f67699e, byte-level tests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_profiles.base import (
    STANDARD_GRAVITY_MPS2,
    BatteryLevel,
    DecodeError,
    Event,
    Note,
    Quantity,
    SampleBlock,
    SampleRun,
    StreamSettings,
)
from firmware_profiles.bulk import table
from firmware_profiles.metamotion_registers import (
    ACC,
    ADDRESS,
    BATTERY,
    COMMAND_UUID,
    FUSION,
    GYRO,
    LOG_DATA,
    LOG_TIME,
    LOGGING,
    MAG,
    MAG_PACKED,
    MAG_SINGLE,
    MAG_UT,
    NOTIFY_UUID,
    PROCESSOR,
    PROCESSOR_ADD,
    PROCESSOR_DATA,
    READ,
    SETTINGS,
    Chip,
    message_note,
)
from firmware_profiles.packet_pairing import PacketPairing
from firmware_profiles.pairing import Pairing
from firmware_profiles.standard import standard_events
from firmware_profiles.ticks import SampleTicks, TickClock

TICK_NS: Final = 48e9 / 32768
PATIENCE_NS: Final = 500_000_000
"""Acceleration and rotation of one instant come within a connection event or two."""
_SINGLE_BYTES: Final = 8
_PACKED_BYTES: Final = 20
_STAMPED_BYTES: Final = 13
_FUSED: Final = {
    # register -> quantity, SI per unit
    4: (Quantity.ACCEL, STANDARD_GRAVITY_MPS2 / 1000),
    5: (Quantity.GYRO, float(np.pi / 180)),
    6: (Quantity.MAG, 1.0),
}
_ESTIMATES: Final = {
    # register -> name, floats
    7: ("quat_wxyz", 4),
    8: ("euler_heading_pitch_roll_yaw_deg", 4),
    9: ("gravity_mps2", 3),
    0x0A: ("linear_acc_mps2", 3),
}
_LOG_ENTRY_BYTES: Final = 9


@dataclass(frozen=True, slots=True)
class Channel:
    """One chip's samples: full_scale in g or deg/s."""

    chip: Chip
    full_scale: float

    @property
    def si_per_count(self) -> float:
        return self.chip.si_per_count(self.full_scale)


@dataclass(slots=True)
class MetaMotionDecoder:
    """Decodes what a board notifies.

    processors: accounter's id -> module whose samples it stamps; pairing: puts acceleration and
    rotation together, None for captured packets; loggers: logger's id -> axes of logged_module
    that it keeps, for captured log entries.
    """

    settings: StreamSettings
    accel: Channel
    gyro: Channel
    processors: Mapping[int, int] = field(default_factory=dict)
    pairing: Pairing | PacketPairing | None = None
    loggers: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    logged_module: int = ACC
    finds_loss: bool = True
    _ticks: dict[int, SampleTicks] = field(default_factory=dict)
    _log: dict[int, dict[str, int]] = field(default_factory=dict)
    """Axes so far, by tick."""

    def decode(self, characteristic: str, data: bytes) -> list[Event]:
        if characteristic == COMMAND_UUID:
            return [message_note(data, "command")]
        if characteristic != NOTIFY_UUID:
            return standard_events(characteristic, data)
        if len(data) < 2:
            raise DecodeError(f"packet has {len(data)} bytes, module and register are 2")
        return self._notified(data[0], data[1], data)

    def decode_run(self, characteristic: str, packets: Sequence[bytes]) -> SampleRun | None:
        """Packets of both chips in turn, stamped or packed, as a live stream has them."""
        joined = table(packets)
        if self.pairing is None or joined is None or characteristic != NOTIFY_UUID:
            return None
        cells = np.frombuffer(joined, np.uint8).reshape(len(packets), -1)
        if isinstance(self.pairing, PacketPairing):
            kinds = {
                channel.chip.module: np.flatnonzero(
                    (cells[:, :2] == (channel.chip.module, channel.chip.packed)).all(axis=1)
                )
                for channel in (self.accel, self.gyro)
            }
            places = [kinds[ACC], kinds[GYRO]]
            if cells.shape[1] != _PACKED_BYTES or sum(map(len, places)) != len(packets):
                return None
            if not all(map(len, places)):
                return None
            return self.pairing.add_run(
                self._packed_run(self.accel, cells, kinds[ACC]),
                self._packed_run(self.gyro, cells, kinds[GYRO]),
            )
        return self._stamped_run(cells, self.pairing)

    def _packed_run(
        self, channel: Channel, cells: NDArray[np.uint8], places: NDArray[np.intp]
    ) -> SampleRun:
        rows = _scaled(cells[places, 2:], channel)
        count = len(places)
        dt_ns = np.full(count, 1e9 / self.settings.rate_hz)
        quantity = channel.chip.quantity
        return SampleRun(
            places,
            len(rows) // count,
            None,
            dt_ns,
            {quantity: rows},
            {quantity: channel.si_per_count},
            np.zeros(count, np.int64),
        )

    def _stamped_run(self, cells: NDArray[np.uint8], pairing: Pairing) -> SampleRun | None:
        is_stamped = cells.shape[1] == _STAMPED_BYTES and pairing.is_steady
        if not is_stamped or (cells[:, :2] != (PROCESSOR, PROCESSOR_DATA)).any():
            return None
        runs: dict[int, SampleRun] = {}
        before = {number: replace(ticks) for number, ticks in self._ticks.items()}
        clocks = {number: ticks.clock.ticks for number, ticks in self._ticks.items()}
        taken = 0
        for number, module in self.processors.items():
            places = np.flatnonzero(cells[:, 2] == number)
            ticks = self._ticks.get(number)
            if ticks is None or not len(places):
                break
            raw = np.ascontiguousarray(cells[places, 3:7]).view("<u4")[:, 0].astype(np.int64)
            times_ns = ticks.place_run(raw)
            if times_ns is None:
                break
            channel = self._channel(module)
            run = self._packed_run(channel, cells[:, 5:], places)
            runs[module] = replace(run, device_t0_ns=times_ns)
            taken += len(places)
        made = None
        if taken == len(cells) and runs.keys() == {ACC, GYRO}:
            made = pairing.add_run(runs[ACC], runs[GYRO])
        if made is None:  # as if nothing had been tried
            for number, ticks in before.items():
                ticks.clock.ticks = clocks[number]
            self._ticks = before
        return made

    def _notified(self, module: int, register: int, data: bytes) -> list[Event]:
        if (module, register) == (PROCESSOR, PROCESSOR_DATA):
            return self._stamped(data)
        if (module, register) == (LOGGING, LOG_DATA):
            return self._logged(data[2:])
        if (module, register) == (SETTINGS, READ | BATTERY):
            return _battery(data[2:])
        if module in {ACC, GYRO, MAG} and not register & READ:
            return self._raw(module, register, data)
        if module == FUSION and not register & READ and self.pairing is None:
            return _fusion(register, data[2:], self.settings.rate_hz)
        return [_answer(data)]

    def _channel(self, module: int) -> Channel:
        return self.accel if module == ACC else self.gyro

    def _raw(self, module: int, register: int, data: bytes) -> list[Event]:
        """Samples without time or count."""
        if module == MAG:
            quantity, si, single, packed = Quantity.MAG, MAG_UT, MAG_SINGLE, MAG_PACKED
        else:
            channel = self._channel(module)
            quantity, si = channel.chip.quantity, channel.si_per_count
            single, packed = channel.chip.single, channel.chip.packed
        lengths = {single: _SINGLE_BYTES, packed: _PACKED_BYTES}
        if lengths.get(register) != len(data):
            raise DecodeError(
                f"register {register:02x} of module {module:02x} with {len(data)} bytes is no data "
                "packet of this chip"
            )
        block = self._block(quantity, si, _counts(data[2:]), None)
        if self.pairing is None:
            return [block]
        if not isinstance(self.pairing, PacketPairing) or module == MAG or register != packed:
            raise DecodeError(f"register {register:02x} of module {module:02x} was not asked for")
        return list(self.pairing.add(block))

    def _block(
        self, quantity: Quantity, si: float, counts: NDArray[np.int16], t0_ns: int | None
    ) -> SampleBlock:
        rows = (counts.reshape(-1, 3) * si).astype(np.float32)
        return SampleBlock(
            len(rows), t0_ns, 1e9 / self.settings.rate_hz, {quantity: rows}, {quantity: si}
        )

    def _stamped(self, data: bytes) -> list[Event]:
        """One sample behind the tick of an accounter."""
        if len(data) != _STAMPED_BYTES:
            raise DecodeError(f"stamped packet has {len(data)} bytes, 13 were expected")
        processor = data[2]
        module = self.processors.get(processor)
        if module is None:
            raise DecodeError(f"data processor {processor} was not made by this profile")
        ticks = self._ticks.get(processor)
        if ticks is None:
            clock = TickClock(TICK_NS)
            ticks = SampleTicks(self.settings.rate_hz, clock, self.finds_loss)
            self._ticks[processor] = ticks
        raw = int.from_bytes(data[3:7], "little")
        time_ns, lost, restarted = ticks.place(raw)
        channel = self._channel(module)
        block = self._block(channel.chip.quantity, channel.si_per_count, _counts(data[7:]), time_ns)
        block = replace(block, lost_before=lost, restarted=restarted)
        if isinstance(self.pairing, Pairing):
            return list(self.pairing.add(block))
        # a capture does not tell which of the two the accounter gives
        return [block, Note("reading", {"processor_id": processor, "tick": raw, "count": raw})]

    def _logged(self, body: bytes) -> list[Event]:
        """Entries of the board's own log; a sample once all its axes have come."""
        if not body or len(body) % _LOG_ENTRY_BYTES:
            raise DecodeError(f"{len(body)} bytes are not whole log entries")
        events: list[Event] = []
        for at in range(0, len(body), _LOG_ENTRY_BYTES):
            entry = body[at : at + _LOG_ENTRY_BYTES]
            logger, tick = entry[0] & 0x1F, int.from_bytes(entry[1:5], "little")
            values = {"logger": logger, "reset_uid": entry[0] >> 5, "tick": tick}
            events.append(Note("log", {**values, "data": entry[5:].hex()}))
            axes = self.loggers.get(logger, ())
            known = self._log.setdefault(tick, {}) if axes else {}
            known |= dict(zip(axes, _counts(entry[5:]).tolist(), strict=False))
            if known.keys() >= {"x", "y", "z"}:
                counts = np.array([known[axis] for axis in "xyz"], dtype=np.int16)
                self._log.clear()
                t0_ns = round(tick * TICK_NS)
                channel = self._channel(self.logged_module)
                quantity, si = channel.chip.quantity, channel.si_per_count
                events.append(self._block(quantity, si, counts, t0_ns))
        while len(self._log) > 4:
            del self._log[next(iter(self._log))]
        return events


def _counts(data: bytes) -> NDArray[np.int16]:
    return np.frombuffer(data, dtype="<i2")


def _scaled(cells: NDArray[np.uint8], channel: Channel) -> NDArray[np.float32]:
    """(samples, 3) SI of the counts in each row."""
    counts = np.ascontiguousarray(cells).view("<i2").reshape(-1, 3)
    rows: NDArray[np.float32] = (counts * channel.si_per_count).astype(np.float32)
    return rows


def _fusion(register: int, body: bytes, rate_hz: float) -> list[Event]:
    """Corrected samples with their accuracy (0 unreliable .. 3 high), or the board's estimates."""
    if register in _FUSED and len(body) == 13:
        quantity, si = _FUSED[register]
        rows = (_floats(body[:12]) * si).astype(np.float32).reshape(1, 3)
        if not np.isfinite(rows).all():
            raise DecodeError("a value is not a finite number")
        accuracy = Note("reading", {"of": quantity.value, "accuracy": body[12]})
        return [SampleBlock(1, None, 1e9 / rate_hz, {quantity: rows}), accuracy]
    if register in _ESTIMATES and len(body) == 4 * _ESTIMATES[register][1]:
        name, _ = _ESTIMATES[register]
        numbers = _floats(body)
        values: dict[str, object] = {name: numbers.tolist()}
        if name.endswith("_mps2"):
            in_g = (numbers / STANDARD_GRAVITY_MPS2).tolist()
            values[name.removesuffix("_mps2") + "_g"] = in_g
        return [Note("reading", values)]
    raise DecodeError(f"fusion register {register:02x} with {len(body)} bytes is unknown")


def _floats(data: bytes) -> NDArray[np.float64]:
    numbers = np.frombuffer(data, dtype="<f4")
    if not np.isfinite(numbers).all():  # before the cast, which warns of signalling NaN
        raise DecodeError("a value is not a finite number")
    return numbers.astype(np.float64)


def _battery(body: bytes) -> list[Event]:
    if len(body) != 3 or body[0] > 100:
        raise DecodeError(f"battery value {body[:4].hex()} is not a percentage and a voltage")
    return [
        BatteryLevel(body[0]),
        Note("reading", {"millivolt": int.from_bytes(body[1:], "little")}),
    ]


def _answer(data: bytes) -> Note:
    """Whatever else a board answers."""
    body = data[2:]
    if data[:2] == bytes((LOGGING, READ | LOG_TIME)) and len(body) >= 5:
        tick = int.from_bytes(body[:4], "little")
        return Note("answer", {"name": "time", "tick": tick, "reset_uid": body[4]})
    if data[:2] == bytes((SETTINGS, READ | ADDRESS)) and len(body) == 7:
        mac = ":".join(f"{octet:02X}" for octet in reversed(body[1:]))
        return Note("answer", {"name": "address", "mac": mac})
    if data[:2] == bytes((PROCESSOR, PROCESSOR_ADD)) and len(body) == 1:
        return Note("answer", {"name": "add processor", "processor_id": body[0]})
    return message_note(data, "answer")
