"""A Movesense sensor's side of the GATT Sensor Data Protocol (GSP v1).

Source: movesense.com/docs/esw/gatt_sensordata_protocol and the vendor's gatt_sensordata_app.
"""

from __future__ import annotations

import re
import struct

import numpy as np
from numpy.typing import NDArray

from sensor_agent.virtual.encoders.base import Characteristic, Frame, Push, Service, Stream

_SERVICE = "34802252-7185-4d5d-b431-630e7050e8f0"
_COMMANDS = "34800001-7185-4d5d-b431-630e7050e8f0"
_DATA = "34800002-7185-4d5d-b431-630e7050e8f0"
_ADVERTISED = "0000fdf3-0000-1000-8000-00805f9b34fb"

_RATES_HZ = (13, 26, 52, 104, 208, 416, 833, 1666)
_PART_BYTES = 150
_ACCEL_STEP_MPS2 = 0.244e-3 * 9.807
"""One count at 8 g; the product of the two is what captures of real units show."""
_GYRO_STEP_DPS = 0.07
_PATH = re.compile(r"/Meas/(Acc|Gyro|IMU6)/(\d+)")

_HELLO, _SUBSCRIBE, _UNSUBSCRIBE, _PUT_UTCTIME = 0, 1, 2, 8
_OK, _BAD_REQUEST, _NOT_FOUND, _TOO_MANY = 200, 400, 404, 429


class MovesenseEncoder:
    """Answers HELLO, SUBSCRIBE, UNSUBSCRIBE and PUT_UTCTIME; streams Acc, Gyro or IMU6."""

    services: tuple[Service, ...] = (
        Service(
            _SERVICE,
            (
                Characteristic(_COMMANDS, frozenset({"write"})),
                Characteristic(_DATA, frozenset({"notify"})),
            ),
        ),
    )
    advertised_uuids: tuple[str, ...] = (_ADVERTISED,)
    measures_rotation = True
    has_battery_service = True
    clock_start_ns = 0

    def __init__(self, name_suffix: str) -> None:
        self.name = f"Movesense {name_suffix}"
        self.stream: Stream | None = None
        self.refuse_status: int | None = None
        self.utc_us: int | None = None
        """What the last PUT_UTCTIME said."""
        self._serial = name_suffix
        self._reference = 0
        self._sensors = "IMU6"

    def write(self, characteristic: str, data: bytes, mtu: int) -> list[Push]:
        if characteristic != _COMMANDS or len(data) < 2:
            return []
        command, reference, payload = data[0], data[1], data[2:]
        if command == _HELLO:
            fields = (self._serial, "Virtual", "0", "trunkline.virtual", "1.0.0")
            body = b"\x01" + b"".join(text.encode() + b"\0" for text in fields)
            return [Push(_DATA, bytes((1, reference)) + body)]
        status = _BAD_REQUEST
        if command == _SUBSCRIBE:
            status = self._subscribe(reference, payload)
        elif command == _UNSUBSCRIBE:
            status = self._unsubscribe(reference)
        elif command == _PUT_UTCTIME and len(payload) == 8:
            self.utc_us = int.from_bytes(payload, "little")
            status = _OK
        return [Push(_DATA, struct.pack("<BBH", 1, reference, status))]

    def read(self, characteristic: str) -> bytes:
        return b""

    def encode(
        self,
        device_t_ns: NDArray[np.int64],
        accel: NDArray[np.floating],
        gyro: NDArray[np.floating] | None,
    ) -> Frame:
        arrays: list[NDArray[np.float32]] = []
        values: dict[str, NDArray[np.float32]] = {}
        if self._sensors != "Gyro":
            counts = np.clip(np.rint(accel / _ACCEL_STEP_MPS2), -32768, 32767)
            arrays.append((counts * _ACCEL_STEP_MPS2).astype(np.float32))
            values["accel"] = arrays[-1]
        if self._sensors != "Acc":
            if gyro is None:
                raise ValueError("a Movesense always measures rotation")
            counts = np.clip(np.rint(np.degrees(gyro) / _GYRO_STEP_DPS), -32768, 32767)
            arrays.append((counts * _GYRO_STEP_DPS).astype(np.float32))
            values["gyro"] = np.radians(arrays[-1].astype(np.float64)).astype(np.float32)
        stamp_ms = (int(device_t_ns[0]) // 1_000_000) % 2**32
        body = stamp_ms.to_bytes(4, "little") + b"".join(a.astype("<f4").tobytes() for a in arrays)
        return Frame(device_t_ns, values, tuple(Push(_DATA, part) for part in self._parts(body)))

    def end(self) -> list[Push]:
        self.stream = None
        return []

    def link_lost(self) -> None:
        self.stream = None

    def reboot(self) -> None:
        self.stream = None
        self.utc_us = None

    def _parts(self, body: bytes) -> list[bytes]:
        """Kind 2 opens a packet, kind 3 continues it."""
        return [
            bytes((2 if start == 0 else 3, self._reference)) + body[start : start + _PART_BYTES]
            for start in range(0, len(body), _PART_BYTES)
        ]

    def _subscribe(self, reference: int, payload: bytes) -> int:
        if self.refuse_status is not None:
            return self.refuse_status
        path = payload.rstrip(b"\0").decode("utf-8", "replace")
        match = _PATH.fullmatch(path)
        if match is None or int(match[2]) not in _RATES_HZ:
            return _NOT_FOUND
        if self.stream is not None:
            return _TOO_MANY
        rate_hz = int(match[2])
        self._sensors, self._reference = match[1], reference
        self.stream = Stream(float(rate_hz), round(rate_hz / 13))
        return _OK

    def _unsubscribe(self, reference: int) -> int:
        if self.stream is None or reference != self._reference:
            return _NOT_FOUND
        self.stream = None
        return _OK
