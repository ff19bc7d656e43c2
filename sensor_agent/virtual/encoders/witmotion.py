"""A WitMotion BLE 5 sensor's side: live frames of 20 bytes, registers, unlock and save.

Source: WITMOTION/WitBluetooth_BWT901BLE5_0 samples and the WT901BLECL5.0 manual. The real sensor
streams from the first subscription on, at its stored rate; this one begins when the rate is set or
the battery asked for, so that a recording does not begin before its rate is settled.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from sensor_agent.virtual.encoders.base import Characteristic, Frame, Push, Service, Stream

_SERVICE = "0000ffe5-0000-1000-8000-00805f9a34fb"
_NOTIFY = "0000ffe4-0000-1000-8000-00805f9a34fb"
_WRITE = "0000ffe9-0000-1000-8000-00805f9a34fb"

_HZ = {1: 0.2, 2: 0.5, 3: 1, 4: 2, 5: 5, 6: 10, 7: 20, 8: 50, 9: 100, 0x0A: 125, 0x0B: 200}
_RATE, _BANDWIDTH, _READ, _VOLTAGE, _UNLOCK = 0x03, 0x1F, 0x27, 0x64, 0x69
_DEFAULTS = {_RATE: 6, _BANDWIDTH: 4, 0x2E: 8101, 0x72: 6, _VOLTAGE: 390}
_G = 9.80665


class WitMotionEncoder:
    """Obeys FF AA commands without acknowledging them; locked registers keep their value."""

    services: tuple[Service, ...] = (
        Service(
            _SERVICE,
            (
                Characteristic(_NOTIFY, frozenset({"notify"})),
                Characteristic(_WRITE, frozenset({"write"})),
            ),
        ),
    )
    advertised_uuids: tuple[str, ...] = (_SERVICE,)
    measures_rotation = True
    has_battery_service = False
    clock_start_ns = 0

    def __init__(self, name_suffix: str) -> None:
        self.name = f"WT901BLE67 {name_suffix}"
        self.stream: Stream | None = None
        self.refuse_status: int | None = None
        """When set, settings do not stick, as the real sensor's sometimes do not."""
        self.frames_per_notification = 1
        """A real sensor puts several into one when the MTU is large and the link busy."""
        self.saved = dict(_DEFAULTS)
        """What a power cycle leaves."""
        self._registers = dict(_DEFAULTS)
        self._is_unlocked = False

    def write(self, characteristic: str, data: bytes, mtu: int) -> list[Push]:
        if characteristic != _WRITE or len(data) != 5 or data[:2] != b"\xff\xaa":
            return []
        register, value = data[2], data[3] | data[4] << 8
        if register == _READ:
            return self._tell(value)
        if register == _UNLOCK:
            self._is_unlocked = value == 0xB588
        elif register == 0:
            self._save()
        elif self._is_unlocked and self.refuse_status is None:
            self._set(register, value)
        return []

    def read(self, characteristic: str) -> bytes:
        return b""

    def encode(
        self,
        device_t_ns: NDArray[np.int64],
        accel: NDArray[np.floating],
        gyro: NDArray[np.floating] | None,
    ) -> Frame:
        if gyro is None:
            raise ValueError("a WitMotion always measures rotation")
        accel_counts = _counts(accel / (16 * _G / 32768))
        gyro_counts = _counts(np.degrees(gyro) / (2000 / 32768))
        pieces = [
            struct.pack("<2s9h", b"\x55\x61", *a, *g, 0, 0, 0)
            for a, g in zip(accel_counts.tolist(), gyro_counts.tolist(), strict=True)
        ]
        values = {
            "accel": (accel_counts * (16 * _G / 32768)).astype(np.float32),
            "gyro": np.radians(gyro_counts * (2000 / 32768)).astype(np.float32),
        }
        return Frame(device_t_ns, values, (Push(_NOTIFY, b"".join(pieces)),))

    def set_battery(self, volts: float) -> None:
        """What the voltage register says from now on."""
        self._registers[_VOLTAGE] = round(100 * volts)

    def end(self) -> list[Push]:
        return []

    def link_lost(self) -> None:
        self._is_unlocked = False

    def reboot(self) -> None:
        self._registers, self.stream = dict(self.saved), None

    def _set(self, register: int, value: int) -> None:
        if register == _RATE and value not in _HZ:
            return
        self._registers[register] = value
        if register == _RATE:
            self._start()

    def _save(self) -> None:
        if self._is_unlocked and self.refuse_status is None:
            self.saved = dict(self._registers)
        self._is_unlocked = False

    def _tell(self, register: int) -> list[Push]:
        if register == _VOLTAGE and self.stream is None:
            self._start()
        raw = [self._registers.get(register + i, 0) for i in range(8)]
        return [Push(_NOTIFY, struct.pack("<2sH8H", b"\x55\x71", register, *raw))]

    def _start(self) -> None:
        rate_hz = float(_HZ[self._registers[_RATE]])
        self.stream = Stream(rate_hz, self.frames_per_notification)


def _counts(values: NDArray[np.floating]) -> NDArray[np.int64]:
    counts: NDArray[np.int64] = np.clip(np.rint(values), -32768, 32767).astype(np.int64)
    return counts
