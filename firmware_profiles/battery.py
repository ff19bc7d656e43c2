"""The Bluetooth SIG battery service, the same on every sensor that has it."""

from __future__ import annotations

from firmware_profiles.base import BatteryLevel, DecodeError


def battery_level(data: bytes) -> BatteryLevel:
    """Value of the Battery Level characteristic; raises DecodeError."""
    if len(data) != 1 or data[0] > 100:
        raise DecodeError(f"battery level {data[:4].hex()} is not one byte of 0..100")
    return BatteryLevel(data[0])
