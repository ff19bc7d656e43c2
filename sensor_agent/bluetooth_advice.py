"""Why this machine's Bluetooth cannot be used, and what to do about it: one line each. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

NO_ADAPTER = (
    "this machine has no Bluetooth adapter",
    "plug one in; a virtual machine has to be given the host's",
)
SWITCHED_OFF = (
    "the Bluetooth adapter is switched off",
    "switch it on: rfkill unblock bluetooth && bluetoothctl power on",
)
NOT_ALLOWED = (
    "this user may not use Bluetooth",
    "add it to the group bluetooth (sudo usermod -aG bluetooth USER) and log in again; on macOS "
    "allow it in the privacy settings",
)
NO_LOW_ENERGY = (
    "the Bluetooth adapter knows no Low Energy",
    "use one for Bluetooth 4.0 or newer",
)
NO_SERVICE = (
    "the Bluetooth service does not run",
    "start it: sudo systemctl enable --now bluetooth",
)
NO_BUS = (
    "the system's D-Bus is not there",
    "start dbus and bluetooth; a container has to be given the host's /run/dbus",
)

BY_REASON: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "NO_BLUETOOTH": NO_ADAPTER,
        "NO_BLE_CENTRAL_ROLE": NO_LOW_ENERGY,
        "POWERED_OFF": SWITCHED_OFF,
        "DENIED_BY_USER": NOT_ALLOWED,
        "DENIED_BY_SYSTEM": NOT_ALLOWED,
        "DENIED_BY_UNKNOWN": NOT_ALLOWED,
    }
)
"""Names of bleak's BleakBluetoothNotAvailableReason -> (what is wrong, what to do)."""

BY_DBUS_ERROR: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "org.bluez.Error.NotReady": SWITCHED_OFF,
        "org.bluez.Error.NotAuthorized": NOT_ALLOWED,
        "org.freedesktop.DBus.Error.AccessDenied": NOT_ALLOWED,
        "org.freedesktop.DBus.Error.ServiceUnknown": NO_SERVICE,
        "org.freedesktop.DBus.Error.NameHasNoOwner": NO_SERVICE,
        "org.freedesktop.DBus.Error.NoReply": NO_SERVICE,
        "org.freedesktop.DBus.Error.Spawn.ServiceNotFound": NO_SERVICE,
    }
)
"""D-Bus error names (doc/org.bluez.Adapter.rst, D-Bus specification) -> the same."""


NOT_PAIRED = (
    "the sensor asks to be paired with this machine",
    "pair it once: bluetoothctl, scan on, pair ADDRESS; if it was paired before, remove ADDRESS "
    "first, and forget this machine in the sensor's own app",
)
_PAIRING = re.compile(
    r"authenticat|authoriz|encrypt|not ?paired|AuthenticationFailed|NotPermitted", re.IGNORECASE
)
"""In what BlueZ (doc/org.bluez.Device.rst, GattCharacteristic.rst) and ATT errors say of it."""


def is_about_pairing(error: BaseException) -> bool:
    """Whether a device refuses for lack of a bond."""
    name = getattr(error, "dbus_error", "")
    return bool(_PAIRING.search(f"{name} {error}"))


def no_such_adapter(adapter: str) -> tuple[str, str]:
    """A named adapter that is not there."""
    return (
        f"there is no Bluetooth adapter {adapter}",
        "bluetoothctl list and hciconfig show what there is",
    )
