"""What Capture2Go packages other than samples say, as notes.

Source: github.com/sensorstim/capture2go_sdk, protocol/Capture2Go_Communication_Protocol.md.
"""

from __future__ import annotations

import math
import struct
from typing import Final

from firmware_profiles.base import BatteryLevel, DecodeError, Event, Note
from firmware_profiles.capture2go_packages import (
    ABSOLUTE_TIME,
    ANSWERS,
    CLOCK_ROUND_TRIP,
    COMMANDS,
    DEVICE_INFO,
    ERROR,
    ERRORS,
    FLAGS,
    MEASUREMENT_MODE,
    MEASUREMENT_MODE_DATA,
    SET_ABSOLUTE_TIME,
    SET_MEASUREMENT_MODE,
    STATUS,
    Package,
    quaternion,
)

_MODE_FIELDS: Final = (
    "timestamp",
    "full_float_200hz",
    "full_fixed_mode",
    "full_packed_mode",
    "quat_float_mode",
    "quat_fixed_mode",
    "quat_packed_mode",
    "status_interval_s",
    "calib_data_mode",
    "process_extension_mode",
    "sync_mode",
    "sync_id",
    "disable_bias_estimation",
    "disable_mag_dist_rejection",
    "disable_mag_data",
)
_STATES: Final = ("off", "idle", "streaming", "recording")
_CONNECTIONS: Final = ("offline", "advertising", "ble_connected", "usb_connected")
_DEVICE_INFO: Final = struct.Struct("<H6s8s8s12s11s")
_DEVICE_FIELDS: Final = (
    "protocol_version",
    "serial",
    "hardware_revision",
    "firmware_revision",
    "firmware_version",
    "firmware_date",
)
_CLOCK_FIELDS: Final = (
    "host_send_ns",
    "sensor_receive_ns",
    "sensor_send_ns",
    "host_receive_ns",
)
_QUATERNIONS: Final = {0x27: 20, 0x28: 1}
"""High digits of a header -> orientations in the package, fixed-point."""


def told(package: Package) -> Note:
    """The note about a command, an answer or an orientation package; raises DecodeError."""
    header, payload = package.header, package.payload
    if header == ERROR:
        return _error(payload)
    if header >> 4 in _QUATERNIONS:
        return Note("orientation", {"header": header, **_orientations(header, payload)})
    topic, names = ("command", COMMANDS) if header in COMMANDS else ("answer", ANSWERS)
    values: dict[str, object] = {
        "name": names.get(header, "unknown"),
        "header": header,
        "payload_size": len(payload),
    }
    try:
        values |= _fields(header, payload)
    except struct.error:
        raise DecodeError(f"package {header:04x} has {len(payload)} bytes") from None
    return Note(topic, values)


def _fields(header: int, payload: bytes) -> dict[str, object]:
    """The payload in names; struct.error for a wrong length."""
    if header in {SET_MEASUREMENT_MODE, MEASUREMENT_MODE_DATA}:
        return dict(zip(_MODE_FIELDS, MEASUREMENT_MODE.unpack(payload), strict=True))
    if header in {SET_ABSOLUTE_TIME, ABSOLUTE_TIME}:
        return {"timestamp_ns": struct.unpack("<q", payload)[0]}
    if header == CLOCK_ROUND_TRIP:
        return dict(zip(_CLOCK_FIELDS, struct.unpack("<4q", payload), strict=True))
    if header == DEVICE_INFO:
        version, *texts = _DEVICE_INFO.unpack(payload)
        words = [text.split(b"\0")[0].decode("ascii", "replace") for text in texts]
        return dict(zip(_DEVICE_FIELDS, (version, *words), strict=True))
    return {"payload": payload.hex()} if payload else {}


def orientation(word: int, heading: int, flags: int) -> dict[str, object]:
    """What stands behind the samples of a package."""
    quat_wxyz, is_at_rest, is_disturbed = quaternion(word)
    return {
        "quat_wxyz": quat_wxyz,
        "rest": is_at_rest,
        "mag_disturbance": is_disturbed,
        "heading_offset_rad": heading * math.pi / 32768,
        "error_flags": [name for bit, name in FLAGS.items() if flags & bit],
    }


def _orientations(header: int, payload: bytes) -> dict[str, object]:
    n = _QUATERNIONS[header >> 4]
    layout = struct.Struct(f"<q{n}Q{n}h{n}B")
    if len(payload) != layout.size:
        raise DecodeError(f"package {header:04x} has {len(payload)} bytes")
    time_ns, *numbers = layout.unpack(payload)
    columns = (numbers[k * n : k * n + n] for k in range(3))
    each = [orientation(*part) for part in zip(*columns, strict=True)]
    together = {key: [one[key] for one in each] for key in each[0]}
    return {"timestamp_ns": time_ns, **(each[0] if n == 1 else together)}


def status(payload: bytes) -> list[Event]:
    """Battery level and the rest of a status package; raises DecodeError."""
    if len(payload) != STATUS.size:
        raise DecodeError(f"status has {len(payload)} bytes, expected {STATUS.size}")
    time_ns, state, connection, *_bias, synchronized, battery, free = STATUS.unpack(payload)
    percent = battery & 0x7F
    if percent > 100:
        raise DecodeError(f"battery is at {percent} %")
    values: dict[str, object] = {
        "timestamp_ns": time_ns,
        "state": _STATES[state] if state < len(_STATES) else state,
        "connection": _CONNECTIONS[connection] if connection < len(_CONNECTIONS) else connection,
        "synchronized": bool(synchronized),
        "battery_percent": percent,
        "charging": bool(battery & 0x80),
        "free_storage_percent": free,
    }
    return [BatteryLevel(percent), Note("status", values)]


def _error(payload: bytes) -> Note:
    if len(payload) != 3:
        raise DecodeError(f"error message has {len(payload)} bytes")
    code, header = payload[0], int.from_bytes(payload[1:], "little")
    reason, advice = ERRORS.get(code, ("not documented", "restart the sensor"))
    return Note(
        "answer",
        {
            "name": "error",
            "status": code,
            "reason": reason,
            "advice": advice,
            "command": COMMANDS.get(header, header),
        },
    )
