"""A CC2650 SensorTag's side: movement data, configuration and period.

Source: CC2650 SensorTag User's Guide. A recording has no magnetic field: the packets carry a
constant one.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from sensor_agent.virtual.encoders.base import Characteristic, Frame, Push, Service, Stream

_UUID = "f000%s-0451-4000-b000-000000000000"
_DATA, _CONFIG, _PERIOD = _UUID % "aa81", _UUID % "aa82", _UUID % "aa83"
_READ_WRITE = frozenset({"read", "write"})
_MAG_COUNTS = (133, 0, -293)
_G = 9.80665


class SensorTagEncoder:
    """Streams while every axis is switched on; a period below 100 ms is not taken."""

    services: tuple[Service, ...] = (
        Service(
            _UUID % "aa80",
            (
                Characteristic(_DATA, frozenset({"notify"})),
                Characteristic(_CONFIG, _READ_WRITE),
                Characteristic(_PERIOD, _READ_WRITE),
            ),
        ),
    )
    advertised_uuids: tuple[str, ...] = ("0000aa80-0000-1000-8000-00805f9b34fb",)
    measures_rotation = True
    has_battery_service = True
    clock_start_ns = 0

    def __init__(self, name_suffix: str) -> None:
        self.name = f"SensorTag {name_suffix}"
        self.stream: Stream | None = None
        self.refuse_status: int | None = None
        """When set, a new configuration is not taken."""
        self._config, self._period = 0, 100

    def write(self, characteristic: str, data: bytes, mtu: int) -> list[Push]:
        if self.refuse_status is not None:
            return []
        if characteristic == _PERIOD and len(data) == 1 and data[0] >= 10:
            self._period = data[0]
        elif characteristic == _CONFIG and len(data) == 2:
            self._config = data[0] | data[1] << 8
            is_on = self._config & 0x7F == 0x7F
            self.stream = Stream(100 / self._period, 1) if is_on else None
        return []

    def read(self, characteristic: str) -> bytes:
        if characteristic == _CONFIG:
            return struct.pack("<H", self._config)
        return bytes((self._period,)) if characteristic == _PERIOD else b""

    def encode(
        self,
        device_t_ns: NDArray[np.int64],
        accel: NDArray[np.floating],
        gyro: NDArray[np.floating] | None,
    ) -> Frame:
        if gyro is None:
            raise ValueError("a SensorTag always measures rotation")
        range_g = 2 << (self._config >> 8 & 3)
        gyro_counts = np.clip(np.rint(np.degrees(gyro) * 65536 / 500), -32768, 32767)
        accel_counts = np.clip(np.rint(accel / _G * 32768 / range_g), -32768, 32767)
        numbers = (*gyro_counts[0], *accel_counts[0], *_MAG_COUNTS)
        values = {
            "gyro": np.radians(gyro_counts * 500 / 65536).astype(np.float32),
            "accel": (accel_counts * range_g / 32768 * _G).astype(np.float32),
            "mag": (np.array([_MAG_COUNTS]) * 4912 / 32760).astype(np.float32),
        }
        packet = struct.pack("<9h", *(int(number) for number in numbers))
        return Frame(device_t_ns, values, (Push(_DATA, packet),))

    def end(self) -> list[Push]:
        return []

    def link_lost(self) -> None:
        self.stream, self._config = None, 0

    def reboot(self) -> None:
        self.stream, self._config, self._period = None, 0, 100
