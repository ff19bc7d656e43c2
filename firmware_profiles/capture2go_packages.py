"""Capture2Go packages: frame and CRC, the byte stream they come in, and what their headers mean.

Source: github.com/sensorstim/capture2go_sdk, protocol/Capture2Go_Communication_Protocol.md.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from firmware_profiles.base import DecodeError

START: Final = 0x02
PACKAGE_HEAD: Final = struct.Struct("<BIBH")
_MAX_PAYLOAD: Final = 236
_MAX_REAL_TIME: Final = 3
"""Real-time packages in one notification that the vendor's SDK accepts."""
SAMPLING_HZ: Final = {1: 200.0, 2: 100.0, 3: 50.0, 4: 25.0, 5: 10.0, 6: 1.0}
"""Sampling mode -> rate; also the low digit of a data header."""
MEASUREMENT_MODE: Final = struct.Struct("<q8BHBQ3B")
STATUS: Final = struct.Struct("<qBB3hBBB")

GET_DEVICE_INFO, DEVICE_INFO = 0x0070, 0x0071
SET_MEASUREMENT_MODE, GET_MEASUREMENT_MODE, MEASUREMENT_MODE_DATA = 0x0120, 0x0121, 0x0122
START_STREAMING, STREAMING_STARTED = 0x0150, 0x0151
STOP_STREAMING, STREAMING_STOPPED = 0x0152, 0x0153
STOP_AND_CLEAR, STOPPED_AND_CLEARED = 0x0158, 0x0159
SET_ABSOLUTE_TIME, ABSOLUTE_TIME = 0x0170, 0x0171
CLOCK_ROUND_TRIP, GET_STATUS, STATUS_DATA, ERROR = 0x0172, 0x0200, 0x0201, 0xFFFF

COMMANDS: Final = {
    GET_DEVICE_INFO: "get_device_info",
    0x0110: "sleep",
    0x0112: "deep_sleep",
    SET_MEASUREMENT_MODE: "set_measurement_mode",
    GET_MEASUREMENT_MODE: "get_measurement_mode",
    0x0123: "set_measurement_burst_mode",
    0x0124: "get_measurement_burst_mode",
    0x0140: "set_recording_config",
    0x0141: "get_recording_config",
    START_STREAMING: "start_streaming",
    STOP_STREAMING: "stop_streaming",
    0x0154: "start_recording",
    0x0156: "stop_recording",
    STOP_AND_CLEAR: "stop_streaming_and_clear_buffer",
    0x0160: "start_real_time_streaming",
    0x0161: "get_real_time_streaming_mode",
    0x0163: "stop_real_time_streaming",
    SET_ABSOLUTE_TIME: "set_absolute_time",
    0x0180: "set_led_config",
    0x0181: "get_led_config",
    0x0183: "set_led_mode",
    0x0184: "get_led_mode",
    0x0186: "set_sync_output_mode",
    GET_STATUS: "get_status",
    0x0500: "list_files",
    0x0503: "get_file_bytes",
    0x0505: "stop_get_file_bytes",
    0x0507: "get_file_size",
    0x0509: "delete_file",
    0x050D: "format_filesystem",
}
ANSWERS: Final = {
    DEVICE_INFO: "device_info",
    0x0111: "sleeping",
    0x0113: "deep_sleeping",
    MEASUREMENT_MODE_DATA: "measurement_mode",
    0x0125: "measurement_burst_mode",
    0x0142: "recording_config",
    STREAMING_STARTED: "streaming_started",
    STREAMING_STOPPED: "streaming_stopped",
    0x0155: "recording_started",
    0x0157: "recording_stopped",
    STOPPED_AND_CLEARED: "streaming_stopped_and_buffer_cleared",
    0x0162: "real_time_streaming_mode",
    0x0164: "real_time_streaming_stopped",
    ABSOLUTE_TIME: "absolute_time",
    CLOCK_ROUND_TRIP: "clock_round_trip",
    0x0182: "led_config",
    0x0185: "led_mode",
    0x0187: "sync_output_mode",
    STATUS_DATA: "status",
    0x0501: "file_count",
    0x0502: "file",
    0x0504: "file_bytes",
    0x0506: "stopped_get_file_bytes",
    0x0508: "file_size",
    0x050A: "file_deleted",
    0x050E: "filesystem_formatted",
    ERROR: "error",
}
ERRORS: Final = {
    0xF0: ("file not found", "list its files"),
    0xF1: ("a file could not be deleted", "restart the sensor"),
    0xF2: ("its file system has an error", "restart the sensor"),
    0xF3: ("the file exists already", "choose another name"),
    0xF4: ("the file is too short", "choose another file"),
    0xF5: ("the file name is invalid", "choose another name"),
    0xF6: ("its storage is full", "delete recordings with the vendor's app"),
    0xF7: ("its file system is busy", "wait until the transfer is done"),
    0xF9: ("no recording is configured", "configure it with the vendor's app"),
    0xFA: ("its calibration could not be saved", "restart the sensor"),
    0xFB: ("it is in the wrong state", "stop recordings with the vendor's app, then try again"),
    0xFC: ("it could not read the command", "update its firmware with the vendor's app"),
    0xFD: ("it does not know the command", "update its firmware with the vendor's app"),
    0xFE: ("its send buffer is full", "bring it nearer, then try again"),
    0xFF: ("an unknown error", "restart the sensor"),
}
FLAGS: Final = {
    0x01: "time_gap",
    0x02: "gyr_clipping",
    0x04: "acc_clipping",
    0x08: "mag_clipping",
    0x10: "processing_issue",
}


@dataclass(frozen=True, slots=True)
class Package:
    """One package out of its frame."""

    header: int
    payload: bytes


def build(header: int, payload: bytes = b"") -> bytes:
    """A package in its frame."""
    crc = zlib.crc32(header.to_bytes(2, "little") + payload)
    return PACKAGE_HEAD.pack(START, crc, len(payload), header) + payload


def cut(data: bytes | bytearray, at: int) -> tuple[Package | None, int]:
    """(the package at a position, its size); (None, 0) when more bytes are needed for it,
    (None, 1) when there is none."""
    if at < len(data) and data[at] != START:
        return None, 1
    if len(data) - at < PACKAGE_HEAD.size:
        return None, 0
    _start, crc, size, header = PACKAGE_HEAD.unpack_from(data, at)
    end = at + PACKAGE_HEAD.size + size
    if size <= _MAX_PAYLOAD and len(data) < end:
        return None, 0
    if size > _MAX_PAYLOAD or zlib.crc32(data[at + 6 : end]) != crc:
        return None, 1
    return Package(header, bytes(data[at + PACKAGE_HEAD.size : end])), end - at


@dataclass(slots=True)
class PackageStream:
    """The send-buffer stream over notifications: bytes in, whole packages out."""

    skipped: int = 0
    """Bytes that belonged to no package in the newest `feed`."""
    _buffer: bytearray = field(default_factory=bytearray)

    @property
    def held(self) -> int:
        """Bytes of a package whose end has not come yet."""
        return len(self._buffer)

    def joined(self, pieces: Iterable[bytes]) -> bytes:
        """What is held with more behind it; nothing changes."""
        return b"".join((self._buffer, *pieces))

    def keep(self, data: bytes) -> None:
        """Hold this instead: everything before it was taken."""
        self._buffer[:] = data
        self.skipped = 0

    def feed(self, data: bytes) -> list[Package]:
        """Packages that became whole; after garbage it goes on at the next good CRC."""
        self._buffer += data
        self.skipped = at = 0
        found = []
        while True:
            package, size = cut(self._buffer, at)
            if size == 0:
                break
            if package is None:
                self.skipped += 1
            else:
                found.append(package)
            at += size
        del self._buffer[:at]
        return found


def split_notification(data: bytes) -> tuple[list[Package], bytes]:
    """(real-time packages, stream bytes) of a notification; raises DecodeError.

    A bare package, as a recording or a serial line has it, is stream bytes as a whole.
    """
    if not data:
        raise DecodeError("empty notification")
    if data[0] == START:
        return [], data
    count = 0xFF - data[0]
    if count > _MAX_REAL_TIME:
        raise DecodeError(f"notification announces {count} real-time packages")
    at = 1
    packages = []
    for _ in range(count):
        package, size = cut(data, at)
        if package is None:
            raise DecodeError("a real-time package is cut off or damaged")
        packages.append(package)
        at += size
    return packages, data[at:]


def quaternion(word: int) -> tuple[list[float], bool, bool]:
    """(w x y z, at rest, magnetic disturbance) from the "smallest three" form."""
    largest = word >> 60 & 3
    parts = [0.0] * 4
    for step in (3, 2, 1):
        parts[(largest + step) % 4] = (word & 0xFFFFF) / (0xFFFFF / math.sqrt(2)) - math.sqrt(0.5)
        word >>= 20
    parts[largest] = math.sqrt(max(0.0, 1 - sum(part * part for part in parts)))
    return parts, bool(word >> 2 & 1), bool(word >> 3 & 1)
