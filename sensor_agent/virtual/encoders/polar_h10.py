"""A Polar H10's side of Polar Measurement Data (PMD): acceleration as raw 16-bit mG frames.

Source: github.com/polarofficial/polar-ble-sdk, documentation, and its issues 124, 287 and 360.
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sensor_agent.virtual.encoders.base import Characteristic, Frame, Push, Service, Stream

_SERVICE: Final = "fb005c80-02e7-f387-1cad-8acd2d8df0c8"
_CONTROL: Final = "fb005c81-02e7-f387-1cad-8acd2d8df0c8"
_DATA: Final = "fb005c82-02e7-f387-1cad-8acd2d8df0c8"

_FEATURES: Final = bytes.fromhex("0f0500") + bytes(13)  # ECG and ACC
_ACC: Final = 2
_OFFERED: Final = {0: (25, 50, 100, 200), 1: (16,), 2: (2, 4, 8)}  # rate, resolution, range
_WRONG: Final = {0: 8, 1: 7, 2: 9}  # status for a value that is not on offer
_FRAME_SAMPLES: Final = 36
_MIN_MTU: Final = 232
_MPS2_PER_MG: Final = 9.80665e-3

_GET_SETTINGS, _START, _STOP = 1, 2, 3
_OK, _INVALID_COMMAND, _NOT_SUPPORTED, _BAD_LENGTH, _BAD_PARAMETER = 0, 1, 3, 4, 5
_ALREADY, _BAD_MTU = 6, 10


class _RefusedError(Exception):
    def __init__(self, status: int) -> None:
        self.status = status


class PolarH10Encoder:
    """Answers settings, start and stop on the control point; the stream survives a lost link."""

    services: tuple[Service, ...] = (
        Service(
            _SERVICE,
            (
                Characteristic(_CONTROL, frozenset({"read", "write", "indicate"})),
                Characteristic(_DATA, frozenset({"notify"})),
            ),
        ),
    )
    advertised_uuids: tuple[str, ...] = ()
    measures_rotation = False
    has_battery_service = True
    clock_start_ns = 599_616_000 * 1_000_000_000
    """2019-01-01 in nanoseconds since 2000."""

    def __init__(self, name_suffix: str) -> None:
        self.name = f"Polar H10 {name_suffix}"
        self.stream: Stream | None = None
        self.refuse_status: int | None = None
        self._range_g = 8

    def write(self, characteristic: str, data: bytes, mtu: int) -> list[Push]:
        if characteristic != _CONTROL or not data:
            return []
        opcode, measurement = data[0], data[1] if len(data) > 1 else 0
        status, answer = _OK, b""
        try:
            if len(data) < 2:
                raise _RefusedError(_BAD_LENGTH)
            if measurement != _ACC:
                raise _RefusedError(_NOT_SUPPORTED)
            answer = self._obey(opcode, data[2:], mtu)
        except _RefusedError as error:
            status = error.status
        return [Push(_CONTROL, bytes((0xF0, opcode, measurement, status, 0)) + answer)]

    def _obey(self, opcode: int, parameters: bytes, mtu: int) -> bytes:
        if opcode == _GET_SETTINGS:
            return _settings()
        if opcode == _START:
            self._start(parameters, mtu)
        elif opcode == _STOP:
            self._stop()
        else:
            raise _RefusedError(_INVALID_COMMAND)
        return b""

    def read(self, characteristic: str) -> bytes:
        return _FEATURES if characteristic == _CONTROL else b""

    def encode(
        self,
        device_t_ns: NDArray[np.int64],
        accel: NDArray[np.floating],
        gyro: NDArray[np.floating] | None,
    ) -> Frame:
        limit = self._range_g * 1000
        milli_g = np.clip(np.rint(accel / _MPS2_PER_MG), -limit, limit)
        header = struct.pack("<BQB", _ACC, int(device_t_ns[-1]), 1)
        values = {"accel": (milli_g * _MPS2_PER_MG).astype(np.float32)}
        push = Push(_DATA, header + milli_g.astype("<i2").tobytes())
        return Frame(device_t_ns, values, (push,))

    def end(self) -> list[Push]:
        if self.stream is None:
            return []
        self.stream = None
        return [Push(_CONTROL, bytes((1, _ACC)))]

    def link_lost(self) -> None:
        """The measurement goes on."""

    def reboot(self) -> None:
        self.stream = None

    def _start(self, parameters: bytes, mtu: int) -> None:
        if self.refuse_status is not None:
            raise _RefusedError(self.refuse_status)
        if mtu < _MIN_MTU:
            raise _RefusedError(_BAD_MTU)
        if self.stream is not None:
            raise _RefusedError(_ALREADY)
        rate_hz, self._range_g = _chosen(parameters)
        self.stream = Stream(float(rate_hz), _FRAME_SAMPLES)

    def _stop(self) -> None:
        if self.stream is None:
            raise _RefusedError(_ALREADY)
        self.stream = None


def _chosen(parameters: bytes) -> tuple[int, int]:
    """(rate, range) of a start command, which has to name every setting on offer."""
    if len(parameters) % 4:
        raise _RefusedError(_BAD_LENGTH)
    chosen: dict[int, int] = {}
    for kind, count, value in struct.iter_unpack("<BBH", parameters):
        if kind not in _OFFERED or count != 1:
            raise _RefusedError(_BAD_PARAMETER)
        if value not in _OFFERED[kind]:
            raise _RefusedError(_WRONG[kind])
        chosen[kind] = value
    if chosen.keys() != _OFFERED.keys():
        raise _RefusedError(_BAD_PARAMETER)
    return chosen[0], chosen[2]


def _settings() -> bytes:
    return b"".join(
        struct.pack(f"<BB{len(values)}H", kind, len(values), *values)
        for kind, values in _OFFERED.items()
    )
