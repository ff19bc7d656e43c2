"""Polar Measurement Data (PMD): control point, settings and the sequence that starts a stream.

Shared by every Polar sensor; a sensor's own module says which streams it has. Source:
github.com/polarofficial/polar-ble-sdk at 8fb5311 (documentation and unit tests) and its issues
#124, #287, #360 and #691.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from firmware_profiles.base import (
    ConfigurationError,
    DecodeError,
    Quantity,
    Refusal,
    Step,
    Write,
)

CONTROL_UUID: Final = "fb005c81-02e7-f387-1cad-8acd2d8df0c8"
DATA_UUID: Final = "fb005c82-02e7-f387-1cad-8acd2d8df0c8"
REQUIRED_MTU: Final = 232
"""Below this the sensor answers error 10 (issue #287)."""

_GET_SETTINGS, _START, _STOP = 1, 2, 3
_SDK_MODE: Final = 9
"""In place of a measurement type; also the bit in the feature field."""
FEATURES: Final = 0x0F
RESPONSE: Final = 0xF0
ENDED: Final = 0x01
"""First byte of an indication by which the sensor itself ends measurements; types follow."""
_ALREADY_STREAMING: Final = 6


class Measurement(IntEnum):
    """Measurement type; also the bit in the feature field."""

    ACC = 2
    GYRO = 5
    MAG = 6


QUANTITY: Final[Mapping[Measurement, Quantity]] = {
    Measurement.ACC: Quantity.ACCEL,
    Measurement.GYRO: Quantity.GYRO,
    Measurement.MAG: Quantity.MAG,
}


class Setting(IntEnum):
    """Type of a settings item."""

    RATE_HZ = 0
    RESOLUTION_BITS = 1
    RANGE = 2
    RANGE_MILLI = 3
    CHANNELS = 4
    FACTOR = 5
    SECURITY = 6


_SETTING_BYTES: Final = {
    Setting.RATE_HZ: 2,
    Setting.RESOLUTION_BITS: 2,
    Setting.RANGE: 2,
    Setting.RANGE_MILLI: 4,
    Setting.CHANNELS: 1,
    Setting.FACTOR: 4,
    Setting.SECURITY: 16,
}
_ANSWERED_ONLY: Final = frozenset({Setting.FACTOR, Setting.SECURITY})
"""Settings that the sensor tells and that are not sent back."""

STATUS: Final = {
    1: ("invalid command", "update the sensor's firmware"),
    2: ("invalid measurement type", "this unit does not have the sensor asked for"),
    3: ("not supported", "this unit does not support the measurement"),
    4: ("invalid length", "update the sensor's firmware"),
    5: ("invalid parameter", "choose another rate or range"),
    6: ("already in this state", "switch the sensor off and on, then try again"),
    7: ("invalid resolution", "update the sensor's firmware"),
    8: ("invalid rate", "choose one of the rates the sensor lists"),
    9: ("invalid range", "choose one of the ranges the sensor lists"),
    10: ("the MTU is too small", "use a Bluetooth adapter that negotiates a larger MTU"),
    11: ("invalid number of channels", "update the sensor's firmware"),
    12: ("invalid state", "stop recordings on the sensor, then try again"),
    13: ("it is in the charger", "take the sensor out of the charger"),
    14: ("its memory is full", "delete recordings with the vendor's app"),
}


REFUSALS: Final = tuple(
    Refusal(
        str(code),
        meaning,
        f"it is stopped and started again; if that does not help, {advice}"
        if code == _ALREADY_STREAMING
        else advice,
    )
    for code, (meaning, advice) in STATUS.items()
)
"""For people; status 6 is what a sensor says that streams on from before a lost link."""


@dataclass(frozen=True, slots=True)
class Response:
    """A control point answer: F0, opcode, type, status, more-flag, parameters."""

    opcode: int
    measurement: int
    status: int
    more: bool
    parameters: bytes


def parse_response(data: bytes) -> Response:
    """Take an answer apart; raises DecodeError. A refusal may end after the status byte."""
    if len(data) < 4 or data[0] != RESPONSE:
        raise DecodeError(f"{data[:8].hex()!r} is no control point answer")
    return Response(data[1], data[2], data[3], data[4:5] not in {b"", b"\0"}, bytes(data[5:]))


def parse_settings(data: bytes) -> dict[Setting, tuple[int, ...]]:
    """Settings items (type, count, values) in the sensor's order; raises DecodeError.

    The factor is given as its float32 bit pattern; `factor_of` reads it.
    """
    found: dict[Setting, tuple[int, ...]] = {}
    at = 0
    while at < len(data):
        if data[at] not in _SETTING_BYTES or at + 2 > len(data):
            raise DecodeError(f"settings item {data[at : at + 2].hex()} is unknown or cut off")
        kind = Setting(data[at])
        width, count = _SETTING_BYTES[kind], data[at + 1]
        values = data[at + 2 : at + 2 + width * count]
        if len(values) < width * count:
            raise DecodeError(f"settings item {kind.name} is cut off")
        found[kind] = tuple(
            int.from_bytes(values[i : i + width], "little") for i in range(0, len(values), width)
        )
        at += 2 + len(values)
    return found


def build_settings(chosen: Mapping[Setting, int]) -> bytes:
    """One value per item, in the order given."""
    return b"".join(
        bytes((kind, 1)) + value.to_bytes(_SETTING_BYTES[kind], "little")
        for kind, value in chosen.items()
    )


def factor_of(settings: Mapping[Setting, Sequence[int]]) -> float:
    """The conversion factor that the sensor told, 1.0 when it told none; raises DecodeError."""
    patterns = settings.get(Setting.FACTOR, ())
    if not patterns:
        return 1.0
    factor = float(struct.unpack("<f", patterns[0].to_bytes(4, "little"))[0])
    if not 0 < factor < 1e6:
        raise DecodeError(f"conversion factor is {factor}")
    return factor


def offers(features: bytes, measurement: Measurement) -> bool:
    """Whether the feature field (answer to reading the control point) has a measurement."""
    return _has_feature(features, measurement)


def start_stream(
    measurement: Measurement, *, rate_hz: float, range_si: float
) -> Generator[Step, bytes | None, tuple[dict[Setting, int], float]]:
    """Ask for the settings, start with the nearest ones; (settings, conversion factor).

    Every setting that the sensor lists goes into the start command, else it refuses (issue #124).
    A stream that still runs from before a lost link is stopped and started anew. Raises
    ConfigurationError.
    """
    answer = yield from _command(_GET_SETTINGS, measurement)
    offered = _settings_in(_checked(answer, measurement.name))
    if not offered.get(Setting.RATE_HZ):
        raise ConfigurationError("the sensor lists no rate", "update its firmware")
    wanted = {
        Setting.RATE_HZ: rate_hz,
        Setting.RANGE: range_si,
        Setting.RANGE_MILLI: range_si * 1e3,
    }
    chosen = {
        kind: _nearest(values, wanted.get(kind))
        for kind, values in offered.items()
        if kind not in _ANSWERED_ONLY and values
    }
    answer = yield from _command(_START, measurement, build_settings(chosen))
    if answer.status == _ALREADY_STREAMING:
        yield from stop_stream(measurement)
        answer = yield from _command(_START, measurement, build_settings(chosen))
    told = _settings_in(_checked(answer, measurement.name))
    try:
        return chosen, factor_of(told)
    except DecodeError as error:
        raise ConfigurationError(
            str(error), "switch the sensor off and on, then try again"
        ) from error


def stop_stream(measurement: Measurement) -> Generator[Step, bytes | None, None]:
    """Stop; a refusal means that it was not running. Raises ConfigurationError on silence."""
    yield from _command(_STOP, measurement)


def offers_sdk_mode(features: bytes) -> bool:
    """Whether the feature field has SDK mode, in which more rates and ranges are on offer."""
    return _has_feature(features, _SDK_MODE)


def set_sdk_mode(on: bool) -> Generator[Step, bytes | None, None]:
    """Switch SDK mode; every measurement must have been stopped. Raises ConfigurationError."""
    answer = yield from _command(_START if on else _STOP, _SDK_MODE)
    if answer.status != _ALREADY_STREAMING:
        _checked(answer, "SDK mode")


def _has_feature(features: bytes, bit: int) -> bool:
    return features[:1] == bytes((FEATURES,)) and bool(
        int.from_bytes(features[1:], "little") >> bit & 1
    )


def _nearest(values: Sequence[int], wanted: float | None) -> int:
    if wanted is None:
        return max(values)
    return min(values, key=lambda value: abs(value - wanted))


def _command(
    opcode: int, measurement: int, parameters: bytes = b""
) -> Generator[Step, bytes | None, Response]:
    head = bytes((RESPONSE, opcode, measurement))

    def is_answer(data: bytes) -> bool:
        return data[:3] == head

    command = bytes((opcode, measurement)) + parameters
    try:
        data = yield Write(CONTROL_UUID, command, reply_on=CONTROL_UUID, reply=is_answer)
        return parse_response(data or b"")
    except TimeoutError:
        problem = f"the sensor does not answer command {opcode}"
    except DecodeError as error:
        problem = str(error)
    raise ConfigurationError(
        problem, "wear the sensor (an H10 with its contacts moistened) and connect again"
    )


def _checked(answer: Response, what: str) -> bytes:
    if answer.status == 0:
        return answer.parameters
    reason, advice = STATUS.get(answer.status, ("not documented", "update its firmware"))
    raise ConfigurationError(
        f"the sensor refused {what} with status {answer.status}: {reason}", advice
    )


def _settings_in(parameters: bytes) -> dict[Setting, tuple[int, ...]]:
    try:
        return parse_settings(parameters)
    except DecodeError as error:
        raise ConfigurationError(str(error), "update the sensor's firmware") from error
