"""The virtual counterpart of a sensor described in TOML: packs its layout, obeys its commands.

A recording has no magnetic field: where the layout wants one, a constant one is sent.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from firmware_profiles.base import Quantity, Via
from firmware_profiles.toml_spec import RATE_PLACE, ProfileSpec
from sensor_agent.virtual.encoders.base import Characteristic, Frame, Push, Service, Stream

_SERVICE = "7b0a0000-5f2c-4e0e-9d1c-4a6f3c2b1a00"
"""Of sensors whose description names no service."""
_CODES = {
    ("i", 1): "b",
    ("u", 1): "B",
    ("i", 2): "h",
    ("u", 2): "H",
    ("i", 4): "i",
    ("u", 4): "I",
    ("u", 8): "Q",
    ("f", 4): "f",
}
_REST_SAMPLES = 10
_FIELD_UT = (20.0, 0.0, -44.0)


class GenericEncoder:
    """Streams after the last start command, or from power-on when there is none."""

    clock_start_ns = 0

    def __init__(self, spec: ProfileSpec, name_suffix: str) -> None:
        packet = spec.packet
        self.name = f"{spec.names[0] if spec.names else spec.id} {name_suffix}"
        self.advertised_uuids = spec.services[:1]
        self.measures_rotation = Quantity.GYRO in packet.si_per_count
        self.has_battery_service = spec.has_battery_service
        written = {c.characteristic for c in (*spec.start, *spec.stop) if c.characteristic}
        properties = {uuid: {"write"} for uuid in sorted(written)}
        properties.setdefault(packet.characteristic, set()).add(
            "indicate" if packet.via is Via.INDICATE else "notify"
        )
        self.services: tuple[Service, ...] = (
            Service(
                spec.services[0] if spec.services else _SERVICE,
                tuple(Characteristic(uuid, frozenset(p)) for uuid, p in properties.items()),
            ),
        )
        self.stream: Stream | None = None
        self.refuse_status: int | None = None
        """When set, start commands are ignored."""
        self._spec, self._counter = spec, 0
        self._starts = self._commands_of_rates()
        self._stops = {bytes.fromhex(c.hex) for c in spec.stop if c.characteristic}
        self._order = ">" if ">" in str(packet.sample.descr) else "<"
        self.reboot()

    def write(self, characteristic: str, data: bytes, mtu: int) -> list[Push]:
        if data in self._starts and self.refuse_status is None:
            self.stream = self._stream(self._starts[data])
        elif data in self._stops:
            self.stream = None
        return []

    def read(self, characteristic: str) -> bytes:
        return b""

    def encode(
        self,
        device_t_ns: NDArray[np.int64],
        accel: NDArray[np.floating],
        gyro: NDArray[np.floating] | None,
    ) -> Frame:
        n = len(device_t_ns)
        felt = {
            Quantity.ACCEL: accel,
            Quantity.GYRO: gyro,
            Quantity.MAG: np.tile(_FIELD_UT, (n, 1)),
        }
        numbers: dict[str, NDArray[np.float64]] = {}
        values: dict[str, NDArray[np.float32]] = {}
        for quantity, si_per_count in self._spec.packet.si_per_count.items():
            rows = felt[quantity]
            if rows is None:
                raise ValueError("this sensor always measures rotation")
            counts = np.stack(
                [
                    _limited(rows[:, i] / si_per_count, self._kind(f"{quantity.value}_{axis}"))
                    for i, axis in enumerate("xyz")
                ],
                1,
            )
            values[quantity.value] = (counts * si_per_count).astype(np.float32)
            numbers |= {f"{quantity.value}_{axis}": counts[:, i] for i, axis in enumerate("xyz")}
        data = self._spec.packet.begins_with + self._head(device_t_ns)
        data += b"".join(self._record({k: v[i] for k, v in numbers.items()}) for i in range(n))
        self._counter += 1 if self._spec.packet.counts_packets else n
        return Frame(device_t_ns, values, (Push(self._spec.packet.characteristic, data),))

    def end(self) -> list[Push]:
        return []

    def link_lost(self) -> None:
        if self._starts:
            self.stream = None

    def reboot(self) -> None:
        self._counter = 0
        self.stream = None if self._starts else self._stream(next(iter(self._spec.rates)))

    def _commands_of_rates(self) -> dict[bytes, float]:
        """Last start command of each rate: from then on the sensor streams."""
        writes = [command for command in self._spec.start if command.characteristic]
        telling = [c for c in writes if RATE_PLACE in c.hex] or writes
        if not telling:
            return {}
        return {
            bytes.fromhex(telling[-1].hex.replace(RATE_PLACE, code)): rate_hz
            for rate_hz, code in self._spec.rates.items()
        }

    def _stream(self, rate_hz: float) -> Stream:
        return Stream(rate_hz, self._spec.packet.samples or _REST_SAMPLES)

    def _kind(self, field: str) -> tuple[str, int]:
        dtype = self._spec.packet.sample[field]
        return dtype.kind, dtype.itemsize

    def _head(self, device_t_ns: NDArray[np.int64]) -> bytes:
        head, stamp = self._spec.packet.head, self._spec.packet.stamp
        told = {"counter": self._counter}
        if stamp is not None:
            told["stamp"] = round(int(device_t_ns[-1 if stamp.of_last else 0]) / stamp.tick_ns)
        packed = b""
        for name in head.names or ():
            kind, size = head[name].kind, head[name].itemsize
            number = told.get(name, 0) % (1 << 8 * size) if kind == "u" else 0
            packed += struct.pack(self._order + _CODES[kind, size], number)
        return packed

    def _record(self, numbers: dict[str, np.float64]) -> bytes:
        packed = b""
        for name in self._spec.packet.sample.names or ():
            kind = self._kind(name)
            number = numbers.get(name, np.float64(0))
            packed += struct.pack(
                self._order + _CODES[kind], float(number) if kind[0] == "f" else int(number)
            )
        return packed


def _limited(numbers: NDArray[np.floating], kind: tuple[str, int]) -> NDArray[np.float64]:
    """As the field can carry them: floats at their precision, integers rounded and saturated."""
    if kind[0] == "f":
        return numbers.astype(np.float32).astype(np.float64)
    bits = 8 * kind[1]
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if kind[0] == "i" else (0, (1 << bits) - 1)
    limited: NDArray[np.float64] = np.clip(np.rint(numbers), low, high).astype(np.float64)
    return limited
