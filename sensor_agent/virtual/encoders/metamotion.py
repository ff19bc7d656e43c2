"""A MbientLab MetaMotion's side of its register protocol, with a BMI160 (R, RL, C) or BMI270 (S).

Source: github.com/mbientlab/MetaWear-SDK-Cpp, byte-level tests.
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sensor_agent.virtual.encoders.base import Characteristic, Frame, Push, Service, Stream

_SERVICE: Final = "326a9000-85cb-9195-d9dd-464cfbbae75a"
_COMMAND: Final = "326a9001-85cb-9195-d9dd-464cfbbae75a"
_NOTIFY: Final = "326a9006-85cb-9195-d9dd-464cfbbae75a"
_INFORMATION: Final = "0000180a-0000-1000-8000-00805f9b34fb"
_FIRMWARE: Final = "00002a26-0000-1000-8000-00805f9b34fb"

_ACC, _GYRO = 0x03, 0x13
_TICK_NS: Final = 1464843.75
_PACKED: Final = 3
_RATES_HZ: Final = {0x25 + k: 12.5 * 2**k for k in range(9)}
_GYRO_DPS: Final = {0: 2000, 1: 1000, 2: 500, 3: 250, 4: 125}

_CHIPS: Final = {
    # acceleration: implementation, single and packed register, range byte -> g, flag in the rate
    # rotation: implementation, single and packed register
    "BMI160": ((1, 0x04, 0x1C, {3: 2, 5: 4, 8: 8, 12: 16}, 0x00), (0, 0x05, 0x07)),
    "BMI270": ((4, 0x04, 0x05, {0: 2, 1: 4, 2: 8, 3: 16}, 0x80), (1, 0x04, 0x05)),
}


class MetaMotionEncoder:
    """Obeys without acknowledging; answers reads, discovery and new processors."""

    services: tuple[Service, ...] = (
        Service(
            _SERVICE,
            (
                Characteristic(_COMMAND, frozenset({"write"})),
                Characteristic(_NOTIFY, frozenset({"notify"})),
            ),
        ),
        Service(_INFORMATION, (Characteristic(_FIRMWARE, frozenset({"read"})),)),
    )
    advertised_uuids: tuple[str, ...] = (_SERVICE,)
    measures_rotation = True
    has_battery_service = True
    clock_start_ns = 0

    def __init__(self, name_suffix: str, chip: str = "BMI160") -> None:
        self.name = f"MW{name_suffix[-6:]}"
        """Short: the advertisement has room for eight letters beside the service."""
        self.chip = chip
        self.stream: Stream | None = None
        self.refuse_status: int | None = None
        """Any value keeps rates and ranges as they are."""
        self.pulses_ms: list[int] = []
        """How long the motor ran, each time."""
        self.reboot()

    def write(self, characteristic: str, data: bytes, mtu: int) -> list[Push]:
        if characteristic != _COMMAND or len(data) < 2:
            return []
        module, register, rest = data[0], data[1], data[2:]
        if register & 0x80:
            return [Push(_NOTIFY, data[:2] + self._value(module, register & 0x7F))]
        if module in {_ACC, _GYRO}:
            self._sensor(module, register, rest)
        elif module == 0x09:
            return self._processor(register, rest)
        elif (module, register) == (0x08, 1) and len(rest) == 4 and rest[3] == 0:
            self.pulses_ms.append(int.from_bytes(rest[1:3], "little"))
        return []

    def read(self, characteristic: str) -> bytes:
        return b"1.7.3" if characteristic == _FIRMWARE else b""

    def encode(
        self,
        device_t_ns: NDArray[np.int64],
        accel: NDArray[np.floating],
        gyro: NDArray[np.floating] | None,
    ) -> Frame:
        if gyro is None:
            raise ValueError("a MetaMotion always measures rotation")
        (_, acc_single, acc_packed, ranges, _), (_, gyro_single, gyro_packed) = _CHIPS[self.chip]
        per_g = 32768 / ranges[self._config[_ACC][1]]
        per_dps = 16.4 * 2000 / _GYRO_DPS[self._config[_GYRO][1]]
        acc_counts = np.rint(accel / 9.80665 * per_g).clip(-32768, 32767)
        gyro_counts = np.rint(np.degrees(gyro) * per_dps).clip(-32768, 32767)
        values: dict[str, NDArray[np.float32]] = {}
        pushes: list[Push] = []
        groups = []
        if _ACC in self._running:
            values["accel"] = (acc_counts / per_g * 9.80665).astype(np.float32)
            groups.append((_ACC, acc_single, acc_packed, acc_counts.astype("<i2")))
        if _GYRO in self._running:
            values["gyro"] = np.radians(gyro_counts / per_dps).astype(np.float32)
            groups.append((_GYRO, gyro_single, gyro_packed, gyro_counts.astype("<i2")))
        ticks = [int(t_ns / _TICK_NS) % 2**32 for t_ns in device_t_ns.tolist()]
        for index, tick in enumerate(ticks):
            for module, single, _, counts in groups:
                row = counts[index].tobytes()
                if (module, single) in self._subscribed:
                    pushes.append(Push(_NOTIFY, bytes((module, single)) + row))
                for number in self._accounters(module, single):
                    stamp = struct.pack("<BBBI", 0x09, 0x03, number, tick)
                    pushes.append(Push(_NOTIFY, stamp + row))
        for module, _, packed, counts in groups:
            if (module, packed) in self._subscribed:
                pushes.append(Push(_NOTIFY, bytes((module, packed)) + counts.tobytes()))
        return Frame(device_t_ns, values, tuple(pushes))

    def end(self) -> list[Push]:
        self.stream = None
        return []

    def link_lost(self) -> None:
        """The board measures on."""

    def reboot(self) -> None:
        self.stream = None
        acc_range = {"BMI160": 3, "BMI270": 0}[self.chip]
        self._config = {_ACC: bytes((0x28, acc_range)), _GYRO: b"\x28\x00"}
        self._enabled: set[int] = set()
        self._running: set[int] = set()
        self._subscribed: set[tuple[int, int]] = set()
        self._sources: list[tuple[int, int]] = []
        self._notifying: set[int] = set()
        self._tells_processors = False

    def _value(self, module: int, register: int) -> bytes:
        if register == 0:
            acc, gyro = _CHIPS[self.chip]
            found = {_ACC: bytes((acc[0], 1)), _GYRO: bytes((gyro[0], 0)), 0x09: b"\x00\x03\x1c"}
            return found.get(module, b"")
        if register == 3 and module in self._config:
            return self._config[module]
        if (module, register) == (0x0B, 4):
            return struct.pack("<IB", 0, 1)
        return b""

    def _sensor(self, module: int, register: int, rest: bytes) -> None:
        if register == 1:
            self._start(module) if rest == b"\x01" else self._stop(module)
        elif register == 2 and len(rest) == 2:
            (self._enabled.add if rest[0] else self._enabled.discard)(module)
        elif register == 3 and len(rest) == 2 and self._knows(module, rest):
            self._config[module] = rest
        elif len(rest) == 1:
            change = self._subscribed.add if rest[0] else self._subscribed.discard
            change((module, register))

    def _knows(self, module: int, config: bytes) -> bool:
        if self.refuse_status is not None:
            return False
        acc = _CHIPS[self.chip][0]
        if module == _ACC:
            return (
                config[0] & 0x7F in _RATES_HZ and config[0] & 0x80 == acc[4] and config[1] in acc[3]
            )
        return config[0] in _RATES_HZ and config[1] in _GYRO_DPS

    def _start(self, module: int) -> None:
        if module in self._enabled and module not in self._running:
            self._running.add(module)
            rate_hz = _RATES_HZ[self._config[module][0] & 0x7F]
            self.stream = Stream(rate_hz, _PACKED)

    def _stop(self, module: int) -> None:
        self._running.discard(module)
        if not self._running:
            self.stream = None

    def _processor(self, register: int, rest: bytes) -> list[Push]:
        if register == 2 and len(rest) == 7 and rest[2:] == b"\xff\xa0\x11\x31\x03":
            self._sources.append((rest[0], rest[1]))
            return [Push(_NOTIFY, bytes((0x09, 0x02, len(self._sources) - 1)))]
        if register == 3:
            self._tells_processors = rest == b"\x01"
        elif register == 7 and len(rest) == 2:
            (self._notifying.add if rest[1] else self._notifying.discard)(rest[0])
        elif register == 8:
            self._sources.clear()
            self._notifying.clear()
        return []

    def _accounters(self, module: int, register: int) -> list[int]:
        if not self._tells_processors:
            return []
        return [
            number
            for number, source in enumerate(self._sources)
            if source == (module, register) and number in self._notifying
        ]
