"""What a Movella DOT and its apps say beside measurements: settings, reports, messages.

Source: Xsens DOT BLE Services Specifications XD0506P revision F (2021), tables of the
configuration, battery and message services.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from firmware_profiles.base import BatteryLevel, DecodeError, Event, Note, Refusal, StreamEnded


def dot_uuid(number: str) -> str:
    """The full UUID of a DOT service or characteristic."""
    return f"1517{number}-4947-11e9-8646-d663bd873d93"


INFO_UUID: Final = dot_uuid("1001")
SETTINGS_UUID: Final = dot_uuid("1002")
REPORT_UUID: Final = dot_uuid("1004")
CONTROL_UUID: Final = dot_uuid("2001")
BATTERY_UUID: Final = dot_uuid("3001")
MESSAGE_UUID: Final = dot_uuid("7001")
ACKNOWLEDGE_UUID: Final = dot_uuid("7002")
MESSAGE_NOTIFY_UUID: Final = dot_uuid("7003")

PAYLOAD_UUIDS: Final = tuple(dot_uuid(number) for number in ("2002", "2003", "2004"))

SETTINGS_BYTES: Final = 32
RATE_BIT: Final = 1 << 4
RATE_AT: Final = 24
_VISITS: Final = ("identify", "power_off", "power_saving", "tag", "output_rate", "filter")
_REPORTS: Final = {1: "the sensor switched itself off", 4: "the sensor went to sleep"}
_BUTTON: Final = 5
_RESULTS: Final = {
    0x00: "ok",
    0x02: "invalid",
    0x03: "flash busy",
    0x06: "idle",
    0x30: "erasing",
    0x40: "recording",
    0x50: "exporting",
    0x60: "exporting",
    0x70: "exporting",
}
_WAIT: Final = "wait until it is done, or stop it with the vendor's app"
REFUSALS: Final = tuple(
    Refusal(f"{code:02X}", f"to a message about its memory: {meaning}", advice)
    for code, meaning, advice in (
        (0x02, "the message is invalid", "update its firmware with the vendor's app"),
        (0x03, "the memory is busy", "it is tried again at the next connection"),
        (0x30, "it erases", _WAIT),
        (0x40, "it records", "its recording is stopped before it measures"),
        (0x50, "it exports", _WAIT),
        (0x60, "it exports", _WAIT),
        (0x70, "it exports", _WAIT),
    )
)
"""For people. Measuring itself has no answers: the control is read back."""
_MESSAGES: Final = {
    0x02: "get state",
    0x30: "erase",
    0x31: "erased",
    0x33: "erased",
    0x40: "start recording",
    0x41: "stop recording",
    0x50: "flash info",
    0x51: "flash info told",
    0x52: "flash info done",
    0x60: "file info",
    0x61: "file info told",
    0x62: "file info done",
    0x70: "file data",
    0x71: "file data told",
    0x72: "file data done",
    0x73: "stop export",
    0x74: "select export data",
    0x75: "retransmit",
}
_UNTIL_STOPPED: Final = 0xFFFF


def control_bytes(start: bool, mode: int) -> bytes:
    """The measurement control that starts or stops a payload mode; read back the same."""
    return bytes((1, start, mode))


def rate_settings(rate_hz: int) -> bytes:
    """The settings write that changes only the output rate."""
    data = bytearray(SETTINGS_BYTES)
    data[0] = RATE_BIT
    data[RATE_AT : RATE_AT + 2] = rate_hz.to_bytes(2, "little")
    return bytes(data)


def output_rate_hz(data: bytes) -> int | None:
    """The output rate in settings as read; None when they are cut off."""
    return (
        int.from_bytes(data[RATE_AT : RATE_AT + 2], "little") if len(data) > RATE_AT + 1 else None
    )


def firmware(info: bytes) -> str | None:
    """Version in the device information: three bytes after the address."""
    return ".".join(str(part) for part in info[6:9]) if len(info) >= 9 else None


def battery(data: bytes) -> list[Event]:
    """Level and charging flag; raises DecodeError."""
    if len(data) != 2 or data[0] > 100 or data[1] > 1:
        raise DecodeError(f"battery value {data[:4].hex()} is not a percentage and a flag")
    return [BatteryLevel(data[0]), Note("reading", {"charging": bool(data[1])})]


def _info(data: bytes) -> list[Event]:
    version = firmware(data)
    if version is None:
        raise DecodeError(f"device information has {len(data)} bytes, 34 were expected")
    return [Note("reading", {"firmware": version})]


def _settings(data: bytes) -> list[Event]:
    if len(data) != SETTINGS_BYTES:
        raise DecodeError(f"settings have {len(data)} bytes, {SETTINGS_BYTES} were expected")
    values: dict[str, object] = {
        "sets": [name for bit, name in enumerate(_VISITS) if data[0] >> bit & 1],
        "identify": bool(data[1]),
        "output_rate_hz": output_rate_hz(data),
        "filter": data[26],
        "tag": data[8 : 8 + min(data[7], 16)].decode("utf-8", "replace"),
    }
    return [Note("command", values)]


def _control(data: bytes) -> list[Event]:
    if len(data) != 3 or data[0] != 1 or data[1] > 1:
        raise DecodeError(f"measurement control {data[:4].hex()} is not 01, 00 or 01, mode")
    return [Note("command", {"measurement": "start" if data[1] else "stop", "mode": data[2]})]


def _report(data: bytes) -> list[Event]:
    if not data:
        raise DecodeError("empty device report")
    if data[0] in _REPORTS:
        return [StreamEnded(_REPORTS[data[0]])]
    values: dict[str, object] = {"report": data[0]}
    if data[0] == _BUTTON and len(data) >= 5:
        values = {"report": "button", "time_ms": int.from_bytes(data[1:5], "little")}
    return [Note("reading", values)]


def _message(data: bytes) -> list[Event]:
    values, body = _envelope(data)
    values |= _details(body)
    return [Note("command", values)]


def _acknowledge(data: bytes) -> list[Event]:
    values, body = _envelope(data)
    if len(body) >= 2:
        values |= {"result": body[1], "ok": body[1] == 0, "text": _RESULTS.get(body[1], "unknown")}
        if len(body) >= 3:
            values |= {"acked_reid": body[2], "acked": _MESSAGES.get(body[2], "unknown")}
    return [Note("answer", values)]


def _message_notify(data: bytes) -> list[Event]:
    """Acknowledgements are also notified here; they are told by their first id."""
    return _acknowledge(data) if data[2:3] == b"\x01" else _message(data)


def _envelope(data: bytes) -> tuple[dict[str, object], bytes]:
    """Message id, length, body, whether the sum of all bytes is right; the rest is padding."""
    if len(data) < 4 or data[1] == 0 or len(data) < data[1] + 3:
        raise DecodeError(f"message {data[:8].hex()!r} is cut off")
    end = data[1] + 3
    body = data[2 : end - 1]
    values: dict[str, object] = {
        "mid": data[0],
        "length": data[1],
        "body_hex": body.hex(),
        "checksum_ok": sum(data[:end]) % 256 == 0,
        "reid": body[0],
    }
    return values, body


def _details(body: bytes) -> dict[str, object]:
    reid, rest = body[0], body[1:]
    details: dict[str, object] = {"name": _MESSAGES.get(reid, "unknown")}
    if reid in {0x30, 0x40} and len(rest) >= 4:
        details["start_utc"] = int.from_bytes(rest[:4], "little")
    if reid == 0x40 and len(rest) >= 6:
        seconds = int.from_bytes(rest[4:6], "little")
        details["duration_s"] = None if seconds == _UNTIL_STOPPED else seconds
    if reid == 0x71 and len(rest) >= 4:
        details["packet_counter"] = int.from_bytes(rest[:4], "little")
    if reid == 0x74:
        details["selected"] = list(rest)
    if reid in {0x60, 0x70} and rest:
        details["file"] = rest[0]
    return details


NOTES: Final[Mapping[str, Callable[[bytes], list[Event]]]] = {
    INFO_UUID: _info,
    SETTINGS_UUID: _settings,
    CONTROL_UUID: _control,
    REPORT_UUID: _report,
    MESSAGE_UUID: _message,
    ACKNOWLEDGE_UUID: _acknowledge,
    MESSAGE_NOTIFY_UUID: _message_notify,
}
CHARACTERISTICS: Final = (*PAYLOAD_UUIDS, BATTERY_UUID, *NOTES)
