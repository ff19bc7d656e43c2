"""Messages on a Polar control point in words, for people who look at packets."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from firmware_profiles.base import DecodeError, Note
from firmware_profiles.polar_pmd import (
    FEATURES,
    RESPONSE,
    STATUS,
    Measurement,
    Setting,
    factor_of,
    parse_response,
    parse_settings,
)

_OPCODES: Final = {
    1: "get settings",
    2: "start",
    3: "stop",
    4: "get SDK mode settings",
    5: "get measurement status",
    6: "get SDK mode status",
    7: "set offline trigger mode",
    8: "set offline trigger",
    9: "get offline trigger",
}
_TYPES: Final = {0: "ecg", 1: "ppg", 3: "ppi", 7: "skin temperature", 9: "sdk mode"} | {
    measurement.value: measurement.name.lower() for measurement in Measurement
}
_OFFLINE: Final = 0x80
_FEATURE_BITS: Final = _TYPES | {
    10: "location",
    11: "pressure",
    12: "temperature",
    13: "offline recording",
    14: "offline heart rate",
}
_NAMES: Final = {
    Setting.RATE_HZ: "rate_hz",
    Setting.RESOLUTION_BITS: "resolution_bits",
    Setting.RANGE: "range",
    Setting.RANGE_MILLI: "range_milli",
    Setting.CHANNELS: "channels",
    Setting.SECURITY: "security",
}


def control_note(data: bytes) -> Note:
    """An answer, a command, the feature field, or bare settings; raises DecodeError."""
    if data[:1] == bytes((RESPONSE,)):
        return _answer(data)
    if data[:1] == bytes((FEATURES,)):
        bits = int.from_bytes(data[1:3], "little")
        names = [name for bit, name in sorted(_FEATURE_BITS.items()) if bits >> bit & 1]
        return Note("reading", {"features": names})
    if data[:1] == b"\0":  # no opcode: a list of settings begins with the rate
        return settings_note(data)
    return command_note(data)


def settings_note(data: bytes) -> Note:
    """Bare settings; raises DecodeError."""
    return Note("reading", {"settings": _settings(data)})


def command_note(data: bytes) -> Note:
    """What is written to the control point; raises DecodeError."""
    if len(data) >= 2 and data[0] in _OPCODES:
        settings = {"settings": _settings(data[2:])} if data[2:] else {}
        return Note("command", {**_what(data[0], data[1]), **settings})
    raise DecodeError(f"{data[:8].hex()!r} is no control point message")


def _answer(data: bytes) -> Note:
    answer = parse_response(data)
    values: dict[str, object] = {
        **_what(answer.opcode, answer.measurement),
        "ok": answer.status == 0,
        "status": answer.status,
        "more": answer.more,
        "parameters": answer.parameters.hex(),
    }
    if answer.status:
        reason, advice = STATUS.get(answer.status, ("not documented", "update its firmware"))
        values |= {"reason": reason, "advice": advice}
    elif answer.parameters:
        with suppress(DecodeError):  # some answers carry other parameters; they stay bytes
            values["settings"] = _settings(answer.parameters)
    return Note("answer", values)


def _what(opcode: int, kind: int) -> dict[str, object]:
    offline = {"offline": True} if kind & _OFFLINE else {}
    return {
        "opcode": opcode,
        "name": _OPCODES.get(opcode, "unknown"),
        "measurement": kind,
        "stream": _TYPES.get(kind & ~_OFFLINE, "unknown"),
        **offline,
    }


def _settings(data: bytes) -> Mapping[str, object]:
    found = parse_settings(data)
    named: dict[str, object] = {
        _NAMES[kind]: list(values) for kind, values in found.items() if kind in _NAMES
    }
    return named | ({"factor": factor_of(found)} if Setting.FACTOR in found else {})
