"""A Polar Verity Sense's side of Polar Measurement Data (PMD): compressed frames of acceleration
and rotation, SDK mode.

Source: github.com/polarofficial/polar-ble-sdk, documentation, and its issues 317, 331 and 443. The
conversion factor of rotation is the datasheet's for the ST chip inside: 70 mdps a count at 2000.
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

_FEATURES: Final = bytes.fromhex("0f6e02") + bytes(13)  # PPG, ACC, PPI, GYRO, MAG; SDK mode
_ACC: Final = 2
_GYRO: Final = 5
_SDK: Final = 9
_RATE, _RESOLUTION, _RANGE, _CHANNELS, _FACTOR = 0, 1, 2, 4, 5
_Offer = dict[int, tuple[int, ...]]
_PLAIN: Final[dict[int, _Offer]] = {
    _ACC: {_RATE: (52,), _RESOLUTION: (16,), _RANGE: (8,), _CHANNELS: (3,)},
    _GYRO: {_RATE: (52,), _RESOLUTION: (16,), _RANGE: (2000,), _CHANNELS: (3,)},
}
_SDK_RATES: Final = (26, 52, 104, 208, 416)
_SDK_OFFER: Final[dict[int, _Offer]] = {
    _ACC: _PLAIN[_ACC] | {_RATE: _SDK_RATES, _RANGE: (2, 4, 8, 16)},
    _GYRO: _PLAIN[_GYRO] | {_RATE: _SDK_RATES, _RANGE: (250, 500, 1000, 2000)},
}
_WRONG: Final = {_RATE: 8, _RESOLUTION: 7, _RANGE: 9, _CHANNELS: 11}
_MIN_MTU: Final = 232
_FRAME_SECONDS: Final = 1.1
_BLOCK_SAMPLES: Final = 8
_MPS2_PER_MG: Final = 9.80665e-3

_GET_SETTINGS, _START, _STOP = 1, 2, 3
_OK, _INVALID_COMMAND, _NOT_SUPPORTED, _BAD_LENGTH, _BAD_PARAMETER = 0, 1, 3, 4, 5
_ALREADY, _BAD_MTU, _BAD_STATE = 6, 10, 12


class _RefusedError(Exception):
    def __init__(self, status: int) -> None:
        self.status = status


class PolarVerityEncoder:
    """Answers settings, start, stop and SDK mode; streams survive a lost link."""

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
    measures_rotation = True
    has_battery_service = True
    clock_start_ns = 599_616_000 * 1_000_000_000
    """2019-01-01 in nanoseconds since 2000."""

    def __init__(self, name_suffix: str) -> None:
        self.name = f"Polar Sense {name_suffix}"
        self.stream: Stream | None = None
        self.refuse_status: int | None = None
        self.is_sdk_mode = False
        self._ranges: dict[int, int] = {}
        """Of the measurements that run."""
        self._room = _MIN_MTU - 3

    def write(self, characteristic: str, data: bytes, mtu: int) -> list[Push]:
        if characteristic != _CONTROL or not data:
            return []
        opcode, kind = data[0], data[1] if len(data) > 1 else 0
        status, answer = _OK, b""
        try:
            if len(data) < 2:
                raise _RefusedError(_BAD_LENGTH)
            answer = self._obey(opcode, kind, data[2:], mtu)
        except _RefusedError as error:
            status = error.status
        return [Push(_CONTROL, bytes((0xF0, opcode, kind, status, 0)) + answer)]

    def read(self, characteristic: str) -> bytes:
        return _FEATURES if characteristic == _CONTROL else b""

    def encode(
        self,
        device_t_ns: NDArray[np.int64],
        accel: NDArray[np.floating],
        gyro: NDArray[np.floating] | None,
    ) -> Frame:
        pushes: list[Push] = []
        values: dict[str, NDArray[np.float32]] = {}
        if _ACC in self._ranges:
            limit = self._ranges[_ACC] * 1000
            counts = np.clip(np.rint(accel / _MPS2_PER_MG), -limit, limit).astype(np.int64)
            values["accel"] = (counts * _MPS2_PER_MG).astype(np.float32)
            pushes += self._frames(_ACC, 0x81, device_t_ns, counts)
        if _GYRO in self._ranges:
            if gyro is None:
                raise ValueError("a Verity Sense always measures rotation")
            factor = np.float32(self._factor())
            counts = np.rint(np.degrees(gyro) / float(factor)).clip(-32768, 32767).astype(np.int64)
            values["gyro"] = np.radians(counts * float(factor)).astype(np.float32)
            pushes += self._frames(_GYRO, 0x80, device_t_ns, counts)
        return Frame(device_t_ns, values, tuple(pushes))

    def end(self) -> list[Push]:
        ended = bytes((1, *self._ranges))
        if not self._ranges:
            return []
        self.reboot()
        return [Push(_CONTROL, ended)]

    def link_lost(self) -> None:
        """The measurements go on."""

    def reboot(self) -> None:
        self.stream, self.is_sdk_mode = None, False
        self._ranges.clear()

    def _obey(self, opcode: int, kind: int, parameters: bytes, mtu: int) -> bytes:
        if opcode not in {_GET_SETTINGS, _START, _STOP}:
            raise _RefusedError(_INVALID_COMMAND)
        if kind == _SDK and opcode != _GET_SETTINGS:
            self._switch_sdk_mode(opcode == _START)
            return b""
        offer = (_SDK_OFFER if self.is_sdk_mode else _PLAIN).get(kind)
        if offer is None:
            raise _RefusedError(_NOT_SUPPORTED)
        if opcode == _GET_SETTINGS:
            return _settings(offer)
        if opcode == _STOP:
            self._stop(kind)
            return b""
        return self._start(kind, _chosen(parameters, offer), mtu)

    def _switch_sdk_mode(self, on: bool) -> None:
        if self._ranges:
            raise _RefusedError(_BAD_STATE)
        if on is self.is_sdk_mode:
            raise _RefusedError(_ALREADY)
        self.is_sdk_mode = on

    def _start(self, kind: int, chosen: dict[int, int], mtu: int) -> bytes:
        if self.refuse_status is not None:
            raise _RefusedError(self.refuse_status)
        if mtu < _MIN_MTU:
            raise _RefusedError(_BAD_MTU)
        if kind in self._ranges:
            raise _RefusedError(_ALREADY)
        self._ranges[kind] = chosen[_RANGE]
        self._room = mtu - 3
        rate_hz = float(chosen[_RATE])
        self.stream = Stream(rate_hz, round(rate_hz * _FRAME_SECONDS))
        factor = self._factor() if kind == _GYRO else 1.0
        return struct.pack("<BBf", _FACTOR, 1, factor)

    def _stop(self, kind: int) -> None:
        if kind not in self._ranges:
            raise _RefusedError(_ALREADY)
        del self._ranges[kind]
        if not self._ranges:
            self.stream = None

    def _factor(self) -> float:
        return 0.07 * self._ranges[_GYRO] / 2000

    def _frames(
        self, kind: int, form: int, t_ns: NDArray[np.int64], counts: NDArray[np.int64]
    ) -> list[Push]:
        """As many notifications as the MTU asks for, each stamped with its last sample's time."""
        pushes: list[Push] = []
        start = 0
        while start < len(counts):
            body = counts[start].astype("<i2").tobytes()
            end = start + 1
            while end < len(counts):
                stop = min(end + _BLOCK_SAMPLES, len(counts))
                block = _delta_block(np.diff(counts[end - 1 : stop], axis=0))
                if 10 + len(body) + len(block) > self._room:
                    break
                body, end = body + block, stop
            header = struct.pack("<BQB", kind, int(t_ns[end - 1]), form)
            pushes.append(Push(_DATA, header + body))
            start = end
        return pushes


def _delta_block(deltas: NDArray[np.int64]) -> bytes:
    """Width, count, then the differences, least significant bit first."""
    largest = max(int(deltas.max()), -int(deltas.min()) - 1, 0)
    width = largest.bit_length() + 1
    bits = (deltas.ravel()[:, None] >> np.arange(width) & 1).astype(np.uint8)
    return bytes((width, len(deltas))) + np.packbits(bits.ravel(), bitorder="little").tobytes()


def _chosen(parameters: bytes, offer: _Offer) -> dict[int, int]:
    """Setting -> value of a start command, which has to name every setting on offer."""
    chosen: dict[int, int] = {}
    at = 0
    while at < len(parameters):
        width = 1 if parameters[at] == _CHANNELS else 2
        if len(parameters) < at + 2 + width:
            raise _RefusedError(_BAD_LENGTH)
        kind, count = parameters[at], parameters[at + 1]
        if kind not in offer or count != 1:
            raise _RefusedError(_BAD_PARAMETER)
        value = int.from_bytes(parameters[at + 2 : at + 2 + width], "little")
        if value not in offer[kind]:
            raise _RefusedError(_WRONG[kind])
        chosen[kind] = value
        at += 2 + width
    if chosen.keys() != offer.keys():
        raise _RefusedError(_BAD_PARAMETER)
    return chosen


def _settings(offer: _Offer) -> bytes:
    return b"".join(
        struct.pack(
            f"<BB{len(values)}{'B' if kind == _CHANNELS else 'H'}", kind, len(values), *values
        )
        for kind, values in offer.items()
    )
