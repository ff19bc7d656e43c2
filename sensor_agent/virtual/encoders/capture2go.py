"""A Capture2Go's side: packages with CRC, cut into notifications; packed samples and status.

Source: capture2go_sdk, protocol/Capture2Go_Communication_Protocol.md. A recording has no magnetic
field: where packages want one, it is constant.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from sensor_agent.virtual.encoders.base import Characteristic, Frame, Push, Service, Stream

_UUID = "8003000%d-e629-4c98-9324-aa7fc0c66de7"
_SERVICE, _RX, _TX = _UUID % 1, _UUID % 2, _UUID % 3
_HZ = {1: 200, 2: 100, 3: 50, 4: 25, 5: 10, 6: 1}
_N = 8
_MPS2 = 16 * 9.81 / 32768
_RAD = np.pi * 2000 / (180 * 32768)
_MAG_COUNTS = (320, 0, -704)
_IDENTITY = 0x80000 << 40 | 0x80000 << 20 | 0x80000  # the largest is w, the others are about zero
_WRONG_STATE, _PACKAGE_ERROR, _UNKNOWN_COMMAND = 0xFB, 0xFC, 0xFD
_INFO = struct.pack("<H6s8s8s12s11s", 1, b"1234ab", b"C", b"main", b"1.4.0", b"2025-06-01")


class Capture2GoEncoder:
    """Answers every command; streams on into its buffer after a lost link."""

    services: tuple[Service, ...] = (
        Service(
            _SERVICE,
            (
                Characteristic(_RX, frozenset({"write"})),
                Characteristic(_TX, frozenset({"notify"})),
            ),
        ),
    )
    advertised_uuids: tuple[str, ...] = (_SERVICE,)
    measures_rotation = True
    has_battery_service = False
    clock_start_ns = 0
    battery_pct = 63

    def __init__(self, name_suffix: str) -> None:
        self.name = f"IMU_{name_suffix}"
        self.stream: Stream | None = None
        self.refuse_status: int | None = None
        self._mtu = 23
        self._mode, self._has_mag, self._status_s = 0, True, 0
        self._offset_ns, self._next_status_ns = 0, 0
        self._new_time_ns: int | None = None

    def write(self, characteristic: str, data: bytes, mtu: int) -> list[Push]:
        if characteristic != _RX or len(data) < 8:
            return []
        self._mtu = mtu
        start, crc, size, header = struct.unpack_from("<BIBH", data)
        payload = data[8:]
        if start != 2 or size != len(payload) or zlib.crc32(data[6:]) != crc:
            return self._pushes(_framed(0xFFFF, struct.pack("<BH", _PACKAGE_ERROR, 0xFFFF)))
        return self._pushes(self._obey(header, payload))

    def read(self, characteristic: str) -> bytes:
        return b""

    def encode(
        self,
        device_t_ns: NDArray[np.int64],
        accel: NDArray[np.floating],
        gyro: NDArray[np.floating] | None,
    ) -> Frame:
        if gyro is None:
            raise ValueError("a Capture2Go always measures rotation")
        if self._new_time_ns is not None:
            self._offset_ns, self._new_time_ns = self._new_time_ns - int(device_t_ns[0]), None
        t_ns = device_t_ns + self._offset_ns
        gyro_counts = np.clip(np.rint(gyro / _RAD), -32768, 32767)
        accel_counts = np.clip(np.rint(accel / _MPS2), -32768, 32767)
        numbers = [*gyro_counts.ravel().tolist(), *accel_counts.ravel().tolist()]
        values = {
            "gyro": (gyro_counts * _RAD).astype(np.float32),
            "accel": (accel_counts * _MPS2).astype(np.float32),
        }
        if self._has_mag:
            numbers += _MAG_COUNTS * _N
            values["mag"] = np.tile(np.array(_MAG_COUNTS) / 16, (_N, 1)).astype(np.float32)
        counts = struct.pack(f"<{len(numbers)}h", *(int(number) for number in numbers))
        tail = struct.pack("<QhB", _IDENTITY, 0, 0)
        header = (0x0220 if self._has_mag else 0x0230) | self._mode
        data = _framed(header, struct.pack("<q", int(t_ns[0])) + counts + tail)
        if int(t_ns[-1]) >= self._next_status_ns and self._status_s:
            data += self._status(int(t_ns[-1]))
            self._next_status_ns = int(t_ns[-1]) + self._status_s * 1_000_000_000
        return Frame(t_ns, values, tuple(self._pushes(data)))

    def end(self) -> list[Push]:
        return []

    def link_lost(self) -> None:
        """The measurement goes on."""

    def reboot(self) -> None:
        self.stream = None
        self._mode, self._has_mag, self._status_s = 0, True, 0
        self._offset_ns, self._next_status_ns = 0, 0
        self._new_time_ns = None

    def _obey(self, header: int, payload: bytes) -> bytes:
        """The answer, with a status package behind it when that was asked for."""
        error = None
        match header, len(payload):
            case 0x0070, 0:
                return _framed(0x0071, _INFO)
            case 0x0200, 0:
                return self._status(0)
            case 0x0120, 30:
                error = self._measure(payload)
            case 0x0150, 0:
                error = self._start()
            case (0x0152 | 0x0158, 0):
                self.stream = None
            case 0x0170, 8:
                self._new_time_ns = int.from_bytes(payload, "little", signed=True)
            case _:
                error = _UNKNOWN_COMMAND
        if error is not None:
            return _framed(0xFFFF, struct.pack("<BH", error, header))
        echo = {0x0120: 2, 0x0150: 1, 0x0152: 1, 0x0158: 1, 0x0170: 1}[header]
        return _framed(header + echo, payload)

    def _measure(self, payload: bytes) -> int | None:
        if self.stream is not None:
            return _WRONG_STATE
        self._mode, self._status_s, self._has_mag = payload[10], payload[14], not payload[29]
        return None

    def _start(self) -> int | None:
        if self.refuse_status is not None:
            return self.refuse_status
        if self._mode not in _HZ or self.stream is not None:
            return _WRONG_STATE
        self._next_status_ns = 0
        self.stream = Stream(float(_HZ[self._mode]), _N)
        return None

    def _status(self, t_ns: int) -> bytes:
        state = 2 if self.stream else 1
        payload = struct.pack("<qBB3hBBB", t_ns, state, 2, 0, 0, 0, 1, self.battery_pct, 90)
        return _framed(0x0201, payload)

    def _pushes(self, data: bytes) -> list[Push]:
        room = self._mtu - 4
        pieces = [data[at : at + room] for at in range(0, len(data), room)]
        return [Push(_TX, b"\xff" + piece) for piece in pieces]


def _framed(header: int, payload: bytes) -> bytes:
    body = struct.pack("<H", header) + payload
    return struct.pack("<BIB", 2, zlib.crc32(body), len(payload)) + body
