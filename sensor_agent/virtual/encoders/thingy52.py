"""A Thingy:52's side: motion configuration and raw values.

Source: Nordic-Thingy52-FW, documentation of the firmware architecture. The real one measures from
the first subscription on; this one from the first configuration on, which comes just before. A
recording has no magnetic field: the packets carry a constant one.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from sensor_agent.virtual.encoders.base import Characteristic, Frame, Push, Service, Stream

_UUID = "ef68%s-9b35-4933-9b10-52ffa9740042"
_CONFIG, _RAW, _FIRMWARE = _UUID % "0401", _UUID % "0406", _UUID % "0107"
_FIELD_UT = (20.0, 0.0, -44.0)


class Thingy52Encoder:
    """Takes a configuration of nine bytes within its limits, keeps the old one otherwise."""

    services: tuple[Service, ...] = (
        Service(_UUID % "0100", (Characteristic(_FIRMWARE, frozenset({"read"})),)),
        Service(
            _UUID % "0400",
            (
                Characteristic(_CONFIG, frozenset({"read", "write"})),
                Characteristic(_RAW, frozenset({"notify"})),
            ),
        ),
    )
    advertised_uuids: tuple[str, ...] = (_UUID % "0100",)
    measures_rotation = True
    has_battery_service = True
    clock_start_ns = 0

    def __init__(self, name_suffix: str) -> None:
        self.name = f"T {name_suffix}"
        self.stream: Stream | None = None
        self.refuse_status: int | None = None
        """When set, a new configuration is not taken."""
        self._config = struct.pack("<4HB", 1000, 1000, 500, 20, 1)

    def write(self, characteristic: str, data: bytes, mtu: int) -> list[Push]:
        if characteristic == _CONFIG and len(data) == 9 and self.refuse_status is None:
            *periods_ms, rate_hz, wake = struct.unpack("<4HB", data)
            if 5 <= rate_hz <= 200 and wake <= 1 and all(100 <= p <= 5000 for p in periods_ms):
                self._config = data
                self.stream = Stream(float(rate_hz), 1)
        return []

    def read(self, characteristic: str) -> bytes:
        return {_CONFIG: self._config, _FIRMWARE: b"\x02\x02\x00"}.get(characteristic, b"")

    def encode(
        self,
        device_t_ns: NDArray[np.int64],
        accel: NDArray[np.floating],
        gyro: NDArray[np.floating] | None,
    ) -> Frame:
        if gyro is None:
            raise ValueError("a Thingy always measures rotation")
        accel_q10 = np.clip(np.rint(accel / 9.80665 * 1024), -32768, 32767)
        gyro_q5 = np.clip(np.rint(np.degrees(gyro) * 32), -32768, 32767)
        mag_q4 = np.array([_FIELD_UT]) * 16
        packet = struct.pack("<9h", *(int(v) for v in (*accel_q10[0], *gyro_q5[0], *mag_q4[0])))
        values = {
            "accel": (accel_q10 / 1024 * 9.80665).astype(np.float32),
            "gyro": np.radians(gyro_q5 / 32).astype(np.float32),
            "mag": (mag_q4 / 16).astype(np.float32),
        }
        return Frame(device_t_ns, values, (Push(_RAW, packet),))

    def end(self) -> list[Push]:
        return []

    def link_lost(self) -> None:
        """The configuration stays."""

    def reboot(self) -> None:
        self.stream = None
