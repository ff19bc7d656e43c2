"""Characteristics of the Bluetooth SIG that are the same on every sensor that has them.

Source: Bluetooth SIG GATT Specification Supplement: Battery Level, Device Information, Heart Rate
Measurement, Current Time.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from firmware_profiles.base import (
    BATTERY_LEVEL_UUID,
    Advertisement,
    BatteryLevel,
    DecodeError,
    Event,
    Note,
)

_SIG: Final = "0000{}-0000-1000-8000-00805f9b34fb"
HEART_RATE_UUID: Final = _SIG.format("2a37")
CURRENT_TIME_UUID: Final = _SIG.format("2a2b")
_TEXTS: Final = {
    _SIG.format("2a24"): "model",
    _SIG.format("2a25"): "serial",
    _SIG.format("2a26"): "firmware",
    _SIG.format("2a27"): "hardware",
    _SIG.format("2a28"): "software",
    _SIG.format("2a29"): "manufacturer",
}
STANDARD_UUIDS: Final = (BATTERY_LEVEL_UUID, HEART_RATE_UUID, CURRENT_TIME_UUID, *_TEXTS)


def standard_events(characteristic: str, data: bytes) -> list[Event]:
    """What a standard characteristic says; DecodeError, also for one that is not standard."""
    if characteristic == BATTERY_LEVEL_UUID:
        return [battery_level(data)]
    if characteristic == HEART_RATE_UUID:
        return [_heart_rate(data)]
    if characteristic == CURRENT_TIME_UUID:
        return [_current_time(data)]
    if characteristic in _TEXTS:
        try:
            text = data.rstrip(b"\0").decode()
        except UnicodeDecodeError:
            raise DecodeError(f"{data[:16].hex()} is no text") from None
        return [Note("reading", {_TEXTS[characteristic]: text})]
    raise DecodeError(f"characteristic {characteristic[:40]!r} is not one of this sensor's")


def advertised_battery_pct(advertisement: Advertisement) -> int | None:
    """Charge in the advertisement's service data, None when it is not told there."""
    for uuid in (_SIG.format("180f"), BATTERY_LEVEL_UUID):
        data = advertisement.service_data.get(uuid, b"")
        if len(data) == 1 and data[0] <= 100:
            return data[0]
    return None


def battery_level(data: bytes) -> BatteryLevel:
    """Value of the Battery Level characteristic; raises DecodeError."""
    if len(data) != 1 or data[0] > 100:
        raise DecodeError(f"battery level {data[:4].hex()} is not one byte of 0..100")
    return BatteryLevel(data[0])


def _heart_rate(data: bytes) -> Note:
    flags = data[0] if data else 0
    is_wide, has_energy, has_intervals = flags & 1, flags & 8, flags & 16
    at = 2 + bool(is_wide)
    if len(data) < at + 2 * bool(has_energy):
        raise DecodeError(f"heart rate {data[:8].hex()} is cut off")
    values: dict[str, object] = {"heart_rate_bpm": int.from_bytes(data[1:at], "little")}
    if flags & 4:
        values["has_contact"] = bool(flags & 2)
    if has_energy:
        values["energy_kj"] = int.from_bytes(data[at : at + 2], "little")
        at += 2
    rest = data[at:]
    if len(rest) % 2 or bool(rest) > bool(has_intervals):
        raise DecodeError(f"heart rate {data[:8].hex()} has bytes that belong to nothing")
    units = [int.from_bytes(rest[k : k + 2], "little") for k in range(0, len(rest), 2)]
    return Note("reading", {**values, "rr_ms": [unit * 1000 / 1024 for unit in units]})


def _current_time(data: bytes) -> Note:
    if len(data) != 10:
        raise DecodeError(f"current time has {len(data)} bytes, 10 were expected")
    try:
        whole = datetime(int.from_bytes(data[:2], "little"), *data[2:7])
    except ValueError as error:
        raise DecodeError(f"{data.hex()} is no date and time") from error
    moment = whole + timedelta(seconds=data[8] / 256)
    return Note(
        "reading",
        {
            "iso": moment.isoformat(timespec="milliseconds"),
            "weekday": data[7],
            "fractions256": data[8],
            "adjust_reason": data[9],
        },
    )
