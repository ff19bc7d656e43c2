"""A Movella DOT's side of its services: settings, measurement control, payload mode 21.

Source: Xsens DOT BLE Services Specifications XD0506P revision F.
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sensor_agent.virtual.encoders.base import Characteristic, Frame, Push, Service, Stream

_TAIL: Final = "-4947-11e9-8646-d663bd873d93"
_INFO, _SETTINGS, _REPORT = (f"1517{n}{_TAIL}" for n in ("1001", "1002", "1004"))
_CONTROL, _LONG, _MEDIUM, _SHORT = (f"1517{n}{_TAIL}" for n in ("2001", "2002", "2003", "2004"))
_BATTERY: Final = f"15173001{_TAIL}"

_MESSAGE, _ACKNOWLEDGE, _MESSAGE_NOTIFY = (f"1517{n}{_TAIL}" for n in ("7001", "7002", "7003"))

_RATES_HZ: Final = (1, 4, 10, 12, 15, 20, 30, 60, 120)
_RATE_MODE: Final = 21
_MODES: Final = (2, 3, 4, 5, 6, 7, 16, 18, 19, 20, 21, 22, 23, 24, 26)
_MEDIUM_BYTES: Final = 40
_MAX_MPS2: Final = 16 * 9.80665
_MAX_DPS: Final = 2000.0
_POWERED_OFF: Final = 1
_OK, _INVALID, _IDLE, _IS_RECORDING = 0x00, 0x02, 0x06, 0x40


class MovellaDotEncoder:
    """Reads and writes without acknowledgement: what is not possible simply does not happen."""

    services: tuple[Service, ...] = (
        Service(
            f"15171000{_TAIL}",
            (
                Characteristic(_INFO, frozenset({"read"})),
                Characteristic(_SETTINGS, frozenset({"read", "write"})),
                Characteristic(_REPORT, frozenset({"notify"})),
            ),
        ),
        Service(
            f"15172000{_TAIL}",
            (
                Characteristic(_CONTROL, frozenset({"read", "write"})),
                *(Characteristic(uuid, frozenset({"notify"})) for uuid in (_LONG, _MEDIUM, _SHORT)),
            ),
        ),
        Service(f"15173000{_TAIL}", (Characteristic(_BATTERY, frozenset({"read", "notify"})),)),
        Service(
            f"15177000{_TAIL}",
            (
                Characteristic(_MESSAGE, frozenset({"write"})),
                Characteristic(_ACKNOWLEDGE, frozenset({"read"})),
                Characteristic(_MESSAGE_NOTIFY, frozenset({"notify"})),
            ),
        ),
    )
    advertised_uuids: tuple[str, ...] = ()
    measures_rotation = True
    has_battery_service = False
    clock_start_ns = 0

    def __init__(self, name_suffix: str) -> None:
        self.name = f"Movella DOT {name_suffix}"
        self.stream: Stream | None = None
        self.refuse_status: int | None = None
        """Any value keeps it from starting, as a recording does."""
        self.battery_pct = 73
        self.is_charging = False
        self._settings = bytearray(32)
        self.files: list[list[bytes]] = []
        """What its memory holds: recordings of time, acceleration and rotation, oldest first."""
        self.refuses_to_measure_while_recording = False
        self.reboot()

    def write(self, characteristic: str, data: bytes, mtu: int) -> list[Push]:
        if characteristic == _SETTINGS and len(data) == 32:
            self._set(data)
        elif characteristic == _CONTROL and len(data) == 3 and data[0] == 1:
            if data[1] == 1:
                self._start(data[2])
            elif data[1] == 0:
                self.stream = None
        elif characteristic == _MESSAGE and len(data) > 3 and sum(data) % 256 == 0:
            return self._hear(data[2], data[3:-1])
        return []

    def read(self, characteristic: str) -> bytes:
        if characteristic == _INFO:
            head = bytes.fromhex("0100cafed4fd") + bytes((1, 6, 0))
            return head + struct.pack("<H5BI", 2021, 10, 28, 12, 0, 0, 0x5B9169) + bytes(14)
        if characteristic == _SETTINGS:
            return bytes(self._settings)
        if characteristic == _CONTROL:
            return bytes((1, self.stream is not None, self._mode))
        if characteristic == _BATTERY:
            return bytes((self.battery_pct, self.is_charging))
        if characteristic == _ACKNOWLEDGE:
            return self._acknowledgement.ljust(160, b"\0")
        return b""

    def encode(
        self,
        device_t_ns: NDArray[np.int64],
        accel: NDArray[np.floating],
        gyro: NDArray[np.floating] | None,
    ) -> Frame:
        if gyro is None:
            raise ValueError("a DOT always measures rotation")
        acc = np.clip(accel, -_MAX_MPS2, _MAX_MPS2).astype("<f4")
        dps = np.degrees(gyro).clip(-_MAX_DPS, _MAX_DPS).astype("<f4")
        pushes = []
        for t_ns, a, g in zip(device_t_ns.tolist(), acc, dps, strict=True):
            body = struct.pack("<I", t_ns // 1000 % 2**32) + a.tobytes() + g.tobytes()
            pushes.append(Push(_MEDIUM, body.ljust(_MEDIUM_BYTES, b"\0")))
            if self._is_recording:
                self.files[-1].append(body)
        values = {
            "accel": acc.astype(np.float32),
            "gyro": np.radians(dps.astype(np.float64)).astype(np.float32),
        }
        return Frame(device_t_ns, values, tuple(pushes))

    def end(self) -> list[Push]:
        """The button was held: it switches itself off and says so."""
        self.stream = None
        return [Push(_REPORT, bytes((_POWERED_OFF,)).ljust(36, b"\0"))]

    def link_lost(self) -> None:
        """It measures on, for nobody."""

    def reboot(self) -> None:
        self.stream = None
        self._is_recording = False
        self._acknowledgement = b""
        self._mode = 0
        struct.pack_into("<H", self._settings, 24, 60)

    def _set(self, data: bytes) -> None:
        """Only the parts that the visit mask names."""
        if data[0] & 1 << 4 and self.stream is None:
            (rate_hz,) = struct.unpack_from("<H", data, 24)
            if rate_hz in _RATES_HZ:
                self._settings[24:26] = data[24:26]

    def _hear(self, reid: int, data: bytes) -> list[Push]:
        """A recording message: answer it, and give out what was asked for."""
        result, pushes = _INVALID, []
        is_idle = self.stream is None and not self._is_recording
        number = data[0] if data else 0
        if reid == 0x40 and len(data) == 6:
            result = _OK if is_idle else _IS_RECORDING
            if is_idle:
                self.files.append([])
                self._is_recording = True
        elif reid == 0x41:
            result = _OK if self._is_recording else _IDLE
            self._is_recording = False
        elif reid == 0x30 and is_idle:
            result, self.files = _OK, []
            pushes = [_told(0x31)]
        elif reid in {0x60, 0x70} and is_idle and 0 < number <= len(self.files):
            result = _OK
            if reid == 0x70:
                parts = enumerate(self.files[number - 1])
                pushes = [_told(0x71, struct.pack("<I", k) + body) for k, body in parts]
                pushes.append(_told(0x72))
        elif reid == 0x74 and data == bytes((0, 7, 8)):
            result = _OK
        elif reid == 0x73:
            result = _IDLE
        self._acknowledgement = _envelope(bytes((1, result, reid)) + data)
        return pushes

    def _start(self, mode: int) -> None:
        if self._is_recording and self.refuses_to_measure_while_recording:
            return
        if mode not in _MODES or self.stream is not None or self.refuse_status is not None:
            return
        (rate_hz,) = struct.unpack_from("<H", self._settings, 24)
        if mode != _RATE_MODE or rate_hz > 60:  # 120 Hz only records; other modes: no virtual ones
            return
        self._mode = mode
        self.stream = Stream(float(rate_hz), 1)


def _told(reid: int, data: bytes = b"") -> Push:
    return Push(_MESSAGE_NOTIFY, _envelope(bytes((reid,)) + data))


def _envelope(body: bytes) -> bytes:
    """Message id, length, body, and what makes the sum of all bytes 0 modulo 256."""
    head = bytes((1, len(body))) + body
    return head + bytes((-sum(head) & 0xFF,))
